//! The promise: a tenant's fields are read and changed by the callers who may, every change is an event in the same
//! transaction, and concurrent creations cannot exceed a quota.

use std::sync::Arc;

use arcadia_domain::State;
use arcadia_store::item::string;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::client::send;
use crate::harness::world::{id_of, user};
use crate::harness::{Reply, World};

const PATH: &str = "/tenants/acme";

async fn tenant(world: &World) -> Value {
    world.get(PATH, &world.user).await.expect(200)["tenant"].clone()
}

async fn set(world: &World, body: Value) -> Value {
    world.put(PATH, &world.admin, body).await.expect(200)["tenant"].clone()
}

async fn create(world: &World, slug: &str) -> Reply {
    world.post("/deployments", &world.user, json!({"slug": slug})).await
}

#[tokio::test]
async fn a_tenants_fields_are_kept_with_a_history_and_a_version() {
    let world = World::start().await;
    let nothing = tenant(&world).await;
    assert_eq!(nothing["version"], 0);
    for name in ["name", "billing_address", "email", "tax_id", "deployment_quota", "live_deployments", "updated_at"] {
        assert!(nothing[name].is_null(), "{name} in {nothing}");
    }
    assert_eq!(nothing["tax_rate_basis_points"], 0);
    let customer = json!({"name": "Acme GmbH", "tax_id": "DE123456789", "tax_rate_basis_points": 1900});
    let reply = world.put(PATH, &world.admin, customer.clone()).await;
    assert_eq!(reply.header("etag"), "\"1\"");
    assert_eq!(reply.expect(202)["tenant"]["name"], "Acme GmbH", "the tax rate is copied by an operation");
    assert_eq!(set(&world, customer).await["version"], 1, "nothing differs");
    // A tenant's user sets the billing address; absent fields stay.
    let address = json!({"billing_address": "Hafenstrasse 1\n20457 Hamburg", "email": "billing@acme.example"});
    world.put(PATH, &world.user, address).await.expect(200);
    let known = tenant(&world).await;
    assert_eq!((&known["name"], &known["email"]), (&json!("Acme GmbH"), &json!("billing@acme.example")));
    for field in ["name", "tax_id", "deployment_quota"] {
        let body = json!({"email": "other@acme.example", field: known[field]});
        world.put(PATH, &world.user, body).await.expect_problem(403, "field_not_permitted");
    }
    assert_eq!(set(&world, json!({"email": null})).await["email"], Value::Null);
    let policy = json!({
        "payment_terms_days": 14, "past_due_after_days": 1, "suspended_after_days": 14, "cancelled_after_days": 30,
        "archived_after_days": 90,
    });
    world.put(&format!("{PATH}/dunning-policy"), &world.admin, policy.clone()).await.expect(200);
    let listed = world.get(&format!("{PATH}/events?order=asc"), &world.user).await.expect(200);
    let events = listed["events"].as_array().expect("events");
    let told: Vec<Value> = events.iter().map(|event| json!([event["sequence"], event["type"]])).collect();
    assert_eq!(json!(told), json!([[1, "updated"], [2, "updated"], [3, "updated"], [4, "dunning_policy_changed"]]));
    assert_eq!(events[2]["data"], json!({"email": {"from": "billing@acme.example", "to": null}}));
    assert_eq!(events[3]["data"]["to"], policy);
    let page = world.get(&format!("{PATH}/events?limit=1"), &world.user).await.expect(200);
    assert_eq!(page["events"][0]["sequence"], 4);
    let next = format!("{PATH}/events?limit=1&cursor={}", page["next_cursor"].as_str().expect("a cursor"));
    assert_eq!(world.get(&next, &world.user).await.expect(200)["events"][0]["sequence"], 3);
    // The list of tenants names it.
    assert_eq!(world.get("/tenants", &world.admin).await.expect(200)["tenants"][0]["name"], "Acme GmbH");
}

