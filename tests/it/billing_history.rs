//! The promise: after every commit of any history of callers, payments and the clock, the due index has the next step,
//! no period is billed twice, the books balance, and folding the events gives the stored records. No step of the clock
//! fails.

use std::collections::BTreeMap;

use arcadia_domain::State;
use arcadia_functions::runtime::Clock as _;
use chrono::TimeDelta;
use serde_json::json;

use crate::harness::billing::{Billing, number_of};
use crate::harness::world::{ACME, id_of};
use crate::harness::{Random, Reply};

/// The number of operations.
const OPERATIONS: usize = 150;
/// The number of deployments.
const DEPLOYMENTS: usize = 4;
/// The most sweeps after one operation: a deployment that is far behind needs several.
const MAX_SWEEPS: usize = 30;

/// Makes a random transition of a deployment.
async fn move_on(billing: &Billing, random: &mut Random, id: &str) -> Reply {
    let to_state = *random.pick(&[
        State::Active,
        State::Active,
        State::Active,
        State::Paused,
        State::Paused,
        State::PastDue,
        State::Suspended,
        State::Cancelled,
    ]);
    let mut body = json!({"to_state": to_state});
    if to_state == State::Paused && random.below(2) == 0 {
        body["resume_at"] = billing.clock.ahead(TimeDelta::days(45)).into();
    }
    billing.transition(id, &billing.admin, body).await
}

/// Subscribes, changes the plan or cancels.
async fn buy(billing: &Billing, random: &mut Random, id: &str) -> Reply {
    let plan_code = *random.pick(&["studio", "team", "euro", "yearly", "tryout", "free"]);
    let effective = *random.pick(&["immediate", "immediate", "period_end"]);
    let path = format!("/deployments/{id}");
    match random.below(10) {
        0..=3 => {
            let addon = if plan_code == "euro" { "euro_seats" } else { "storage_50gb" };
            let anchor = random.pick(&["calendar", "now"]);
            let body = json!({"plan_code": plan_code, "addons": vec![addon; random.below(3)], "anchor": anchor});
            billing.post(&format!("{path}/subscribe"), &billing.admin, body).await
        }
        4..=5 => {
            let body = json!({"addon_code": random.pick(&["storage_50gb", "storage_50gb", "euro_seats"])});
            billing.post(&format!("{path}/subscription/addons"), &billing.user, body).await
        }
        6..=8 => {
            let proration = random.pick(&["prorate", "none"]);
            let body = json!({
                "plan_code": plan_code, "effective": effective, "proration": proration,
                "drop_incompatible": random.below(2) == 0,
            });
            let token = if random.below(2) == 0 { &billing.admin } else { &billing.user };
            billing.change_as(token, id, body).await
        }
        _ => billing.cancel(id, effective).await,
    }
}

/// Pays an invoice in part, in full, twice or with too large an amount, or voids it.
async fn settle(billing: &Billing, random: &mut Random, id: &str, operation: usize) -> Option<Reply> {
    let invoices = billing.invoices(id).await;
    if invoices.is_empty() {
        return None;
    }
    let open: Vec<_> = invoices.iter().filter(|i| i["status"] == "open" || i["status"] == "uncollectible").collect();
    let invoice = if open.is_empty() { &invoices[random.below(invoices.len())] } else { *random.pick(&open) };
    let number = number_of(invoice);
    if random.below(8) == 0 {
        return Some(billing.void(id, &number).await);
    }
    let due_cents = invoice["due_cents"].as_i64().unwrap();
    let amount_cents = *random.pick(&[due_cents, due_cents, due_cents, due_cents / 2, due_cents + 1]);
    let reference = format!("p-{}", operation - random.below(2));
    let body = json!({"reference": reference, "amount_cents": amount_cents, "currency": invoice["currency"]});
    let path = format!("/deployments/{id}/invoices/{number}/payments");
    Some(billing.post(&path, &billing.provider, body).await)
}

