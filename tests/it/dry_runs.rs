//! The promise: a dry run of any command on a deployment, a tenant or the catalog answers what the command then answers and does, and stores
//! nothing; no idempotency key gets in its way.

use std::collections::{BTreeMap, BTreeSet};

use arcadia_domain::InvoiceNumber;
use arcadia_functions::ROUTES;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::shop::merged;
use crate::harness::world::id_of;

/// What an answer says, whatever ids were made for it: each is named by the order in which it appears.
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

/// Runs a command dry, then carries it out, and holds the two together. The answer.
async fn twice(billing: &Billing, met: &mut BTreeSet<&'static str>, call: (Method, &str, &str, Value)) -> Value {
    let (method, id, rest, body) = call;
    let path = format!("/deployments/{id}{rest}");
    let request = |query: &str| {
        let request = billing.request(method.clone(), &format!("{path}{query}"), &billing.admin);
        if body.is_null() { request } else { request.json(&body) }
    };
    let what = format!("{method} {rest} {body}");
    let (before, version) = (billing.fingerprint().await, billing.show(id).await["deployment"]["version"].clone());
    let key = format!("key of {what}").replace(',', ";");
    let dry = send(request("?dry_run=true").header("idempotency-key", &key)).await;
    assert_eq!(dry.header("etag"), format!("\"{version}\""), "{what}: the version that is stored");
    let mut dry = dry.expect(200);
    assert_eq!(billing.fingerprint().await, before, "{what} stored something");
    let real = send(request("?dry_run=false").header("idempotency-key", &key)).await;
    assert!((200..300).contains(&real.status), "{what}: {}", real.text);
    let again = send(request("?dry_run=true").header("idempotency-key", &key)).await;
    assert_eq!(again.headers.get("idempotent-replayed"), None, "{what}: a dry run is answered anew");
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
    met.insert(handler(&method, &path));
    real
}

/// The handler of a request.
fn handler(method: &Method, path: &str) -> &'static str {
    let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let given = parts(&format!("/api/v1{path}"));
    let is_meant = |wanted: Vec<String>| {
        wanted.len() == given.len()
            && wanted.iter().zip(&given).all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
    };
    let route = ROUTES.iter().find(|route| route.method == *method && is_meant(parts(route.path)));
    route.expect("a route").handler
}

/// Runs a command on a tenant or on a record of the catalog dry, then carries it out, and holds the two together.
/// `history` lists the events of what it changes, the newest first.
async fn twice_on_record(
    billing: &Billing,
    met: &mut BTreeSet<&'static str>,
    (method, path, body): (Method, &str, Value),
    (history, matching): (&str, Value),
) {
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
    let newest = billing.get(history, &billing.admin).await.expect(200)["events"][0].take();
    assert_eq!(without_ids(&foreseen), without_ids(&json!([newest])), "{what}");
    for name in ["reason", "notes"] {
        assert_eq!(newest[name], body[name], "{what}");
    }
    assert_eq!(without_ids(&dry), without_ids(&real.body), "{what}");
    let again = request("?dry_run=true").await.expect(200);
    assert_eq!((&again["events"], again.get("matching").unwrap_or(&Value::Null)), (&json!([]), &Value::Null), "{what}");
    met.insert(handler(&method, path));
}

