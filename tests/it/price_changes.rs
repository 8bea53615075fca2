//! The promise: a price changes with notice. A version published in place of another closes that one, announces the new
//! price and its day to each of its subscriptions, and charges it from that day on. No subscription is missed, and
//! nobody can buy the closed version any more.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::Fault;
use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::shop::merged;
use crate::harness::world::{id_of, user};
use crate::many::{finish, results, show, turn};

const START: &str = "2027-01-10T00:00:00Z";

/// From 29 to 39 dollars a month, in March.
fn raise(replaces: u32) -> Value {
    json!({
        "price_cents": 3_900, "replaces": replaces, "effective_from": "2027-02-15T00:00:00Z", "reason": "new prices",
    })
}

async fn club() -> Billing {
    let billing = Billing::at(START).await;
    billing.sell_plan("club", &[json!({"price_cents": 2_900})]).await;
    billing
}

async fn paid(billing: &Billing, slug: &str, plan: &str) -> String {
    let id = billing.create_subscribed(slug, json!({"plan_code": plan})).await;
    billing.settle(&id).await;
    id
}

fn operation_of(published: &Value) -> String {
    published["operation_id"].as_str().expect("an operation").to_owned()
}

fn later(plan: &str) -> Value {
    json!({"plan_code": plan, "effective": "period_end"})
}

#[tokio::test]
async fn every_subscription_is_told_the_new_price_and_charged_it_from_its_day_on() {
    let billing = club().await;
    billing.dynamodb.remember();
    let plain = paid(&billing, "plain", "club").await;
    let paused = paid(&billing, "paused", "club").await;
    billing.transition(&paused, &billing.user, json!({"to_state": "paused"})).await.expect(200);
    let moving = paid(&billing, "moving", "club").await;
    billing.change(&moving, later("team")).await.expect(200);
    let leaving = paid(&billing, "leaving", "club").await;
    billing.cancel(&leaving, "period_end").await.expect(200);
    let coming = paid(&billing, "coming", "studio").await;
    billing.change(&coming, later("club")).await.expect(200);
    let other = paid(&billing, "other", "studio").await;
    let published = billing.publish("club", raise(1)).await.expect(201);
    assert_eq!(published["plan_version"]["status"], "offered");
    let replaced = &published["replaced"];
    assert_eq!((&replaced["status"], &replaced["replaced_by"]), (&json!("closed"), &json!(2)));
    let listed = billing.get("/plans/club", &billing.user).await.expect(200);
    assert_eq!(listed["versions"], json!([published["plan_version"], replaced]));
    let operation = operation_of(&published);
    let started = show(&billing, &operation).await;
    assert_eq!(
        started["matching"],
        json!({"count": 5, "is": "exact"}),
        "four on the version, and one that changes to it"
    );
    assert_eq!((&started["status"], &started["command"]["type"]), (&json!("running"), &json!("announce_price")));

    // A request that read the catalog earlier is executed after the first pass has begun.
    turn(&billing, &operation).await;
    let late = id_of(&billing.create("late").await);
    let before = billing.dynamodb.stale("PLAN#club", &["#PLAN", "VERSION#"]);
    billing.dynamodb.plan("BatchGetItem", 1, Fault::Torn(before));
    let body = billing.subscribe(&late, json!({"plan_code": "club"})).await.expect(201);
    assert_eq!(body["subscription"]["plan_version"], 1);
    billing.settle(&late).await;
    finish(&billing, &billing.app, &operation).await;
    let text = |outcome: &str, code: &str| (outcome.to_owned(), code.to_owned());
    let expected = BTreeMap::from([
        (plain.clone(), text("done", "")),
        (paused.clone(), text("done", "")),
        (coming.clone(), text("done", "")),
        (late.clone(), text("done", "")),
        (moving.clone(), text("refused", "own_change_scheduled")),
        (leaving.clone(), text("refused", "cancellation_scheduled")),
    ]);
    assert_eq!(results(&billing, &operation).await, expected);
    for id in [&plain, &paused, &coming, &late] {
        let books = billing.books(id).await;
        assert_eq!(books.count("price_change_announced"), 1);
        let event = json!(books.events.last().expect("an event"));
        assert_eq!((&event["reason"], &event["actor"]), (&json!("new prices"), &json!("ada")));
        let day = if *id == coming { "2027-02-01T00:00:00Z" } else { "2027-03-01T00:00:00Z" };
        let data = &event["data"];
        let told = (&data["from"]["price_cents"], &data["to"]["price_cents"], &data["effective_at"]);
        assert_eq!(told, (&json!(2_900), &json!(3_900), &json!(day)));
        let pending = &billing.subscription(id).await["pending_change"];
        assert_eq!((&pending["effective_at"], &pending["plan_version"]), (&json!(day), &json!(2)));
    }
    // Its user sees the old price on the next invoice and the new one after that.
    let next = async |id: &str| {
        let shown = billing.show(id).await;
        (shown["next_invoices"][0]["total_cents"].clone(), shown["subscription"]["current_period_end"].clone())
    };
    assert_eq!(next(&plain).await, (json!(2_900), json!("2027-02-01T00:00:00Z")));
    billing.set_time("2027-02-01T00:00:00Z");
    billing.sweep().await;
    assert_eq!(next(&plain).await, (json!(3_900), json!("2027-03-01T00:00:00Z")));
    for id in [&plain, &coming, &late] {
        let newest = billing.invoices(id).await.pop().expect("an invoice");
        assert_eq!(newest["total_cents"], if *id == coming { 3_900 } else { 2_900 });
        billing.settle_open_invoices(id).await;
    }
    billing.set_time("2027-03-01T00:00:00Z");
    billing.sweep().await;
    for id in [&plain, &late] {
        let newest = billing.invoices(id).await.pop().expect("an invoice");
        assert_eq!(newest["total_cents"], 3_900);
        billing.check(id).await;
    }
    // In a pause the terms have changed too, and nothing was billed.
    assert_eq!(billing.subscription(&paused).await["plan_version"], 2);
    assert_eq!((billing.invoices(&paused).await.len(), billing.books(&other).await.count("plan_changed")), (1, 0));
    assert_eq!(billing.subscription(&moving).await["plan_code"], "team");
}