/// Reactivates a cancelled deployment, or subscribes one that has no subscription, so that there is something to bill.
async fn revive(billing: &Billing, id: &str) -> Option<Reply> {
    let aggregate = billing.load(id).await;
    match aggregate.deployment.state {
        State::Cancelled => Some(billing.transition(id, &billing.admin, json!({"to_state": "active"})).await),
        State::Trial | State::Active | State::PastDue if aggregate.live_subscription().is_none() => {
            let body = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
            Some(billing.post(&format!("/deployments/{id}/subscribe"), &billing.admin, body).await)
        }
        _ => None,
    }
}

/// Sends a random command of an operator.
async fn operate(billing: &Billing, random: &mut Random, id: &str) -> Reply {
    match random.below(3) {
        0 => {
            let [terms, past_due, apart] = [random.below(20), random.below(20), 1 + random.below(20)];
            let policy = json!({
                "payment_terms_days": terms, "past_due_after_days": past_due,
                "suspended_after_days": past_due + apart, "cancelled_after_days": past_due + 2 * apart,
                "archived_after_days": 365,
            });
            let reply = billing.put(&format!("/tenants/{ACME}/dunning-policy"), &billing.admin, policy).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            reply
        }
        1 => {
            let body = json!({"billing_action_suspended": random.below(3) == 0});
            billing.patch(&format!("/deployments/{id}"), &billing.admin, body).await
        }
        _ => {
            let days = i64::try_from(random.below(60)).unwrap();
            let body = json!({"trial_ends_at": billing.clock.ahead(TimeDelta::days(days))});
            billing.post(&format!("/deployments/{id}/trial"), &billing.admin, body).await
        }
    }
}

#[tokio::test]
async fn after_every_operation_of_any_history_the_clock_knows_what_is_next() {
    let mut random = Random::from_seed();
    let billing = Billing::at("2027-01-15T10:00:00Z").await;
    billing.sell_plan("tryout", &[json!({"price_cents": 2_900, "trial_days": 14})]).await;
    billing.sell_plan("free", &[json!({"price_cents": 0})]).await;
    let mut ids = vec![billing.create_in("trial", State::Trial).await];
    for n in 1..DEPLOYMENTS {
        ids.push(id_of(&billing.create(&format!("shop-{n}")).await));
    }
    let mut statuses = BTreeMap::<u16, usize>::new();
    for operation in 0..OPERATIONS {
        // Seconds to weeks. Clocks of different machines disagree, so time may also go back.
        let seconds = *random.pick(&[-20, 0, 0, 300, 40_000, 100_000, 900_000, 2_000_000]);
        billing.clock.shift(TimeDelta::milliseconds(seconds * 1_000 + 137));
        let id = random.pick(&ids).clone();
        let revived = if random.below(3) == 0 { revive(&billing, &id).await } else { None };
        let reply = match random.below(10) {
            _ if revived.is_some() => revived,
            0 => Some(move_on(&billing, &mut random, &id).await),
            1..=3 => Some(buy(&billing, &mut random, &id).await),
            4..=5 => settle(&billing, &mut random, &id, operation).await,
            6 => Some(operate(&billing, &mut random, &id).await),
            _ => {
                billing.sweep().await;
                None
            }
        };
        if let Some(reply) = reply {
            // A caller is refused with `catching_up` when several steps are due.
            let is_behind = reply.body["code"] == "catching_up";
            assert!(reply.status < 500 || is_behind, "operation {operation}: {}", reply.text);
            *statuses.entry(reply.status).or_default() += 1;
        }
        for id in &ids {
            billing.books(id).await;
        }
    }
    let mut sweeps = 0;
    while billing.sweep().await.steps > 0 {
        sweeps += 1;
        assert!(sweeps < MAX_SWEEPS, "steps are still due after {sweeps} sweeps");
    }
    let mut kinds = BTreeMap::<String, usize>::new();
    for id in &ids {
        billing.check(id).await;
        let books = billing.books(id).await;
        let late = books.aggregate.next_action().filter(|next| next.at <= billing.clock.now());
        assert_eq!(late, None, "{id}");
        for event in books.events {
            *kinds.entry(json!(event)["type"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    println!("answers by status: {statuses:?}\nevents by kind: {kinds:?}");
    assert!(kinds.contains_key("renewed") && kinds.len() >= 6, "the history has too few kinds of events: {kinds:?}");
}
