//! The promise: the number of DynamoDB requests of calls about the catalog, a subscription and its invoices, as a table
//! that `requests` has measured.

use arcadia_store::keys::{DEFAULT_DUE_SHARDS, STATE_SHARDS};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::shop::merged as with;
use crate::harness::world::id_of;
use crate::requests::{CHANGE, Line, READ, READ_PAGE, READ_TWO, call, get, merged};

/// A read of what somebody wants to buy.
const OFFER: &[&str] = &["BatchGetItem", "Query"];
const BUY: &[&str] = &["BatchGetItem", "Query", "TransactWriteItems"];
const LOOK_UP: &[&str] = &["GetItem"];
const PUT: &[&str] = &["GetItem", "TransactWriteItems"];
const SHOW_INVOICE: &[&str] = &["BatchGetItem"];
/// A tenant's fields, with its policy or the limits of its deployments.
const READ_TENANT: &[&str] = &["BatchGetItem"];
const CHANGE_TENANT: &[&str] = &["BatchGetItem", "TransactWriteItems"];
/// A deployment and one of its invoices, to change both.
const INVOICE: &[&str] = &["GetItem", "Query"];
const CHANGE_INVOICE: &[&str] = &["GetItem", "Query", "TransactWriteItems"];

/// The table: of calls on the deployment `id`, active and without a subscription, in this order.
/// `{addon_id}` stands for the add-on that was attached last, `{number}` for the invoice that was opened or changed last.
pub fn lines(id: &str) -> Vec<Line> {
    let mut lines = catalog_lines();
    lines.extend(policy_lines());
    lines.extend(subscription_lines(id));
    lines
}

fn catalog_lines() -> Vec<Line> {
    let put = |kind: &str, code: &str, body: Value, outcome| {
        let handler = if kind == "plans" { "put_plan" } else { "put_addon" };
        call(handler, Method::PUT, format!("/{kind}/{code}"), body, outcome)
    };
    let publish = |code: &str, version: Value, outcome| {
        let path = format!("/plans/{code}/versions");
        call("publish_plan_version", Method::POST, path, version, outcome)
    };
    let version = |price_cents: i64, currency: &str, trial_days: i64| json!({"price_cents": price_cents, "currency": currency, "interval": "month", "trial_days": trial_days});
    let addon = |price_cents: i64| json!({"name": "Storage", "price_cents": price_cents, "currency": "USD", "quantity": 50, "unit": "GB"});
    let coupon = |points: i64, outcome| {
        let body = json!({"name": "Partners", "percent_basis_points": points, "duration": "forever"});
        call("put_coupon", Method::PUT, "/coupons/partner", body, outcome)
    };
    let publication: &[&str] = &["GetItem", "TransactWriteItems"];
    // The currency of version 1 is another one.
    let replacing = |replaces: u32, dry_run: bool| {
        let currency = if replaces == 1 { "EUR" } else { "USD" };
        let change = json!({"replaces": replaces, "effective_from": "2030-01-01T00:00:00Z", "dry_run": dry_run});
        with(version(4_900, currency, 0), change)
    };
    // Plan, version and the operations that run; then the number of subscriptions in each shard of two lists.
    const SUBSCRIBERS: usize = 2 * STATE_SHARDS as usize;
    const FORESEEN: [&str; 3 + SUBSCRIBERS + STATE_SHARDS as usize] = {
        let mut costs = ["Query"; 3 + SUBSCRIBERS + STATE_SHARDS as usize];
        (costs[0], costs[1], costs[2]) = ("GetItem", "GetItem", "GetItem");
        costs
    };
    const REPLACEMENT: [&str; 4 + SUBSCRIBERS] = {
        let mut costs = ["Query"; 4 + SUBSCRIBERS];
        (costs[0], costs[1], costs[2]) = ("GetItem", "GetItem", "GetItem");
        costs[3 + SUBSCRIBERS] = "TransactWriteItems";
        costs
    };
    let (foreseen, replacement): (&[&str], &[&str]) = (&FORESEEN, &REPLACEMENT);
    let not_found = |line: Line| Line { status: 404, ..line };
    vec![
        put("plans", "studio", json!({"name": "Studio"}), (201, PUT, 2)),
        put("plans", "studio", json!({"name": "Studio"}), (200, LOOK_UP, 0)),
        put("plans", "studio", json!({"name": ""}), (422, &[], 0)),
        put("plans", "euro", json!({"name": "Euro"}), (201, PUT, 2)),
        put("plans", "tryout", json!({"name": "Tryout"}), (201, PUT, 2)),
        publish("studio", version(2_900, "USD", 0), (201, publication, 3)),
        publish("studio", version(3_900, "USD", 0), (201, publication, 3)),
        publish("euro", version(2_700, "EUR", 0), (201, publication, 3)),
        publish("tryout", version(2_900, "USD", 14), (201, publication, 3)),
        publish("studio", replacing(1, false), (422, &["GetItem", "GetItem"], 0)),
        publish("studio", replacing(2, true), (200, foreseen, 0)),
        publish("studio", replacing(2, false), (201, replacement, 6)),
        publish("studio", replacing(9, false), (422, &["GetItem", "GetItem"], 0)),
        // The price of version 3 is still being announced: the operations that run are read too.
        publish("studio", replacing(3, false), (409, &["BatchGetItem", "GetItem", "GetItem", "GetItem"], 0)),
        publish("nothing", version(1, "USD", 0), (404, LOOK_UP, 0)),
        publish("studio", version(-1, "USD", 0), (422, &[], 0)),
        put("addons", "storage_50gb", addon(750), (201, PUT, 2)),
        put("addons", "storage_50gb", addon(750), (200, LOOK_UP, 0)),
        put("addons", "storage_50gb", addon(990), (200, PUT, 2)),
        put("addons", "storage_50gb", addon(-1), (422, &[], 0)),
        get("list_plans", "/plans?limit=1", READ),
        not_found(get("show_addon", "/addons/nothing", LOOK_UP)),
        coupon(2_000, (201, PUT, 2)),
        coupon(2_000, (200, LOOK_UP, 0)),
        coupon(2_500, (200, PUT, 2)),
        coupon(0, (422, &[], 0)),
        not_found(get("show_coupon", "/coupons/nothing", LOOK_UP)),
        get("list_catalog_events", "/catalog/events?plan=studio&limit=1", READ),
        not_found(get("show_plan", "/plans/nothing", LOOK_UP)),
    ]
}

