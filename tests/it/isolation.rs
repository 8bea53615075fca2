//! The promise: a tenant sees and touches its own deployments and nobody else's, and without a valid token nothing
//! is reached at all.

use arcadia_functions::{Audience, ROUTES, Route};
use arcadia_local::issuer::Issuer;
use arcadia_shared::runtime::Clock as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::harness::client::{PREFIX, send};
use crate::harness::world::{ACME, claims, id_of, signed, token, user};
use crate::harness::{Reply, World};
use crate::subscription_isolation;

/// An id that nothing has.
const MISSING: &str = "01920000-0000-7000-8000-000000000000";
/// A number that no invoice has.
const MISSING_NUMBER: &str = "20270115100000-0123456789ab-USD";

/// A body that the route would accept.
pub fn body_for(route: &Route) -> Option<Value> {
    match route.handler {
        "list_deployments" | "show_deployment" | "list_events" | "list_resources" | "delete_resource"
        | "show_lifecycle" => None,
        "create_deployment" => Some(json!({"slug": "intruder"})),
        "update_deployment" => Some(json!({"display_name": "mine now"})),
        "transition_deployment" => Some(json!({"to_state": "paused"})),
        "create_resource" => Some(json!({"kind": "database", "provider_reference": "db-1"})),
        other => subscription_isolation::body_for(other),
    }
}

/// A request on a route that would be accepted from the right caller.
fn request(world: &World, route: &Route, id: &str, part_id: &str) -> RequestBuilder {
    let path = route.path.replace("{id}", id).replace("{resource_id}", part_id).replace("{addon_id}", part_id);
    let path = path.replace("{code}", "studio").replace("{number}", part_id).replace("{tenant_id}", ACME);
    assert!(!path.contains('{'), "{path} has a part that this test does not know");
    let request = world.anonymous(route.method.clone(), &path);
    match body_for(route) {
        Some(body) => request.json(&body),
        None => request,
    }
}

/// What a route for that audience refuses all others with.
const fn refusal(audience: Audience) -> &'static str {
    match audience {
        Audience::Admins => "admin_required",
        Audience::Everyone | Audience::Payers => "role_not_permitted",
    }
}

/// The part of a deployment that the route names, as nothing has it.
fn missing_part(route: &Route) -> &'static str {
    if route.path.contains("{number}") { MISSING_NUMBER } else { MISSING }
}

fn payment_provider() -> String {
    token("psp", "payment_provider", None)
}

fn routes_of_one_deployment() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.path.contains("{id}"))
}

async fn add_resource(world: &World, id: &str, token: &str) -> String {
    let body = json!({"kind": "database", "provider_reference": "db-1"});
    let created = world.post(&format!("/deployments/{id}/resources"), token, body).await.expect(201);
    id_of(&created["resource"])
}

/// What may differ between two answers of the same kind.
fn comparable(reply: &Reply) -> (u16, HeaderMap, &str) {
    let mut headers = reply.headers.clone();
    headers.remove("x-request-id");
    headers.remove("date");
    (reply.status, headers, &reply.text)
}

#[tokio::test]
async fn another_tenants_deployment_answers_as_a_missing_one_does() {
    let world = World::start().await;
    world.open_shop().await;
    let id = id_of(&world.create("shop").await);
    let resource_id = add_resource(&world, &id, &world.user).await;
    let body = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
    let subscribed = world.subscribe(&id, body).await.expect(201);
    let addon_id = id_of(&subscribed["subscription"]["addons"][0]);
    let number = subscribed["invoice"]["number"].as_str().expect("an invoice");
    let before = world.contents().await;
    let stranger = user("globex");
    assert!(routes_of_one_deployment().count() >= 19);
    for route in routes_of_one_deployment() {
        let part = match route.path {
            path if path.contains("{number}") => number,
            path if path.contains("{addon_id}") => &addon_id,
            _ => &resource_id,
        };
        let foreign = send(request(&world, route, &id, part).bearer_auth(&stranger)).await;
        let missing = send(request(&world, route, MISSING, missing_part(route)).bearer_auth(&stranger)).await;
        assert_eq!(comparable(&foreign), comparable(&missing), "{}", route.handler);
        match route.audience {
            Audience::Everyone => foreign.expect_problem(404, "not_found"),
            Audience::Admins | Audience::Payers => foreign.expect_problem(403, refusal(route.audience)),
        };
        let to_admin = send(request(&world, route, MISSING, missing_part(route)).bearer_auth(&world.admin)).await;
        to_admin.expect_problem(404, "not_found");
    }
    assert_eq!(world.contents().await, before);
    for route in routes_of_one_deployment() {
        let (id, part_id) = subscription_isolation::ready_for(&world, route.handler).await;
        let token = match route.audience {
            Audience::Everyone => world.user.clone(),
            Audience::Admins => world.admin.clone(),
            Audience::Payers => payment_provider(),
        };
        let own = send(request(&world, route, &id, &part_id).bearer_auth(token)).await;
        assert!(own.status < 300, "{} is refused for another reason: {}", route.handler, own.text);
    }
}

