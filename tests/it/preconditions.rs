//! The promise: with `If-Match` a command is executed only on the version that the caller saw, and `dry_run` shows the
//! outcome without executing it.

use arcadia_domain::State;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::client::send;
use crate::harness::world::id_of;
use crate::harness::{Reply, World};

/// Pauses or resumes, whichever changes something, under a condition.
async fn toggle(world: &World, id: &str, tags: &[&str]) -> Reply {
    let shown = world.get(&format!("/deployments/{id}"), &world.user).await.expect(200);
    let to_state = if shown["deployment"]["state"] == "active" { "paused" } else { "active" };
    let request = world.request(Method::POST, &format!("/deployments/{id}/transition"), &world.user);
    let request = request.json(&json!({"to_state": to_state}));
    send(tags.iter().fold(request, |request, tag| request.header("if-match", *tag))).await
}

#[tokio::test]
async fn a_stale_version_is_refused_and_the_present_one_is_not() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    toggle(&world, &id, &[]).await.expect(200);
    let before = world.contents().await;
    for stale in ["\"1\"", "\"3\"", "\"02\"", "\"\"", "W/\"2\"", "\"1\", \"3\"", "\"18446744073709551616\"", "\"*\""] {
        let problem = toggle(&world, &id, &[stale]).await.expect_problem(412, "precondition_failed");
        assert_eq!(problem["current_version"], 2, "{stale}");
    }
    toggle(&world, &id, &["\"1\"", "\"3\""]).await.expect_problem(412, "precondition_failed");
    assert_eq!(world.contents().await, before);
    let versions: [(&[&str], u64); 6] = [
        (&["\"2\""], 3),
        (&["*"], 4),
        (&["\"1\", \"4\""], 5),
        (&["\"1\"", "\"5\""], 6),
        (&[" \"6\" "], 7),
        (&[",\"a,b\", ,W/\"1\",\"7\","], 8),
    ];
    for (fresh, version) in versions {
        let reply = toggle(&world, &id, fresh).await;
        assert_eq!(reply.header("etag"), format!("\"{version}\""), "{fresh:?}: {}", reply.text);
        reply.expect(200);
    }
}

#[tokio::test]
async fn every_change_can_be_made_conditional() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let path = format!("/deployments/{id}");
    let resource = json!({"kind": "database", "provider_reference": "db-1"});
    let created = world.post(&format!("{path}/resources"), &world.data_plane, resource.clone()).await.expect(201);
    let resource_path = format!("{path}/resources/{}", id_of(&created["resource"]));
    let before = world.contents().await;
    let changes = [
        (Method::PATCH, path.clone(), json!({"display_name": "Shop"}), 200),
        (Method::POST, format!("{path}/transition"), json!({"to_state": "paused"}), 200),
        (Method::POST, format!("{path}/resources"), resource, 201),
        (Method::DELETE, resource_path, Value::Null, 200),
    ];
    let request = |method: &Method, path: &str, body: &Value, tag: String| {
        let token = if path.contains("/resources") { &world.data_plane } else { &world.user };
        let request = world.request(method.clone(), path, token).header("if-match", tag);
        if body.is_null() { request } else { request.json(body) }
    };
    for (method, path, body, _) in &changes {
        let problem = send(request(method, path, body, "\"1\"".to_owned())).await;
        assert_eq!(problem.expect_problem(412, "precondition_failed")["current_version"], 2, "{method} {path}");
    }
    assert_eq!(world.contents().await, before);
    for ((method, path, body, status), version) in changes.iter().zip(2..) {
        let reply = send(request(method, path, body, format!("\"{version}\""))).await;
        assert_eq!(reply.header("etag"), format!("\"{}\"", version + 1), "{method} {path}");
        reply.expect(*status);
    }
}

#[tokio::test]
async fn a_condition_goes_before_the_rules_but_after_the_search() {
    let world = World::start().await;
    let id = world.create_in("shop", State::Archived).await;
    let stale = |id: &str| {
        let request = world.request(Method::POST, &format!("/deployments/{id}/transition"), &world.admin);
        send(request.header("if-match", "\"1\"").json(&json!({"to_state": "active"})))
    };
    stale(&id).await.expect_problem(412, "precondition_failed");
    stale("01920000-0000-7000-8000-000000000000").await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_dry_run_shows_what_would_happen_and_writes_nothing() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    world.clock.shift(TimeDelta::minutes(5));
    let before = world.contents().await;
    let wish = json!({"to_state": "paused", "reason": "holidays", "resume_at": "2027-03-01T00:00:00Z"});
    let mut dry = wish.clone();
    dry["dry_run"] = true.into();
    let reply = world.transition(&id, &world.user, dry.clone()).await;
    assert_eq!(reply.header("etag"), "\"1\"", "the version that is stored");
    let mut foreseen = reply.expect(200);
    assert_eq!(world.contents().await, before);
    assert_eq!((&foreseen["deployment"]["state"], &foreseen["deployment"]["version"]), (&json!("paused"), &json!(2)));
    assert_eq!(foreseen["event"]["sequence"], 2);
    assert_eq!(foreseen["dry_run"], true);

    // The real outcome equals that of the dry run.
    let mut happened = world.transition(&id, &world.user, wish).await.expect(200);
    assert_eq!(happened["dry_run"].take(), false);
    foreseen["dry_run"].take();
    let fields = foreseen.as_object_mut().expect("an object");
    let (lines, events) = (fields.remove("lines"), fields.remove("events"));
    assert_eq!((lines, events), (Some(json!([])), Some(json!([happened["event"]]))));
    assert_eq!(foreseen, happened);

    // A dry run of a command that changes nothing.
    let after = world.contents().await;
    let body = world.transition(&id, &world.user, dry).await.expect(200);
    assert_eq!(body["event"], Value::Null);
    assert_eq!(world.contents().await, after);
}

#[tokio::test]
async fn a_dry_run_is_refused_like_the_real_one() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let before = world.contents().await;
    let dry = |to_state: &str| json!({"to_state": to_state, "dry_run": true});
    let problem = world.transition(&id, &world.user, dry("archived")).await.expect_problem(422, "invalid_transition");
    assert_eq!(problem["allowed_transitions"], json!(["paused", "cancelled"]));
    world.transition(&id, &world.user, dry("past_due")).await.expect_problem(403, "transition_not_permitted");
    let request = world.request(Method::POST, &format!("/deployments/{id}/transition"), &world.user);
    let stale = send(request.header("if-match", "\"9\"").json(&dry("paused"))).await;
    stale.expect_problem(412, "precondition_failed");
    assert_eq!(world.contents().await, before);
}