fn policy_lines() -> Vec<Line> {
    let path = "/tenants/acme/dunning-policy";
    let put = |past_due_after_days: i64, outcome| {
        let body = json!({
            "payment_terms_days": 7, "past_due_after_days": past_due_after_days, "suspended_after_days": 14,
            "cancelled_after_days": 30, "archived_after_days": 90,
        });
        call("put_dunning_policy", Method::PUT, path, body, outcome)
    };
    let tenant = |body: Value, outcome| call("put_tenant", Method::PUT, "/tenants/acme", body, outcome);
    vec![
        // The deployments of one tenant.
        get("list_tenants", "/tenants?limit=1", &["Query"; STATE_SHARDS as usize + 1]),
        put(15, (422, &[], 0)),
        put(-1, (422, &[], 0)),
        // The account, the event and the policy.
        put(1, (200, CHANGE_TENANT, 3)),
        put(0, (200, CHANGE_TENANT, 3)),
        put(0, (200, READ_TENANT, 0)),
        tenant(json!({"name": "Acme"}), (200, CHANGE_TENANT, 2)),
        tenant(json!({"name": "Acme"}), (200, READ_TENANT, 0)),
        // The limits are read, the slugs and the deployments are counted.
        tenant(
            json!({"deployment_quota": 50}),
            (200, &["BatchGetItem", "BatchGetItem", "GetItem", "Query", "TransactWriteItems"], 3),
        ),
        tenant(json!({"deployment_quota": null}), (200, CHANGE_TENANT, 3)),
        tenant(json!({"deployment_quota": -1}), (422, &[], 0)),
        // The account, the event, the limits, the operation that copies it and the list of those that run.
        tenant(json!({"unsubscribed_after_days": 3_650}), (202, &["BatchGetItem", "Query", "TransactWriteItems"], 5)),
        tenant(json!({"unsubscribed_after_days": 3_650}), (200, READ_TENANT, 0)),
        get("list_tenant_events", "/tenants/acme/events?limit=1", READ),
    ]
}

