//! The promise: a subscription's status follows its deployment's state, in the same transaction.

use arcadia_domain::State;
use arcadia_domain::lifecycle::MOVES;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::shop::merged;
use crate::harness::world::{ACME, id_of};

/// The status of a live subscription in each state, written out by hand.
fn status(state: State) -> &'static str {
    match state {
        State::Trial | State::Active | State::PastDue => "active",
        State::Paused | State::Suspended => "paused",
        State::Cancelled | State::Archived => "cancelled",
    }
}

/// The moves that take a deployment, subscribed when it was new, to a state.
fn moves_to(state: State) -> &'static [State] {
    match state {
        State::Trial | State::Active => &[],
        State::PastDue => &[State::PastDue],
        State::Paused => &[State::Paused],
        State::Suspended => &[State::PastDue, State::Suspended],
        State::Cancelled => &[State::Cancelled],
        State::Archived => &[State::Cancelled, State::Archived],
    }
}

/// Makes a move that opens no period, and insists that one transaction wrote the deployment, the subscription if it
/// changed, and the event.
async fn step(world: &World, id: &str, to_state: State) -> Value {
    step_writing(world, id, to_state, false).await
}

/// Makes a move that opens a period, and insists that the same transaction wrote the invoice and its event.
async fn step_billed(world: &World, id: &str, to_state: State) -> Value {
    step_writing(world, id, to_state, true).await
}

async fn step_writing(world: &World, id: &str, to_state: State, billed: bool) -> Value {
    let before = world.load(id).await;
    world.dynamodb.clear();
    let body = world.transition(id, &world.admin, json!({"to_state": to_state})).await.expect(200);
    // A move that brings a subscription back reads whether its version was replaced; one that issues an invoice reads
    // the policy.
    let comes_back = before.deployment.state == State::Cancelled
        && before.subscription.as_ref().is_some_and(|last| last.cancelled_with_deployment);
    let gets = [comes_back && to_state == State::Active, billed].into_iter().filter(|is_read| *is_read);
    let expected: Vec<&str> =
        std::iter::once("Query").chain(gets.map(|_| "GetItem")).chain(["TransactWriteItems"]).collect();
    assert_eq!(world.dynamodb.seen().iter().map(|seen| seen.operation.as_str()).collect::<Vec<_>>(), expected);
    let seen = world.dynamodb.seen();
    let writes = seen.last().unwrap().body["TransactItems"].as_array().unwrap();
    // Archiving also updates the count of the tenant's live deployments.
    let mut written: Vec<&str> = writes.iter().filter_map(|write| write["Put"]["Item"]["SK"]["S"].as_str()).collect();
    written.sort_unstable();
    let after = world.check(id).await;
    let version = before.deployment.version;
    let mut expected = vec!["#DEPLOYMENT".to_owned(), format!("EVENT#{:010}", version + 1)];
    if before.subscription != after.subscription {
        expected.insert(1, "#SUBSCRIPTION".to_owned());
    }
    if billed {
        let subscription = after.subscription.as_ref().expect("a subscription");
        let billed_from = subscription.billed_from.expect("it is billed").format("%Y%m%d%H%M%S");
        let subscription_id = subscription.id.to_string();
        let (_, last_of_id) = subscription_id.rsplit_once('-').expect("a UUID");
        expected.push(format!("EVENT#{:010}", version + 2));
        expected.push(format!("INVOICE#{billed_from}-{last_of_id}-USD"));
    }
    assert_eq!(written, expected);
    assert_eq!(after.deployment.version, version + 1 + u64::from(billed));
    let opened = after.deployment.open_invoices.len() - before.deployment.open_invoices.len();
    assert_eq!(opened, usize::from(billed));
    body["event"].clone()
}

