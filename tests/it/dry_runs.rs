//! The promise: a dry run of any command on a deployment, a tenant or the catalog answers what the command then answers
//! and does, and stores nothing; no idempotency key gets in its way.

use std::collections::BTreeMap;

use arcadia_domain::InvoiceNumber;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::billing::Billing;
use crate::harness::client::{PREFIX, send};
use crate::harness::routes::{rows, stock};
use crate::harness::shop::merged;
use crate::harness::world::{ACME, id_of};

/// An answer whose new ids are replaced by the order in which they appear.
fn without_ids(value: &Value) -> Value {
    fn walk(value: &mut Value, names: &mut BTreeMap<String, String>) {
        match value {
            Value::String(text) if Uuid::parse_str(text).is_ok() || text.parse::<InvoiceNumber>().is_ok() => {
                let next = format!("id {}", names.len());
                *text = names.entry(text.clone()).or_insert(next).clone();
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, names)),
            Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, names)),
            _ => {}
        }
    }
    let mut value = value.clone();
    walk(&mut value, &mut BTreeMap::new());
    value
}

/// A command: method, path and body.
type Call = (Method, String, Value);

/// Runs a command dry, then executes it, and compares the two.
async fn twice(billing: &Billing, id: &str, (method, path, body): Call) {
    let request = |query: &str| {
        let request = billing.request(method.clone(), &format!("{path}{query}"), &billing.admin);
        if body.is_null() { request } else { request.json(&body) }
    };
    let what = format!("{method} {path} {body}");
    let (before, version) = (billing.fingerprint().await, billing.show(id).await["deployment"]["version"].clone());
    let key = format!("key of {what}").replace(',', ";");
    let dry = send(request("?dry_run=true").header("idempotency-key", &key)).await;
    assert_eq!(dry.header("etag"), format!("\"{version}\""), "{what}: the stored version");
    let mut dry = dry.expect(200);
    assert_eq!(billing.fingerprint().await, before, "{what} stored something");
    let real = send(request("?dry_run=false").header("idempotency-key", &key)).await;
    assert!((200..300).contains(&real.status), "{what}: {}", real.text);
    let again = send(request("?dry_run=true").header("idempotency-key", &key)).await;
    assert_eq!(again.headers.get("idempotent-replayed"), None, "{what}: a dry run has an answer of its own");
    let mut real = real.body;
    let events = billing.events(id).await;
    let new = events.iter().filter(|event| version.as_u64().is_some_and(|version| event.sequence > version));
    let mut new: Vec<Value> = new.map(|event| json!(event)).collect();
    new.sort_by_key(|event| event["sequence"].as_u64());
    let fields = dry.as_object_mut().expect("an object");
    assert_eq!(fields.remove("dry_run"), Some(json!(true)), "{what}");
    let (lines, foreseen) = (fields.remove("lines").expect("lines"), fields.remove("events").expect("events"));
    assert_eq!(without_ids(&foreseen), without_ids(&json!(new)), "{what}");
    let charged = |line: &&Value| line["entry"] == "charged" || line["entry"] == "credited";
    let booked: Vec<&Value> =
        new.iter().flat_map(|event| event["entries"].as_array().into_iter().flatten()).filter(charged).collect();
    assert!(lines.as_array().expect("a list").len() >= booked.len(), "{what}: {lines} {booked:?}");
    let fields = real.as_object_mut().expect("an object");
    fields.remove("dry_run");
    fields.remove("lines");
    assert_eq!(without_ids(&dry), without_ids(&real), "{what}");
}

