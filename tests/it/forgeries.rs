//! The promise: without a valid token that the issuer signed for this API, no route reaches the table. Every forgery of
//! the corpus is sent to every route. Honest tokens are sent too, to show that the routes are open to them.

use arcadia_functions::respond;
use arcadia_functions::runtime::Clock as _;
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::forgery::{Forgery, admin_claims, corpus, honest};
use crate::harness::raw::send_raw;
use crate::harness::routes::{Row, Target, find_row, rows, stock};
use crate::harness::world::{ACME, START, signed};
use crate::harness::{Reply, World};

async fn call(world: &World, row: &Row, target: &Target, forgery: &Forgery) -> Reply {
    let path = row.path_for(target);
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = if forgery.query.is_empty() { path } else { format!("{path}{separator}{}", forgery.query) };
    let body = row.body_for(target).map(|body| body.to_string()).unwrap_or_default();
    let body = forgery.body.as_ref().unwrap_or(&body);
    send_raw(world, row.route().method.as_str(), &path, &forgery.headers, body).await
}

#[tokio::test]
async fn without_a_valid_token_no_route_reaches_the_table() {
    let world = Billing::at(START).await;
    stock(&world).await;
    let mut targets = Vec::new();
    for (n, row) in rows().enumerate() {
        targets.push((row, row.ready(&world, ACME, n).await));
    }
    let before = world.fingerprint().await;
    world.dynamodb.clear();
    let forgeries = corpus(world.clock.now().timestamp());
    let mut refused = 0;
    for forgery in &forgeries {
        for (row, target) in &targets {
            let reply = call(&world, row, target, forgery).await;
            let (name, code) = (&forgery.name, reply.body["code"].as_str().unwrap_or_default());
            assert_eq!(
                (reply.status, code),
                (forgery.status, forgery.code),
                "{name} on {}: {}",
                row.handler,
                reply.text
            );
            refused += 1;
        }
        assert_eq!(world.dynamodb.seen(), [], "{} reached the table", forgery.name);
        assert_eq!(world.fingerprint().await, before, "{} changed the table", forgery.name);
    }
    println!("{} forgeries, refused {refused} times on {} routes", forgeries.len(), targets.len());
    assert!(forgeries.len() >= 150 && refused == forgeries.len() * targets.len());
    // The routes accept honest tokens: unusual ones where nothing is changed, an ordinary one everywhere.
    for (name, header) in honest() {
        for (row, target) in targets.iter().filter(|(row, _)| row.route().method == "GET") {
            let reply = call(&world, row, target, &Forgery::of(name, vec![header.clone()])).await;
            assert_eq!(reply.status, 200, "{name} on {}: {}", row.handler, reply.text);
        }
    }
    for (row, target) in &targets {
        let forgery = Forgery::token("", &row.rightful(target));
        let reply = call(&world, row, target, &forgery).await;
        assert!(reply.status < 300, "{}: {}", row.handler, reply.text);
    }
    assert_ne!(world.fingerprint().await, before);
}

