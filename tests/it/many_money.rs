//! The promise: one command gives many customers more time to pay, or a discount, by the rules of the single commands
//! and within the coupon's limits. Refusals are listed.

use arcadia_functions::operations::run::{Turned, Worker};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::world::{id_of, user};
use crate::many::{finish, results, show, start, turn};

const JANUARY: &str = "2027-01-01T00:00:00Z";

async fn subscribed(billing: &Billing, slug: &str) -> String {
    billing.create_subscribed(slug, json!({"plan_code": "studio"})).await
}

async fn due(billing: &Billing, id: &str) -> Vec<String> {
    let due = |invoice: &Value| invoice["due_at"].as_str().expect("a time").to_owned();
    billing.invoices(id).await.iter().map(due).collect()
}

async fn operate(billing: &Billing, ids: &[String], command: Value) -> String {
    let body = json!({"filter": {"ids": ids}, "command": command, "reason": "outage"});
    let id = start(billing, body).await;
    finish(billing, &billing.app, &id).await;
    id
}

fn outcome(outcome: &str, code: &str) -> (String, String) {
    (outcome.to_owned(), code.to_owned())
}

#[tokio::test]
async fn every_open_invoice_of_many_is_due_later_and_no_other() {
    let billing = Billing::at(JANUARY).await;
    let (late, paid) = (subscribed(&billing, "late").await, subscribed(&billing, "paid").await);
    billing.settle(&paid).await;
    let bare = id_of(&billing.create("bare").await);
    billing.sweep_at("2027-01-10T00:00:00Z").await;
    let charge = json!({"description": "Migration", "amount_cents": 900, "currency": "USD", "when": "now"});
    billing.post(&format!("/deployments/{late}/charges"), &billing.admin, charge).await.expect(200);
    assert_eq!(billing.state(&late).await, "past_due");
    assert_eq!(due(&billing, &late).await, ["2027-01-08T00:00:00Z", "2027-01-17T00:00:00Z"]);
    let ids = [late.clone(), paid.clone(), bare];

    // A dry run shows the change of each, and stores nothing.
    let before = billing.fingerprint().await;
    let week = json!({"type": "due_date", "days": 7});
    let body = json!({"filter": {"ids": ids}, "command": week, "dry_run": true});
    let preview = billing.post("/operations", &billing.admin, body).await.expect(200)["preview"].take();
    let of_late = preview.as_array().expect("a list").iter().find(|each| each["deployment_id"] == late.as_str());
    let events = of_late.expect("it is among the first")["events"].as_array().expect("a list").clone();
    let types: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["invoice_due_date_changed", "invoice_due_date_changed", "state_changed"]);
    assert_eq!(billing.fingerprint().await, before);

    // A week from now for overdue invoices, and from the due date for others.
    let id = operate(&billing, &ids, week).await;
    let found = results(&billing, &id).await;
    assert_eq!(found[&late], outcome("done", ""));
    assert!(ids[1..].iter().all(|id| found[id] == outcome("unchanged", "")), "{found:?}");
    assert_eq!(due(&billing, &late).await, ["2027-01-17T00:00:00Z", "2027-01-24T00:00:00Z"]);
    assert_eq!(due(&billing, &paid).await, ["2027-01-08T00:00:00Z"]);
    let books = billing.books(&late).await;
    assert_eq!((books.count("invoice_due_date_changed"), billing.state(&late).await.as_str()), (2, "active"));
    assert_eq!(json!(books.events)[books.events.len() - 3]["reason"], "outage");

    // To a date: an invoice that is due later keeps its due date, and a past date is refused.
    operate(&billing, &ids, json!({"type": "due_date", "due_at": "2027-01-20T00:00:00Z"})).await;
    assert_eq!(due(&billing, &late).await, ["2027-01-20T00:00:00Z", "2027-01-24T00:00:00Z"]);
    billing.books(&late).await;
    let id = operate(&billing, &ids[..1], json!({"type": "due_date", "due_at": "2027-01-09T00:00:00Z"})).await;
    assert_eq!(results(&billing, &id).await[&late], outcome("refused", "validation_failed"));

    // Dunning follows the new dates.
    assert_eq!(billing.next(&late).await, ("mark_past_due".to_owned(), "2027-01-20T00:00:00Z".to_owned()));
    billing.step_at("2027-01-20T00:00:00Z").await;
    assert_eq!(billing.state(&late).await, "past_due");
    let overdue = billing.get("/invoices?status=overdue", &billing.admin).await.expect(200);
    assert_eq!(overdue["invoices"].as_array().expect("a list").len(), 1, "{overdue}");
}