#[tokio::test]
async fn nobody_can_buy_a_closed_version() {
    let billing = club().await;
    let holder = paid(&billing, "holder", "club").await;
    let buyer = paid(&billing, "buyer", "studio").await;
    let bare = id_of(&billing.create("bare").await);
    let operation = operation_of(&billing.publish("club", raise(1)).await.expect(201));
    let closed = |effective: &str| json!({"plan_code": "club", "plan_version": 1, "effective": effective});
    for token in [&billing.admin, &billing.user] {
        for effective in ["immediate", "period_end"] {
            let refused = billing.change_as(token, &buyer, closed(effective)).await;
            refused.expect_problem(409, "plan_version_closed");
        }
        let body = json!({"plan_code": "club", "plan_version": 1});
        let refused = billing.post(&format!("/deployments/{bare}/subscribe"), token, body).await;
        refused.expect_problem(409, "plan_version_closed");
    }
    // A subscriber of the closed version can withdraw its own change by naming that version, and is told the new price.
    billing.change(&holder, later("team")).await.expect(200);
    billing.change(&holder, closed("period_end")).await.expect(200);
    assert_eq!(billing.subscription(&holder).await["pending_change"]["plan_version"], 2);
    finish(&billing, &billing.app, &operation).await;
    // An announced price stays; only a change to another plan avoids it.
    for body in [closed("period_end"), closed("immediate"), later("team")] {
        billing.change(&holder, body).await.expect_problem(403, "scheduled_by_platform");
    }
    let path = format!("/deployments/{holder}/subscription/change");
    billing.delete(&path, &billing.user).await.expect_problem(403, "scheduled_by_platform");
    let left = billing.change(&holder, json!({"plan_code": "team"})).await.expect(200);
    assert_eq!(left["event"]["data"]["ended_announcement"]["plan_version"], 2);
    assert_eq!(left["subscription"]["pending_change"], Value::Null);
}

