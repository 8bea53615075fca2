//! The promise: lists are paged, newest first, and their pages together hold every record exactly once.

use arcadia_domain::State;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::world::{id_of, user};

const RECORDS: usize = 7;

/// Reads a list in pages of 1, 2, 3 and all, and expects `newest_first` each time.
async fn check(world: &World, path: &str, token: &str, name: &str, key: &str, newest_first: &[Value]) {
    for limit in [1, 2, 3, RECORDS, 100] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let pages = world.pages(&format!("{path}{separator}limit={limit}"), token, name).await;
        let (last, full) = pages.split_last().unwrap();
        assert!(full.iter().all(|page| page.len() == limit), "{path} by {limit}");
        assert!(last.len() <= limit, "{path} by {limit}");
        assert!(!last.is_empty() || newest_first.is_empty(), "{path} by {limit} ends in an empty page");
        let found: Vec<Value> = pages.iter().flatten().map(|record| record[key].clone()).collect();
        assert_eq!(found, newest_first, "{path} by {limit}");
    }
    let all = world.get(path, token).await.expect(200);
    assert_eq!(all["next_cursor"], Value::Null);
    assert_eq!(all[name].as_array().map(Vec::len), Some(newest_first.len()));
}

#[tokio::test]
async fn deployments_are_paged_for_a_tenant_and_for_everyone() {
    let world = World::start().await;
    let (mut everyone, mut acme, mut paused) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..RECORDS {
        let tenant = if n % 3 == 0 { "globex" } else { "acme" };
        let body = json!({"tenant_id": tenant, "slug": format!("shop-{n}")});
        let id = id_of(&world.post("/deployments", &world.admin, body).await.expect(201)["deployment"]);
        if n % 2 == 0 {
            world.transition(&id, &world.admin, json!({"to_state": "paused"})).await.expect(200);
            paused.insert(0, json!(id));
        }
        if tenant == "acme" {
            acme.insert(0, json!(id));
        }
        everyone.insert(0, json!(id));
        world.clock.shift(TimeDelta::seconds(1));
    }
    let active: Vec<Value> = everyone.iter().filter(|id| !paused.contains(id)).cloned().collect();
    let of_acme = |ids: &[Value]| ids.iter().filter(|id| acme.contains(id)).cloned().collect::<Vec<_>>();
    let (admin, tenant) = (&world.admin, &world.user);
    for (path, token, expected) in [
        ("/deployments", admin, everyone.clone()),
        ("/deployments?state=paused", admin, paused.clone()),
        ("/deployments?state=active", admin, active.clone()),
        ("/deployments?state=archived", admin, vec![]),
        ("/deployments?tenant_id=acme", admin, acme.clone()),
        ("/deployments?tenant_id=nobody", admin, vec![]),
        ("/deployments", tenant, acme.clone()),
        ("/deployments?state=paused", tenant, of_acme(&paused)),
        ("/deployments?state=active", tenant, of_acme(&active)),
        ("/deployments?state=trial", tenant, vec![]),
    ] {
        check(&world, path, token, "deployments", "id", &expected).await;
    }
}

#[tokio::test]
async fn all_deployments_with_a_slug_are_paged() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for n in 0..RECORDS {
        let token = user(&format!("tenant-{n}"));
        let body = world.post("/deployments", &token, json!({"slug": "shop"})).await.expect(201);
        ids.insert(0, json!(id_of(&body["deployment"])));
        world.clock.shift(TimeDelta::seconds(1));
    }
    check(&world, "/deployments?slug=shop", &world.admin, "deployments", "id", &ids).await;
    check(&world, "/deployments?slug=shop&state=active", &world.admin, "deployments", "id", &ids).await;
    check(&world, "/deployments?slug=shop&tenant_id=tenant-3", &world.admin, "deployments", "id", &ids[3..4]).await;
    check(&world, "/deployments?slug=shop", &user("tenant-0"), "deployments", "id", &ids[6..]).await;
    check(&world, "/deployments?slug=shop&state=paused", &user("tenant-0"), "deployments", "id", &[]).await;
}

#[tokio::test]
async fn events_are_paged() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    for n in 1..RECORDS {
        let to_state = if n % 2 == 0 { State::Active } else { State::Paused };
        world.transition(&id, &world.user, json!({"to_state": to_state})).await.expect(200);
    }
    let newest_first: Vec<Value> = (1..=RECORDS).rev().map(Value::from).collect();
    check(&world, &format!("/deployments/{id}/events"), &world.user, "events", "sequence", &newest_first).await;
}

#[tokio::test]
async fn more_than_nine_events_still_come_in_order() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    for n in 0..101 {
        let body = json!({"display_name": format!("shop {n}")});
        world.patch(&format!("/deployments/{id}"), &world.user, body).await.expect(200);
    }
    let sequences = |records: &[Value]| records.iter().map(|e| e["sequence"].as_u64().unwrap()).collect::<Vec<_>>();
    let pages = world.pages(&format!("/deployments/{id}/events"), &world.user, "events").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 2], "a page has 50 by default");
    assert_eq!(sequences(&pages.concat()), (1..=102).rev().collect::<Vec<_>>());
    let shown = world.get(&format!("/deployments/{id}"), &world.user).await.expect(200);
    assert_eq!(sequences(shown["events"].as_array().unwrap()), (53..=102).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn resources_are_paged() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let path = format!("/deployments/{id}/resources");
    check(&world, &path, &world.user, "resources", "id", &[]).await;
    let mut ids = Vec::new();
    for n in 0..RECORDS {
        let body = json!({"kind": "bucket", "provider_reference": format!("b-{n}")});
        let created = world.post(&path, &world.data_plane, body).await.expect(201);
        ids.insert(0, json!(id_of(&created["resource"])));
        world.clock.shift(TimeDelta::seconds(1));
    }
    check(&world, &path, &world.user, "resources", "id", &ids).await;
}

