//! A history in which everything happens that can: at least one event of every type.

use std::collections::HashMap;

use arcadia_functions::operations::run::Worker;
use arcadia_store::item::{number, string};
use arcadia_store::keys;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::billing::Billing;
use super::shop::merged;
use super::world::id_of;

/// The slug of the deployment whose balance was written past the product: its books do not add up.
pub const FORGED: &str = "unpaid";

/// When it begins.
pub const BEGINNING: &str = "2027-01-01T00:00:00Z";

/// The types of events there are, as the code itself lists them when it meets another.
pub fn event_types() -> Vec<String> {
    let unknown = serde_json::from_value::<arcadia_domain::EventKind>(json!({"type": "?", "data": {}}));
    let error = unknown.expect_err("there is no such type").to_string();
    let (_, names) = error.split_once("expected one of ").expect("the names that there are");
    names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect()
}

/// Lets it happen, at a world that is at [`BEGINNING`]; the deployments, in the order in which they were created.
pub async fn everything(billing: &Billing) -> Vec<String> {
    billing.sell_plan("tryout", &[json!({"price_cents": 2_900, "trial_days": 14})]).await;
    let busy = busy(billing).await;
    let voided = billing.create_subscribed("voided", json!({"plan_code": "yearly", "anchor": "now"})).await;
    let number = billing.newest(&voided).await;
    billing.void(&voided, &number).await.expect(200);
    let tried = billing.create_subscribed("tried", json!({"plan_code": "tryout"})).await;
    let later = billing.clock.ahead(TimeDelta::days(20));
    billing
        .post(&format!("/deployments/{tried}/trial"), &billing.admin, json!({"trial_ends_at": later}))
        .await
        .expect(200);
    let unpaid = billing.create_subscribed(FORGED, json!({"plan_code": "studio"})).await;
    let body = json!({"slug": "foreign", "tenant_id": "other"});
    let foreign = id_of(&billing.post("/deployments", &billing.admin, body).await.expect(201)["deployment"]);
    let discounted = discounted(billing).await;
    grant(billing, &unpaid).await;
    for _ in 0..60 {
        billing.clock.shift(TimeDelta::days(1));
        billing.sweep().await;
    }
    let corrected = corrected(billing).await;
    let announced = announced(billing).await;
    vec![busy, voided, tried, unpaid, foreign, discounted, corrected, announced]
}

/// Writes a cent of balance past the product, as if a commit had not got to all open invoices: the clock goes on with it.
async fn grant(billing: &Billing, id: &str) {
    let pk = keys::partition(id.parse().expect("an id"));
    let cent = HashMap::from([("currency".to_owned(), string("USD")), ("amount_cents".to_owned(), number(1))]);
    billing
        .direct
        .update_item()
        .table_name(billing.app.store.table())
        .key("PK", string(pk))
        .key("SK", string("#DEPLOYMENT"))
        .update_expression("SET balances = :balances")
        .expression_attribute_values(":balances", AttributeValue::L(vec![AttributeValue::M(cent)]))
        .send()
        .await
        .expect("an update by the test");
}

/// A deployment whose discount is removed, and that has another one for its second period, which then costs nothing.
async fn discounted(billing: &Billing) -> String {
    let id = billing.create_subscribed("discounted", json!({"plan_code": "studio"})).await;
    billing.settle_open_invoices(&id).await;
    billing.sell_coupon("partner", json!({})).await;
    billing.sell_coupon("free", json!({"percent_basis_points": 10_000, "duration": "once"})).await;
    billing.grant_discount(&id, "partner").await.expect(200);
    billing.delete(&format!("/deployments/{id}/subscription/discount"), &billing.admin).await.expect(200);
    billing.grant_discount(&id, "free").await.expect(200);
    id
}

