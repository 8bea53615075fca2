//! The promise: a subscription's periods follow its anchor, which is the calendar month by default or the moment of
//! subscribing. A short month does not move later boundaries.

use serde_json::{Value, json};

use crate::harness::World;

/// The period fields of a subscription.
fn period(subscription: &Value) -> (&str, &str, u64) {
    let text = |name: &str| subscription[name].as_str().expect("a time");
    (text("current_period_start"), text("current_period_end"), subscription["cycle_index"].as_u64().unwrap())
}

/// A world in which a deployment subscribes at `at`. Returns the deployment's id.
async fn subscribed_at(at: &str, body: Value) -> (World, String) {
    let world = World::start().await;
    world.open_shop().await;
    for interval in ["quarter", "half_year"] {
        world.sell_plan(interval, &[json!({"price_cents": 1, "interval": interval})]).await;
    }
    world.set_time(at);
    let id = world.create_subscribed("shop", body).await;
    (world, id)
}

/// Pauses the deployment and resumes it at `at`, which opens the period around `at`.
async fn resumed_at(world: &World, id: &str, at: &str) -> Value {
    // A deployment with an overdue invoice cannot be paused.
    world.settle_open_invoices(id).await;
    world.transition(id, &world.user, json!({"to_state": "paused"})).await.expect(200);
    world.set_time(at);
    world.transition(id, &world.user, json!({"to_state": "active"})).await.expect(200);
    world.check(id).await;
    world.subscription(id).await
}

#[tokio::test]
async fn the_calendar_is_the_default_and_its_first_period_is_the_current_month() {
    for (at, start, end) in [
        ("2027-01-15T10:00:00Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        ("2027-01-31T23:59:59.999Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        ("2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ("2027-12-31T12:00:00Z", "2027-12-01T00:00:00Z", "2028-01-01T00:00:00Z"),
    ] {
        let (world, id) = subscribed_at(at, json!({"plan_code": "studio"})).await;
        let subscription = world.subscription(&id).await;
        assert_eq!((&subscription["anchor"], &subscription["anchor_day"]), (&json!("calendar"), &json!(1)));
        assert_eq!(period(&subscription), (start, end, 0), "{at}");
        world.sell_plan("named", &[json!({"price_cents": 1})]).await;
        let named = world.create_subscribed("named", json!({"plan_code": "named", "anchor": "calendar"})).await;
        assert_eq!(period(&world.subscription(&named).await), (start, end, 0), "{at}");
    }
}

#[tokio::test]
async fn a_longer_interval_of_the_calendar_begins_with_the_current_month() {
    for (plan_code, end) in
        [("quarter", "2027-04-01T00:00:00Z"), ("half_year", "2027-07-01T00:00:00Z"), ("yearly", "2028-01-01T00:00:00Z")]
    {
        let (world, id) = subscribed_at("2027-01-31T10:00:00Z", json!({"plan_code": plan_code})).await;
        let subscription = world.subscription(&id).await;
        assert_eq!(period(&subscription), ("2027-01-01T00:00:00Z", end, 0), "{plan_code}");
        let next = async || {
            let deployment = world.show(&id).await["deployment"].take();
            (deployment["next_action"].clone(), deployment["next_action_at"].clone())
        };
        assert_eq!(next().await, (json!("mark_past_due"), json!("2027-02-07T10:00:00Z")), "{plan_code}");
        world.settle_open_invoices(&id).await;
        assert_eq!(next().await, (json!("renew"), json!(end)), "{plan_code}");
    }
}

#[tokio::test]
async fn anchored_now_periods_begin_at_this_moment_of_each_month() {
    let body = json!({"plan_code": "studio", "anchor": "now"});
    let (world, id) = subscribed_at("2027-01-15T10:00:30.250Z", body).await;
    let subscription = world.subscription(&id).await;
    assert_eq!((&subscription["anchor"], &subscription["anchor_day"]), (&json!("now"), &json!(15)));
    // Billing is to the second: fractions are dropped.
    assert_eq!(period(&subscription), ("2027-01-15T10:00:30Z", "2027-02-15T10:00:30Z", 0));
    assert_eq!(subscription["billed_from"], "2027-01-15T10:00:30Z");
    // The moment before a boundary belongs to the earlier period, the boundary itself to the next.
    let resumed = resumed_at(&world, &id, "2027-03-15T10:00:29Z").await;
    assert_eq!(period(&resumed), ("2027-02-15T10:00:30Z", "2027-03-15T10:00:30Z", 1));
    let resumed = resumed_at(&world, &id, "2027-03-15T10:00:30Z").await;
    assert_eq!(period(&resumed), ("2027-03-15T10:00:30Z", "2027-04-15T10:00:30Z", 2));
    assert_eq!(resumed["billed_from"], "2027-03-15T10:00:30Z");
}

#[tokio::test]
async fn the_31st_is_the_last_day_of_a_short_month_and_the_31st_again_after_it() {
    let body = json!({"plan_code": "studio", "anchor": "now"});
    let (world, id) = subscribed_at("2027-01-31T10:00:00Z", body).await;
    let subscription = world.subscription(&id).await;
    assert_eq!(subscription["anchor_day"], 31);
    assert_eq!(period(&subscription), ("2027-01-31T10:00:00Z", "2027-02-28T10:00:00Z", 0));
    for (at, expected) in [
        ("2027-03-01T00:00:00Z", ("2027-02-28T10:00:00Z", "2027-03-31T10:00:00Z", 1)),
        ("2027-04-02T00:00:00Z", ("2027-03-31T10:00:00Z", "2027-04-30T10:00:00Z", 2)),
        ("2027-05-30T00:00:00Z", ("2027-04-30T10:00:00Z", "2027-05-31T10:00:00Z", 3)),
        ("2028-02-29T10:00:00Z", ("2028-02-29T10:00:00Z", "2028-03-31T10:00:00Z", 13)),
    ] {
        let resumed = resumed_at(&world, &id, at).await;
        assert_eq!(period(&resumed), expected, "{at}");
        assert_eq!((&resumed["anchor_at"], &resumed["anchor_day"]), (&json!("2027-01-31T10:00:00Z"), &json!(31)));
    }
}

#[tokio::test]
async fn a_year_from_29_february_ends_on_the_28th_until_the_next_leap_year() {
    let body = json!({"plan_code": "yearly", "anchor": "now"});
    let (world, id) = subscribed_at("2028-02-29T00:00:00Z", body).await;
    let subscription = world.subscription(&id).await;
    assert_eq!(period(&subscription), ("2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z", 0));
    for (at, expected) in [
        ("2029-02-28T00:00:00Z", ("2029-02-28T00:00:00Z", "2030-02-28T00:00:00Z", 1)),
        ("2031-03-01T00:00:00Z", ("2031-02-28T00:00:00Z", "2032-02-29T00:00:00Z", 3)),
        ("2032-02-29T00:00:00Z", ("2032-02-29T00:00:00Z", "2033-02-28T00:00:00Z", 4)),
    ] {
        assert_eq!(period(&resumed_at(&world, &id, at).await), expected, "{at}");
    }
}

#[tokio::test]
async fn a_pause_within_the_period_costs_nothing_and_changes_no_period() {
    let (world, id) = subscribed_at("2027-01-15T10:00:00Z", json!({"plan_code": "studio"})).await;
    let before = world.subscription(&id).await;
    assert_eq!(resumed_at(&world, &id, "2027-01-31T23:59:59Z").await, before);
    assert_eq!(before["billed_from"], "2027-01-15T10:00:00Z");
}
