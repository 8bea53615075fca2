//! The promise: every change of the catalog has an event with its author, written in the same transaction, and nothing
//! else has. The events of a record are numbered by its revisions, without gaps.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::shop::{column, merged};
use crate::harness::{Fault, World};

async fn events(world: &World, filter: &str) -> Vec<Value> {
    world.collect(&format!("/catalog/events{filter}"), &world.admin, "events").await
}

/// The type and the revision of each event.
fn told(events: &[Value]) -> Vec<(&str, u64)> {
    events
        .iter()
        .map(|event| (event["type"].as_str().expect("a type"), event["revision"].as_u64().expect("a revision")))
        .collect()
}

#[tokio::test]
async fn every_change_is_told_with_what_was_and_what_is() {
    let world = World::start().await;
    let later = || world.clock.shift(TimeDelta::hours(1));
    let put = async |path: &str, body: Value| {
        later();
        let reply = world.put(path, &world.admin, body).await;
        assert!([200, 201].contains(&reply.status), "{}", reply.text);
        reply.body
    };
    let created = put("/plans/studio", json!({"name": "Studio"})).await;
    let published = world.publish("studio", json!({"price_cents": 2_900})).await.expect(201);
    let renamed = put("/plans/studio", json!({"name": "The studio"})).await;
    put("/addons/seats", json!({"name": "Seats", "price_cents": 1, "currency": "USD", "quantity": 1, "unit": "seat"}))
        .await;
    let percent = |points: i64| json!({"name": "Partners", "percent_basis_points": points, "duration": "forever"});
    put("/coupons/partner", percent(2_000)).await;
    put("/coupons/partner", percent(2_500)).await;
    let all = events(&world, "").await;
    let expected = [
        ("coupon_updated", 2),
        ("coupon_created", 1),
        ("addon_created", 1),
        ("plan_updated", 3),
        ("plan_version_published", 2),
        ("plan_created", 1),
    ];
    assert_eq!(told(&all), expected);
    assert_eq!(all[5]["data"], json!({"plan": created["plan"]}));
    let publication = json!({"plan_version": published["plan_version"], "replaced": null, "operation_id": null});
    assert_eq!(all[4]["data"], publication);
    let before = merged(
        created["plan"].clone(),
        json!({
            "newest_version": published["plan_version"], "revision": 2,
            "updated_at": published["plan_version"]["published_at"],
        }),
    );
    assert_eq!(all[3]["data"], json!({"from": before, "to": renamed["plan"]}));
    assert!(all.iter().all(|event| event["actor"] == "ada"), "{all:?}");
    // The events of one record, in pages of one.
    let of_plan = events(&world, "?plan=studio&limit=1").await;
    assert_eq!(of_plan, all[3..]);
    assert_eq!(events(&world, "?coupon=partner").await, all[..2]);
    assert_eq!(events(&world, "?addon=seats").await, all[2..3]);
    assert_eq!(events(&world, "?addon=studio").await, Vec::<Value>::new(), "an add-on is not a plan");
    // In pages of two, with a cursor from the middle of a page.
    assert_eq!(events(&world, "?limit=2").await, all);
}

#[tokio::test]
async fn a_command_that_changes_nothing_or_is_refused_has_no_event() {
    let world = World::start().await;
    world.sell_plan("studio", &[json!({"price_cents": 2_900})]).await;
    world.sell_coupon("partner", json!({})).await;
    let before = events(&world, "").await;
    world.put("/plans/studio", &world.admin, json!({"name": "studio"})).await.expect(200);
    world.put("/plans/studio", &world.user, json!({"name": "Mine"})).await.expect_problem(403, "admin_required");
    world.put("/plans/studio", &world.admin, json!({"name": 1})).await.expect_problem(422, "validation_failed");
    world.publish("nothing", json!({"price_cents": 1})).await.expect_problem(404, "not_found");
    let dry = json!({"price_cents": 3_900, "replaces": 1, "effective_from": "2090-01-01T00:00:00Z", "dry_run": true});
    world.publish("studio", dry).await.expect(200);
    assert_eq!(events(&world, "").await, before);
    world.get("/catalog/events", &world.user).await.expect_problem(403, "admin_required");
}

#[tokio::test]
async fn a_replacement_names_the_closed_version_and_the_operation() {
    let world = World::start().await;
    world.sell_plan("studio", &[json!({"price_cents": 2_900})]).await;
    let raise = json!({"price_cents": 3_900, "replaces": 1, "effective_from": "2090-01-01T00:00:00Z"});
    let published = world.publish("studio", raise).await.expect(201);
    let events = events(&world, "?plan=studio").await;
    let names = ["plan_version", "replaced", "operation_id"];
    let expected: Value = names.iter().map(|name| ((*name).to_owned(), published[*name].clone())).collect();
    assert_eq!(events[0]["data"], expected);
    assert!(events[0]["data"]["operation_id"].is_string() && events[0]["data"]["replaced"]["version"] == 1);
}

#[tokio::test]
async fn of_writers_at_the_same_moment_each_event_is_a_revision() {
    const WRITERS: usize = 6;
    let world = World::start().await;
    world.sell_addon("seats", json!({})).await;
    world.dynamodb.plan("TransactWriteItems", WRITERS, Fault::Gather(Arc::new(Barrier::new(WRITERS))));
    let put = |price_cents: usize| {
        let body = json!({
            "name": "Seats", "price_cents": price_cents, "currency": "USD", "quantity": 50, "unit": "GB",
        });
        world.put("/addons/seats", &world.admin, body)
    };
    let replies = join_all((0..WRITERS).map(put)).await;
    let written = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(written, 1, "all callers had read the same revision");
    assert!(replies.iter().all(|reply| reply.status == 200 || reply.body["code"] == "version_conflict"));
    let events = events(&world, "?addon=seats").await;
    assert_eq!(column(&events.clone().into(), "revision"), [2, 1]);
    let now = world.get("/addons/seats", &world.admin).await.expect(200)["addon"].take();
    assert_eq!(events[0]["data"]["to"], now);
}

#[tokio::test]
async fn a_clock_that_is_behind_turns_no_history_back() {
    let world = World::start().await;
    world.sell_plan("studio", &[json!({"price_cents": 2_900})]).await;
    world.sell_coupon("partner", json!({})).await;
    world.clock.shift(TimeDelta::minutes(-5));
    world.put("/plans/studio", &world.admin, json!({"name": "The studio"})).await.expect(200);
    world.publish("studio", json!({"price_cents": 3_900})).await.expect(201);
    world.sell_coupon("partner", json!({"percent_basis_points": 100})).await;
    let events = events(&world, "?plan=studio").await;
    let times = column(&events.into(), "occurred_at");
    assert!(times.windows(2).all(|pair| pair[0].as_str() >= pair[1].as_str()), "{times:?}");
}
