//! The promise: a deployment is created and moves along the map with an event for each move. A move outside the map is
//! refused and leaves no trace.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::world::{ACME, DEFAULT_REGION, id_of, user};

/// [`crate::harness::world::START`], as answers write it.
const NOW: &str = "2027-01-15T10:00:00Z";

#[tokio::test]
async fn creation_answers_with_the_deployment_and_writes_one_event() {
    let world = World::start().await;
    let reply = world.post("/deployments", &world.user, json!({"slug": "shop"})).await;
    assert_eq!(reply.header("etag"), "\"1\"");
    let location = reply.header("location").to_owned();
    let body = reply.expect(201);
    let id = id_of(&body["deployment"]);
    assert_eq!(location, format!("/api/v1/deployments/{id}"));
    let deployment = json!({
        "id": id, "tenant_id": ACME, "slug": "shop", "display_name": "shop", "region": DEFAULT_REGION,
        "state": "active", "state_since": NOW, "llm_mode": null, "billing_action_suspended": false,
        "billing_action_suspended_since": null, "template_code": null, "template_version": null, "trial_ends_at": null,
        "tenant_held": false, "paused_by": null, "resume_at": null, "live_resources": 0, "open_invoices": [], "uncollectible_invoices": 0,
        "uncollectible_due": [], "balances": [], "next_action": null, "next_action_at": null, "upcoming": [],
        "version": 1,
        "created_at": NOW, "updated_at": NOW,
    });
    assert_eq!(body, json!({"deployment": deployment}));
    let shown = world.get(&format!("/deployments/{id}"), &world.user).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    let event = json!({
        "sequence": 1, "commit_last": 1, "type": "created", "entries": [], "charges": null, "from_state": null, "to_state": "active", "reason": "created",
        "actor": "bob", "notes": null, "occurred_at": NOW,
        "data": {
            "tenant_id": ACME, "slug": "shop", "display_name": "shop", "region": DEFAULT_REGION, "llm_mode": null,
            "template_code": null, "template_version": null, "trial_ends_at": null,
        },
    });
    let expected = json!({
        "deployment": deployment, "subscription": null, "next_invoices": [], "events": [event],
        "allowed_transitions": ["paused", "cancelled"],
    });
    assert_eq!(shown.expect(200), expected);
}

#[tokio::test]
async fn creation_takes_every_field() {
    let world = World::start().await;
    let fields = json!({
        "tenant_id": ACME, "slug": "my-shop-2", "display_name": "Größter Shop", "region": "us-east-1",
        "state": "trial", "llm_mode": "byo_key", "template_code": "store", "template_version": "1.4.0+b",
        "trial_ends_at": "2027-02-01T00:00:00Z",
    });
    let body = world.post("/deployments", &world.admin, fields.clone()).await.expect(201);
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&body["deployment"][name], value, "{name}");
    }
    let shown = world.get(&format!("/deployments/{}", id_of(&body["deployment"])), &world.user).await.expect(200);
    assert_eq!(shown["deployment"], body["deployment"]);
    assert_eq!(shown["events"][0]["actor"], "ada");
}

#[tokio::test]
async fn a_move_of_the_map_is_made_with_its_event() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    world.clock.shift(TimeDelta::seconds(90));
    let resume_at = "2027-03-01T00:00:00Z";
    let asked = json!({"to_state": "paused", "reason": "holidays", "notes": "two\nlines", "resume_at": resume_at});
    let reply = world.transition(&id, &world.user, asked).await;
    assert_eq!(reply.header("etag"), "\"2\"");
    let body = reply.expect(200);
    let deployment = &body["deployment"];
    assert_eq!(deployment["state"], "paused");
    assert_eq!(deployment["version"], 2);
    assert_eq!(deployment["resume_at"], resume_at);
    for (name, at) in [("state_since", "2027-01-15T10:01:30Z"), ("created_at", NOW)] {
        assert_eq!(deployment[name], at, "{name}");
    }
    let event = json!({
        "sequence": 2, "commit_last": 2, "type": "state_changed", "from_state": "active", "to_state": "paused", "reason": "holidays",
        "actor": "bob", "notes": "two\nlines", "occurred_at": "2027-01-15T10:01:30Z",
        "data": {"resume_at": resume_at, "subscription": null}, "entries": [], "charges": null,
    });
    assert_eq!(body["event"], event);
    let shown = world.get(&format!("/deployments/{id}"), &world.user).await.expect(200);
    assert_eq!(&shown["deployment"], deployment);
    assert_eq!(shown["events"][0], event);
    assert_eq!(shown["events"].as_array().map(Vec::len), Some(2));

    // Leaving the pause clears its end.
    let body = world.transition(&id, &world.user, json!({"to_state": "active"})).await.expect(200);
    assert_eq!(body["deployment"]["resume_at"], Value::Null);
}

