//! The promise: a subscription is cancelled at the end of its period, which can be withdrawn, or at once, after which a
//! new subscription can be made.

use arcadia_domain::{MAX_REPLACED_ADDONS, State};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::billing::Billing;
use crate::harness::shop::{column, merged};
use crate::harness::world::START;

const PERIOD_END: &str = "2027-02-01T00:00:00Z";
/// The due date of the first invoice.
const DUE: &str = "2027-01-22T10:00:00Z";

async fn subscribed() -> (World, String) {
    let world = World::start().await;
    world.open_shop().await;
    let body = json!({"plan_code": "studio", "addons": ["storage_50gb", "storage_50gb"]});
    let id = world.create_subscribed("shop", body).await;
    (world, id)
}

#[tokio::test]
async fn a_cancellation_waits_for_the_periods_end_and_can_be_undone() {
    let (world, id) = subscribed().await;
    let before = world.subscription(&id).await;
    let path = format!("/deployments/{id}/subscription/cancellation");
    // The period's end is the default.
    let cancelled = world.post(&path, &world.user, json!({})).await.expect(200);
    assert_eq!(
        cancelled["subscription"],
        merged(before.clone(), json!({"cancel_at": PERIOD_END, "cancel_scheduled_by": "tenant_user"}))
    );
    let shown = world.show(&id).await;
    assert_eq!(shown["subscription"], cancelled["subscription"]);
    assert_eq!(shown["events"][0]["type"], "cancellation_scheduled");
    let deployment = &shown["deployment"];
    assert_eq!((&deployment["state"], &deployment["version"]), (&json!("active"), &json!(4)));
    assert_eq!(
        (&deployment["next_action"], &deployment["next_action_at"]),
        (&json!("mark_past_due"), &json!(DUE)),
        "the first invoice is open, and due earlier"
    );
    world.settle_open_invoices(&id).await;
    let deployment = &world.show(&id).await["deployment"];
    assert_eq!(
        (&deployment["next_action"], &deployment["next_action_at"]),
        (&json!("cancel_subscription"), &json!(PERIOD_END))
    );
    // Cancelling again changes nothing.
    let stored = world.contents().await;
    world.cancel(&id, "period_end").await.expect(200);
    assert_eq!(world.contents().await, stored);

    let undone = world.delete(&path, &world.user).await;
    assert_eq!(undone.header("etag"), "\"6\"");
    assert_eq!(undone.expect(200)["subscription"], before);
    assert_eq!(world.show(&id).await["events"][0]["type"], "cancellation_withdrawn");
    let stored = world.contents().await;
    world.delete(&path, &world.user).await.expect_problem(409, "no_pending_cancellation");
    assert_eq!(world.contents().await, stored);
    world.check(&id).await;
}

#[tokio::test]
async fn an_immediate_cancellation_ends_the_subscription_and_not_the_deployment() {
    let (world, id) = subscribed().await;
    world.change(&id, json!({"plan_code": "team", "effective": "period_end"})).await.expect(200);
    world.cancel(&id, "period_end").await.expect(200);
    world.clock.shift(chrono::TimeDelta::hours(1));
    let cancelled = world.cancel(&id, "immediate").await.expect(200);
    let subscription = &cancelled["subscription"];
    assert_eq!(
        (&subscription["status"], &subscription["cancelled_at"]),
        (&json!("cancelled"), &json!("2027-01-15T11:00:00Z"))
    );
    assert_eq!((&subscription["cancel_at"], &subscription["pending_change"]), (&Value::Null, &Value::Null));
    let shown = world.show(&id).await;
    assert_eq!(shown["events"][0]["type"], "subscription_cancelled");
    let deployment = &shown["deployment"];
    assert_eq!((&deployment["state"], &deployment["next_action"]), (&json!("active"), &json!("mark_past_due")));
    assert_eq!((&deployment["next_action_at"], shown["events"][0]["sequence"].as_u64()), (&json!(DUE), Some(6)));
    let listed = world.collect("/deployments", &world.user, "deployments").await;
    assert_eq!(listed[0]["subscription"]["status"], "cancelled");
    let stored = world.contents().await;
    for effective in ["immediate", "period_end"] {
        world.cancel(&id, effective).await.expect_problem(409, "not_subscribed");
    }
    assert_eq!(world.contents().await, stored);
    // The debt stays, and no other step is scheduled.
    world.settle_open_invoices(&id).await;
    let deployment = &world.show(&id).await["deployment"];
    assert_eq!((&deployment["state"], &deployment["next_action"]), (&json!("active"), &Value::Null));
    world.check(&id).await;
}