#[tokio::test]
async fn another_tenants_dunning_policy_is_not_found_and_set_by_the_platform_alone() {
    let world = World::start().await;
    let routes: Vec<&Route> = ROUTES.iter().filter(|route| route.path.contains("{tenant_id}")).collect();
    let [show, put] = &routes[..] else { panic!("a route of tenants that this test does not know") };
    let policy = body_for(put).expect("a policy");
    send(request(&world, put, "", "").bearer_auth(&world.admin)).await.expect(200);
    let before = world.contents().await;
    world.dynamodb.clear();
    let stranger = user("globex");
    let foreign = send(request(&world, show, "", "").bearer_auth(&stranger)).await;
    let missing = world.get("/tenants/nobody/dunning-policy", &stranger).await;
    assert_eq!(comparable(&foreign), comparable(&missing));
    foreign.expect_problem(404, "not_found");
    for token in [&stranger, &world.user] {
        send(request(&world, put, "", "").bearer_auth(token)).await.expect_problem(403, "admin_required");
    }
    assert_eq!(world.dynamodb.seen(), []);
    assert_eq!(world.contents().await, before);
    for token in [&world.user, &world.admin] {
        let shown = send(request(&world, show, "", "").bearer_auth(token)).await.expect(200);
        assert_eq!(shown, json!({"dunning_policy": policy}));
    }
}

#[tokio::test]
async fn whom_a_route_is_not_for_is_refused_before_anything_is_read_or_parsed() {
    let world = World::start().await;
    let refused: Vec<&Route> = ROUTES.iter().filter(|route| route.audience != Audience::Everyone).collect();
    let mut handlers: Vec<&str> = refused.iter().map(|route| route.handler).collect();
    handlers.sort_unstable();
    assert_eq!(
        handlers,
        [
            "extend_trial",
            "publish_plan_version",
            "put_addon",
            "put_dunning_policy",
            "put_plan",
            "record_payment",
            "void_invoice"
        ]
    );
    let provider = payment_provider();
    for route in refused {
        for token in [&world.user, &user("globex"), &provider] {
            if route.audience == Audience::Payers && *token == provider {
                continue;
            }
            // Neither the path nor the query nor the body is of any form that the route knows.
            let path: Vec<&str> =
                route.path.split('/').map(|part| if part.starts_with('{') { "no-such_form" } else { part }).collect();
            let request = world.anonymous(route.method.clone(), &format!("{}?no=1", path.join("/")));
            let reply = send(request.bearer_auth(token).body("{")).await;
            reply.expect_problem(403, refusal(route.audience));
        }
    }
    assert_eq!(world.dynamodb.seen(), []);
}