/// The functions' own second check: without claims in the context there is no caller, whatever else a request has.
#[tokio::test]
async fn without_claims_in_the_context_no_function_reaches_the_table() {
    let world = World::start().await;
    let admin = json!({"sub": "ada", "role": "platform_admin"});
    let claims = |claims: Value| json!({"jwt": {"claims": claims, "scopes": null}});
    let user = |tenant: Value| claims(json!({"sub": "bob", "role": "tenant_user", "tenant_id": tenant}));
    let mut refused = 0;
    for (authorizer, status, code) in [
        (Value::Null, 401, "unauthenticated"),
        (json!({}), 401, "unauthenticated"),
        (json!({"jwt": null}), 401, "unauthenticated"),
        (claims(json!({})), 401, "unauthenticated"),
        // The forms of other kinds of authorizers are not accepted.
        (json!({"claims": admin}), 401, "unauthenticated"),
        (json!({"lambda": admin}), 401, "unauthenticated"),
        (json!({"lambda": {"jwt": {"claims": admin}}}), 401, "unauthenticated"),
        (json!({"iam": {"userId": "ada", "userArn": "arn:aws:iam::000000000000:user/ada"}}), 401, "unauthenticated"),
        (claims(json!({"role": "platform_admin"})), 401, "unauthenticated"),
        (claims(json!({"sub": "", "role": "platform_admin"})), 401, "unauthenticated"),
        (claims(json!({"Sub": "ada", "role": "platform_admin"})), 401, "unauthenticated"),
        (claims(json!({"sub": "system:billing", "role": "platform_admin"})), 401, "unauthenticated"),
        (claims(json!({"sub": "ada"})), 403, "role_required"),
        (claims(json!({"sub": "ada", "role": ""})), 403, "role_required"),
        (claims(json!({"sub": "ada", "role": "[platform_admin]"})), 403, "role_required"),
        (claims(json!({"sub": "ada", "Role": "platform_admin"})), 403, "role_required"),
        (claims(json!({"sub": "bob", "role": "tenant_user"})), 403, "tenant_required"),
        (user(json!("")), 403, "tenant_required"),
        (user(json!("[acme]")), 403, "tenant_required"),
        (user(json!("acme globex")), 403, "tenant_required"),
        // Claims that are not strings are unreadable: no request reaches the handler, and the runtime answers 500.
        (claims(json!({"sub": "ada", "role": ["platform_admin"]})), 500, ""),
        (claims(json!({"sub": {"id": "ada"}, "role": "platform_admin"})), 500, ""),
        (claims(json!({"sub": null, "role": "platform_admin"})), 500, ""),
        (claims(json!("platform_admin")), 500, ""),
        (user(json!([ACME])), 500, ""),
        (user(json!(1)), 500, ""),
    ] {
        for row in rows() {
            let event = event(row, &authorizer);
            let Ok(request) = lambda_http::request::from_str(&event.to_string()) else {
                assert_eq!(status, 500, "{authorizer} is unreadable");
                refused += 1;
                continue;
            };
            let response = respond(&world.app, row.route(), request).await;
            let body: Value = serde_json::from_slice(response.body()).expect("JSON");
            let found = (response.status().as_u16(), body["code"].as_str().unwrap_or_default());
            assert_eq!(found, (status, code), "{authorizer} on {}", row.handler);
            refused += 1;
        }
    }
    // A request that did not pass the gateway has no context at all.
    for row in rows() {
        let response = respond(&world.app, row.route(), lambda_http::Request::default()).await;
        assert_eq!(response.status(), 401, "{}", row.handler);
        refused += 1;
    }
    assert_eq!(world.dynamodb.seen(), []);
    println!("{refused} calls of functions without a caller refused");
    // The same event with claims is answered.
    let row = find_row("list_plans");
    let request = lambda_http::request::from_str(&event(row, &claims(admin)).to_string()).expect("an event");
    assert_eq!(respond(&world.app, row.route(), request).await.status(), 200);
}

/// An event as API Gateway makes one, with claims in every place that a caller controls.
fn event(row: &Row, authorizer: &Value) -> Value {
    let target = Target::of(ACME);
    let (method, path) = (row.route().method.as_str(), row.path_for(&target));
    let token = signed(admin_claims());
    let mut context = json!({
        "accountId": "000000000000", "apiId": "local", "domainName": "localhost", "requestId": "r-1",
        "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
        "stage": "$default", "timeEpoch": 0,
    });
    if !authorizer.is_null() {
        context["authorizer"] = authorizer.clone();
    }
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {
            "host": "localhost", "content-type": "application/json", "authorization": format!("Bearer {token}"),
            "x-role": "platform_admin", "x-sub": "ada", "x-tenant-id": ACME,
        },
        "requestContext": context, "body": admin_claims().to_string(), "isBase64Encoded": false,
    })
}
