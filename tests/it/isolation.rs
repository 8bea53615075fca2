//! The promise: a tenant sees and changes its own deployments only. This file tests some routes; the matrix beside it
//! tests all of them.

use arcadia_domain::Power;
use arcadia_functions::Audience;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::client::{PREFIX, send};
use crate::harness::routes::{MISSING, Names, Target, rows};
use crate::harness::world::{ACME, id_of, token, user};

#[tokio::test]
async fn a_record_that_does_not_exist_is_not_found_by_the_platform_either() {
    let world = World::start().await;
    for row in rows().filter(|row| matches!(row.names(), Names::Deployment | Names::Part)) {
        let missing = Target { id: MISSING.to_owned(), part: row.missing_part(), ..Target::of(ACME) };
        let reply = send(row.request(&world, &missing).bearer_auth(&world.admin)).await;
        reply.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_caller_without_permission_is_refused_before_anything_is_read_or_parsed() {
    let world = World::start().await;
    let provider = token("psp", "payment_provider", None);
    let plane = token("plane", "data_plane", None);
    for row in rows() {
        let (route, users) = (row.route(), [&world.user, &user("globex")]);
        let (tokens, code) = match row.audience {
            Audience::Everyone => (vec![&provider, &plane], "role_not_permitted"),
            Audience::Watchers => (vec![&provider], "role_not_permitted"),
            Audience::Admins => (vec![&provider, &plane, users[0], users[1]], "admin_required"),
            Audience::Holders(Power::RecordPayments) => (vec![&plane, users[0], users[1]], "role_not_permitted"),
            Audience::Holders(Power::RecordResources) => (vec![&provider, users[0], users[1]], "role_not_permitted"),
            Audience::Holders(power) => panic!("no caller has {power:?}"),
        };
        for token in tokens {
            // Neither path, query nor body has a form that the route accepts.
            let path: Vec<&str> =
                route.path.split('/').map(|part| if part.starts_with('{') { "no-such_form" } else { part }).collect();
            let request = world.anonymous(route.method.clone(), &format!("{}?no=1", path.join("/")));
            let reply = send(request.bearer_auth(token).body("{")).await;
            reply.expect_problem(403, code);
        }
    }
    assert_eq!(world.dynamodb.seen(), []);
}

#[tokio::test]
async fn a_list_shows_a_tenant_its_own_and_no_cursor_widens_it() {
    let world = World::start().await;
    let (globex, mut own, mut cursors) = (user("globex"), Vec::new(), Vec::new());
    for slug in ["a", "b", "c"] {
        own.push(id_of(&world.create(slug).await));
        world.clock.shift(chrono::TimeDelta::seconds(1));
        world.post("/deployments", &globex, json!({"slug": slug})).await.expect(201);
        world.clock.shift(chrono::TimeDelta::seconds(1));
    }
    own.reverse();
    let mut next = "/deployments?limit=1".to_owned();
    while let Some(cursor) = world.get(&next, &globex).await.expect(200)["next_cursor"].as_str() {
        next = format!("/deployments?limit=1&cursor={cursor}");
        cursors.push(cursor.to_owned());
    }
    assert_eq!(cursors.len(), 2);
    let listed = |records: Vec<Value>| records.iter().map(id_of).collect::<Vec<_>>();
    assert_eq!(listed(world.collect("/deployments", &world.user, "deployments").await), own);
    // A cursor is a position in time: just before the newest of six, then before the third.
    for (cursor, skipped) in cursors.iter().zip(&[0, 1]) {
        let body = world.get(&format!("/deployments?cursor={cursor}"), &world.user).await.expect(200);
        let records = body["deployments"].as_array().unwrap().clone();
        assert!(records.iter().all(|record| record["tenant_id"] == ACME), "{body}");
        assert_eq!(listed(records), own[*skipped..], "{skipped}");
        // A cursor is valid for its own list only.
        for list in ["/deployments?state=active", "/deployments?tenant_id=acme", "/invoices?", "/schedule?"] {
            let path = format!("{list}&cursor={cursor}").replace("?&", "?");
            world.get(&path, &world.user).await.expect_problem(400, "invalid_cursor");
        }
    }
    for path in ["/deployments?slug=a", "/deployments?slug=a&state=active", "/deployments?tenant_id=acme&slug=a"] {
        assert_eq!(listed(world.collect(path, &world.user, "deployments").await), own[2..]);
    }
}

#[tokio::test]
async fn a_tenant_is_shown_its_own_dunning_policy() {
    let world = World::start().await;
    let policy = json!({
        "payment_terms_days": 1, "past_due_after_days": 2, "suspended_after_days": 3, "cancelled_after_days": 4,
        "archived_after_days": 5,
    });
    let path = format!("/tenants/{ACME}/dunning-policy");
    world.put(&path, &world.admin, policy.clone()).await.expect(200);
    for token in [&world.user, &world.admin] {
        assert_eq!(world.get(&path, token).await.expect(200), json!({"dunning_policy": policy}));
    }
}

#[tokio::test]
async fn an_invalid_call_does_not_reveal_whether_a_deployment_exists() {
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    let before = world.contents().await;
    for (path, body) in [
        ("/subscribe", json!({"plan_code": "nothing"})),
        ("/subscription/addons", json!({"addon_code": "nothing"})),
        ("/subscription/change", json!({"plan_code": "nothing"})),
        ("/subscription/cancellation", json!({"effective": "immediate"})),
        ("/transition", json!({"to_state": "trial"})),
    ] {
        let path = format!("/deployments/{id}{path}");
        world.post(&path, &user("globex"), body).await.expect_problem(404, "not_found");
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn the_history_of_another_tenants_deployment_costs_the_same_as_of_a_missing_one() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    for state in ["paused", "active", "paused"] {
        world.transition(&id, &world.user, json!({"to_state": state})).await.expect(200);
    }
    let stranger = user("globex");
    for query in ["", "?limit=1", "?limit=100"] {
        let mut taken = Vec::new();
        for id in [id.as_str(), "019bc104-f980-7c2f-93d1-5b0c4e8a9d27"] {
            world.dynamodb.record();
            world.get(&format!("/deployments/{id}/events{query}"), &stranger).await.expect_problem(404, "not_found");
            let requests = world.dynamodb.recorded();
            let told: Vec<_> =
                requests.iter().map(|one| (one.operation.clone(), one.answer["Items"].clone())).collect();
            taken.push(told);
        }
        assert_eq!(taken[0], taken[1], "{query}");
        assert_eq!(taken[0].iter().map(|(operation, _)| operation.as_str()).collect::<Vec<_>>(), ["GetItem"]);
    }
}

#[tokio::test]
async fn a_trial_does_not_use_up_another_tenants() {
    let world = World::start().await;
    world.sell_plan("tryout", &[json!({"price_cents": 2_900, "trial_days": 14})]).await;
    for tenant in [ACME, "globex"] {
        let token = user(tenant);
        let created = world.post("/deployments", &token, json!({"slug": "shop"})).await.expect(201);
        let path = format!("/deployments/{}/subscribe", id_of(&created["deployment"]));
        let subscribed = world.post(&path, &token, json!({"plan_code": "tryout"})).await.expect(201);
        assert_eq!(subscribed["subscription"]["trial_ends_at"], "2027-01-29T10:00:00Z");
    }
}

#[tokio::test]
async fn an_unknown_path_or_method_is_no_route() {
    let world = World::start().await;
    for (method, path) in [("GET", "/nothing"), ("PUT", "/deployments"), ("GET", "/deployments/a/b/c")] {
        let request = world.request(method.parse().unwrap(), path, &world.admin);
        let reply = send(request).await;
        assert!([404, 405].contains(&reply.status), "{method} {PREFIX}{path}: {}", reply.text);
    }
    assert_eq!(world.dynamodb.seen(), []);
}