/// A deployment whose price changes.
async fn announced(billing: &Billing) -> String {
    billing.sell_plan("club", &[json!({"price_cents": 2_900})]).await;
    let id = billing.create_subscribed("announced", json!({"plan_code": "club"})).await;
    let effective_from = billing.clock.ahead(TimeDelta::days(60));
    let body = json!({"price_cents": 3_900, "replaces": 1, "effective_from": effective_from, "reason": "new prices"});
    let published = billing.publish("club", body).await.expect(201);
    let operation = published["operation_id"].as_str().expect("an operation").parse().expect("an id");
    // The first page is read, then worked on.
    for _ in 0..3 {
        let worker = Worker::start(&billing.app, operation).await.expect("an operation");
        worker.expect("an operation that runs").turn().await.expect("a page");
    }
    id
}

/// A deployment with every kind of correction.
async fn corrected(billing: &Billing) -> String {
    let id = billing.create_subscribed("corrected", json!({"plan_code": "studio"})).await;
    let number = billing.newest(&id).await;
    let post = async |end: &str, body: Value| {
        let path = format!("/deployments/{id}{end}");
        billing.post(&path, &billing.admin, body).await.expect(200);
    };
    let invoice = |end: &str| format!("/invoices/{number}{end}");
    let amount = json!({"amount_cents": 100, "currency": "USD"});
    post(&invoice("/write-off"), json!({"reason": "goodwill"})).await;
    billing.delete(&format!("/deployments/{id}{}", invoice("/write-off")), &billing.admin).await.expect(200);
    let later = json!({"due_at": "2027-12-31T00:00:00Z", "reason": "asked for"});
    billing.patch(&format!("/deployments/{id}{}", invoice("")), &billing.admin, later).await.expect(200);
    let payment = json!({"reference": "wire-1", "amount_cents": 5_000, "currency": "USD", "overpayment": "balance"});
    post(&invoice("/payments"), payment).await;
    let dated = json!({"reference": "wire-2", "value_date": "2027-02-28", "overpayment": "balance"});
    post(&invoice("/payments"), merged(dated, amount.clone())).await;
    post("/refunds", merged(json!({"reference": "refund-1"}), amount.clone())).await;
    post("/charges", merged(json!({"description": "Migration"}), amount.clone())).await;
    post("/credits", merged(json!({"reason": "outage"}), amount)).await;
    post(&invoice("/credit-notes"), json!({"reason": "wrong price"})).await;
    post(&invoice("/payments/wire-1/reversal"), json!({"kind": "chargeback"})).await;
    id
}

/// A deployment whose owner tries everything.
async fn busy(billing: &Billing) -> String {
    let id = id_of(&billing.create("busy").await);
    let path = format!("/deployments/{id}");
    let user = &billing.user;
    let post =
        async |end: &str, body: Value, status| billing.post(&format!("{path}{end}"), user, body).await.expect(status);
    billing.patch(&path, user, json!({"display_name": "The shop"})).await.expect(200);
    let resource = json!({"kind": "database", "provider_reference": "db-1", "region": "eu-central-1"});
    let plane = &billing.data_plane;
    let added = billing.post(&format!("{path}/resources"), plane, resource).await.expect(201);
    let resource = id_of(&added["resource"]);
    billing.delete(&format!("{path}/resources/{resource}"), plane).await.expect(200);
    post("/subscribe", json!({"plan_code": "studio"}), 201).await;
    // An invoice is numbered by the second that it begins to bill, and another one follows.
    billing.clock.shift(TimeDelta::hours(1));
    let addon = billing.attach(&id, "storage_50gb").await;
    billing.delete(&format!("{path}/subscription/addons/{addon}"), user).await.expect(200);
    post("/subscription/change", json!({"plan_code": "team", "effective": "period_end"}), 200).await;
    billing.delete(&format!("{path}/subscription/change"), user).await.expect(200);
    post("/subscription/change", json!({"plan_code": "team", "effective": "immediate"}), 200).await;
    post("/subscription/cancellation", json!({"effective": "period_end"}), 200).await;
    billing.delete(&format!("{path}/subscription/cancellation"), user).await.expect(200);
    post("/transition", json!({"to_state": "paused", "reason": "holidays"}), 200).await;
    post("/transition", json!({"to_state": "active", "notes": "back again"}), 200).await;
    billing.settle_open_invoices(&id).await;
    post("/subscription/cancellation", json!({"effective": "immediate"}), 200).await;
    id
}
