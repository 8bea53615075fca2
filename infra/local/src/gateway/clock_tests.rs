//! The gateway with a test clock in front of the whole product: the answers of the clock route, and the steps taken.

use arcadia_domain::Authority;
use arcadia_functions::runtime::Settings;
use arcadia_store::Store;
use arcadia_store::schema::create_table;
use axum::body::to_bytes;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::clock::{MovableClock, moment};
use crate::demo;
use crate::engine::{Engine, Purpose, Storage};
use crate::issuer::{TokenRequest, claim_names};
use crate::sweeper::{Sweeper, sweep_until_done};

/// A product in memory whose clock begins with the year 2027.
struct World {
    gateway: Gateway,
    engine: Engine,
    admin: String,
    user: String,
}

impl World {
    async fn start() -> Self {
        let engine = Engine::start(&Storage::Memory, Purpose::Serve).await.unwrap();
        create_table(&engine.client(), "table").await.unwrap();
        let clock = Arc::new(MovableClock::starting_at(moment("2027-01-01T00:00:00Z").unwrap()));
        let app = App {
            store: Store::new(engine.client(), "table"),
            clock: Arc::<MovableClock>::clone(&clock),
            settings: Settings { default_region: "eu-central-1".parse().unwrap(), claims: claim_names() },
        };
        demo::fill_catalog(&app).await.unwrap();
        let issuer = Issuer::generate().unwrap();
        let token = |role, tenant: Option<&str>| {
            let tenant = tenant.map(|tenant| tenant.parse().unwrap());
            let request = TokenRequest { role, tenant, sub: "ada".to_owned(), ttl: TimeDelta::days(3_653) };
            issuer.issue(&request, app.clock.now()).unwrap()
        };
        let (admin, user) = (token(Authority::PlatformAdmin, None), token(Authority::TenantUser, Some("acme")));
        let test_clock = Arc::new(TestClock::new(clock, Arc::new(Sweeper::new(app.clone()))));
        let extras = Extras { test_clock: Some(test_clock), events: None };
        let gateway = Gateway::new(app, Arc::new(issuer), extras, ([127, 0, 0, 1], 9).into());
        Self { gateway, engine, admin, user }
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        ask(&self.gateway, token, method, path, body).await
    }

    async fn admin(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, body) = self.ask(&self.admin, method, path, body).await;
        assert!((200..300).contains(&status), "{status} {body}");
        body
    }

    /// Creates a deployment with the demo plan and its add-on. Returns its path.
    async fn subscribed(&self, slug: &str) -> String {
        let created = json!({"tenant_id": "acme", "slug": slug});
        let created = self.admin(Method::POST, "/api/v1/deployments", created).await;
        let path = format!("/api/v1/deployments/{}", created["deployment"]["id"].as_str().unwrap());
        let plan = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
        self.admin(Method::POST, &format!("{path}/subscribe"), plan).await;
        path
    }

    async fn leap_to(&self, now: &str) -> Value {
        self.admin(Method::POST, clock_route::PATH, json!({"now": now})).await
    }
}

async fn ask(gateway: &Gateway, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let request = request.body(body).unwrap();
    let response = handle(State(gateway.clone()), ConnectInfo(([127, 0, 0, 1], 1).into()), request).await;
    let status = response.status().as_u16();
    let kind = if status < 400 { "application/json" } else { "application/problem+json" };
    assert_eq!(response.headers()[header::CONTENT_TYPE], kind);
    (status, serde_json::from_slice(&to_bytes(response.into_body(), MAX_BODY_LEN).await.unwrap()).unwrap())
}

/// The day of a time on the wire.
fn day(at: &Value) -> &str {
    &at.as_str().unwrap()[..10]
}

#[tokio::test]
async fn the_clock_is_shown_to_admins_and_moved_forward_only() {
    let world = World::start().await;
    let (path, post) = (clock_route::PATH, || Method::POST);
    let forward = json!({"advance_seconds": 60});
    for (token, status) in [("", 401), ("x", 401), (world.user.as_str(), 403)] {
        assert_eq!(world.ask(token, Method::GET, path, Value::Null).await.0, status);
        assert_eq!(world.ask(token, post(), path, forward.clone()).await.0, status);
    }
    for (body, status, code) in [
        (json!({}), 422, "validation_failed"),
        (json!({"advance_seconds": 0}), 422, "validation_failed"),
        (json!({"advance_seconds": -1}), 422, "validation_failed"),
        (json!({"advance_seconds": i64::MAX}), 422, "validation_failed"),
        (json!({"now": "2026-12-31T00:00:00Z"}), 422, "validation_failed"),
        (json!({"now": "9000-01-01T00:00:00Z"}), 422, "validation_failed"),
        (json!({"now": "2027-02-01T00:00:00Z", "advance_seconds": 1}), 422, "validation_failed"),
        (json!({"at": "2027-02-01T00:00:00Z"}), 400, "unknown_field"),
    ] {
        let (found, problem) = world.ask(&world.admin, post(), path, body.clone()).await;
        assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{body}");
    }
    assert_eq!(world.ask(&world.admin, Method::PUT, path, Value::Null).await.0, 405);
    assert_eq!(day(&world.admin(Method::GET, path, Value::Null).await["now"]), "2027-01-01");
    let moved = world.admin(post(), path, json!({"advance_seconds": 86_400})).await;
    assert_eq!((day(&moved["from"]), day(&moved["now"])), ("2027-01-01", "2027-01-02"));
    assert_eq!(moved["sweep"]["steps"], 0);

    let without = Gateway { extras: Extras::default(), ..world.gateway.clone() };
    for method in [Method::GET, Method::POST] {
        assert_eq!(ask(&without, &world.admin, method, path, forward.clone()).await.0, 404);
    }
    world.engine.stop().await.unwrap();
}