#[tokio::test]
async fn a_resource_is_only_found_under_its_own_deployment() {
    let world = World::start().await;
    let (own, stranger) = (id_of(&world.create("shop").await), user("globex"));
    let theirs = world.post("/deployments", &stranger, json!({"slug": "shop"})).await.expect(201);
    let theirs = id_of(&theirs["deployment"]);
    let resource_id = add_resource(&world, &theirs, &stranger).await;
    let before = world.contents().await;
    let foreign = world.delete(&format!("/deployments/{own}/resources/{resource_id}"), &world.user).await;
    let missing = world.delete(&format!("/deployments/{own}/resources/{MISSING}"), &world.user).await;
    assert_eq!(comparable(&foreign), comparable(&missing));
    foreign.expect_problem(404, "not_found");
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn naming_another_tenant_is_refused_before_anything_is_read() {
    let world = World::start().await;
    world.create("shop").await;
    let stranger = user("globex");
    world.dynamodb.clear();
    let body = json!({"tenant_id": ACME, "slug": "other"});
    world.post("/deployments", &stranger, body).await.expect_problem(403, "tenant_not_permitted");
    for path in ["/deployments?tenant_id=acme", "/deployments?tenant_id=acme&slug=shop", "/deployments?tenant_id=ACME"]
    {
        world.get(path, &stranger).await.expect_problem(403, "tenant_not_permitted");
    }
    assert_eq!(world.dynamodb.seen(), []);
    world.get("/deployments?tenant_id=globex", &stranger).await.expect(200);
    world.post("/deployments", &stranger, json!({"tenant_id": "globex", "slug": "other"})).await.expect(201);
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
    // A cursor is a place in time: just before the newest of six, then before the third.
    for (cursor, skipped) in cursors.iter().zip(&[0, 1]) {
        for path in ["/deployments", "/deployments?state=active", "/deployments?tenant_id=acme"] {
            let separator = if path.contains('?') { '&' } else { '?' };
            let body = world.get(&format!("{path}{separator}cursor={cursor}"), &world.user).await.expect(200);
            let records = body["deployments"].as_array().unwrap().clone();
            assert!(records.iter().all(|record| record["tenant_id"] == ACME), "{body}");
            assert_eq!(listed(records), own[*skipped..], "{path} {skipped}");
        }
    }
    for path in ["/deployments?slug=a", "/deployments?slug=a&state=active", "/deployments?tenant_id=acme&slug=a"] {
        assert_eq!(listed(world.collect(path, &world.user, "deployments").await), own[2..]);
    }
}

#[tokio::test]
async fn without_a_valid_token_no_route_reaches_the_table() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    world.dynamodb.clear();
    let forger = Issuer::generate().expect("an RSA key");
    let claims_of_ada = claims("ada", "platform_admin", None);
    let forged = forger.sign(&claims_of_ada).expect("a token");
    let with = |name: &str, value: Value| {
        let mut claims = claims_of_ada.clone();
        claims[name] = value;
        Some(format!("Bearer {}", signed(&claims)))
    };
    let now_s = world.clock.now().timestamp();
    let valid = &world.admin;
    let (content, signature) = valid.rsplit_once('.').unwrap();
    let (header, payload) = content.split_once('.').unwrap();
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let other_claims = token("eve", "tenant_user", Some("globex"));
    let other_claims = other_claims.split('.').nth(1).unwrap();
    for (what, authorization) in [
        ("none", None),
        ("an empty one", Some(String::new())),
        ("no token", Some("Bearer".to_owned())),
        ("garbage", Some("Bearer garbage".to_owned())),
        ("three garbled parts", Some("Bearer a.b.c".to_owned())),
        ("another scheme", Some(format!("Basic {valid}"))),
        ("another issuer's key", Some(format!("Bearer {forged}"))),
        ("no signature", Some(format!("Bearer {content}."))),
        ("a signature cut short", Some(format!("Bearer {content}.{}", &signature[..signature.len() - 4]))),
        ("other claims", Some(format!("Bearer {header}.{other_claims}.{signature}"))),
        ("algorithm none", Some(format!("Bearer {unsigned}.{payload}."))),
        ("algorithm none with a signature", Some(format!("Bearer {unsigned}.{payload}.{signature}"))),
        ("expired", with("exp", now_s.into())),
        ("not valid yet", with("nbf", (now_s + 60).into())),
        ("another audience", with("aud", "someone-else".into())),
        ("another issuer", with("iss", "https://example.com".into())),
        ("no subject", with("sub", " ".into())),
        ("our own name", with("sub", "system:billing".into())),
    ] {
        for route in ROUTES {
            let request = request(&world, route, &id, MISSING);
            let request = match &authorization {
                Some(value) => request.header("authorization", value),
                None => request,
            };
            let reply = send(request).await;
            assert_eq!(reply.status, 401, "{what} on {}: {}", route.handler, reply.text);
        }
    }
    assert_eq!(world.dynamodb.seen(), []);
}

#[tokio::test]
async fn a_role_that_may_not_use_the_api_reaches_nothing() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    world.dynamodb.clear();
    for (token, code) in [
        (payment_provider(), None),
        (token("eve", "root", Some(ACME)), Some("role_required")),
        (token("eve", "tenant_user", None), Some("tenant_required")),
        (token("eve", "tenant_user", Some("a#b")), Some("tenant_required")),
    ] {
        for route in ROUTES {
            // A payment provider reports payments, and does nothing else.
            if code.is_none() && route.handler == "record_payment" {
                continue;
            }
            let reply = send(request(&world, route, &id, MISSING).bearer_auth(&token)).await;
            reply.expect_problem(403, code.unwrap_or_else(|| refusal(route.audience)));
        }
    }
    assert_eq!(world.dynamodb.seen(), []);
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