async fn subscribed_in(world: &World, slug: &str, state: State) -> String {
    let first = if state == State::Trial { State::Trial } else { State::Active };
    let id = world.create_in(slug, first).await;
    world.subscribe(&id, json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await.expect(201);
    for to_state in moves_to(state) {
        step(world, &id, *to_state).await;
    }
    id
}

#[tokio::test]
async fn every_move_of_the_map_takes_the_subscription_along() {
    let world = World::start().await;
    world.open_shop().await;
    // A tenant has one trial of a plan, and the deployment in trial uses it.
    for (index, step_of_map) in MOVES.iter().enumerate() {
        if step_of_map.from == State::Trial {
            continue;
        }
        let id = subscribed_in(&world, &format!("shop-{index}"), step_of_map.from).await;
        if step_of_map.to == State::Archived {
            world.settle_open_invoices(&id).await;
        }
        assert_eq!(world.subscription(&id).await["status"], status(step_of_map.from));
        world.clock.shift(TimeDelta::minutes(1));
        let event = step(&world, &id, step_of_map.to).await;
        let subscription = world.subscription(&id).await;
        assert_eq!(subscription["status"], status(step_of_map.to), "{} -> {}", step_of_map.from, step_of_map.to);
        assert_eq!(event["data"]["subscription"]["status"], subscription["status"]);
        assert_eq!(subscription["addons"][0]["price_cents"], 750);
    }
    for to_state in State::Trial.targets() {
        let plan_code = format!("plan-{to_state}");
        world.sell_plan(&plan_code, &[json!({"price_cents": 2_900})]).await;
        let id = world.create_in(&plan_code, State::Trial).await;
        let body = world.subscribe(&id, json!({"plan_code": plan_code})).await.expect(201);
        assert_eq!(body["subscription"]["status"], "active");
        // An early end of the trial begins billing.
        step_writing(&world, &id, to_state, to_state == State::Active).await;
        assert_eq!(world.subscription(&id).await["status"], status(to_state));
    }
}

#[tokio::test]
async fn a_deployment_that_comes_back_within_the_paid_period_is_not_billed_again() {
    let world = World::start().await;
    world.open_shop().await;
    let id = subscribed_in(&world, "shop", State::Active).await;
    let before = world.subscription(&id).await;
    step(&world, &id, State::Cancelled).await;
    let cancelled = world.subscription(&id).await;
    let at = "2027-01-15T10:00:00Z";
    let expected = json!({"status": "cancelled", "cancelled_at": at, "ended_at": at});
    assert_eq!(cancelled, merged(before.clone(), expected));
    // The invoice is given up 30 days after its due date.
    world.set_time("2027-01-31T23:59:59Z");
    step(&world, &id, State::Active).await;
    assert_eq!(world.subscription(&id).await, before);
    let deployment = &world.show(&id).await["deployment"];
    assert_eq!(
        (&deployment["next_action"], &deployment["next_action_at"]),
        (&json!("mark_past_due"), &json!("2027-01-22T10:00:00Z")),
        "the first invoice is still open"
    );
    world.settle_open_invoices(&id).await;
    let deployment = &world.show(&id).await["deployment"];
    assert_eq!(
        (&deployment["next_action"], &deployment["next_action_at"]),
        (&json!("renew"), &json!("2027-02-01T00:00:00Z"))
    );
}

#[tokio::test]
async fn a_deployment_that_comes_back_later_begins_a_new_period_at_its_old_prices() {
    let world = World::start().await;
    world.open_shop().await;
    for (slug, anchor, start, end, cents) in [
        // 276 of March's 744 hours remain: 1075.81 of 2900, 278.23 of 750.
        ("a", "calendar", "2027-03-01T00:00:00Z", "2027-04-01T00:00:00Z", 1_076 + 278),
        ("b", "now", "2027-03-20T12:00:00Z", "2027-04-20T12:00:00Z", 3_650),
    ] {
        world.set_time("2027-01-15T10:00:00Z");
        let body = json!({"plan_code": "studio", "addons": ["storage_50gb"], "anchor": anchor});
        let id = world.create_subscribed(slug, body).await;
        // An open invoice would be given up meanwhile.
        world.settle_open_invoices(&id).await;
        let before = world.subscription(&id).await;
        // The end of the subscription removes a scheduled change.
        world.change(&id, json!({"plan_code": "team", "effective": "period_end"})).await.expect(200);
        world.cancel(&id, "period_end").await.expect(200);
        step(&world, &id, State::Cancelled).await;
        world.publish("studio", json!({"price_cents": 9_999})).await.expect(201);
        world.sell_addon("storage_50gb", json!({"price_cents": 990})).await;
        world.set_time("2027-03-20T12:00:00Z");
        step_billed(&world, &id, State::Active).await;
        let open = &world.show(&id).await["deployment"]["open_invoices"][0];
        assert_eq!((&open["due_cents"], &open["due_at"]), (&json!(cents), &json!("2027-03-27T12:00:00Z")));
        let expected = json!({
            "current_period_start": start, "current_period_end": end, "billed_from": "2027-03-20T12:00:00Z",
            "anchor_at": start, "anchor_day": if anchor == "now" { 20 } else { 1 }, "cycle_index": 0,
        });
        assert_eq!(world.subscription(&id).await, merged(before, expected));
        world.sell_addon("storage_50gb", json!({"price_cents": 750})).await;
        world.put("/plans/studio", &world.admin, json!({"name": slug})).await.expect(200);
        world.publish("studio", json!({"price_cents": 2_900})).await.expect(201);
    }
}

#[tokio::test]
async fn a_subscription_cancelled_by_itself_stays_cancelled_when_the_deployment_comes_back() {
    let world = World::start().await;
    world.open_shop().await;
    let id = subscribed_in(&world, "shop", State::Active).await;
    world.cancel(&id, "immediate").await.expect(200);
    // An overdue invoice would make the deployment past due.
    world.settle_open_invoices(&id).await;
    let ended = world.subscription(&id).await;
    world.clock.shift(TimeDelta::seconds(1));
    for to_state in [State::Cancelled, State::Active, State::Paused, State::Active, State::PastDue] {
        step(&world, &id, to_state).await;
        assert_eq!(world.subscription(&id).await, ended, "{to_state}");
        world.clock.shift(TimeDelta::days(20));
    }
    step(&world, &id, State::Active).await;
    world.subscribe(&id, json!({"plan_code": "studio"})).await.expect(201);
    assert_eq!(world.check(&id).await.addons, []);
}

#[tokio::test]
async fn a_pause_that_outlasts_the_period_goes_on_with_the_anchored_one() {
    let world = World::start().await;
    world.open_shop().await;
    let id = subscribed_in(&world, "shop", State::Paused).await;
    let deployment = &world.show(&id).await["deployment"];
    assert_eq!(deployment["upcoming"].as_array().unwrap().len(), 1, "nothing renews in a pause");
    assert_eq!(deployment["next_action"], "cancel_unpaid");
    world.settle_open_invoices(&id).await;
    world.set_time("2027-03-10T06:00:00Z");
    step_billed(&world, &id, State::Active).await;
    // 2034.68 of 2900, 526.21 of 750.
    let open = &world.show(&id).await["deployment"]["open_invoices"][0];
    assert_eq!((&open["due_cents"], &open["due_at"]), (&json!(2_035 + 526), &json!("2027-03-17T06:00:00Z")));
    let subscription = world.subscription(&id).await;
    assert_eq!(subscription["current_period_start"], "2027-03-01T00:00:00Z");
    assert_eq!(
        (&subscription["billed_from"], &subscription["cycle_index"]),
        (&json!("2027-03-10T06:00:00Z"), &json!(2))
    );
    // Only the billed part of the new period can be credited: 522 of its 744 hours.
    let dry = world.change(&id, json!({"plan_code": "team", "dry_run": true})).await.expect(200);
    assert_eq!(dry["lines"][0]["amount_cents"], -2_035);
}

#[tokio::test]
async fn a_dry_run_of_a_transition_leaves_the_subscription_alone() {
    let world = World::start().await;
    world.open_shop().await;
    let id = subscribed_in(&world, "shop", State::Active).await;
    let before = world.contents().await;
    for to_state in ["paused", "cancelled", "past_due"] {
        let body = json!({"to_state": to_state, "dry_run": true});
        world.transition(&id, &world.admin, body).await.expect(200);
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn a_deployment_without_a_subscription_lists_none() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    assert_eq!(world.subscription(&id).await, Value::Null);
    let listed = world.collect(&format!("/deployments?tenant_id={ACME}"), &world.admin, "deployments").await;
    let row = &listed[0];
    assert_eq!(
        (&row["subscription"], &row["next_action"], &row["next_action_at"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_subscription_cancelled_by_itself_is_not_revived_when_all_happens_in_one_millisecond() {
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    world.cancel(&id, "immediate").await.expect(200);
    for to_state in ["cancelled", "active"] {
        // As the platform, since the tenant owes an invoice.
        world.transition(&id, &world.admin, json!({"to_state": to_state})).await.expect(200);
    }
    assert_eq!(world.subscription(&id).await["status"], "cancelled");
}