#[tokio::test]
async fn a_leap_over_a_year_takes_every_step_at_its_own_moment() {
    let world = World::start().await;
    let path = world.subscribed("shop").await;
    let moved = world.leap_to("2027-12-31T00:00:00Z").await;
    assert_eq!(moved["sweep"]["unfinished"], false);
    let shown = world.admin(Method::GET, &path, Value::Null).await;
    assert_eq!(shown["deployment"]["state"], "archived");
    let ladder: Vec<_> =
        shown["events"].as_array().unwrap().iter().filter(|event| event["type"] == "state_changed").collect();
    let mut ladder: Vec<_> =
        ladder.iter().map(|e| (e["to_state"].as_str().unwrap(), day(&e["occurred_at"]), &e["actor"])).collect();
    ladder.sort_by_key(|(_, day, _)| *day);
    let billing = json!("system:billing");
    assert_eq!(
        ladder,
        [
            ("past_due", "2027-01-08", &billing),
            ("suspended", "2027-01-22", &billing),
            ("cancelled", "2027-02-07", &billing),
            ("archived", "2027-05-08", &billing),
        ]
    );
    world.engine.stop().await.unwrap();
}

#[tokio::test]
async fn after_a_hold_the_ladder_is_climbed_as_slowly_as_when_deployed() {
    let world = World::start().await;
    let path = world.subscribed("shop").await;
    world.admin(Method::PATCH, &path, json!({"billing_action_suspended": true})).await;
    world.leap_to("2027-02-10T00:00:00Z").await;
    world.admin(Method::PATCH, &path, json!({"billing_action_suspended": false})).await;
    world.leap_to("2027-03-13T00:00:00Z").await;
    let shown = world.admin(Method::GET, &path, Value::Null).await;
    assert_eq!(shown["deployment"]["state"], "cancelled");
    let moved = shown["events"].as_array().unwrap().iter().filter(|event| event["type"] == "state_changed");
    let mut at: Vec<_> = moved.map(|event| event["occurred_at"].as_str().unwrap()[..16].to_owned()).collect();
    at.reverse();
    assert_eq!(at, ["2027-02-10T00:00", "2027-02-24T00:00", "2027-03-12T00:00"]);
    world.engine.stop().await.unwrap();
}

#[tokio::test]
async fn a_paying_customer_is_renewed_every_month_at_the_boundary() {
    let world = World::start().await;
    let path = world.subscribed("shop").await;
    for month in 1..=12 {
        let invoices = world.admin(Method::GET, &format!("{path}/invoices"), Value::Null).await;
        let open: Vec<_> =
            invoices["invoices"].as_array().unwrap().iter().filter(|invoice| invoice["status"] == "open").collect();
        let [invoice] = open.as_slice() else { panic!("{invoices}") };
        assert_eq!(day(&invoice["issued_at"]), format!("2027-{month:02}-01"));
        let payment =
            json!({"reference": format!("pay-{month}"), "amount_cents": invoice["total_cents"], "currency": "USD"});
        let number = invoice["number"].as_str().unwrap();
        world.admin(Method::POST, &format!("{path}/invoices/{number}/payments"), payment).await;
        let next = if month == 12 { "2028-01-01".to_owned() } else { format!("2027-{:02}-01", month + 1) };
        let moved = world.leap_to(&format!("{next}T00:00:00.500Z")).await;
        assert_eq!(moved["sweep"]["steps"], 1, "{moved}");
    }
    let invoices = world.admin(Method::GET, &format!("{path}/invoices?limit=100"), Value::Null).await;
    assert_eq!(invoices["invoices"].as_array().unwrap().len(), 13);
    world.engine.stop().await.unwrap();
}

#[tokio::test]
async fn sweeping_until_done_catches_up_with_all_that_was_missed() {
    let world = World::start().await;
    let path = world.subscribed("shop").await;
    let at = moment("2027-12-31T00:00:00Z").unwrap();
    let late = App { clock: Arc::new(crate::clock::FixedClock(at)), ..world.gateway.app.clone() };
    let stop_at = tokio::time::Instant::now() + Duration::from_secs(60);
    let report = sweep_until_done(&late, stop_at).await.unwrap();
    assert!(report.steps > 0 && !report.unfinished && report.behind == 0, "{report:?}");
    assert_eq!(sweep_until_done(&late, stop_at).await.unwrap().due, 0);
    let shown = world.admin(Method::GET, &path, Value::Null).await;
    assert_eq!(shown["deployment"]["state"], "past_due", "its fourteen days begin only now");
    world.engine.stop().await.unwrap();
}

#[tokio::test]
async fn ticks_sweep_until_they_are_stopped() {
    let world = World::start().await;
    let path = world.subscribed("shop").await;
    let Some(test_clock) = world.gateway.extras.test_clock.clone() else { panic!("no test clock") };
    let at = moment("2027-01-09T00:00:00Z").unwrap();
    let late = App { clock: Arc::new(crate::clock::FixedClock(at)), ..test_clock.app().clone() };
    let sweeper = Sweeper::new(late);
    let is_past_due =
        async { while world.admin(Method::GET, &path, Value::Null).await["deployment"]["state"] != "past_due" {} };
    let ticking = sweeper.tick_every(Duration::from_millis(10), is_past_due);
    tokio::time::timeout(Duration::from_secs(30), ticking).await.unwrap();
    world.engine.stop().await.unwrap();
}