#[tokio::test]
async fn a_record_that_comes_or_changes_between_two_pages_spoils_neither() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.insert(0, id_of(&world.create(&format!("shop-{n}")).await));
        world.clock.shift(TimeDelta::seconds(1));
    }
    let first = world.get("/deployments?limit=2", &world.user).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    world.create("newer").await;
    world.transition(&ids[1], &world.user, json!({"to_state": "paused"})).await.expect(200);
    let second = world.get(&format!("/deployments?limit=2&cursor={cursor}"), &world.user).await.expect(200);
    let found: Vec<String> = second["deployments"].as_array().unwrap().iter().map(id_of).collect();
    assert_eq!(found, ids[2..]);
    assert_eq!(second["next_cursor"], Value::Null);
}

#[tokio::test]
async fn deployments_are_found_by_region_plan_subscription_and_hold() {
    let world = World::start().await;
    world.open_shop().await;
    world.publish("studio", json!({"price_cents": 3_100})).await.expect(201);
    let mut all: Vec<Value> = Vec::new();
    for n in 0..RECORDS {
        let tenant = if n % 3 == 0 { "globex" } else { "acme" };
        let region = if n % 2 == 0 { "eu-north" } else { "us-east" };
        let body = json!({"tenant_id": tenant, "slug": format!("shop-{n}"), "region": region});
        let id = id_of(&world.post("/deployments", &world.admin, body).await.expect(201)["deployment"]);
        let held = n % 5 == 1;
        if held {
            let path = format!("/deployments/{id}");
            world.patch(&path, &world.admin, json!({"billing_action_suspended": true})).await.expect(200);
        }
        let mut record =
            json!({"id": id, "tenant_id": tenant, "region": region, "plan": null, "version": null, "held": held});
        // Of the others, one was never subscribed and one no longer is.
        let plan = [None, Some(("studio", 1)), Some(("studio", 2)), Some(("team", 1))][n % 4];
        if let Some((plan, version)) = plan {
            let body = json!({"plan_code": plan, "plan_version": version});
            world.post(&format!("/deployments/{id}/subscribe"), &world.admin, body).await.expect(201);
            (record["plan"], record["version"]) = (plan.into(), version.into());
        }
        if n == 5 {
            let path = format!("/deployments/{id}/subscription/cancellation");
            world.post(&path, &world.admin, json!({"effective": "immediate"})).await.expect(200);
            (record["plan"], record["version"]) = (Value::Null, Value::Null);
        }
        all.insert(0, record);
        world.clock.shift(TimeDelta::seconds(1));
    }
    // After a change of plan, a deployment is found under the new plan.
    let changed = all[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/deployments/{changed}/subscription/change");
    world.post(&path, &world.admin, json!({"plan_code": "team"})).await.expect(200);
    (all[0]["plan"], all[0]["version"]) = ("team".into(), 1.into());
    for (query, wanted) in [
        ("region=eu-north", &(|one: &Value| one["region"] == "eu-north") as &dyn Fn(&Value) -> bool),
        ("subscribed=true", &|one| !one["plan"].is_null()),
        ("subscribed=false", &|one| one["plan"].is_null()),
        ("billing_action_suspended=true", &|one| one["held"] == true),
        ("billing_action_suspended=false", &|one| one["held"] == false),
        ("billing_action_suspended=true&plan_code=team", &|one| one["held"] == true && one["plan"] == "team"),
        ("plan_code=studio&plan_version=1", &|one| one["plan"] == "studio" && one["version"] == 1),
        ("plan_code=studio&plan_version=2", &|one| one["plan"] == "studio" && one["version"] == 2),
        ("plan_code=studio&plan_version=3", &|_| false),
        ("plan_code=studio&plan_version=18446744073709551615", &|_| false),
        ("plan_code=team", &|one| one["plan"] == "team"),
        ("plan_code=team&region=us-east&subscribed=true", &|one| one["plan"] == "team" && one["region"] == "us-east"),
        ("plan_code=nobodys", &|_| false),
        ("state=active&region=us-east", &|one| one["region"] == "us-east"),
    ] {
        let ids = |of_acme: bool| -> Vec<Value> {
            let those = all.iter().filter(|one| wanted(one) && (!of_acme || one["tenant_id"] == "acme"));
            those.map(|one| one["id"].clone()).collect()
        };
        let path = format!("/deployments?{query}");
        check(&world, &path, &world.user, "deployments", "id", &ids(true)).await;
        check(&world, &format!("{path}&tenant_id=acme"), &world.admin, "deployments", "id", &ids(true)).await;
        check(&world, &path, &world.admin, "deployments", "id", &ids(false)).await;
    }
    // The platform's list by plan is ordered by version.
    let newest_version_first = |one: &Value| std::cmp::Reverse(one["version"].as_u64());
    let mut of_studio: Vec<Value> = all.iter().filter(|one| one["plan"] == "studio").cloned().collect();
    of_studio.sort_by_key(newest_version_first);
    let ids: Vec<Value> = of_studio.iter().map(|one| one["id"].clone()).collect();
    assert!(ids.len() >= 2, "several versions: {of_studio:?}");
    check(&world, "/deployments?plan_code=studio", &world.admin, "deployments", "id", &ids).await;
    let refused = world.get("/deployments?plan_version=1", &world.admin).await;
    refused.expect_problem(400, "plan_code_required");
}
