//! The promise: a tenant has one trial of a plan, free of charge to its end, and only `platform_admin` moves that end.

use arcadia_domain::State;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::shop::merged;
use crate::harness::world::{START, id_of, user};

/// 14 days from the start.
const TRIAL_END: &str = "2027-01-29T10:00:00Z";

/// A world that sells `tryout` with 14 days of trial, and the records of [`World::open_shop`].
async fn shop() -> World {
    let world = World::start().await;
    world.open_shop().await;
    world.sell_plan("tryout", &[json!({"price_cents": 2_900, "trial_days": 14})]).await;
    world
}

fn tryout() -> Value {
    json!({"plan_code": "tryout", "addons": ["storage_50gb"]})
}

/// Subscribes as `platform_admin`.
async fn subscribe_as_admin(world: &World, id: &str, body: Value) -> crate::harness::Reply {
    world.post(&format!("/deployments/{id}/subscribe"), &world.admin, body).await
}

/// Requests a later end of the trial.
async fn extend(world: &World, id: &str, token: &str, trial_ends_at: &str) -> crate::harness::Reply {
    world.post(&format!("/deployments/{id}/trial"), token, json!({"trial_ends_at": trial_ends_at})).await
}

#[tokio::test]
async fn the_plans_trial_is_free_and_bills_nothing_that_happens_in_it() {
    let world = shop().await;
    let id = id_of(&world.create("shop").await);
    let body = world.subscribe(&id, tryout()).await.expect(201);
    assert_eq!(body["invoice"], Value::Null, "nothing is billed in a trial");
    let subscription = &body["subscription"];
    for (name, expected) in [
        ("status", json!("active")),
        ("trial_ends_at", json!(TRIAL_END)),
        ("current_period_start", json!(START)),
        ("current_period_end", json!(TRIAL_END)),
        ("billed_from", Value::Null),
    ] {
        assert_eq!(subscription[name], expected, "{name}");
    }
    let deployment = &world.show(&id).await["deployment"];
    assert_eq!((&deployment["state"], &deployment["trial_ends_at"]), (&json!("active"), &Value::Null));
    assert_eq!((&deployment["next_action"], &deployment["next_action_at"]), (&json!("end_trial"), &json!(TRIAL_END)));
    world.clock.shift(chrono::TimeDelta::days(1));
    let addon_id = world.attach(&id, "storage_50gb").await;
    let path = format!("/deployments/{id}/subscription/addons/{addon_id}");
    world.delete(&path, &world.user).await.expect(200);
    let subscription = world.check(&id).await.subscription.unwrap();
    assert!(subscription.in_trial() && subscription.charges.is_empty());

    // A trial belongs to its plan. Another plan's trial counts from the beginning of the subscription, and a tenant has
    // it once.
    world.sell_plan("longer", &[json!({"price_cents": 5_000, "trial_days": 30})]).await;
    let longer = world.change(&id, json!({"plan_code": "longer"})).await.expect(200);
    assert_eq!((&longer["lines"], &longer["invoice"]), (&json!([]), &Value::Null));
    assert_eq!(longer["subscription"]["trial_ends_at"], "2027-02-14T10:00:00Z");
    // A plan without a trial, or with a used one, is billed at once.
    let billed = world.change(&id, json!({"plan_code": "studio"})).await.expect(200);
    assert_eq!(billed["lines"][0]["amount_cents"], 1_458, "15.58 of 31 days: {billed}");
    assert_eq!(billed["lines"][1]["amount_cents"], 377, "its add-on is billed as well: {billed}");
    assert_eq!(billed["invoice"]["total_cents"], 1_835);
    assert_eq!(billed["subscription"]["billed_from"], "2027-01-16T10:00:00Z");
    let second = world.create_subscribed("second", json!({"plan_code": "longer"})).await;
    assert_eq!(world.subscription(&second).await["trial_ends_at"], Value::Null);
    world.check(&id).await;
}