/// Every command on tenants and on the catalog, dry and then carried out.
async fn on_records(billing: &Billing, met: &mut BTreeSet<&'static str>) {
    let said = |body: Value| merged(json!({"reason": "asked for", "notes": "by telephone"}), body);
    let copied = json!({"count": 3, "is": "exact"});
    let (tenant, hold) = ("/tenants/acme", "/tenants/acme/hold");
    let policy = json!({
        "payment_terms_days": 14, "past_due_after_days": 1, "suspended_after_days": 14, "cancelled_after_days": 30,
        "archived_after_days": 90,
    });
    for (method, path, body, matching) in [
        (Method::PUT, tenant, said(json!({"name": "Acme"})), Value::Null),
        (Method::PUT, tenant, said(json!({"deployment_quota": 9})), Value::Null),
        (Method::PUT, tenant, said(json!({"tax_rate_basis_points": 700})), copied.clone()),
        (Method::PUT, hold, said(json!({})), copied.clone()),
        (Method::PUT, hold, said(json!({"notes": "by letter too"})), copied.clone()),
        (Method::DELETE, hold, said(json!({"reason": "settled"})), copied),
        (Method::PUT, "/tenants/acme/dunning-policy", said(policy), Value::Null),
    ] {
        twice_on_record(billing, met, (method, path, body), ("/tenants/acme/events?limit=1", matching)).await;
    }
    let addon = json!({"name": "Seats", "price_cents": 500, "currency": "USD", "quantity": 1, "unit": "seats"});
    let coupon = json!({"name": "Start", "percent_basis_points": 1_000, "duration": "once"});
    for (kind, path, new) in [
        ("plan", "/plans/dry", json!({"name": "Dry"})),
        ("addon", "/addons/dry", addon),
        ("coupon", "/coupons/dry", coupon),
    ] {
        let history = format!("/catalog/events?{kind}=dry&limit=1");
        let changed = said(merged(new.clone(), json!({"status": "retired"})));
        for body in [said(new), changed] {
            twice_on_record(billing, met, (Method::PUT, path, body), (&history, Value::Null)).await;
        }
    }
}

#[tokio::test]
async fn a_dry_run_tells_what_the_command_then_does_and_stores_nothing() {
    let billing = Billing::at("2027-01-10T12:00:00Z").await;
    let met = &mut BTreeSet::new();
    let shop = &id_of(&billing.create("shop").await);
    let (post, delete) = (Method::POST, Method::DELETE);
    let subscribed = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
    let answer = twice(&billing, met, (post.clone(), shop, "/subscribe", subscribed)).await;
    let number = answer["invoice"]["number"].as_str().expect("an invoice").to_owned();
    let payment = json!({"reference": "p1", "amount_cents": answer["invoice"]["due_cents"], "currency": "USD"});
    twice(&billing, met, (post.clone(), shop, &format!("/invoices/{number}/payments"), payment)).await;
    billing.clock.shift(TimeDelta::hours(1));
    let answer =
        twice(&billing, met, (post.clone(), shop, "/subscription/addons", json!({"addon_code": "storage_50gb"}))).await;
    let addon = id_of(&answer["addon"]);
    billing.clock.shift(TimeDelta::days(2));
    twice(&billing, met, (delete.clone(), shop, &format!("/subscription/addons/{addon}"), Value::Null)).await;
    let later = json!({"plan_code": "team", "effective": "period_end"});
    twice(&billing, met, (post.clone(), shop, "/subscription/change", later)).await;
    twice(&billing, met, (delete.clone(), shop, "/subscription/change", Value::Null)).await;
    twice(&billing, met, (post.clone(), shop, "/subscription/change", json!({"plan_code": "team"}))).await;
    billing.sell_coupon("partner", json!({})).await;
    let discount = json!({"coupon": "partner", "reason": "a partner"});
    twice(&billing, met, (post.clone(), shop, "/subscription/discount", discount)).await;
    twice(&billing, met, (delete.clone(), shop, "/subscription/discount", json!({"reason": "no more"}))).await;
    twice(&billing, met, (post.clone(), shop, "/subscription/cancellation", Value::Null)).await;
    twice(&billing, met, (delete.clone(), shop, "/subscription/cancellation", Value::Null)).await;
    twice(&billing, met, (Method::PATCH, shop, "", json!({"billing_action_suspended": true}))).await;
    twice(&billing, met, (Method::PATCH, shop, "", json!({"billing_action_suspended": false}))).await;
    twice(&billing, met, (post.clone(), shop, "/transition", json!({"to_state": "paused"}))).await;
    // The pause invoiced what waited for the next period.
    let open = billing.show(shop).await["deployment"]["open_invoices"][0].take();
    let (number, due) = (open["number"].as_str().expect("an invoice"), open["due_cents"].as_i64().expect("cents"));
    billing.pay(shop, number, "p2", due).await.expect(200);
    billing.clock.shift(TimeDelta::days(40));
    twice(&billing, met, (post.clone(), shop, "/transition", json!({"to_state": "active"}))).await;
    let resource = json!({"kind": "database", "provider_reference": "db-1"});
    let answer = twice(&billing, met, (post.clone(), shop, "/resources", resource)).await;
    let resource = id_of(&answer["resource"]);
    twice(&billing, met, (delete.clone(), shop, &format!("/resources/{resource}"), Value::Null)).await;
    let open = billing.invoices(shop).await.into_iter().find(|invoice| invoice["status"] == "open").expect("one");
    let number = open["number"].as_str().expect("a number");
    twice(&billing, met, (post.clone(), shop, &format!("/invoices/{number}/void"), Value::Null)).await;
    twice(&billing, met, (post.clone(), shop, "/subscription/cancellation", json!({"effective": "immediate"}))).await;
    billing.sell_plan("tryout", &[json!({"price_cents": 2_900, "trial_days": 14})]).await;
    let tried = &billing.create_subscribed("tried", json!({"plan_code": "tryout"})).await;
    let ends = json!({"trial_ends_at": billing.clock.ahead(TimeDelta::days(20))});
    twice(&billing, met, (post.clone(), tried, "/trial", ends)).await;
    corrections(&billing, met).await;
    on_records(&billing, met).await;
    let with_dry_run = ROUTES.iter().filter(|route| route.parameters.contains(&"dry_run")).map(|route| route.handler);
    assert_eq!(*met, with_dry_run.collect(), "every command has a dry run, and each was tried");
    billing.get("/plans?dry_run=true", &billing.admin).await.expect_problem(400, "unknown_parameter");
    let path = format!("/deployments/{shop}/transition?dry_run=perhaps");
    let refused = billing.post(&path, &billing.admin, json!({"to_state": "paused"})).await;
    refused.expect_problem(400, "invalid_boolean");
}