#[tokio::test]
async fn after_a_cancellation_a_new_subscription_takes_the_place_of_the_old_one() {
    let (world, id) = subscribed().await;
    let old = world.subscription(&id).await;
    world.cancel(&id, "immediate").await.expect(200);
    world.clock.shift(chrono::TimeDelta::hours(1));
    world.sell_addon("seats", json!({"price_cents": 100, "quantity": 5, "unit": "seats"})).await;
    let body = json!({"plan_code": "team", "addons": ["seats"]});
    let new = world.subscribe(&id, body).await.expect(201)["subscription"].take();
    assert_ne!(new["id"], old["id"]);
    assert_eq!(
        (&new["plan_code"], &new["status"], &new["cancelled_at"]),
        (&json!("team"), &json!("active"), &Value::Null)
    );
    assert_eq!(column(&new["addons"], "code"), ["seats"]);
    let stored = world.check(&id).await;
    assert_eq!(stored.addons.len(), 1, "those of the old one are gone");
    let keys: Vec<String> = world.contents().await.into_keys().map(|(_, sk)| sk).collect();
    assert_eq!(keys.iter().filter(|sk| sk.starts_with("#SUBSCRIPTION#ADDON#")).count(), 1);
    // The history still has them.
    let events = world.get(&format!("/deployments/{id}/events"), &world.user).await.expect(200);
    assert_eq!(
        column(&events["events"], "type"),
        ["invoice_opened", "subscribed", "subscription_cancelled", "invoice_opened", "subscribed", "created"]
    );
    assert_eq!(column(&events["events"][4]["data"]["addons"], "price_cents"), [750, 750]);
}

#[tokio::test]
async fn as_many_addons_are_replaced_at_once_as_a_transaction_has_room_for() {
    let world = World::start().await;
    world.open_shop().await;
    world.sell_plan("trial", &[json!({"price_cents": 1, "trial_days": 7})]).await;
    let body = |plan_code: &str, count: usize| json!({"plan_code": plan_code, "addons": vec!["storage_50gb"; count]});
    let id = world.create_subscribed("shop", body("studio", 50)).await;
    world.cancel(&id, "immediate").await.expect(200);
    let stored = world.contents().await;
    world.subscribe(&id, body("trial", 41)).await.expect_problem(422, "too_many_replaced_addons");
    assert_eq!(world.contents().await, stored);
    world.dynamodb.clear();
    world.subscribe(&id, body("trial", MAX_REPLACED_ADDONS - 50)).await.expect(201);
    let seen = world.dynamodb.seen();
    let written = seen.last().unwrap().body["TransactItems"].as_array().unwrap().len();
    assert_eq!(written, MAX_REPLACED_ADDONS + 4, "the deployment, its subscription, its event, the trial's claim");
    let stored = world.check(&id).await;
    assert_eq!(stored.addons.len(), 40);

    // There is also room for an invoice: fifty old add-ons, forty new ones, and two events.
    let id = world.create_subscribed("other", body("studio", 50)).await;
    world.cancel(&id, "immediate").await.expect(200);
    world.dynamodb.clear();
    world.subscribe(&id, body("studio", 40)).await.expect(201);
    let seen = world.dynamodb.seen();
    let written = seen.last().unwrap().body["TransactItems"].as_array().unwrap().len();
    assert_eq!(written, 90 + 5, "the deployment, its subscription, two events, the invoice");
    assert_eq!(world.check(&id).await.addons.len(), 40);
}

#[tokio::test]
async fn a_paused_subscription_can_be_cancelled_and_has_no_period_to_wait_for_once_it_is_over() {
    let (world, id) = subscribed().await;
    world.transition(&id, &world.user, json!({"to_state": "paused"})).await.expect(200);
    let waits = world.cancel(&id, "period_end").await.expect(200);
    assert_eq!(waits["subscription"]["cancel_at"], PERIOD_END);
    let path = format!("/deployments/{id}/subscription/cancellation");
    world.delete(&path, &world.user).await.expect(200);
    world.set_time(PERIOD_END);
    let over = world.cancel(&id, "period_end").await.expect(200);
    assert_eq!(
        (&over["subscription"]["status"], &over["subscription"]["cancelled_at"]),
        (&json!("cancelled"), &json!(PERIOD_END))
    );
    world.check(&id).await;
}

#[tokio::test]
async fn a_cancelled_subscription_lets_the_deployment_be_cancelled_and_put_away() {
    let (world, id) = subscribed().await;
    world.cancel(&id, "immediate").await.expect(200);
    let ended = world.subscription(&id).await;
    world.clock.shift(chrono::TimeDelta::hours(1));
    for to_state in ["cancelled", "archived"] {
        world.transition(&id, &world.admin, json!({"to_state": to_state})).await.expect(200);
        assert_eq!(world.subscription(&id).await, ended);
    }
    assert_eq!(ended["cancelled_at"], START);
    world.check(&id).await;
}