#[tokio::test]
async fn a_tenant_has_one_trial_of_a_plan_and_every_further_deployment_is_billed_at_once() {
    let world = shop().await;
    let first = world.create_subscribed("first", tryout()).await;
    let second = world.create_subscribed("second", tryout()).await;
    let subscription = world.subscription(&second).await;
    assert_eq!((&subscription["trial_ends_at"], &subscription["billed_from"]), (&Value::Null, &json!(START)));
    assert_eq!(subscription["current_period_end"], "2027-02-01T00:00:00Z");
    // There is no second trial for the same deployment, for another version, or when the platform subscribes.
    world.cancel(&first, "immediate").await.expect(200);
    world.publish("tryout", json!({"price_cents": 1, "trial_days": 700})).await.expect(201);
    let before = world.contents().await;
    let wished = merged(tryout(), json!({"trial_ends_at": "2027-03-01T00:00:00Z"}));
    subscribe_as_admin(&world, &first, wished).await.expect_problem(409, "trial_used");
    assert_eq!(world.contents().await, before);
    let again = world.subscribe(&first, tryout()).await.expect(201);
    assert_eq!(again["subscription"]["trial_ends_at"], Value::Null);
    // Another plan, and another tenant, has its own trial.
    world.sell_plan("other", &[json!({"price_cents": 1, "trial_days": 1})]).await;
    let other = world.create_subscribed("other", json!({"plan_code": "other"})).await;
    assert_eq!(world.subscription(&other).await["trial_ends_at"], "2027-01-16T10:00:00Z");
    let globex = user("globex");
    let theirs = world.post("/deployments", &globex, json!({"slug": "shop"})).await.expect(201);
    let path = format!("/deployments/{}/subscribe", id_of(&theirs["deployment"]));
    let old = json!({"plan_code": "tryout", "plan_version": 1});
    let theirs = world.post(&path, &world.admin, old).await.expect(201);
    assert_eq!(theirs["subscription"]["trial_ends_at"], TRIAL_END);
    for id in [&first, &second, &other] {
        world.check(id).await;
    }
}

#[tokio::test]
async fn only_platform_admin_sets_a_trials_end_and_only_ahead() {
    let world = shop().await;
    let id = id_of(&world.create("shop").await);
    let before = world.contents().await;
    let wished = |at: &str| json!({"plan_code": "studio", "trial_ends_at": at});
    let march = "2027-03-01T00:00:00Z";
    world.subscribe(&id, wished(march)).await.expect_problem(403, "field_not_permitted");
    for (at, code) in
        [(START, "not_in_future"), ("2026-01-01T00:00:00Z", "not_in_future"), ("2200-01-01T00:00:00Z", "too_far_ahead")]
    {
        subscribe_as_admin(&world, &id, wished(at)).await.expect_fields(&[("/trial_ends_at", code)]);
    }
    assert_eq!(world.contents().await, before);
    let body = subscribe_as_admin(&world, &id, wished(march)).await.expect(201);
    assert_eq!(
        (&body["subscription"]["trial_ends_at"], &body["subscription"]["billed_from"]),
        (&json!(march), &Value::Null)
    );
    // It uses the tenant's trial of this plan, though the plan itself gives none.
    let second = id_of(&world.create("second").await);
    subscribe_as_admin(&world, &second, wished(march)).await.expect_problem(409, "trial_used");
    world.subscribe(&second, json!({"plan_code": "studio"})).await.expect(201);
    world.check(&id).await;
    world.check(&second).await;
}

