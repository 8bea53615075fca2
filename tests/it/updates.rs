//! The promise: a deployment's own fields are changed one by one or together, each change with its event. Absent fields
//! stay, and null clears a field that may be empty.

use arcadia_domain::State;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::world::{id_of, user};

#[tokio::test]
async fn fields_are_changed_with_an_event_that_tells_both_values() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let path = format!("/deployments/{id}");
    let steps = [
        (json!({"display_name": "Shop"}), json!({"display_name": {"from": "shop", "to": "Shop"}})),
        (json!({"region": "us-east-1"}), json!({"region": {"from": "eu-central-1", "to": "us-east-1"}})),
        (json!({"llm_mode": "managed"}), json!({"llm_mode": {"from": null, "to": "managed"}})),
        (
            json!({"template_code": "store", "template_version": "1.4.0"}),
            json!({
                "template_code": {"from": null, "to": "store"}, "template_version": {"from": null, "to": "1.4.0"},
            }),
        ),
        (json!({"template_version": "2.0.0"}), json!({"template_version": {"from": "1.4.0", "to": "2.0.0"}})),
        (
            json!({"llm_mode": null, "display_name": "Shop", "region": "eu-west-1"}),
            json!({"llm_mode": {"from": "managed", "to": null}, "region": {"from": "us-east-1", "to": "eu-west-1"}}),
        ),
        (
            json!({"template_code": null, "template_version": null}),
            json!({
                "template_code": {"from": "store", "to": null}, "template_version": {"from": "2.0.0", "to": null},
            }),
        ),
    ];
    for ((change, data), version) in steps.into_iter().zip(2..) {
        let reply = world.patch(&path, &world.user, change.clone()).await;
        assert_eq!(reply.header("etag"), format!("\"{version}\""));
        let body = reply.expect(200);
        for (name, value) in change.as_object().unwrap() {
            assert_eq!(&body["deployment"][name], value, "{name}");
        }
        let shown = world.get(&path, &world.user).await.expect(200);
        assert_eq!(shown["deployment"], body["deployment"]);
        let event = &shown["events"][0];
        assert_eq!((&event["type"], &event["sequence"], &event["data"]), (&json!("updated"), &json!(version), &data));
        assert_eq!(
            (&event["from_state"], &event["to_state"], &event["actor"]),
            (&Value::Null, &Value::Null, &json!("bob"))
        );
    }
}

#[tokio::test]
async fn a_command_that_changes_nothing_writes_nothing() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let path = format!("/deployments/{id}");
    let full =
        json!({"display_name": "Shop", "llm_mode": "managed", "template_code": "store", "template_version": "1"});
    world.patch(&path, &world.user, full.clone()).await.expect(200);
    let before = world.contents().await;
    for body in [json!({}), full, json!({"display_name": "Shop"}), json!({"region": "eu-central-1"})] {
        let reply = world.patch(&path, &world.user, body).await;
        assert_eq!(reply.header("etag"), "\"2\"");
        reply.expect(200);
    }
    world.patch(&path, &world.admin, json!({"billing_action_suspended": false})).await.expect(200);
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn a_template_has_a_code_and_a_version_or_neither() {
    let world = World::start().await;
    for (name, other) in [("template_code", "template_version"), ("template_version", "template_code")] {
        let missing = format!("/{other}");
        let body = json!({"slug": "half", name: "1"});
        world.post("/deployments", &world.user, body).await.expect_fields(&[(&missing, "required")]);
    }
    let id = id_of(&world.create("shop").await);
    let path = format!("/deployments/{id}");
    let refuse = async |body: Value, pointer: &str| {
        let before = world.contents().await;
        world.patch(&path, &world.user, body).await.expect_fields(&[(pointer, "required")]);
        assert_eq!(world.contents().await, before);
    };
    refuse(json!({"template_code": "store"}), "/template_version").await;
    refuse(json!({"template_version": "1"}), "/template_code").await;
    refuse(json!({"template_code": "store", "template_version": null}), "/template_version").await;
    world.patch(&path, &world.user, json!({"template_code": "store", "template_version": "1"})).await.expect(200);
    refuse(json!({"template_code": null}), "/template_code").await;
    refuse(json!({"template_version": null}), "/template_version").await;
    world.patch(&path, &world.user, json!({"template_code": "blog"})).await.expect(200);
}

#[tokio::test]
async fn only_platform_admin_suspends_billing_actions() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let path = format!("/deployments/{id}");
    let before = world.contents().await;
    for value in [true, false] {
        let body = json!({"billing_action_suspended": value, "display_name": "Shop"});
        world.patch(&path, &world.user, body).await.expect_problem(403, "field_not_permitted");
    }
    assert_eq!(world.contents().await, before);
    let body = world.patch(&path, &world.admin, json!({"billing_action_suspended": true})).await.expect(200);
    assert_eq!(body["deployment"]["billing_action_suspended"], true);
    let shown = world.get(&path, &world.user).await.expect(200);
    assert_eq!(shown["deployment"]["billing_action_suspended"], true);
    assert_eq!(shown["events"][0]["data"], json!({"billing_action_suspended": {"from": false, "to": true}}));
    assert_eq!(shown["events"][0]["actor"], "ada");
}

#[tokio::test]
async fn an_archived_deployment_never_changes() {
    let world = World::start().await;
    let id = world.create_in("shop", State::Archived).await;
    let path = format!("/deployments/{id}");
    let before = world.contents().await;
    for body in [json!({"display_name": "Shop"}), json!({"billing_action_suspended": true})] {
        world.patch(&path, &world.admin, body).await.expect_problem(422, "deployment_archived");
    }
    let resource = json!({"kind": "database", "provider_reference": "db-1"});
    let added = world.post(&format!("{path}/resources"), &world.admin, resource).await;
    added.expect_problem(422, "deployment_archived");
    for state in State::ALL.into_iter().filter(|state| *state != State::Archived) {
        let problem = world.transition(&id, &world.admin, json!({"to_state": state})).await;
        let problem = problem.expect_problem(422, "invalid_transition");
        assert_eq!(problem["allowed_transitions"], json!([]));
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn every_other_state_can_be_updated_by_its_tenant_and_by_nobody_elses() {
    let world = World::start().await;
    for state in State::ALL.into_iter().filter(|state| *state != State::Archived) {
        let id = world.create_in(&state.as_str().replace('_', "-"), state).await;
        let path = format!("/deployments/{id}");
        let body = world.patch(&path, &world.user, json!({"display_name": "Shop"})).await.expect(200);
        assert_eq!(body["deployment"]["state"], json!(state));
        let stranger = world.patch(&path, &user("globex"), json!({"display_name": "Mine"})).await;
        stranger.expect_problem(404, "not_found");
    }
}
