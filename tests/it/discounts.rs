//! The promise: only `platform_admin` grants a coupon, as often as its limit allows and no more. A granted discount
//! keeps its terms; it appears on the invoice and is never credited.

use std::sync::Arc;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::shop::merged;
use crate::harness::world::user;
use crate::harness::{Fault, World};

const JANUARY: &str = "2027-01-01T00:00:00Z";
const FEBRUARY: &str = "2027-02-01T00:00:00Z";
/// Half of February remains.
const HALF: &str = "2027-02-15T00:00:00Z";

fn percent(points: u32) -> Value {
    json!({"name": "Partners", "percent_basis_points": points, "duration": "forever"})
}

/// How often a coupon was granted, by its record.
async fn redemptions(world: &World, code: &str) -> u64 {
    let shown = world.get(&format!("/coupons/{code}"), &world.admin).await.expect(200);
    shown["coupon"]["redemptions"].as_u64().expect("a count")
}

async fn subscribed(world: &World, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(world.create_subscribed(&format!("shop-{n}"), json!({"plan_code": "studio"})).await);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn of_grants_at_one_moment_no_more_succeed_than_the_coupon_has() {
    const CALLERS: usize = 6;
    const MOST: usize = 2;
    let world = World::start().await;
    world.open_shop().await;
    world.sell_coupon("few", json!({"max_redemptions": MOST})).await;
    let ids = subscribed(&world, CALLERS).await;
    // All callers have read that it can be granted.
    world.dynamodb.plan("TransactWriteItems", CALLERS, Fault::Gather(Arc::new(Barrier::new(CALLERS))));
    let replies = join_all(ids.iter().map(|id| world.grant_discount(id, "few"))).await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!((won.len(), lost.len()), (MOST, CALLERS - MOST));
    for reply in lost {
        reply.expect_problem(409, "coupon_exhausted");
    }
    assert_eq!(redemptions(&world, "few").await, MOST as u64);
    let mut discounted = 0;
    for id in &ids {
        world.check(id).await;
        discounted += usize::from(!world.subscription(id).await["discount"].is_null());
    }
    assert_eq!(discounted, MOST);
    // A later caller learns why it is refused, and a higher limit makes room.
    let late = ids.last().expect("an id");
    if world.subscription(late).await["discount"].is_null() {
        world.grant_discount(late, "few").await.expect_problem(409, "coupon_exhausted");
        world.sell_coupon("few", json!({"max_redemptions": MOST + 1})).await;
        world.grant_discount(late, "few").await.expect(200);
        assert_eq!(redemptions(&world, "few").await, MOST as u64 + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_and_a_change_of_the_coupon_at_one_moment_are_told_apart() {
    let world = World::start().await;
    world.open_shop().await;
    world.sell_coupon("partner", json!({})).await;
    let id = subscribed(&world, 1).await.remove(0);
    // Both have read the coupon before either is written.
    world.dynamodb.plan("TransactWriteItems", 2, Fault::Gather(Arc::new(Barrier::new(2))));
    let change = || world.put("/coupons/partner", &world.admin, percent(2_500));
    let (granted, changed) = futures_util::future::join(world.grant_discount(&id, "partner"), change()).await;
    let (of_grant, points) = if granted.status == 200 {
        changed.expect_problem(409, "version_conflict");
        assert_eq!(redemptions(&world, "partner").await, 1);
        change().await.expect(200);
        (granted.body, 2_000)
    } else {
        granted.expect_problem(409, "version_conflict");
        changed.expect(200);
        assert_eq!(redemptions(&world, "partner").await, 0);
        (world.grant_discount(&id, "partner").await.expect(200), 2_500)
    };
    assert_eq!(of_grant["subscription"]["discount"]["percent_basis_points"], points);
    assert_eq!(redemptions(&world, "partner").await, 1);
}

#[tokio::test]
async fn a_grant_that_is_sent_again_counts_once() {
    let world = World::start().await;
    world.open_shop().await;
    world.sell_coupon("partner", json!({})).await;
    let id = subscribed(&world, 1).await.remove(0);
    let path = format!("/deployments/{id}/subscription/discount");
    let keyed = || {
        let request = world.request(Method::POST, &path, &world.admin).header("idempotency-key", "once");
        request.json(&json!({"coupon": "partner"}))
    };
    // The first response is lost, although the grant was written.
    let first = send(keyed()).await;
    let again = send(keyed()).await;
    assert_eq!((first.status, again.status, again.header("idempotent-replayed")), (200, 200, "true"));
    world.grant_discount(&id, "partner").await.expect_problem(409, "discount_exists");
    let dry = world.post(&format!("{path}?dry_run=true"), &world.admin, json!({"coupon": "partner"})).await;
    dry.expect_problem(409, "discount_exists");
    assert_eq!(redemptions(&world, "partner").await, 1);
    world.delete(&path, &world.admin).await.expect(200);
    world.delete(&path, &world.admin).await.expect_problem(409, "no_discount");
    assert_eq!(redemptions(&world, "partner").await, 1, "a removed discount stays counted");
}

#[tokio::test]
async fn a_granted_discount_keeps_its_terms_and_is_on_the_invoice() {
    let billing = Billing::at(JANUARY).await;
    billing.sell_coupon("partner", json!({})).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    billing.settle(&id).await;
    let granted = billing.grant_discount(&id, "partner").await.expect(200);
    let discount = &granted["subscription"]["discount"];
    assert_eq!((&discount["coupon"], &discount["running"]), (&json!("partner"), &json!(false)));
    assert_eq!(discount["periods_left"], Value::Null);
    let next = &billing.show(&id).await["next_invoices"][0];
    assert_eq!(next["total_cents"], 2_920, "the preview of the next invoice is discounted");
    billing
        .put("/coupons/partner", &billing.admin, merged(percent(9_000), json!({"status": "retired"})))
        .await
        .expect(200);
    billing.set_time(FEBRUARY);
    billing.sweep().await;
    let invoice = billing.invoices(&id).await.pop().expect("an invoice");
    let lines = invoice["lines"].as_array().expect("lines");
    let told: Vec<_> = lines.iter().map(|line| (&line["kind"], &line["code"], &line["amount_cents"])).collect();
    let line = |kind: &str, code: &str, cents: i64| (json!(kind), json!(code), json!(cents));
    let expected = [
        line("plan_charge", "studio", 2_900),
        line("discount", "partner", -580),
        line("addon_charge", "storage_50gb", 750),
        line("discount", "partner", -150),
    ];
    assert_eq!(told, expected.iter().map(|(kind, code, cents)| (kind, code, cents)).collect::<Vec<_>>());
    assert_eq!((&invoice["total_cents"], &invoice["due_cents"]), (&json!(2_920), &json!(2_920)));
    billing.settle(&id).await;
    billing.set_time(HALF);
    let addon = billing.subscription(&id).await["addons"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/deployments/{id}/subscription/addons/{addon}");
    let detached = billing.delete(&path, &billing.user).await.expect(200);
    assert_eq!(detached["subscription"]["discount"]["running"], true);
    let balances = billing.show(&id).await["deployment"]["balances"].take();
    assert_eq!(balances, json!([{"currency": "USD", "amount_cents": 300}]), "half of 600, and not of 750");
    billing.check(&id).await;
    billing.books(&id).await;
}

#[tokio::test]
async fn coupons_are_the_platform_s_and_are_written_one_revision_at_a_time() {
    let world = World::start().await;
    world.open_shop().await;
    let created = world.put("/coupons/partner", &world.admin, percent(2_000)).await;
    assert_eq!((created.header("etag"), created.header("location")), ("\"1\"", "/api/v1/coupons/partner"));
    let coupon = created.expect(201)["coupon"].clone();
    assert_eq!(
        (&coupon["status"], &coupon["plans"], &coupon["redemptions"]),
        (&json!("active"), &json!([]), &json!(0))
    );
    let same = world.put("/coupons/partner", &world.admin, percent(2_000)).await;
    assert_eq!(same.header("etag"), "\"1\"", "nothing differs");
    same.expect(200);
    let stale = world.request(Method::PUT, "/coupons/partner", &world.admin).header("if-match", "\"9\"");
    send(stale.json(&percent(3_000))).await.expect_problem(412, "precondition_failed");
    let id = subscribed(&world, 1).await.remove(0);
    world.grant_discount(&id, "partner").await.expect(200);
    let revised = world.request(Method::PUT, "/coupons/partner", &world.admin).header("if-match", "\"1\"");
    let revised = send(revised.json(&percent(3_000))).await;
    assert_eq!(revised.header("etag"), "\"2\"", "a grant is not a revision");
    assert_eq!(revised.expect(200)["coupon"]["redemptions"], 1);
    world.sell_coupon("another", json!({})).await;
    let listed = world.collect("/coupons", &world.admin, "coupons").await;
    assert_eq!(listed.iter().map(|coupon| coupon["code"].clone()).collect::<Vec<_>>(), ["another", "partner"]);
    let path = format!("/deployments/{id}/subscription/discount");
    for token in [&world.user, &user("globex")] {
        for path in ["/coupons", "/coupons/partner", "/coupons/nothing"] {
            world.get(path, token).await.expect_problem(403, "admin_required");
        }
        world.put("/coupons/partner", token, percent(10_000)).await.expect_problem(403, "admin_required");
        world.post(&path, token, json!({"coupon": "partner"})).await.expect_problem(403, "admin_required");
        world.delete(&path, token).await.expect_problem(403, "admin_required");
    }
}

#[tokio::test]
async fn a_coupon_has_either_a_percentage_or_an_amount_and_periods_if_it_needs_them() {
    let world = World::start().await;
    let name = |more: Value| merged(json!({"name": "Partners"}), more);
    let forever = |more: Value| name(merged(json!({"duration": "forever"}), more));
    for (body, pointer, code) in [
        (forever(json!({})), "/percent_basis_points", "nothing_off"),
        (forever(json!({"percent_basis_points": 0})), "/percent_basis_points", "out_of_range"),
        (forever(json!({"percent_basis_points": 10_001})), "/percent_basis_points", "out_of_range"),
        (forever(json!({"percent_basis_points": 12.5})), "/percent_basis_points", "not_an_integer"),
        (forever(json!({"amount_cents": 100})), "/currency", "required"),
        (forever(json!({"amount_cents": 0, "currency": "USD"})), "/amount_cents", "out_of_range"),
        (forever(json!({"percent_basis_points": 1, "amount_cents": 1})), "/amount_cents", "not_allowed"),
        (forever(json!({"percent_basis_points": 1, "currency": "USD"})), "/currency", "not_allowed"),
        (forever(json!({"percent_basis_points": 1, "periods": 2})), "/periods", "not_allowed"),
        (name(json!({"percent_basis_points": 1, "duration": "once", "periods": 1})), "/periods", "not_allowed"),
        (name(json!({"percent_basis_points": 1, "duration": "periods"})), "/periods", "required"),
        (name(json!({"percent_basis_points": 1, "duration": "periods", "periods": 121})), "/periods", "out_of_range"),
        (name(json!({"percent_basis_points": 1, "duration": "twice"})), "/duration", "invalid_duration"),
        (forever(json!({"percent_basis_points": 1, "plans": vec!["studio"; 21]})), "/plans", "too_many"),
        (forever(json!({"percent_basis_points": 1, "plans": ["No"]})), "/plans/0", "invalid_code"),
        (forever(json!({"percent_basis_points": 1, "max_redemptions": 0})), "/max_redemptions", "out_of_range"),
        (forever(json!({"percent_basis_points": 1, "redeem_by": "soon"})), "/redeem_by", "invalid_timestamp"),
    ] {
        let problem = world.put("/coupons/partner", &world.admin, body.clone()).await;
        let problem = problem.expect_problem(422, "validation_failed");
        let error = &problem["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!(pointer), &json!(code)), "{body}");
    }
    let full = name(json!({
        "amount_cents": 1_000, "currency": "USD", "duration": "periods", "periods": 120, "plans": ["studio"],
        "max_redemptions": 5, "redeem_by": "2027-12-31T23:59:59Z", "status": "retired",
    }));
    let coupon = world.put("/coupons/partner", &world.admin, full.clone()).await.expect(201)["coupon"].clone();
    for (field, value) in full.as_object().expect("fields") {
        let is_time = field == "redeem_by";
        assert!(is_time || coupon[field] == *value, "{field}: {coupon}");
    }
}