#[tokio::test]
async fn a_running_trial_is_extended_or_shortened_by_the_platform_and_by_nobody_else() {
    let world = shop().await;
    let id = world.create_subscribed("shop", tryout()).await;
    world.cancel(&id, "period_end").await.expect(200);
    let before = world.contents().await;
    let later = "2027-02-10T00:00:00Z";
    extend(&world, &id, &world.user, later).await.expect_problem(403, "admin_required");
    for (at, code) in
        [("2027-01-14T00:00:00Z", "not_in_future"), (START, "not_in_future"), ("2200-01-01T00:00:00Z", "too_far_ahead")]
    {
        extend(&world, &id, &world.admin, at).await.expect_fields(&[("/trial_ends_at", code)]);
    }
    assert_eq!(extend(&world, &id, &world.admin, TRIAL_END).await.expect(200)["event"], Value::Null);
    assert_eq!(world.contents().await, before);

    let reply = extend(&world, &id, &world.admin, later).await;
    assert_eq!(reply.header("etag"), "\"4\"");
    let body = reply.expect(200);
    assert_eq!((&body["event"]["type"], &body["event"]["actor"]), (&json!("trial_extended"), &json!("ada")));
    assert_eq!(body["event"]["data"]["ends_at"], json!({"from": TRIAL_END, "to": later}));
    let subscription = &body["subscription"];
    for name in ["trial_ends_at", "current_period_end", "cancel_at"] {
        assert_eq!(subscription[name], later, "{name}");
    }
    assert_eq!(world.subscription(&id).await, *subscription);
    assert_eq!(world.show(&id).await["deployment"]["next_action_at"], later);
    world.check(&id).await;

    // An earlier end is accepted like a later one, if it is in the future.
    let earlier = "2027-01-20T00:00:00Z";
    let body = extend(&world, &id, &world.admin, earlier).await.expect(200);
    assert_eq!(body["event"]["data"]["ends_at"], json!({"from": later, "to": earlier}));
    for name in ["trial_ends_at", "current_period_end", "cancel_at"] {
        assert_eq!(body["subscription"][name], earlier, "{name}");
    }
    assert_eq!(world.show(&id).await["deployment"]["next_action_at"], earlier);
    world.check(&id).await;

    // The trial is over at its end, even before a sweep: the subscription ends as scheduled.
    world.set_time(earlier);
    extend(&world, &id, &world.admin, "2027-03-01T00:00:00Z").await.expect_problem(409, "no_trial");
    assert_eq!(world.check(&id).await.live_subscription(), None);
}

