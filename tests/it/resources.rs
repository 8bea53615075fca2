//! The promise: a deployment's cloud resources are recorded with it, stay as records after their deletion, and prevent
//! its archival while they are live.

use arcadia_domain::{MAX_LIVE_RESOURCES, State};
use chrono::TimeDelta;
use serde_json::json;

use crate::harness::World;
use crate::harness::world::id_of;

const NOW: &str = "2027-01-15T10:00:00Z";

#[tokio::test]
async fn a_resource_is_added_listed_and_deleted_once() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let path = format!("/deployments/{id}/resources");
    let body = json!({"kind": "database", "provider_reference": "arn:aws:rds:eu-central-1:1:db:größer"});
    let reply = world.post(&path, &world.data_plane, body).await;
    assert_eq!(reply.header("etag"), "\"2\"");
    let location = reply.header("location").to_owned();
    let resource = reply.expect(201)["resource"].take();
    let resource_id = id_of(&resource);
    assert_eq!(location, format!("/api/v1{path}/{resource_id}"));
    let expected = json!({
        "id": resource_id, "deployment_id": id, "kind": "database", "region": "eu-central-1",
        "provider_reference": "arn:aws:rds:eu-central-1:1:db:größer", "created_at": NOW, "deleted_at": null,
        "version": 2,
    });
    assert_eq!(resource, expected);
    assert_eq!(world.collect(&path, &world.user, "resources").await, [expected]);
    let shown = world.get(&format!("/deployments/{id}"), &world.user).await.expect(200);
    assert_eq!(shown["deployment"]["live_resources"], 1);
    assert_eq!(shown["events"][0]["type"], "resource_added");
    assert_eq!(shown["events"][0]["data"], json!({"resource_id": resource_id, "kind": "database"}));

    world.clock.shift(TimeDelta::hours(1));
    let reply = world.delete(&format!("{path}/{resource_id}"), &world.data_plane).await;
    assert_eq!(reply.header("etag"), "\"3\"");
    let deleted = reply.expect(200)["resource"].take();
    assert_eq!(deleted["deleted_at"], "2027-01-15T11:00:00Z");
    let shown = world.get(&format!("/deployments/{id}"), &world.user).await.expect(200);
    assert_eq!(shown["deployment"]["live_resources"], 0);
    assert_eq!(shown["events"][0]["type"], "resource_deleted");

    world.clock.shift(TimeDelta::hours(1));
    let before = world.contents().await;
    let reply = world.delete(&format!("{path}/{resource_id}"), &world.data_plane).await;
    assert_eq!(reply.header("etag"), "\"3\"");
    assert_eq!(reply.expect(200)["resource"], deleted);
    assert_eq!(world.contents().await, before);
    assert_eq!(world.collect(&path, &world.user, "resources").await, [deleted]);
}

#[tokio::test]
async fn a_missing_resource_is_not_found() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let reply = world.delete(&format!("/deployments/{id}/resources/{id}"), &world.data_plane).await;
    reply.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_deployment_with_live_resources_is_not_archived() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let path = format!("/deployments/{id}/resources");
    let mut ids = Vec::new();
    for n in 0..2 {
        let body = json!({"kind": "bucket", "provider_reference": format!("b-{n}"), "region": "us-east-1"});
        let created = world.post(&path, &world.data_plane, body).await.expect(201);
        assert_eq!(created["resource"]["region"], "us-east-1");
        ids.push(id_of(&created["resource"]));
    }
    world.transition(&id, &world.admin, json!({"to_state": "cancelled"})).await.expect(200);
    for (live, resource_id) in [2, 1].into_iter().zip(&ids) {
        let before = world.contents().await;
        let problem = world.transition(&id, &world.admin, json!({"to_state": "archived"})).await;
        assert_eq!(problem.expect_problem(422, "live_resources")["live_resources"], live);
        assert_eq!(world.contents().await, before);
        world.delete(&format!("{path}/{resource_id}"), &world.data_plane).await.expect(200);
    }
    world.transition(&id, &world.admin, json!({"to_state": "archived"})).await.expect(200);
    // A deleted resource stays deleted, also in this state.
    world.delete(&format!("{path}/{}", ids[0]), &world.data_plane).await.expect(200);
    assert_eq!(world.collect(&path, &world.user, "resources").await.len(), 2);
}

#[tokio::test]
async fn a_deployment_has_a_bounded_number_of_live_resources() {
    let world = World::start().await;
    let id = world.create_in("shop", State::Active).await;
    let path = format!("/deployments/{id}/resources");
    let add = || world.post(&path, &world.data_plane, json!({"kind": "bucket", "provider_reference": "b"}));
    let first = id_of(&add().await.expect(201)["resource"]);
    for _ in 1..MAX_LIVE_RESOURCES {
        add().await.expect(201);
    }
    let before = world.contents().await;
    add().await.expect_problem(422, "too_many_resources");
    assert_eq!(world.contents().await, before);
    world.delete(&format!("{path}/{first}"), &world.data_plane).await.expect(200);
    add().await.expect(201);
    let pages = world.pages(&format!("{path}?limit=100"), &world.user, "resources").await;
    let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(lengths, [100, 100, 100, 100, 100, 1]);
}