#[tokio::test]
async fn an_agreed_cancellation_keeps_its_day_when_the_plan_changes() {
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    let agreed = world.cancel(&id, "period_end").await.expect(200)["subscription"]["cancel_at"].clone();
    world.clock.shift(TimeDelta::seconds(1));
    let changed = world.change(&id, json!({"plan_code": "yearly"})).await.expect(200);
    let subscription = &changed["subscription"];
    assert!(agreed.is_string());
    assert_eq!(subscription["cancel_at"], agreed);
}

#[tokio::test]
async fn a_cancellation_at_the_trials_end_keeps_its_day_when_the_trial_ends_early() {
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_in("shop", State::Trial).await;
    world.subscribe(&id, json!({"plan_code": "studio"})).await.expect(201);
    let agreed = world.cancel(&id, "period_end").await.expect(200)["subscription"]["cancel_at"].clone();
    world.transition(&id, &world.user, json!({"to_state": "active"})).await.expect(200);
    let subscription = world.subscription(&id).await;
    assert!(agreed.is_string());
    assert_eq!(subscription["cancel_at"], agreed);
}

#[tokio::test]
async fn a_subscription_that_was_to_end_meanwhile_does_not_bill_the_time_between() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    billing.sell_plan("quarterly", &[json!({"price_cents": 8_000, "interval": "quarter"})]).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "quarterly"})).await;
    billing.settle(&id).await;
    // The platform ends it with its quarter. It keeps that day after a change to a monthly plan.
    let path = format!("/deployments/{id}/subscription/cancellation");
    billing.post(&path, &billing.admin, json!({"effective": "period_end"})).await.expect(200);
    billing.set_time("2027-01-10T00:00:00Z");
    billing.change(&id, json!({"plan_code": "studio"})).await.expect(200);
    assert_eq!(billing.subscription(&id).await["cancel_at"], "2027-04-01T00:00:00Z");
    billing.set_time("2027-01-20T00:00:00Z");
    billing.transition(&id, &billing.user, json!({"to_state": "paused"})).await.expect(200);
    billing.set_time("2027-02-03T00:00:00Z");
    billing.transition(&id, &billing.user, json!({"to_state": "cancelled"})).await.expect(200);
    let invoices = billing.invoices(&id).await.len();
    billing.set_time("2027-04-05T00:00:00Z");
    billing.transition(&id, &billing.user, json!({"to_state": "active"})).await.expect(200);
    billing.sweep().await;
    let ended = billing.subscription(&id).await;
    assert_eq!((&ended["status"], &ended["ended_at"]), (&json!("cancelled"), &json!("2027-04-01T00:00:00Z")));
    assert_eq!(billing.invoices(&id).await.len(), invoices, "February and March are not billed: it did not run");
    billing.subscribe(&id, json!({"plan_code": "studio"})).await.expect(201);
    billing.check(&id).await;
}

#[tokio::test]
async fn time_beyond_an_agreed_end_is_credited_whenever_the_deployment_runs_again() {
    for back in ["2027-02-15T00:00:00Z", "2027-04-05T00:00:00Z"] {
        let billing = Billing::at("2027-01-01T00:00:00Z").await;
        billing.sell_plan("quarterly", &[json!({"price_cents": 8_000, "interval": "quarter"})]).await;
        let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
        billing.settle(&id).await;
        let path = format!("/deployments/{id}/subscription/cancellation");
        billing.post(&path, &billing.admin, json!({"effective": "period_end"})).await.expect(200);
        billing.change(&id, json!({"plan_code": "quarterly"})).await.expect(200);
        billing.settle(&id).await;
        billing.set_time("2027-01-10T00:00:00Z");
        billing.transition(&id, &billing.admin, json!({"to_state": "cancelled"})).await.expect(200);
        billing.set_time(back);
        billing.transition(&id, &billing.admin, json!({"to_state": "active"})).await.expect(200);
        billing.sweep().await;
        let shown = billing.show(&id).await;
        assert_eq!(shown["subscription"]["ended_at"], "2027-02-01T00:00:00Z", "{back}");
        // The balance is 59 of the 90 days of the quarter, which was paid in full.
        let balance = json!([{"currency": "USD", "amount_cents": 5_244}]);
        assert_eq!(shown["deployment"]["balances"], balance, "{back}");
        billing.check(&id).await;
    }
}
