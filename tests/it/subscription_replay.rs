//! The promise: after any purchases, changes and cancellations, a deployment's events are numbered 1..n without gaps,
//! folding them gives the stored records, and a live subscription's status follows the state.

use std::collections::BTreeMap;

use arcadia_api::DeploymentView;
use arcadia_domain::{Aggregate, PlanTerms, State};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::shop::merged;
use crate::harness::world::id_of;
use crate::harness::{Random, Reply, World};

/// The number of calls.
const CALLS: usize = 150;
/// The number of deployments.
const DEPLOYMENTS: usize = 3;
/// The number of calls between two comparisons.
const CHECK_EVERY: usize = 10;

/// Sends a random command, not always a legal one.
async fn act(world: &World, random: &mut Random, id: &str) -> Reply {
    let plan_code = *random.pick(&["studio", "team", "euro", "yearly", "tryout"]);
    let effective = *random.pick(&["immediate", "immediate", "period_end"]);
    let path = format!("/deployments/{id}");
    match random.below(16) {
        // Few moves lead out of a pause and none out of the archive, so most moves are to `active`.
        0..=3 => {
            let states = [
                State::Active,
                State::Active,
                State::Active,
                State::Paused,
                State::PastDue,
                State::Suspended,
                State::Cancelled,
            ];
            let to_state = if random.below(40) == 0 { State::Archived } else { *random.pick(&states) };
            world.transition(id, &world.admin, json!({"to_state": to_state})).await
        }
        4..=6 => {
            let addon = if plan_code == "euro" { "euro_seats" } else { "storage_50gb" };
            let mut body = json!({
                "plan_code": plan_code, "addons": vec![addon; random.below(4)],
                "anchor": random.pick(&["calendar", "now"]),
            });
            if random.below(6) == 0 {
                body["trial_ends_at"] = world.clock.ahead(TimeDelta::days(10)).into();
            }
            world.post(&format!("{path}/subscribe"), &world.admin, body).await
        }
        7..=8 => {
            let body = json!({"addon_code": random.pick(&["storage_50gb", "storage_50gb", "euro_seats"])});
            world.post(&format!("{path}/subscription/addons"), &world.user, body).await
        }
        9 => {
            let addons = world.load(id).await.addons;
            let addon_id = match addons.len() {
                0 => id.to_owned(),
                count => addons[random.below(count)].id.to_string(),
            };
            world.delete(&format!("{path}/subscription/addons/{addon_id}"), &world.user).await
        }
        10..=12 => {
            let body = json!({
                "plan_code": plan_code, "effective": effective, "proration": random.pick(&["prorate", "none"]),
                "drop_incompatible": random.below(2) == 0, "dry_run": random.below(5) == 0,
            });
            let token = if random.below(2) == 0 { &world.admin } else { &world.user };
            world.change_as(token, id, body).await
        }
        13 => match random.below(3) {
            0 => world.delete(&format!("{path}/subscription/change"), &world.user).await,
            1 => world.delete(&format!("{path}/subscription/cancellation"), &world.user).await,
            _ => world.cancel(id, effective).await,
        },
        14 => {
            let days = i64::try_from(random.below(60)).unwrap();
            let body = json!({"trial_ends_at": world.clock.ahead(TimeDelta::days(days))});
            world.post(&format!("{path}/trial"), &world.admin, body).await
        }
        _ => world.patch(&path, &world.user, json!({"display_name": format!("Shop {}", random.below(9))})).await,
    }
}

#[tokio::test]
async fn folding_the_events_of_any_purchases_gives_what_is_stored() {
    let mut random = Random::from_seed();
    let world = World::start().await;
    world.open_shop().await;
    world.sell_plan("tryout", &[json!({"price_cents": 2_900, "trial_days": 14})]).await;
    let mut ids = vec![world.create_in("trial", State::Trial).await];
    for n in 1..DEPLOYMENTS {
        ids.push(id_of(&world.create(&format!("shop-{n}")).await));
    }
    let mut statuses = BTreeMap::<u16, usize>::new();
    for call in 0..CALLS {
        // Seconds to weeks. Clocks of different machines disagree, so time may also go back.
        let seconds = *random.pick(&[-20, 0, 300, 40_000, 100_000, 900_000]);
        world.clock.shift(TimeDelta::milliseconds(seconds * 1_000 + 137));
        let id = random.pick(&ids).clone();
        let reply = act(&world, &mut random, &id).await;
        assert!(reply.status < 500, "call {call}: {}", reply.text);
        *statuses.entry(reply.status).or_default() += 1;
        if call % CHECK_EVERY == 0 {
            world.check(&id).await;
        }
    }
    let mut kinds = BTreeMap::<String, usize>::new();
    let rows = world.collect("/deployments", &world.user, "deployments").await;
    assert_eq!(rows.len(), ids.len());
    for id in &ids {
        let stored = world.check(id).await;
        check_row(&stored, rows.iter().find(|row| row["id"] == **id).unwrap());
        check_due(&world, &stored).await;
        for event in world.collect(&format!("/deployments/{id}/events"), &world.admin, "events").await {
            *kinds.entry(event["type"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    println!("answers by status: {statuses:?}\nevents by kind: {kinds:?}");
    assert!(kinds.contains_key("subscribed") && kinds.len() >= 5, "the history has too few kinds of events: {kinds:?}");
}

/// Compares a deployment's row in lists with its stored records.
fn check_row(stored: &Aggregate, row: &Value) {
    let cents = |terms: &PlanTerms| {
        let addons = stored.addons.iter().filter(|addon| addon.currency == terms.currency);
        terms.price_cents + addons.map(|addon| addon.price_of(terms.interval)).sum::<i64>()
    };
    let summary = stored.subscription.as_ref().map(|subscription| {
        let PlanTerms { plan_code, plan_version, currency, interval, price_cents: _ } = &subscription.terms;
        let pending = subscription.pending_change.as_ref().map(|pending| &pending.terms);
        json!({
            "plan_code": plan_code, "plan_version": plan_version, "status": subscription.status, "interval": interval,
            "recurring_cents": cents(&subscription.terms), "currency": currency,
            "current_period_end": subscription.current_period_end, "cancel_at": subscription.cancel_at,
            "pending": pending.map(|terms| json!({"currency": terms.currency, "amount_cents": cents(terms)})),
        })
    });
    let mut expected = merged(json!(DeploymentView::of(stored)), json!({"subscription": summary}));
    expected.as_object_mut().expect("a deployment").shift_remove("upcoming");
    assert_eq!(*row, expected);
}

/// Insists that the due index has a deployment at its next step's time, or not at all if it has no next step.
async fn check_due(world: &World, stored: &Aggregate) {
    let id = stored.deployment.id;
    let contents = world.contents().await;
    let item = &contents[&(format!("DEPLOYMENT#{id}"), "#DEPLOYMENT".to_owned())];
    let due = stored.next_action().map(|next| format!("{}#{id}", next.at.format("%Y-%m-%dT%H:%M:%S%.3fZ")));
    assert_eq!(item["GSI3SK"].as_str(), due.as_deref());
    assert_eq!(item["GSI3PK"].is_null(), due.is_none());
}