/// Of a deployment with an open invoice, before it is subscribed anew.
fn payment_lines(id: &str) -> Vec<Line> {
    let at = |rest: &str| format!("/deployments/{id}/invoices{rest}");
    let not_found = |line: Line| Line { status: 404, ..line };
    let pay = |amount_cents: i64, reference: &str, outcome| {
        let body = json!({"reference": reference, "amount_cents": amount_cents, "currency": "USD"});
        call("record_payment", Method::POST, at("/{number}/payments"), body, outcome)
    };
    let reverse = |outcome| {
        let body = json!({"kind": "mistake"});
        call("reverse_payment", Method::POST, at("/{number}/payments/first/reversal"), body, outcome)
    };
    let of_balance = |handler, rest: &str, body: Value, outcome| {
        let body = crate::harness::shop::merged(json!({"amount_cents": 1, "currency": "USD"}), body);
        call(handler, Method::POST, format!("/deployments/{id}{rest}"), body, outcome)
    };
    vec![
        get("list_deployments", "/deployments?plan_code=studio&plan_version=1", &merged(usize::from(STATE_SHARDS))),
        get("find_invoices", format!("/invoices?deployment_id={id}"), READ_PAGE),
        get("list_schedule", "/schedule?before=2027-01-01T00:00:00Z", &["Query"; DEFAULT_DUE_SHARDS as usize]),
        get("list_invoices", at("?limit=1"), READ_PAGE),
        not_found(get("show_invoice", at("/20270115100000-0123456789ab-USD"), SHOW_INVOICE)),
        // The deployment, the invoice, the event, and the mark of the reference.
        pay(1, "first", (200, CHANGE_INVOICE, 4)),
        pay(1, "first", (200, INVOICE, 0)),
        pay(2, "first", (409, INVOICE, 0)),
        pay(1_000_000, "second", (422, INVOICE, 0)),
        pay(0, "third", (422, &[], 0)),
        void_line(id, (409, INVOICE, 0)),
        reverse((200, CHANGE_INVOICE, 3)),
        reverse((200, INVOICE, 0)),
        call(
            "issue_credit_note",
            Method::POST,
            at("/{number}/credit-notes"),
            json!({"lines": [{"charge": "999-0", "amount_cents": 1}]}),
            (422, INVOICE, 0),
        ),
        of_balance("refund_balance", "/refunds", json!({"reference": "r"}), (409, INVOICE, 0)),
        // A cent of an open invoice is settled at once.
        of_balance("grant_credit", "/credits", json!({"reason": "outage"}), (200, CHANGE, 4)),
        // An unpaid invoice was lowered, so the charge is invoiced at once.
        of_balance("add_charge", "/charges", json!({"description": "Migration"}), (200, CHANGE_INVOICE, 5)),
    ]
}