#[tokio::test]
async fn a_refused_replacement_lists_its_errors_field_by_field() {
    let billing = club().await;
    let publish = async |body: Value| billing.publish("club", body).await;
    let without = |name: &str| {
        let mut body = raise(1);
        body.as_object_mut().expect("an object").remove(name);
        body
    };
    let before = billing.fingerprint().await;
    publish(without("effective_from")).await.expect_fields(&[("/effective_from", "required")]);
    publish(without("replaces")).await.expect_fields(&[("/replaces", "required")]);
    publish(raise(7)).await.expect_fields(&[("/replaces", "unknown")]);
    publish(merged(raise(1), json!({"currency": "EUR"}))).await.expect_fields(&[("/replaces", "other_currency")]);
    publish(merged(raise(1), json!({"interval": "year"}))).await.expect_fields(&[("/replaces", "other_interval")]);
    let past = json!({"effective_from": "2027-01-09T23:59:59Z"});
    publish(merged(raise(1), past)).await.expect_fields(&[("/effective_from", "in_past")]);
    let far = json!({"effective_from": "2200-01-01T00:00:00Z"});
    publish(merged(raise(1), far)).await.expect_fields(&[("/effective_from", "too_far_ahead")]);
    assert_eq!(billing.fingerprint().await, before);
    let refused = billing.post("/plans/club/versions", &user("acme"), raise(1)).await;
    refused.expect_problem(403, "admin_required");
    publish(merged(raise(1), json!({"effective_from": START}))).await.expect(201);
    publish(raise(1)).await.expect_fields(&[("/replaces", "closed")]);
}

#[tokio::test]
async fn a_dry_run_shows_the_version_and_the_subscriptions_that_would_be_told() {
    let billing = club().await;
    let id = paid(&billing, "shop", "club").await;
    let before = billing.fingerprint().await;
    let dry = merged(raise(1), json!({"dry_run": true}));
    let foreseen = billing.publish("club", dry).await.expect(200);
    assert_eq!(billing.fingerprint().await, before, "nothing is stored");
    assert_eq!((&foreseen["dry_run"], &foreseen["matching"]["count"]), (&json!(true), &json!(1)));
    let preview = &foreseen["preview"][0];
    assert_eq!((&preview["deployment_id"], &preview["outcome"]), (&json!(id), &json!("done")));
    assert_eq!(preview["events"][0]["type"], "price_change_announced");
    let published = billing.publish("club", raise(1)).await.expect(201);
    for part in ["plan_version", "replaced"] {
        assert_eq!(foreseen[part], published[part]);
    }
    finish(&billing, &billing.app, &operation_of(&published)).await;
    let books = billing.books(&id).await;
    let data = |event: &Value| event["data"]["to"].clone();
    assert_eq!(data(&preview["events"][0]), data(&json!(books.events.last().expect("an event"))));
}

#[tokio::test]
async fn a_publication_is_whole_or_not_at_all() {
    let billing = club().await;
    let keyed = |body: Value| {
        let body = merged(json!({"currency": "USD", "interval": "month"}), body);
        let request = billing.request(Method::POST, "/plans/club/versions", &billing.admin);
        request.header("idempotency-key", "k").json(&body)
    };
    // DynamoDB's response is lost, and the token has expired when the write is sent again.
    billing.dynamodb.plan("TransactWriteItems", 1, Fault::ServerError);
    billing.dynamodb.plan("TransactWriteItems", 1, Fault::ForgetToken);
    let first = send(keyed(raise(1))).await.expect(201);
    let again = send(keyed(raise(1))).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &first));
    let listed = billing.get("/operations", &billing.admin).await.expect(200);
    assert_eq!(listed["operations"].as_array().map(Vec::len), Some(1));
    assert_eq!(id_of(&listed["operations"][0]), operation_of(&first));
    // Two publications at the same moment: one replaces the version, the other is refused.
    finish(&billing, &billing.app, &operation_of(&first)).await;
    let (one, two) = join(billing.publish("club", raise(2)), billing.publish("club", raise(2))).await;
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert!(statuses == [201, 409] || statuses == [201, 422], "{statuses:?}");
    let shown = billing.get("/plans/club", &billing.admin).await.expect(200);
    assert_eq!(shown["plan"]["newest_version"]["version"], 3);
    assert_eq!(billing.app.store.running_operations().await.expect("a list").len(), 1);
}

#[tokio::test]
async fn an_announced_version_that_is_replaced_takes_its_subscriptions_with_it() {
    let billing = club().await;
    let id = paid(&billing, "shop", "club").await;
    let first = operation_of(&billing.publish("club", raise(1)).await.expect(201));
    let third = json!({"price_cents": 3_500, "replaces": 2, "effective_from": "2027-03-15T00:00:00Z"});
    billing.publish("club", third.clone()).await.expect_problem(409, "price_change_running");
    finish(&billing, &billing.app, &first).await;
    let second = operation_of(&billing.publish("club", third).await.expect(201));
    assert_eq!(show(&billing, &second).await["matching"]["count"], 1);
    finish(&billing, &billing.app, &second).await;
    let pending = billing.subscription(&id).await["pending_change"].clone();
    assert_eq!((&pending["plan_version"], &pending["price_cents"]), (&json!(3), &json!(3_500)));
    assert_eq!(pending["effective_at"], "2027-04-01T00:00:00Z");
    assert_eq!(billing.books(&id).await.count("price_change_announced"), 2);
}