/// Every correction, dry and then carried out.
async fn corrections(billing: &Billing, met: &mut BTreeSet<&'static str>) {
    let id = &billing.create_subscribed("corrected", json!({"plan_code": "studio"})).await;
    let number = billing.newest(id).await;
    let invoice = |end: &str| format!("/invoices/{number}{end}");
    let amount = |extra: Value| merged(json!({"amount_cents": 100, "currency": "USD"}), extra);
    let (post, delete) = (Method::POST, Method::DELETE);
    let due_at = json!({"due_at": billing.clock.ahead(TimeDelta::days(60)), "reason": "asked for"});
    twice(billing, met, (Method::PATCH, id, &invoice(""), due_at)).await;
    twice(billing, met, (post.clone(), id, &invoice("/write-off"), json!({"reason": "goodwill"}))).await;
    twice(billing, met, (delete, id, &invoice("/write-off"), Value::Null)).await;
    let paid = json!({"reference": "corrected", "overpayment": "balance", "amount_cents": 5_000, "currency": "USD"});
    twice(billing, met, (post.clone(), id, &invoice("/payments"), paid)).await;
    twice(billing, met, (post.clone(), id, "/refunds", amount(json!({"reference": "refund"})))).await;
    twice(billing, met, (post.clone(), id, "/credits", amount(json!({"reason": "outage"})))).await;
    twice(billing, met, (post.clone(), id, "/charges", amount(json!({"description": "Migration"})))).await;
    let of_invoice = amount(json!({"reference": "of-invoice", "invoice": number}));
    twice(billing, met, (post.clone(), id, "/refunds", of_invoice)).await;
    let note = json!({"refund": true, "reference": "the-rest"});
    twice(billing, met, (post.clone(), id, &invoice("/credit-notes"), note)).await;
    let reversal = json!({"kind": "mistake"});
    twice(billing, met, (post, id, &invoice("/payments/corrected/reversal"), reversal)).await;
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