#[tokio::test]
async fn a_tenant_is_changed_only_in_the_version_that_was_seen() {
    let world = World::start().await;
    let put = |version: &str, name: &str| {
        let request = world.request(reqwest::Method::PUT, PATH, &world.admin).header("if-match", version);
        send(request.json(&json!({"name": name})))
    };
    put("\"1\"", "Acme").await.expect_problem(412, "precondition_failed");
    put("\"0\"", "Acme").await.expect(200);
    let refused = put("\"0\"", "Other").await;
    assert_eq!(refused.header("etag"), "\"1\"");
    refused.expect_problem(412, "precondition_failed");
    put("*", "Acme again").await.expect(200);
    assert_eq!(tenant(&world).await["version"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_at_the_same_moment_each_is_an_event_or_refused() {
    let world = World::start().await;
    let replies = join_all((0..16).map(|n| world.put(PATH, &world.admin, json!({"name": format!("name {n}")})))).await;
    let done = replies.iter().filter(|reply| reply.status == 200).count();
    assert!(replies.iter().all(|reply| reply.status == 200 || reply.body["code"] == "version_conflict"));
    assert!(done > 0);
    let known = tenant(&world).await;
    assert_eq!(known["version"], done);
    let listed = world.get(&format!("{PATH}/events"), &world.admin).await.expect(200);
    assert_eq!(listed["events"].as_array().expect("events").len(), done);
    assert_eq!(listed["events"][0]["data"]["name"]["to"], known["name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_creations_for_the_last_place_of_a_quota_one_succeeds() {
    let world = Arc::new(World::start().await);
    create(&world, "first").await.expect(201);
    assert_eq!(set(&world, json!({"deployment_quota": 2})).await["live_deployments"], 1);
    let barrier = Arc::new(Barrier::new(8));
    let callers = (0..8).map(|n| {
        let (world, barrier) = (Arc::clone(&world), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            create(&world, &format!("shop-{n}")).await
        })
    });
    let replies: Vec<Reply> = join_all(callers).await.into_iter().map(|reply| reply.expect("a reply")).collect();
    let created: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 201).collect();
    assert_eq!(created.len(), 1);
    assert!(replies.iter().all(|reply| reply.status == 201 || reply.body["code"] == "quota_exceeded"));
    assert_eq!(tenant(&world).await["live_deployments"], 2);
    // The platform obeys it too; a cancelled deployment counts until it is archived.
    let body = json!({"tenant_id": "acme", "slug": "other"});
    world.post("/deployments", &world.admin, body.clone()).await.expect_problem(409, "quota_exceeded");
    let id = id_of(&created[0].body["deployment"]);
    world.transition(&id, &world.user, json!({"to_state": "cancelled"})).await.expect(200);
    create(&world, "other").await.expect_problem(409, "quota_exceeded");
    world.transition(&id, &world.admin, json!({"to_state": "archived"})).await.expect(200);
    assert_eq!(tenant(&world).await["live_deployments"], 1);
    create(&world, "other").await.expect(201);
    create(&world, "more").await.expect_problem(409, "quota_exceeded");
    // A taken slug is reported first, and without a quota there is no count.
    create(&world, "other").await.expect_problem(409, "slug_taken");
    assert_eq!(set(&world, json!({"deployment_quota": null})).await["live_deployments"], Value::Null);
    create(&world, "more").await.expect(201);
    // A quota below the present count removes nothing.
    assert_eq!(set(&world, json!({"deployment_quota": 1})).await["live_deployments"], 3);
    create(&world, "again").await.expect_problem(409, "quota_exceeded");
    // Another tenant's deployments do not count.
    world.post("/deployments", &user("globex"), json!({"slug": "shop"})).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_set_while_deployments_are_created_counts_them_all() {
    let world = World::start().await;
    let slugs: Vec<String> = (0..12).map(|n| format!("shop-{n}")).collect();
    let (created, reply) = tokio::join!(
        join_all(slugs.iter().map(|slug| create(&world, slug))),
        world.put(PATH, &world.admin, json!({"deployment_quota": 100}))
    );
    assert!(created.iter().all(|reply| reply.status == 201));
    assert!(reply.status == 200 || reply.body["code"] == "version_conflict", "{}", reply.text);
    if reply.status != 200 {
        set(&world, json!({"deployment_quota": 100})).await;
    }
    assert_eq!(tenant(&world).await["live_deployments"], 12);
}

#[tokio::test]
async fn a_tenant_of_an_earlier_release_is_read_and_counted() {
    let world = World::start().await;
    create(&world, "shop").await.expect(201);
    let archived = world.create_in("old", State::Archived).await;
    // The items of an earlier release: an account without fields, and no limits.
    let (client, table) = (world.app.store.client(), world.app.store.table());
    let delete = client.delete_item().table_name(table).key("PK", string("TENANT#acme")).key("SK", string("#LIMITS"));
    delete.send().await.expect("a delete by the test");
    assert_eq!(tenant(&world).await["version"], 0);
    assert_eq!(set(&world, json!({"deployment_quota": 2})).await["live_deployments"], 1);
    create(&world, "second").await.expect(201);
    create(&world, "third").await.expect_problem(409, "quota_exceeded");
    let shown = world.get(&format!("/deployments/{archived}"), &world.user).await.expect(200);
    assert_eq!(shown["deployment"]["state"], "archived");
}