#[tokio::test]
async fn a_deployment_without_a_trial_cannot_be_extended() {
    let world = shop().await;
    let bare = id_of(&world.create("bare").await);
    let billed = world.create_subscribed("billed", json!({"plan_code": "studio"})).await;
    let ended = world.create_subscribed("ended", tryout()).await;
    world.cancel(&ended, "immediate").await.expect(200);
    let archived = world.create_in("archived", State::Archived).await;
    let before = world.contents().await;
    for id in [&bare, &billed, &ended, &archived] {
        extend(&world, id, &world.admin, "2027-03-01T00:00:00Z").await.expect_problem(409, "no_trial");
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn a_deployment_in_trial_lends_its_subscription_the_trials_end() {
    let world = shop().await;
    // `create_in` ends the trial after 14 days as well.
    let id = world.create_in("shop", State::Trial).await;
    let wished = json!({"plan_code": "studio", "trial_ends_at": "2027-03-01T00:00:00Z"});
    subscribe_as_admin(&world, &id, wished).await.expect_fields(&[("/trial_ends_at", "not_allowed")]);
    let body = world.subscribe(&id, json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await.expect(201);
    let subscription = &body["subscription"];
    assert_eq!(
        (&subscription["trial_ends_at"], &subscription["current_period_end"]),
        (&json!(TRIAL_END), &json!(TRIAL_END))
    );
    assert_eq!((&subscription["status"], &subscription["billed_from"]), (&json!("active"), &Value::Null));
    let later = "2027-02-10T00:00:00Z";
    let body = extend(&world, &id, &world.admin, later).await.expect(200);
    assert_eq!(
        (&body["deployment"]["trial_ends_at"], &body["subscription"]["trial_ends_at"]),
        (&json!(later), &json!(later))
    );
    assert_eq!(body["deployment"]["next_action_at"], later);
    world.check(&id).await;

    // An early end begins billing.
    world.clock.shift(chrono::TimeDelta::days(3));
    let early = "2027-01-18T10:00:00Z";
    world.transition(&id, &world.user, json!({"to_state": "active"})).await.expect(200);
    let subscription = world.subscription(&id).await;
    for (name, expected) in [
        ("trial_ends_at", early),
        ("billed_from", early),
        ("current_period_start", "2027-01-01T00:00:00Z"),
        ("current_period_end", "2027-02-01T00:00:00Z"),
    ] {
        assert_eq!(subscription[name], expected, "{name}");
    }
    // From 18 January, 10:00, 326 of the month's 744 hours are billed: 1270.70 of 2900, 328.63 of 750.
    let shown = world.show(&id).await;
    let invoice = &shown["events"][0]["data"]["invoice"];
    assert_eq!((&invoice["billed_from"], &invoice["total_cents"]), (&json!(early), &json!(1_271 + 329)));
    let next = |shown: &Value| {
        let deployment = &shown["deployment"];
        (deployment["next_action"].clone(), deployment["next_action_at"].clone())
    };
    assert_eq!(next(&shown), (json!("mark_past_due"), json!("2027-01-25T10:00:00Z")));
    world.settle_open_invoices(&id).await;
    assert_eq!(next(&world.show(&id).await), (json!("renew"), json!("2027-02-01T00:00:00Z")));
    extend(&world, &id, &world.admin, "2027-03-01T00:00:00Z").await.expect_problem(409, "no_trial");
    world.check(&id).await;
}

#[tokio::test]
async fn the_trial_of_a_deployment_without_a_subscription_is_extended_too() {
    let world = shop().await;
    let id = world.create_in("shop", State::Trial).await;
    let later = "2027-02-10T00:00:00Z";
    let body = extend(&world, &id, &world.admin, later).await.expect(200);
    assert_eq!((&body["deployment"]["trial_ends_at"], &body["subscription"]), (&json!(later), &Value::Null));
    assert_eq!(
        (&body["deployment"]["next_action"], &body["deployment"]["next_action_at"]),
        (&json!("end_trial"), &json!(later))
    );
    extend(&world, &id, &world.user, "2027-03-01T00:00:00Z").await.expect_problem(403, "admin_required");
    world.check(&id).await;
}

#[tokio::test]
async fn a_second_deployment_in_trial_has_to_wait_with_a_plan_whose_trial_is_used() {
    let world = shop().await;
    world.create_subscribed("first", tryout()).await;
    let id = world.create_in("second", State::Trial).await;
    let before = world.contents().await;
    world.subscribe(&id, tryout()).await.expect_problem(409, "trial_used");
    assert_eq!(world.contents().await, before);
    world.transition(&id, &world.user, json!({"to_state": "active"})).await.expect(200);
    assert_eq!(world.subscribe(&id, tryout()).await.expect(201)["subscription"]["trial_ends_at"], Value::Null);
    world.check(&id).await;
}

#[tokio::test]
async fn a_trial_is_not_over_for_a_pause_or_a_cancellation_within_it() {
    let world = shop().await;
    let id = world.create_subscribed("shop", tryout()).await;
    let before = world.subscription(&id).await;
    for away in ["paused", "cancelled"] {
        for to_state in [away, "active"] {
            world.clock.shift(chrono::TimeDelta::days(1));
            world.transition(&id, &world.user, json!({"to_state": to_state})).await.expect(200);
        }
        assert_eq!(world.subscription(&id).await, before, "{away}");
    }
    // A pause that outlasts the trial ends it; the resumption begins billing.
    world.transition(&id, &world.user, json!({"to_state": "paused"})).await.expect(200);
    world.set_time("2027-02-03T04:05:06Z");
    world.transition(&id, &world.user, json!({"to_state": "active"})).await.expect(200);
    let subscription = world.subscription(&id).await;
    assert_eq!(
        (&subscription["trial_ends_at"], &subscription["billed_from"]),
        (&json!(TRIAL_END), &json!("2027-02-03T04:05:06Z"))
    );
    assert_eq!(subscription["current_period_end"], "2027-03-01T00:00:00Z");
    world.check(&id).await;
}

#[tokio::test]
async fn a_deployment_in_trial_can_subscribe_again_to_the_plan_it_tries() {
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_in("shop", State::Trial).await;
    world.subscribe(&id, json!({"plan_code": "studio"})).await.expect(201);
    world.cancel(&id, "immediate").await.expect(200);
    let again = world.subscribe(&id, json!({"plan_code": "studio"})).await;
    assert_eq!(again.status, 201, "{}", again.text);
}
