//! The promise: every problem that the OpenAPI document lists can happen, with the status that it states.
//! [`crate::harness::contract`] checks in all tests that no answer has a code that its operation does not list.

use std::collections::{BTreeMap, BTreeSet};

use arcadia_domain::{
    MAX_CHARGES_IN_PERIOD, MAX_CREDITS, MAX_LIVE_RESOURCES, MAX_OPEN_INVOICES, MAX_OPERATION_IDS, MAX_PAYMENTS,
    MAX_RUNNING_OPERATIONS, MAX_WRITE_OFFS, State,
};
use arcadia_store::{MAX_SUMMED_DEPLOYMENTS, MAX_SUMMED_INVOICES};
use chrono::TimeDelta;
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::shop::merged;
use crate::harness::world::{claims, id_of, signed, token};
use crate::harness::{Fault, contract, table};

const FOREVER: usize = usize::MAX;
/// An id that does not exist.
const NOBODY: &str = "019bc104-f980-7c2f-93d1-5b0c4e8a9d27";

/// Every problem in the document, and its status.
fn listed() -> BTreeMap<&'static str, u16> {
    let schemas = contract::document()["components"]["schemas"].as_object().expect("schemas");
    let problems = schemas.iter().filter_map(|(name, schema)| Some((name.strip_prefix("Problem.")?, schema)));
    let status = |schema: &Value| schema["properties"]["status"]["const"].as_u64().expect("a status");
    problems.map(|(code, schema)| (code, u16::try_from(status(schema)).expect("a status"))).collect()
}

/// A shop, with the problems seen so far.
struct Refusals {
    billing: Billing,
    listed: BTreeMap<&'static str, u16>,
    seen: BTreeSet<&'static str>,
}

impl Refusals {
    /// Insists that a request is refused with a listed code, and marks the code as seen.
    async fn refused(&mut self, code: &'static str, request: RequestBuilder) {
        let status = *self.listed.get(code).unwrap_or_else(|| panic!("{code} is not listed"));
        send(request).await.expect_problem(status, code);
        assert!(self.seen.insert(code), "{code} is tried twice");
    }