#[tokio::test]
async fn many_get_a_discount_as_often_as_the_coupon_has_it_and_the_others_are_listed() {
    const MOST: usize = 3;
    let billing = Billing::at(JANUARY).await;
    billing.sell_coupon("few", json!({"max_redemptions": MOST})).await;
    billing.sell_coupon("other", json!({})).await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(subscribed(&billing, &format!("shop-{n}")).await);
    }
    billing.grant_discount(&ids[0], "other").await.expect(200);
    let bare = id_of(&billing.create("bare").await);
    ids.push(bare.clone());
    let command = json!({"type": "discount", "coupon": "few"});
    let body = json!({"filter": {"ids": ids}, "command": command, "reason": "partners"});
    let id = start(&billing, body).await;
    turn(&billing, &id).await;
    // Two workers have the same page; the second works on it after the first.
    let worker = async || {
        let worker = Worker::start(&billing.app, id.parse().expect("an id")).await.expect("an operation");
        worker.expect("it runs")
    };
    let (mut one, mut two) = (worker().await, worker().await);
    one.turn().await.expect("a page");
    assert!(matches!(two.turn().await.expect("the same page"), Turned::NextAt(_) | Turned::Ended));
    finish(&billing, &billing.app, &id).await;
    let counts = show(&billing, &id).await["counts"].take();
    assert_eq!(counts, json!({"done": MOST, "unchanged": 0, "refused": ids.len() - MOST}));
    let found = results(&billing, &id).await;
    assert_eq!(found[&ids[0]], outcome("refused", "discount_exists"));
    assert_eq!(found[&bare], outcome("refused", "not_subscribed"));
    let count = |wanted: (String, String)| found.values().filter(|result| **result == wanted).count();
    assert_eq!((count(outcome("done", "")), count(outcome("refused", "coupon_exhausted"))), (MOST, 2));
    let coupon = billing.get("/coupons/few", &billing.admin).await.expect(200);
    assert_eq!(coupon["coupon"]["redemptions"], MOST);
    for (id, (outcome, _)) in &found {
        let books = billing.books(id).await;
        let granted = books.events.iter().map(|event| json!(event)).filter(|event| event["type"] == "discount_granted");
        let by_it: Vec<_> = granted.filter(|event| event["reason"] == "partners").collect();
        assert_eq!(by_it.len(), usize::from(outcome == "done"), "{by_it:?}");
    }
    let path = format!("/operations/{id}/results?outcome=refused");
    let csv = send(billing.request(Method::GET, &path, &billing.admin).header("accept", "text/csv")).await;
    assert_eq!((csv.text.lines().count(), csv.text.matches(",409,coupon_exhausted,").count()), (5, 2), "{}", csv.text);

    let unknown = operate(&billing, &ids[1..2], json!({"type": "discount", "coupon": "nobody"})).await;
    assert_eq!(results(&billing, &unknown).await[&ids[1]], outcome("refused", "unknown_coupon"));
}

#[tokio::test]
async fn refused_commands_say_what_is_wrong() {
    let billing = Billing::at(JANUARY).await;
    let post = async |command: Value| {
        let body = json!({"filter": {"state": "active"}, "command": command});
        billing.post("/operations", &billing.admin, body).await
    };
    let due_date = |fields: Value| {
        let mut command = fields;
        command["type"] = json!("due_date");
        command
    };
    let day = "2027-02-01T00:00:00Z";
    post(due_date(json!({}))).await.expect_fields(&[("/command/due_at", "required")]);
    post(due_date(json!({"due_at": day, "days": 7}))).await.expect_fields(&[("/command/due_at", "not_allowed")]);
    post(due_date(json!({"due_at": null, "days": null}))).await.expect_fields(&[("/command/due_at", "not_null")]);
    post(due_date(json!({"due_at": "soon"}))).await.expect_fields(&[("/command/due_at", "invalid_timestamp")]);
    for days in [0, 366] {
        post(due_date(json!({"days": days}))).await.expect_fields(&[("/command/days", "out_of_range")]);
    }
    post(json!({"type": "discount"})).await.expect_fields(&[("/command/coupon", "required")]);
    // Holds apply to tenants: see decision 0026.
    post(json!({"type": "hold"})).await.expect_fields(&[("/command/type", "invalid_command")]);
    for command in [due_date(json!({"days": 7})), json!({"type": "discount", "coupon": "few"})] {
        let body = json!({"filter": {"tenant_id": "acme"}, "command": command});
        billing.post("/operations", &user("acme"), body).await.expect_problem(403, "admin_required");
    }
}