#[tokio::test]
async fn a_subscription_that_comes_back_is_told_the_newest_price() {
    let billing = club().await;
    let leaving = paid(&billing, "leaving", "club").await;
    billing.cancel(&leaving, "period_end").await.expect(200);
    let moving = paid(&billing, "moving", "club").await;
    billing.change(&moving, later("team")).await.expect(200);
    let away = paid(&billing, "away", "club").await;
    billing.transition(&away, &billing.user, json!({"to_state": "cancelled"})).await.expect(200);
    finish(&billing, &billing.app, &operation_of(&billing.publish("club", raise(1)).await.expect(201))).await;
    let dearer = merged(raise(2), json!({"price_cents": 4_900, "effective_from": "2027-03-20T00:00:00Z"}));
    finish(&billing, &billing.app, &operation_of(&billing.publish("club", dearer).await.expect(201))).await;
    for (id, end) in [(&leaving, "/subscription/cancellation"), (&moving, "/subscription/change")] {
        let path = format!("/deployments/{id}{end}");
        let dry = billing.delete(&format!("{path}?dry_run=true"), &billing.user).await.expect(200);
        let told: Vec<&Value> = dry["events"].as_array().expect("events").iter().map(|event| &event["type"]).collect();
        assert_eq!(told[1..], ["price_change_announced"]);
        billing.delete(&path, &billing.user).await.expect(200);
    }
    billing.transition(&away, &billing.user, json!({"to_state": "active"})).await.expect(200);
    for id in [&leaving, &moving, &away] {
        let pending = billing.subscription(id).await["pending_change"].take();
        assert_eq!((&pending["plan_version"], &pending["effective_at"]), (&json!(3), &json!("2027-04-01T00:00:00Z")));
        let told =
            billing.get(&format!("/deployments/{id}/events"), &billing.user).await.expect(200)["events"][0].take();
        assert_eq!((&told["type"], &told["reason"]), (&json!("price_change_announced"), &json!("price_change")));
        billing.check(id).await;
    }
    // A subscription whose change the platform withdrew is not changed again.
    let path = format!("/deployments/{leaving}/subscription/change");
    billing.delete(&path, &billing.admin).await.expect(200);
    assert_eq!(billing.subscription(&leaving).await["pending_change"], Value::Null);
}

#[tokio::test]
async fn a_price_change_of_many_pages_does_nothing_twice() {
    let billing = club().await;
    let ids = billing.fill(230, "club").await;
    let operation = operation_of(&billing.publish("club", raise(1)).await.expect(201));
    // Two workers, each of them replaced after every page.
    for _ in 0..4 {
        let (_, _) = join(turn(&billing, &operation), turn(&billing, &operation)).await;
        billing.clock.shift(TimeDelta::seconds(1));
    }
    finish(&billing, &billing.app, &operation).await;
    let results = results(&billing, &operation).await;
    assert_eq!(results.len(), ids.len());
    assert!(results.values().all(|(outcome, _)| outcome == "done"));
    for id in ids.iter().step_by(23) {
        assert_eq!(billing.books(id).await.count("price_change_announced"), 1);
    }
}

#[tokio::test]
async fn a_cancellation_in_its_way_is_no_final_result_while_it_can_be_withdrawn_unannounced() {
    let billing = club().await;
    let id = paid(&billing, "shop", "club").await;
    billing.cancel(&id, "period_end").await.expect(200);
    let operation = operation_of(&billing.publish("club", raise(1)).await.expect(201));
    for _ in 0..4 {
        turn(&billing, &operation).await;
    }
    // A request that was decided before the publication and arrives only now would not announce the price.
    assert_eq!(results(&billing, &operation).await.len(), 0);
    finish(&billing, &billing.app, &operation).await;
    let refused = ("refused".to_owned(), "cancellation_scheduled".to_owned());
    assert_eq!(results(&billing, &operation).await.into_values().collect::<Vec<_>>(), [refused]);
}