    async fn all_refused<const N: usize>(&mut self, requests: [(&'static str, RequestBuilder); N]) {
        for (code, request) in requests {
            self.refused(code, request).await;
        }
    }

    /// A request of acme's user.
    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.billing.request(method, path, &self.billing.user)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.call(Method::GET, path)
    }

    fn post(&self, path: &str, body: Value) -> RequestBuilder {
        self.call(Method::POST, path).json(&body)
    }

    /// A request of `platform_admin`.
    fn admin(&self, method: Method, path: &str, body: Value) -> RequestBuilder {
        self.billing.request(method, path, &self.billing.admin).json(&body)
    }

    /// A deployment with a subscription to `plan_code`.
    async fn subscribed(&self, slug: &str, plan_code: &str) -> String {
        format!("/deployments/{}", self.billing.create_subscribed(slug, json!({"plan_code": plan_code})).await)
    }

    /// A deployment with an open invoice, and the invoice's number.
    async fn owing(&self, slug: &str) -> (String, String) {
        let id = self.billing.create_subscribed(slug, json!({"plan_code": "studio"})).await;
        let number = self.billing.newest(&id).await;
        (id, number)
    }

    async fn created_in(&self, slug: &str, state: State) -> String {
        format!("/deployments/{}", self.billing.create_in(slug, state).await)
    }
}

/// Malformed requests, and callers without permission.
async fn requests(case: &mut Refusals) {
    let shop = format!("/deployments/{}", id_of(&case.billing.create("shop").await));
    let body = |text: &'static str| case.call(Method::POST, "/deployments").header("content-type", text);
    let long = json!({"slug": "x".repeat(64 * 1024)});
    case.all_refused([
        ("invalid_header", case.get("/plans").header("x-note", HeaderValue::from_bytes(b"caf\xc3\xa9").unwrap())),
        ("invalid_path", case.get("/deployments/%ff")),
        ("invalid_id", case.get("/deployments/shop")),
        ("invalid_code", case.get("/plans/My%20plan")),
        ("invalid_invoice_number", case.get(&format!("{shop}/invoices/1"))),
        ("invalid_limit", case.get("/plans?limit=0")),
        ("invalid_cursor", case.get("/plans?cursor=!")),
        ("conflicting_parameters", case.admin(Method::GET, "/catalog/events?plan=studio&addon=seats", json!({}))),
        ("invalid_action", case.get("/schedule?action=sleep")),
        ("invalid_include", case.get("/deployments?include=everything")),
        ("invalid_kind", case.admin(Method::GET, "/attention?kind=sad", json!({}))),
        ("invalid_month", case.get("/tenants/acme/account?month=January")),
        ("invalid_status", case.get("/invoices?status=late")),
        ("plan_code_required", case.get("/deployments?plan_version=1")),
        ("invalid_boolean", case.get("/deployments?subscribed=perhaps")),
        ("invalid_timestamp", case.get("/schedule?before=tomorrow")),
        ("invalid_order", case.get(&format!("{shop}/events?order=up"))),
        ("invalid_number", case.get(&format!("{shop}/events?after=-1"))),
        ("invalid_slug", case.get("/deployments?slug=My%20shop")),
        ("invalid_state", case.get("/deployments?state=running")),
        ("invalid_tenant_id", case.admin(Method::GET, "/tenants/a%23b/dunning-policy", json!({}))),
        ("repeated_parameter", case.get("/plans?limit=1&limit=2")),
        ("unknown_parameter", case.get("/plans?sort=name")),
        ("invalid_idempotency_key", case.post("/deployments", json!({})).header("idempotency-key", "x".repeat(256))),
        ("invalid_if_match", case.call(Method::PATCH, &shop).header("if-match", "1").json(&json!({}))),
        ("malformed_json", body("application/json").body("[]")),
        ("unsupported_media_type", body("text/plain").body("slug=shop")),
        ("payload_too_large", case.post("/deployments", long)),
        ("unknown_field", case.post("/deployments", json!({"name": "shop"}))),
        ("validation_failed", case.post("/deployments", json!({"slug": "My shop"}))),
    ])
    .await;
    let mut nobody = claims("bob", "", Some("acme"));
    nobody.as_object_mut().expect("claims").remove("role");
    let with = |token: &str| case.billing.request(Method::GET, "/deployments", token);
    case.all_refused([
        ("unauthenticated", case.billing.anonymous(Method::GET, "/api/v1/plans")),
        ("role_required", with(&signed(&nobody))),
        ("role_not_permitted", with(&case.billing.provider)),
        ("tenant_required", with(&token("bob", "tenant_user", None))),
        ("tenant_not_permitted", case.post("/deployments", json!({"slug": "a", "tenant_id": "other"}))),
        ("admin_required", case.call(Method::PUT, "/plans/mine").json(&json!({"name": "Mine"}))),
        ("field_not_permitted", case.call(Method::PATCH, &shop).json(&json!({"billing_action_suspended": true}))),
    ])
    .await;
}

/// Refusals of the lifecycle.
async fn lifecycle(case: &mut Refusals) {
    let active = case.created_in("active", State::Active).await;
    let archived = case.created_in("archived", State::Archived).await;
    let resource = json!({"kind": "bucket", "provider_reference": "b"});
    let plane = case.billing.data_plane.clone();
    let record = |path: &str| case.billing.request(Method::POST, &format!("{path}/resources"), &plane).json(&resource);
    let cancelled = case.created_in("cancelled", State::Active).await;
    send(record(&cancelled)).await.expect(201);
    send(case.post(&format!("{cancelled}/transition"), json!({"to_state": "cancelled"}))).await.expect(200);
    let to =
        |path: &str, state: &str| case.admin(Method::POST, &format!("{path}/transition"), json!({"to_state": state}));
    let full = case.billing.create_in("full", State::Active).await;
    let store = &case.billing.app.store;
    table::set_number(&case.billing.direct, store.table(), &full, "live_resources", MAX_LIVE_RESOURCES).await;
    let renamed = json!({"display_name": "The shop"});
    case.billing.put("/tenants/small", &case.billing.admin, json!({"deployment_quota": 0})).await.expect(200);
    let idle = json!({"tenant_id": "idle", "slug": "shop"});
    case.billing.put("/tenants/idle", &case.billing.admin, json!({"unsubscribed_after_days": 1})).await.expect(202);
    let idle = id_of(&case.billing.post("/deployments", &case.billing.admin, idle).await.expect(201)["deployment"]);
    case.billing.clock.shift(TimeDelta::days(1));
    case.billing.sweep().await;
    case.billing.put("/tenants/naughty/hold", &case.billing.admin, json!({"reason": "abuse"})).await.expect(202);
    case.all_refused([
        ("not_found", case.get(&format!("/deployments/{NOBODY}"))),
        ("subscription_required", to(&format!("/deployments/{idle}"), "active")),
        ("tenant_held", case.admin(Method::POST, "/deployments", json!({"tenant_id": "naughty", "slug": "shop"}))),
        ("slug_taken", case.post("/deployments", json!({"slug": "shop"}))),
        ("quota_exceeded", case.admin(Method::POST, "/deployments", json!({"tenant_id": "small", "slug": "shop"}))),
        ("invalid_initial_state", case.post("/deployments", json!({"slug": "new", "state": "paused"}))),
        ("invalid_transition", to(&active, "archived")),
        ("transition_not_permitted", case.post(&format!("{active}/transition"), json!({"to_state": "past_due"}))),
        ("deployment_archived", case.call(Method::PATCH, &archived).json(&renamed)),
        ("precondition_failed", case.call(Method::PATCH, &active).header("if-match", "\"99\"").json(&renamed)),
        ("live_resources", to(&cancelled, "archived")),
        ("too_many_resources", record(&format!("/deployments/{full}"))),
        ("not_subscribable", case.post(&format!("{cancelled}/subscribe"), json!({"plan_code": "studio"}))),
        (
            "no_trial",
            case.admin(Method::POST, &format!("{active}/trial"), json!({"trial_ends_at": "2031-01-01T00:00:00Z"})),
        ),
    ])
    .await;
    table::crowd(&case.billing.direct, case.billing.app.store.table(), &full, MAX_SUMMED_DEPLOYMENTS).await;
    case.refused("too_many_deployments", case.get("/tenants/acme/account")).await;
    let billed = case.billing.create_subscribed("billed", json!({"plan_code": "studio"})).await;
    let (client, table) = (&case.billing.direct, case.billing.app.store.table());
    let number = case.billing.newest(&billed).await;
    table::crowd_invoices(client, table, (&billed, &number), "crowded", MAX_SUMMED_INVOICES + 1).await;
    let path = "/tenants/crowded/account?month=2027-01";
    case.refused("too_many_invoices", case.admin(Method::GET, path, json!({}))).await;
}

/// Refusals of subscriptions.
async fn subscriptions(case: &mut Refusals) {
    let billing = &case.billing;
    billing.sell_plan("tryout", &[json!({"price_cents": 1, "trial_days": 14})]).await;
    billing.sell_plan("gone", &[json!({"price_cents": 1})]).await;
    billing.put("/plans/gone", &billing.admin, json!({"name": "Gone", "status": "retired"})).await.expect(200);
    billing.sell_addon("gone", json!({"status": "retired"})).await;
    let bare = case.created_in("bare", State::Active).await;
    let (used, live) = (case.subscribed("used", "tryout").await, case.subscribed("live", "studio").await);
    let (waiting, held) =
        (case.created_in("waiting", State::Trial).await, case.created_in("held", State::Paused).await);
    billing.patch(&held, &billing.admin, json!({"billing_action_suspended": true})).await.expect(200);
    billing.sell_plan("risen", &[json!({"price_cents": 1}), json!({"price_cents": 2})]).await;
    let paused = case.subscribed("paused", "studio").await;
    send(case.post(&format!("{paused}/transition"), json!({"to_state": "paused"}))).await.expect(200);
    let crowded =
        billing.create_subscribed("crowded", json!({"plan_code": "studio", "addons": vec!["storage_50gb"; 50]})).await;
    billing.cancel(&crowded, "immediate").await.expect(200);
    let busy = billing.create_subscribed("busy", json!({"plan_code": "studio"})).await;
    for _ in 0..MAX_CHARGES_IN_PERIOD {
        let addon = billing.attach(&busy, "storage_50gb").await;
        let path = format!("/deployments/{busy}/subscription/addons/{addon}");
        billing.delete(&path, &billing.user).await.expect(200);
    }
    let agreed = case.subscribed("agreed", "studio").await;
    let period_end = json!({"effective": "period_end"});
    send(case.admin(Method::POST, &format!("{agreed}/subscription/cancellation"), period_end)).await.expect(200);
    let raise = |replaces: u32| {
        json!({
            "price_cents": 3_900, "currency": "USD", "interval": "month", "replaces": replaces,
            "effective_from": "2031-01-01T00:00:00Z",
        })
    };
    case.billing.sell_plan("dearer", &[json!({"price_cents": 2_900}), raise(1)]).await;
    let subscribe = |path: &str, body: Value| case.post(&format!("{path}/subscribe"), body);
    let plan = |code: &str| json!({"plan_code": code});
    let attach =
        |path: &str, code: &str| case.post(&format!("{path}/subscription/addons"), json!({"addon_code": code}));
    let change = |path: &str, body: Value| case.post(&format!("{path}/subscription/change"), body);
    let addons = |count: usize| vec!["storage_50gb"; count];
    case.all_refused([
        ("already_subscribed", subscribe(&used, plan("studio"))),
        ("not_subscribed", attach(&bare, "storage_50gb")),
        ("subscription_paused", attach(&paused, "storage_50gb")),
        ("trial_used", subscribe(&waiting, plan("tryout"))),
        ("unknown_plan", subscribe(&bare, plan("nothing"))),
        ("unknown_plan_version", subscribe(&bare, json!({"plan_code": "studio", "plan_version": 9}))),
        ("plan_retired", subscribe(&bare, plan("gone"))),
        ("plan_version_closed", subscribe(&bare, json!({"plan_code": "dearer", "plan_version": 1}))),
        ("price_change_running", case.admin(Method::POST, "/plans/dearer/versions", raise(2))),
        ("plan_version_not_permitted", subscribe(&bare, json!({"plan_code": "risen", "plan_version": 1}))),
        ("scheduled_by_platform", case.call(Method::DELETE, &format!("{agreed}/subscription/cancellation"))),
        ("deployment_held", case.post(&format!("{held}/transition"), json!({"to_state": "active"}))),
        ("unknown_addon", attach(&live, "nothing")),
        ("addon_retired", attach(&live, "gone")),
        ("currency_mismatch", attach(&live, "euro_seats")),
        ("currency_change", change(&live, plan("euro"))),
        ("too_many_addons", subscribe(&bare, json!({"plan_code": "studio", "addons": addons(51)}))),
        (
            "too_many_replaced_addons",
            subscribe(&format!("/deployments/{crowded}"), json!({"plan_code": "studio", "addons": addons(50)})),
        ),
        ("too_many_changes", attach(&format!("/deployments/{busy}"), "storage_50gb")),
        ("no_pending_change", case.call(Method::DELETE, &format!("{live}/subscription/change"))),
        ("no_pending_cancellation", case.call(Method::DELETE, &format!("{live}/subscription/cancellation"))),
    ])
    .await;
}

/// Refusals of discounts.
async fn discounts(case: &mut Refusals) {
    let billing = &case.billing;
    let bare = case.created_in("undiscounted", State::Active).await;
    let [has, free] = [case.subscribed("has", "studio").await, case.subscribed("free", "studio").await];
    for (code, terms) in [
        ("partner", json!({"max_redemptions": 1})),
        ("retired", json!({"status": "retired"})),
        ("expired", json!({"redeem_by": "2027-01-01T00:00:00Z"})),
        ("for-teams", json!({"plans": ["team"]})),
        ("euros", json!({"percent_basis_points": null, "amount_cents": 100, "currency": "EUR"})),
    ] {
        billing.sell_coupon(code, terms).await;
    }
    let grant = |path: &str, code: &str| {
        case.admin(Method::POST, &format!("{path}/subscription/discount"), json!({"coupon": code}))
    };
    send(grant(&has, "partner")).await.expect(200);
    send(grant(&bare, "partner")).await.expect_problem(409, "not_subscribed");
    send(grant(&free, "euros")).await.expect_problem(409, "currency_mismatch");
    case.all_refused([
        ("discount_exists", grant(&has, "partner")),
        ("no_discount", case.admin(Method::DELETE, &format!("{free}/subscription/discount"), json!({}))),
        ("coupon_exhausted", grant(&free, "partner")),
        ("coupon_expired", grant(&free, "expired")),
        ("coupon_retired", grant(&free, "retired")),
        ("coupon_not_for_plan", grant(&free, "for-teams")),
        ("unknown_coupon", grant(&free, "nothing")),
    ])
    .await;
}

/// Refusals of payments and of invoices.
async fn invoices(case: &mut Refusals) {
    let billing = &case.billing;
    // A held deployment that has not paid for two years has the most open invoices that are allowed.
    let debtor = billing.create_subscribed("debtor", json!({"plan_code": "studio"})).await;
    let path = format!("/deployments/{debtor}");
    billing.patch(&path, &billing.admin, json!({"billing_action_suspended": true})).await.expect(200);
    while billing.show(&debtor).await["deployment"]["open_invoices"].as_array().expect("a list").len()
        < MAX_OPEN_INVOICES
    {
        billing.clock.shift(TimeDelta::days(31));
        billing.sweep().await;
    }
    let overdue = billing.create_subscribed("overdue", json!({"plan_code": "studio"})).await;
    billing.transition(&overdue, &billing.user, json!({"to_state": "paused"})).await.expect(200);
    let leaver = billing.create_subscribed("leaver", json!({"plan_code": "studio"})).await;
    billing.transition(&leaver, &billing.user, json!({"to_state": "cancelled"})).await.expect(200);
    billing.clock.shift(TimeDelta::days(7));
    let id = billing.create_subscribed("owing", json!({"plan_code": "team"})).await;
    let number = billing.newest(&id).await;
    let void = billing.create_subscribed("void", json!({"plan_code": "studio"})).await;
    let voided = billing.newest(&void).await;
    billing.void(&void, &voided).await.expect(200);
    let parted = billing.create_subscribed("parted", json!({"plan_code": "studio"})).await;
    let parts = billing.newest(&parted).await;
    for part in 0..3 {
        billing.pay(&parted, &parts, &format!("part-{part}"), 1).await.expect(200);
    }
    let pay = |id: &str, number: &str, amount_cents: u32, currency: &str, reference: &str| {
        let body = json!({"reference": reference, "amount_cents": amount_cents, "currency": currency});
        case.admin(Method::POST, &format!("/deployments/{id}/invoices/{number}/payments"), body)
    };
    let credited = case.owing("credited").await;
    let amount = |cents: u64| json!({"amount_cents": cents, "currency": "USD"});
    let correct = |(id, number): &(String, String), rest: &str, body: Value| {
        case.admin(Method::POST, &format!("/deployments/{id}/invoices/{number}{rest}"), body)
    };
    let of_owing = (id.clone(), number.clone());
    let of_parted = (parted.clone(), parts.clone());
    let of_void = (void.clone(), voided.clone());
    let body = json!({"lines": [{"charge": "2-0", "amount_cents": 1}]});
    send(correct(&of_parted, "/credit-notes", body)).await.expect(200);
    send(correct(&of_parted, "/payments/part-1/reversal", json!({"kind": "mistake"}))).await.expect(200);
    table::edit_invoice(&billing.direct, billing.app.store.table(), (&parted, &parts), |invoice| {
        invoice.payments = invoice.payments.iter().cycle().take(MAX_PAYMENTS).cloned().collect();
        invoice.credits = invoice.credits.iter().cycle().take(MAX_CREDITS).cloned().collect();
    })
    .await;
    let forgiven = case.owing("forgiven").await;
    for _ in 0..MAX_WRITE_OFFS {
        send(correct(&forgiven, "/write-off", json!({}))).await.expect(200);
        let path = format!("/deployments/{}/invoices/{}/write-off", forgiven.0, forgiven.1);
        send(case.admin(Method::DELETE, &path, json!({}))).await.expect(200);
    }
    let credit = |extra: Value, cents: u64| {
        let body = merged(amount(cents), merged(json!({"reason": "outage"}), extra));
        case.admin(Method::POST, &format!("/deployments/{}/credits", credited.0), body)
    };
    send(credit(json!({}), 1_000_000_000_000_000)).await.expect(200);
    let absolved = case.owing("absolved").await;
    send(correct(&absolved, "/write-off", json!({}))).await.expect(200);
    send(correct(&absolved, "/credit-notes", json!({}))).await.expect(200);
    // The refund of a balance whose payment is then charged back.
    let spent = case.owing("spent").await;
    let due = billing.show(&spent.0).await["deployment"]["open_invoices"][0]["due_cents"].as_i64().expect("cents");
    billing.pay(&spent.0, &spent.1, "p", due).await.expect(200);
    let of_all = json!({"refund": true, "reference": "back"});
    send(correct(&spent, "/credit-notes", of_all)).await.expect(200);
    send(correct(&spent, "/payments/p/reversal", json!({"kind": "chargeback"}))).await.expect(200);
    let refund =
        |(id, _): &(String, String), body: Value| case.admin(Method::POST, &format!("/deployments/{id}/refunds"), body);
    case.all_refused([
        (
            "too_many_credits",
            correct(&of_parted, "/credit-notes", json!({"lines": [{"charge": "2-0", "amount_cents": 1}]})),
        ),
        ("payment_reversed", pay(&parted, &parts, 1, "USD", "part-1")),
        ("too_many_write_offs", correct(&forgiven, "/write-off", json!({}))),
        ("too_much_balance", credit(json!({}), 1_000_000_000_000_000)),
        (
            "nothing_forgiven",
            case.admin(
                Method::DELETE,
                &format!("/deployments/{}/invoices/{}/write-off", absolved.0, absolved.1),
                json!({}),
            ),
        ),
        ("nothing_to_credit", correct(&absolved, "/credit-notes", json!({}))),
        ("invoice_void", correct(&of_void, "/credit-notes", json!({}))),
        (
            "unknown_charge",
            correct(&of_owing, "/credit-notes", json!({"lines": [{"charge": "99-0", "amount_cents": 1}]})),
        ),
        (
            "credit_exceeds_charge",
            correct(&of_owing, "/credit-notes", json!({"lines": [{"charge": "2-0", "amount_cents": 1_000_000}]})),
        ),
        ("refund_exceeds_paid", refund(&of_owing, merged(amount(1), json!({"reference": "r", "invoice": number})))),
        ("insufficient_balance", refund(&of_owing, merged(amount(1), json!({"reference": "r"})))),
        (
            "invalid_payment_reference",
            correct(&of_owing, "/payments/no%20reference/reversal", json!({"kind": "mistake"})),
        ),
        ("payment_reference_reused", pay(&parted, &parts, 2, "USD", "part-2")),
        ("payment_currency", pay(&id, &number, 1, "EUR", "r")),
        ("overpayment", pay(&id, &number, 1_000_000, "USD", "r")),
        ("too_many_payments", pay(&parted, &parts, 1, "USD", "one-too-many")),
        ("invoice_not_open", pay(&void, &voided, 1, "USD", "r")),
        (
            "invoice_balance_used",
            case.admin(Method::POST, &format!("/deployments/{}/invoices/{}/void", spent.0, spent.1), json!({})),
        ),
        (
            "invoice_has_payments",
            case.admin(Method::POST, &format!("/deployments/{parted}/invoices/{parts}/void"), json!({})),
        ),
        ("invoice_overdue", case.post(&format!("/deployments/{overdue}/transition"), json!({"to_state": "active"}))),
        (
            "open_invoices",
            case.admin(Method::POST, &format!("/deployments/{leaver}/transition"), json!({"to_state": "archived"})),
        ),
        ("too_many_open_invoices", case.post(&format!("{path}/subscription/change"), json!({"plan_code": "yearly"}))),
    ])
    .await;
}

/// Refusals of operations on many deployments.
async fn operations(case: &mut Refusals) {
    let command = json!({"type": "update", "billing_action_suspended": true});
    let ids = |count| (0..count).map(|n| format!("00000000-0000-7000-8000-{n:012}")).collect::<Vec<_>>();
    let start = |count: usize| json!({"filter": {"ids": ids(count)}, "command": command});
    // Two operations have been running since the tenants' rules were set, and a price change runs too.
    for _ in 3..MAX_RUNNING_OPERATIONS {
        case.billing.post("/operations", &case.billing.admin, start(1)).await.expect(202);
    }
    case.all_refused([
        ("too_many_ids", case.admin(Method::POST, "/operations", start(MAX_OPERATION_IDS + 1))),
        ("too_many_operations", case.admin(Method::POST, "/operations", start(1))),
        ("invalid_outcome", case.admin(Method::GET, &format!("/operations/{NOBODY}/results?outcome=lost"), json!({}))),
    ])
    .await;
}

/// Refusals because of concurrent callers or of DynamoDB.
async fn troubles(case: &mut Refusals) {
    let paths = [case.created_in("troubled", State::Active).await, case.created_in("other", State::Active).await];
    let pause = |path: &str, key: &'static str| {
        case.post(&format!("{path}/transition"), json!({"to_state": "paused"})).header("idempotency-key", key)
    };
    let colliding = Fault::cancelled(&["None", "None", "TransactionConflict"]);
    let overtaken = Fault::cancelled(&["ConditionalCheckFailed", "None", "None"]);
    let requests = [
        ("idempotency_key_in_use", colliding, pause(&paths[0], "k")),
        ("version_conflict", overtaken, pause(&paths[0], "k")),
        ("unavailable", Fault::named("ThrottlingException"), pause(&paths[0], "k")),
        ("internal", Fault::named("AccessDeniedException"), pause(&paths[0], "k")),
    ];
    let (first, other) = (pause(&paths[0], "k"), pause(&paths[1], "k"));
    for (code, fault, request) in requests {
        case.billing.dynamodb.clear();
        case.billing.dynamodb.plan("TransactWriteItems", FOREVER, fault);
        case.refused(code, request).await;
    }
    case.billing.dynamodb.clear();
    send(first).await.expect(200);
    case.refused("idempotency_key_reused", other).await;
    let path = format!("/deployments/{}", case.billing.fill(1, "free").await.remove(0));
    case.billing.clock.shift(TimeDelta::days(200));
    case.refused("catching_up", case.call(Method::PATCH, &path).json(&json!({"display_name": "Late"}))).await;
}

#[tokio::test]
async fn every_problem_that_is_listed_happens() {
    let billing = Billing::at("2027-01-15T10:00:00Z").await;
    let mut case = Refusals { billing, listed: listed(), seen: BTreeSet::new() };
    invoices(&mut case).await;
    requests(&mut case).await;
    lifecycle(&mut case).await;
    subscriptions(&mut case).await;
    discounts(&mut case).await;
    operations(&mut case).await;
    troubles(&mut case).await;
    let never: Vec<&str> = case.listed.into_keys().filter(|code| !case.seen.contains(code)).collect();
    assert_eq!(never, Vec::<&str>::new(), "these codes are listed, but no request here causes them");
    println!("{} problems", case.seen.len());
}