/// Runs a command on a tenant or on a record of the catalog dry, then executes it, and compares the two. `matching` is
/// the number of deployments that it is copied to.
async fn twice_on_record(billing: &Billing, (method, path, body): Call, matching: Value) {
    let what = format!("{method} {path} {body}");
    let request = |query: &str| {
        let request = billing.request(method.clone(), &format!("{path}{query}"), &billing.admin);
        send(if body.is_null() { request } else { request.json(&body) })
    };
    let before = billing.fingerprint().await;
    let mut dry = request("?dry_run=true").await.expect(200);
    assert_eq!(billing.fingerprint().await, before, "{what} stored something");
    let real = request("?dry_run=false").await;
    assert!((200..300).contains(&real.status), "{what}: {}", real.text);
    let fields = dry.as_object_mut().expect("an object");
    assert_eq!(fields.remove("dry_run"), Some(json!(true)), "{what}");
    assert_eq!(fields.remove("matching").unwrap_or_default(), matching, "{what}");
    let foreseen = fields.remove("events").expect("events");
    // The history of the tenant, or of the record of the catalog.
    let history = match path.split('/').collect::<Vec<_>>()[1..] {
        ["tenants", tenant, ..] => format!("/tenants/{tenant}/events?limit=1"),
        [kind, code] => format!("/catalog/events?{}={code}&limit=1", kind.trim_end_matches('s')),
        _ => panic!("{what}: nothing has a history"),
    };
    let newest = billing.get(&history, &billing.admin).await.expect(200)["events"][0].take();
    assert_eq!(without_ids(&foreseen), without_ids(&json!([newest])), "{what}");
    for name in ["reason", "notes"] {
        assert_eq!(newest[name], body[name], "{what}");
    }
    assert_eq!(without_ids(&dry), without_ids(&real.body), "{what}");
    let again = request("?dry_run=true").await.expect(200);
    assert_eq!((&again["events"], again.get("matching").unwrap_or(&Value::Null)), (&json!([]), &Value::Null), "{what}");
}

#[tokio::test]
async fn a_dry_run_of_every_command_tells_what_it_then_does_and_stores_nothing() {
    let billing = Billing::at("2027-01-10T12:00:00Z").await;
    stock(&billing).await;
    for (n, row) in rows().filter(|row| row.route().parameters.contains(&"dry_run")).enumerate() {
        let target = row.ready(&billing, ACME, n).await;
        // New records have the highest ids.
        billing.clock.shift(TimeDelta::seconds(1));
        let path = row.path_for(&target).trim_start_matches(PREFIX).to_owned();
        let call = (row.route().method.clone(), path, row.body_for(&target).unwrap_or_default());
        if row.is_deployment_command() {
            twice(&billing, &target.id, call).await;
        } else {
            let count = billing.stored().await.len();
            let matching = if row.starts_operation() { exactly(count) } else { Value::Null };
            twice_on_record(&billing, call, matching).await;
        }
    }
    billing.get("/plans?dry_run=true", &billing.admin).await.expect_problem(400, "unknown_parameter");
    let id = id_of(&billing.create("shop").await);
    let path = format!("/deployments/{id}/transition?dry_run=perhaps");
    let refused = billing.post(&path, &billing.admin, json!({"to_state": "paused"})).await;
    refused.expect_problem(400, "invalid_boolean");
}

fn exactly(count: usize) -> Value {
    json!({"count": count, "is": "exact"})
}