fn void_line(id: &str, outcome: (u16, &[&'static str], usize)) -> Line {
    call("void_invoice", Method::POST, format!("/deployments/{id}/invoices/{{number}}/void"), Value::Null, outcome)
}

fn subscription_lines(id: &str) -> Vec<Line> {
    let at = |rest: &str| format!("/deployments/{id}{rest}");
    let transition = |to_state: &str, outcome| {
        call("transition_deployment", Method::POST, at("/transition"), json!({"to_state": to_state}), outcome)
    };
    let subscribe = |plan_code: &str, addons: &[&str], outcome| {
        let body = json!({"plan_code": plan_code, "addons": addons});
        call("subscribe_deployment", Method::POST, at("/subscribe"), body, outcome)
    };
    let attach = |code: &str, outcome| {
        call("attach_addon", Method::POST, at("/subscription/addons"), json!({"addon_code": code}), outcome)
    };
    let detach =
        |outcome| call("detach_addon", Method::DELETE, at("/subscription/addons/{addon_id}"), Value::Null, outcome);
    let change = |body: Value, outcome| call("change_plan", Method::POST, at("/subscription/change"), body, outcome);
    let withdraw_change =
        |outcome| call("withdraw_plan_change", Method::DELETE, at("/subscription/change"), Value::Null, outcome);
    let cancel = |effective: &str, outcome| {
        let body = json!({"effective": effective});
        call("cancel_subscription", Method::POST, at("/subscription/cancellation"), body, outcome)
    };
    let withdraw_cancellation =
        |outcome| call("withdraw_cancellation", Method::DELETE, at("/subscription/cancellation"), Value::Null, outcome);
    let discount = |code: &str, outcome| {
        call("grant_discount", Method::POST, at("/subscription/discount"), json!({"coupon": code}), outcome)
    };
    let remove_discount =
        |outcome| call("remove_discount", Method::DELETE, at("/subscription/discount"), Value::Null, outcome);
    let extend =
        |at_: &str, outcome| call("extend_trial", Method::POST, at("/trial"), json!({"trial_ends_at": at_}), outcome);
    let studio = json!({"plan_code": "studio"});
    let old_version = json!({"plan_code": "studio", "plan_version": 1});
    let at_period_end = json!({"plan_code": "studio", "effective": "period_end"});
    let to_euro = json!({"plan_code": "euro", "proration": "none", "drop_incompatible": true});
    let mut lines = vec![
        change(studio.clone(), (409, OFFER, 0)),
        subscribe("Studio", &[], (422, &[], 0)),
        subscribe("nothing", &[], (422, OFFER, 0)),
        // The deployment, its subscription, two add-ons, the invoice and two events.
        subscribe("studio", &["storage_50gb", "storage_50gb"], (201, BUY, 7)),
        subscribe("studio", &[], (409, OFFER, 0)),
        attach("storage_50gb", (201, &["GetItem", "Query", "TransactWriteItems"], 4)),
        attach("nothing", (422, &["GetItem", "Query"], 0)),
        detach((200, CHANGE, 4)),
        detach((404, READ, 0)),
        change(json!({"plan_code": "studio", "plan_version": 1, "dry_run": true}), (200, OFFER, 0)),
        // The invoice is unpaid: its credit, and an invoice of the new charge with its event.
        change(old_version.clone(), (200, BUY, 6)),
        change(old_version, (200, OFFER, 0)),
        change(at_period_end.clone(), (200, BUY, 3)),
        change(at_period_end, (200, OFFER, 0)),
        // Whether its version was replaced is read.
        withdraw_change((200, CHANGE_INVOICE, 3)),
        withdraw_change((409, READ, 0)),
        cancel("period_end", (200, CHANGE, 3)),
        cancel("period_end", (200, READ, 0)),
        cancel("never", (422, &[], 0)),
        withdraw_cancellation((200, CHANGE_INVOICE, 3)),
        withdraw_cancellation((409, READ, 0)),
        // The deployment, its subscription, the event, and the coupon, which counts it.
        discount("partner", (200, CHANGE_INVOICE, 4)),
        discount("partner", (409, INVOICE, 0)),
        discount("nothing", (422, INVOICE, 0)),
        discount("No", (422, &[], 0)),
        remove_discount((200, CHANGE, 3)),
        remove_discount((409, READ, 0)),
        transition("paused", (200, CHANGE, 3)),
        transition("active", (200, CHANGE, 3)),
    ];
    lines.extend(payment_lines(id));
    lines.extend([
        // Both add-ons are dropped, and credited to their invoice; the cent that settled it goes to the next one.
        change(to_euro, (200, BUY, 7)),
        // The invoice of the plan's charge is lowered; the cent goes on to the next one.
        cancel("immediate", (200, CHANGE, 5)),
        cancel("immediate", (409, READ, 0)),
        subscribe("studio", &["storage_50gb"], (201, BUY, 6)),
        // The deployment, the invoice, the event, and the subscription without its charges.
        void_line(id, (200, CHANGE_INVOICE, 4)),
        void_line(id, (200, INVOICE, 0)),
        cancel("immediate", (200, CHANGE, 3)),
        extend("2100-01-01T00:00:00Z", (409, READ, 0)),
        // The old add-on goes, and the tenant takes up its trial of the plan.
        subscribe("tryout", &["storage_50gb"], (201, BUY, 6)),
        extend("2100-01-01T00:00:00Z", (200, CHANGE, 3)),
        extend("2100-01-01T00:00:00Z", (200, READ, 0)),
        extend("soon", (422, &[], 0)),
        // Its resource still runs, and leaves a trace.
        transition("cancelled", (200, CHANGE, 4)),
        subscribe("studio", &[], (422, OFFER, 0)),
    ]);
    lines
}

#[tokio::test]
async fn an_offer_is_read_at_once_however_much_is_wanted() {
    let world = World::start().await;
    world.open_shop().await;
    let codes: Vec<String> = (0..50).map(|n| format!("addon-{n:02}")).collect();
    for code in &codes {
        world.sell_addon(code, json!({})).await;
    }
    let id = id_of(&world.create("shop").await);
    world.dynamodb.clear();
    let body = json!({"plan_code": "studio", "plan_version": 1, "addons": codes});
    world.subscribe(&id, body).await.expect(201);
    assert_eq!(world.dynamodb.operations(), BUY);
    // The plan, its version, the tenant's trial of it and its dunning policy, and each add-on.
    let seen = world.dynamodb.seen().into_iter().find(|seen| seen.operation == "BatchGetItem").unwrap();
    let tables: Vec<&Value> = seen.body["RequestItems"].as_object().unwrap().values().collect();
    assert_eq!(tables[0]["Keys"].as_array().map(Vec::len), Some(54));
    for (path, costs) in [(format!("/deployments/{id}"), READ_TWO), ("/deployments".to_owned(), READ)] {
        world.dynamodb.clear();
        world.get(&path, &world.user).await.expect(200);
        assert_eq!(world.dynamodb.operations(), costs);
    }
    assert_eq!(world.check(&id).await.addons.len(), 50);
}