#[tokio::test]
async fn a_move_outside_the_map_is_refused_and_leaves_no_trace() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    world.transition(&id, &world.user, json!({"to_state": "paused"})).await.expect(200);
    let before = world.contents().await;
    let problem = world.transition(&id, &world.admin, json!({"to_state": "archived", "reason": "gone"})).await;
    let problem = problem.expect_problem(422, "invalid_transition");
    assert_eq!(problem["from"], "paused");
    assert_eq!(problem["to"], "archived");
    assert_eq!(problem["allowed_transitions"], json!(["active", "cancelled"]));
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn a_move_to_the_present_state_succeeds_and_leaves_no_trace() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    world.transition(&id, &world.user, json!({"to_state": "paused"})).await.expect(200);
    let before = world.contents().await;
    let reply = world.transition(&id, &world.user, json!({"to_state": "paused", "reason": "again"})).await;
    assert_eq!(reply.header("etag"), "\"2\"");
    let body = reply.expect(200);
    assert_eq!(body["event"], Value::Null);
    assert_eq!(body["deployment"]["state"], "paused");
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn a_trial_needs_its_end_and_nothing_else_has_one() {
    let world = World::start().await;
    let end = "2027-02-01T00:00:00Z";
    let create = |state: &str, end: Value| {
        let body = json!({"tenant_id": ACME, "slug": "shop", "state": state, "trial_ends_at": end});
        world.post("/deployments", &world.admin, body)
    };
    create("trial", Value::Null).await.expect_fields(&[("/trial_ends_at", "required")]);
    create("trial", NOW.into()).await.expect_fields(&[("/trial_ends_at", "not_in_future")]);
    create("trial", "2127-02-01T00:00:00Z".into()).await.expect_fields(&[("/trial_ends_at", "too_far_ahead")]);
    create("active", end.into()).await.expect_fields(&[("/trial_ends_at", "not_allowed")]);
    assert!(world.contents().await.is_empty());
    let body = create("trial", end.into()).await.expect(201);
    assert_eq!((&body["deployment"]["state"], &body["deployment"]["trial_ends_at"]), (&"trial".into(), &end.into()));
}

#[tokio::test]
async fn creation_in_any_other_state_is_refused() {
    let world = World::start().await;
    for state in ["past_due", "paused", "suspended", "cancelled", "archived"] {
        let body = json!({"tenant_id": ACME, "slug": "shop", "state": state});
        world.post("/deployments", &world.admin, body).await.expect_problem(422, "invalid_initial_state");
    }
    assert!(world.contents().await.is_empty());
}

#[tokio::test]
async fn a_slug_is_unique_within_its_tenant_for_good() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let before = world.contents().await;
    let again = json!({"slug": "shop", "display_name": "another"});
    world.post("/deployments", &world.user, again.clone()).await.expect_problem(409, "slug_taken");
    assert_eq!(world.contents().await, before);
    world.post("/deployments", &user("globex"), again.clone()).await.expect(201);
    for state in ["cancelled", "archived"] {
        world.transition(&id, &world.admin, json!({"to_state": state})).await.expect(200);
    }
    world.post("/deployments", &world.user, again).await.expect_problem(409, "slug_taken");
}

#[tokio::test]
async fn only_a_pause_ends_by_itself_and_only_in_the_future() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let before = world.contents().await;
    for (to_state, resume_at, code) in [
        ("cancelled", "2027-03-01T00:00:00Z", "not_allowed"),
        ("paused", NOW, "not_in_future"),
        ("paused", "2026-03-01T00:00:00Z", "not_in_future"),
        ("paused", "2200-03-01T00:00:00Z", "too_far_ahead"),
        ("paused", "tomorrow", "invalid_timestamp"),
    ] {
        let reply = world.transition(&id, &world.user, json!({"to_state": to_state, "resume_at": resume_at})).await;
        reply.expect_fields(&[("/resume_at", code)]);
    }
    assert_eq!(world.contents().await, before);
}