#[tokio::test]
async fn so_does_a_dry_run_of_unusual_commands() {
    let billing = Billing::at("2027-01-10T12:00:00Z").await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    let on = async |method: Method, end: &str, body: Value| {
        twice(&billing, &id, (method, format!("/deployments/{id}{end}"), body)).await;
    };
    let (post, delete) = (Method::POST, Method::DELETE);
    billing.settle(&id).await;
    billing.clock.shift(TimeDelta::hours(1));
    let addon = billing.attach(&id, "storage_50gb").await;
    billing.clock.shift(TimeDelta::days(2));
    on(delete.clone(), &format!("/subscription/addons/{addon}"), Value::Null).await;
    on(post.clone(), "/subscription/change", json!({"plan_code": "team", "effective": "period_end"})).await;
    on(delete, "/subscription/change", Value::Null).await;
    on(post.clone(), "/subscription/change", json!({"plan_code": "team"})).await;
    for suspended in [true, false] {
        on(Method::PATCH, "", json!({"billing_action_suspended": suspended})).await;
    }
    // The pause invoices what waits for the next period.
    on(post.clone(), "/transition", json!({"to_state": "paused"})).await;
    billing.settle(&id).await;
    billing.clock.shift(TimeDelta::days(40));
    on(post.clone(), "/transition", json!({"to_state": "active"})).await;
    on(post.clone(), &format!("/invoices/{}/void", billing.newest(&id).await), Value::Null).await;
    on(post.clone(), "/subscription/cancellation", json!({"effective": "immediate"})).await;
    on(post, "/subscribe", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
}

#[tokio::test]
async fn so_does_a_dry_run_of_unusual_corrections() {
    let billing = Billing::at("2027-01-10T12:00:00Z").await;
    let id = billing.create_subscribed("corrected", json!({"plan_code": "studio"})).await;
    let number = billing.newest(&id).await;
    let invoice = |end: &str| format!("/invoices/{number}{end}");
    let on = async |method: Method, end: &str, body: Value| {
        twice(&billing, &id, (method, format!("/deployments/{id}{end}"), body)).await;
    };
    let amount = |extra: Value| merged(json!({"amount_cents": 100, "currency": "USD"}), extra);
    let due_at = json!({"due_at": billing.clock.ahead(TimeDelta::days(60)), "reason": "asked for"});
    on(Method::PATCH, &invoice(""), due_at).await;
    let paid = json!({"reference": "paid", "overpayment": "balance", "amount_cents": 5_000, "currency": "USD"});
    on(Method::POST, &invoice("/payments"), paid).await;
    on(Method::POST, "/refunds", amount(json!({"reference": "refund"}))).await;
    on(Method::POST, "/refunds", amount(json!({"reference": "of-invoice", "invoice": number}))).await;
    let note = json!({"refund": true, "reference": "the-rest"});
    on(Method::POST, &invoice("/credit-notes"), note).await;
    on(Method::POST, &invoice("/payments/paid/reversal"), json!({"kind": "mistake"})).await;
}

#[tokio::test]
async fn so_does_a_dry_run_of_unusual_commands_on_tenants_and_the_catalog() {
    let billing = Billing::at("2027-01-10T12:00:00Z").await;
    billing.create("shop").await;
    let said = |body: Value| merged(json!({"reason": "asked for", "notes": "by telephone"}), body);
    let (tenant, hold) = ("/tenants/acme", "/tenants/acme/hold");
    for (path, body, matching) in [
        (tenant, json!({"name": "Acme"}), Value::Null),
        (tenant, json!({"deployment_quota": 9}), Value::Null),
        (tenant, json!({"tax_rate_basis_points": 700}), exactly(1)),
        (hold, json!({}), exactly(1)),
        (hold, json!({"notes": "by letter too"}), exactly(1)),
    ] {
        twice_on_record(&billing, (Method::PUT, path.to_owned(), said(body)), matching).await;
    }
    twice_on_record(&billing, (Method::DELETE, hold.to_owned(), said(json!({"reason": "settled"}))), exactly(1)).await;
    let addon = json!({"name": "Seats", "price_cents": 500, "currency": "USD", "quantity": 1, "unit": "seats"});
    let coupon = json!({"name": "Start", "percent_basis_points": 1_000, "duration": "once"});
    for (path, new) in [("/plans/dry", json!({"name": "Dry"})), ("/addons/dry", addon), ("/coupons/dry", coupon)] {
        let changed = said(merged(new.clone(), json!({"status": "retired"})));
        for body in [said(new), changed] {
            twice_on_record(&billing, (Method::PUT, path.to_owned(), body), Value::Null).await;
        }
    }
}

/// What the API tells of the next invoices, and how many there were.
async fn foretold(billing: &Billing, id: &str) -> (Value, usize) {
    (billing.show(id).await["next_invoices"].take(), billing.invoices(id).await.len())
}

/// Lines without the ids of charges, which other commits can move on.
fn lines(invoice: &Value) -> Vec<Value> {
    let mut lines = invoice["lines"].as_array().expect("lines").clone();
    lines.iter_mut().for_each(|line| _ = line["charge"].take());
    lines
}

#[tokio::test]
async fn the_next_invoices_are_those_that_the_clock_issues() {
    let billing = Billing::at("2027-01-10T12:00:00Z").await;
    billing.sell_plan("tryout", &[json!({"price_cents": 2_900, "trial_days": 14})]).await;
    let paid = async |slug: &str, body: Value| {
        let id = billing.create_subscribed(slug, body).await;
        billing.settle(&id).await;
        id
    };
    let studio = json!({"plan_code": "studio"});
    let later = |plan: &str| json!({"plan_code": plan, "effective": "period_end", "drop_incompatible": true});
    let pause = async |id: &str, until: &str| {
        let body = json!({"to_state": "paused", "resume_at": until});
        billing.transition(id, &billing.admin, body).await.expect(200);
    };
    let mut ids = vec![paid("plain", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await];
    let waiting = paid("waiting", studio.clone()).await;
    billing.clock.shift(TimeDelta::days(1));
    billing.attach(&waiting, "storage_50gb").await;
    ids.push(waiting);
    let balance = paid("balance", json!({"plan_code": "team"})).await;
    billing.change(&balance, studio.clone()).await.expect(200);
    billing.change(&balance, later("yearly")).await.expect(200);
    ids.push(balance);
    ids.push(billing.create_subscribed("tried", json!({"plan_code": "tryout"})).await);
    ids.push(billing.create_subscribed("unpaid", studio.clone()).await);
    // Paused beyond the period, within it, beyond a change of interval, and within a trial.
    for (slug, until, change) in [
        ("beyond", "2027-02-10T00:00:00Z", None),
        ("within", "2027-01-20T00:00:00Z", None),
        ("changing", "2027-02-10T00:00:00Z", Some("yearly")),
        ("changed", "2027-01-20T00:00:00Z", Some("team")),
    ] {
        let id = paid(slug, studio.clone()).await;
        if let Some(plan) = change {
            billing.change(&id, later(plan)).await.expect(200);
        }
        pause(&id, until).await;
        ids.push(id);
    }
    let trial = billing.create_subscribed("rested", json!({"plan_code": "tryout"})).await;
    // A tenant has one trial of a plan.
    assert_eq!(billing.show(&trial).await["subscription"]["trial_ends_at"], Value::Null);
    // Charges of two currencies fall due together.
    let two = paid("two", studio.clone()).await;
    billing.change(&two, later("euro")).await.expect(200);
    billing.attach(&two, "storage_50gb").await;
    assert_eq!(billing.show(&two).await["next_invoices"].as_array().map(Vec::len), Some(2));
    ids.push(two);
    // What ends bills nothing more.
    let ending = billing.post(
        "/deployments",
        &billing.admin,
        json!({
            "tenant_id": "acme", "slug": "ending", "state": "trial", "trial_ends_at": "2027-01-20T00:00:00Z",
        }),
    );
    let ending = id_of(&ending.await.expect(201)["deployment"]);
    billing.subscribe(&ending, studio.clone()).await.expect(201);
    billing.cancel(&ending, "period_end").await.expect(200);
    let free = id_of(&billing.create("free").await);
    for id in [&ending, &free] {
        assert_eq!(foretold(&billing, id).await, (json!([]), 0));
    }
    let mut told = Vec::new();
    for id in &ids {
        let (next, count) = foretold(&billing, id).await;
        assert_ne!(next, json!([]), "{id}");
        told.push((id, next, count));
    }
    for (id, _, _) in &told {
        billing.settle_open_invoices(id).await;
    }
    for at in ["2027-01-20T00:00:00Z", "2027-01-26T00:00:00Z", "2027-02-01T00:00:00Z", "2027-02-10T00:00:00Z"] {
        billing.set_time(at);
        billing.sweep_anyhow().await;
    }
    for (id, next, count) in told {
        let issued = billing.invoices(id).await;
        for foretold in next.as_array().expect("a list") {
            let fits = |invoice: &&Value| invoice["currency"] == foretold["currency"];
            let issued = issued[count..].iter().find(fits).unwrap_or_else(|| panic!("{id}: {foretold} did not come"));
            assert_eq!(lines(foretold), lines(issued), "{id}");
            assert_eq!(foretold["total_cents"], issued["total_cents"], "{id}");
            let settled = issued["balance_cents"].as_i64().expect("cents");
            assert_eq!(foretold["due_cents"], issued["total_cents"].as_i64().expect("cents") - settled, "{id}");
        }
    }
    assert_eq!(billing.invoices(&ending).await.len(), 0);
}
