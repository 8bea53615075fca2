//! The promise: a tenant's tax rate reaches its deployments. Every invoice issued from then on has one tax line, and
//! credits, refunds and previews include their tax, to the cent. The test runs the example of `docs/billing.md`, and a
//! second account must agree with it.

use std::collections::HashSet;
use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::billing_simulation::account::Account;
use crate::harness::billing::{Billing, number_of};
use crate::harness::client::send;
use crate::harness::project::ROOT;
use crate::harness::shop::column;
use crate::many::finish;

const JANUARY: &str = "2027-01-01T00:00:00Z";
const FEBRUARY: &str = "2027-02-01T00:00:00Z";

/// Sets the tax rate of acme, and copies it to its deployments.
async fn tax(billing: &Billing, basis_points: u32) {
    let body = json!({"tax_rate_basis_points": basis_points});
    let tenant = billing.put("/tenants/acme", &billing.admin, body).await.expect(202)["tenant"].take();
    finish(billing, &billing.app, tenant["operation_id"].as_str().expect("an operation")).await;
}

fn studio() -> Value {
    json!({"plan_code": "studio", "addons": ["storage_50gb"]})
}

/// Subtotal, tax, rate and total of an invoice.
fn sums(invoice: &Value) -> [i64; 4] {
    ["subtotal_cents", "tax_cents", "tax_rate_basis_points", "total_cents"]
        .map(|name| invoice[name].as_i64().unwrap_or_else(|| panic!("no {name}: {invoice}")))
}

async fn newest(billing: &Billing, id: &str) -> Value {
    billing.invoices(id).await.pop().expect("an invoice")
}

/// The balance of a deployment in dollars.
async fn balance(billing: &Billing, id: &str) -> i64 {
    billing.show(id).await["deployment"]["balances"][0]["amount_cents"].as_i64().unwrap_or_default()
}

/// Insists that the books of a deployment balance, also by the second account.
async fn check(billing: &Billing, id: &str) {
    billing.check(id).await;
    Account::check(&billing.books(id).await.events, &HashSet::new());
}

#[tokio::test]
async fn a_rate_is_copied_and_every_invoice_from_then_on_has_it() {
    let billing = Billing::at(JANUARY).await;
    let old = billing.create_subscribed("old", studio()).await;
    assert_eq!(sums(&newest(&billing, &old).await), [3_650, 0, 0, 3_650]);
    let body = json!({"tax_rate_basis_points": 1_900});
    let set = billing.put("/tenants/acme", &billing.admin, body.clone()).await.expect(202)["tenant"].take();
    let new = billing.create_subscribed("new", studio()).await;
    assert_eq!(sums(&newest(&billing, &new).await), [3_650, 694, 1_900, 4_344], "a new deployment has it at once");
    let next = async |id: &str| billing.show(id).await["next_invoices"][0].take();
    assert_eq!(sums(&next(&old).await), [3_650, 0, 0, 3_650], "not copied yet");
    finish(&billing, &billing.app, set["operation_id"].as_str().expect("an operation")).await;
    assert_eq!(sums(&next(&old).await), [3_650, 694, 1_900, 4_344]);
    billing.put("/tenants/acme", &billing.admin, body).await.expect(200);
    let account = billing.get("/tenants/acme/account", &billing.user).await.expect(200)["account"].take();
    let upcoming = &account["upcoming_invoices"];
    assert_eq!(
        (column(upcoming, "amount_cents"), column(upcoming, "tax_cents")),
        (vec![json!(4_344); 2], vec![json!(694); 2])
    );
    billing.settle(&old).await;
    billing.settle(&new).await;
    billing.sweep_at(FEBRUARY).await;
    for id in [&old, &new] {
        let invoice = newest(&billing, id).await;
        assert_eq!((sums(&invoice), &invoice["due_cents"]), ([3_650, 694, 1_900, 4_344], &json!(4_344)));
        let line = invoice["lines"][2].clone();
        assert_eq!((&line["kind"], &line["code"], &line["amount_cents"]), (&json!("tax"), &json!("tax"), &json!(694)));
        assert_eq!(line["tax_rate_basis_points"], 1_900);
        billing.settle(id).await;
        check(&billing, id).await;
    }
    let ask = billing
        .anonymous(Method::GET, "/api/v1/invoices?tenant_id=acme&issued_from=2027-02-01T00:00:00Z")
        .bearer_auth(&billing.admin);
    let page = send(ask.header("accept", "text/csv")).await;
    let mut lines = page.text.lines();
    let heads: Vec<&str> = lines.next().expect("heads").split(',').collect();
    let row: Vec<&str> = lines.next().expect("an invoice").split(',').collect();
    let cell = |name: &str| row[heads.iter().position(|head| *head == name).expect("a column")];
    let names = ["subtotal_cents", "tax_cents", "tax_rate_basis_points", "total_cents"];
    assert_eq!(names.map(cell), ["3650", "694", "1900", "4344"]);
    tax(&billing, 0).await;
    billing.sweep_at("2027-03-01T00:00:00Z").await;
    assert_eq!(sums(&newest(&billing, &old).await), [3_650, 0, 0, 3_650]);
    check(&billing, &old).await;
}

#[tokio::test]
async fn credits_notes_and_refunds_give_the_tax_back_and_no_more() {
    let billing = Billing::at(JANUARY).await;
    tax(&billing, 1_900).await;
    let id = billing.create_subscribed("shop", studio()).await;
    billing.settle(&id).await;
    let january = newest(&billing, &id).await;
    let notes = format!("/deployments/{id}/invoices/{}/credit-notes", number_of(&january));
    let of = |line: usize, cents: i64| json!({"lines": [{"charge": january["lines"][line]["charge"], "amount_cents": cents}]});
    let refused = billing.post(&notes, &billing.admin, of(2, 1)).await.expect_problem(422, "validation_failed");
    assert_eq!(
        (&refused["errors"][0]["pointer"], &refused["errors"][0]["code"]),
        (&json!("/lines"), &json!("tax_line"))
    );
    // A dry run shows the credit and its tax.
    let dry = billing.post(&format!("{notes}?dry_run=true"), &billing.admin, of(0, 1_000)).await.expect(200);
    assert_eq!(column(&dry["lines"], "amount_cents"), [-1_000, -190]);
    assert_eq!(column(&dry["lines"], "kind"), ["plan_credit", "tax_credit"]);
    let credited = billing.post(&notes, &billing.admin, of(0, 1_000)).await.expect(200);
    assert_eq!((&credited["invoice"]["credited_cents"], balance(&billing, &id).await), (&json!(1_190), 1_190));
    let refund = |reference: &str, cents: i64, invoice: Option<&Value>| {
        let mut body = json!({"reference": reference, "amount_cents": cents, "currency": "USD"});
        if let Some(invoice) = invoice {
            body["invoice"] = invoice["number"].clone();
        }
        let (billing, id) = (&billing, &id);
        async move { billing.post(&format!("/deployments/{id}/refunds"), &billing.admin, body).await }
    };
    refund("r-1", 1_190, None).await.expect(200);
    let refused = refund("r-2", 3_155, Some(&january)).await.expect_problem(409, "refund_exceeds_paid");
    assert_eq!(refused["paid_cents"], 3_154, "the amount with tax, less the refund");
    refund("r-2", 1_000, Some(&january)).await.expect(200);
    let shown = newest(&billing, &id).await;
    let credits: Vec<i64> = column(&shown["credits"], "amount_cents").iter().filter_map(Value::as_i64).collect();
    assert_eq!(credits, [1_000, 190, 840, 160], "1,000 are 840 and the tax on it");
    refund("r-3", 2_154, Some(&january)).await.expect(200);
    let shown = newest(&billing, &id).await;
    assert_eq!(
        (&shown["credited_cents"], &shown["total_cents"]),
        (&json!(4_344), &json!(4_344)),
        "nothing is left to credit"
    );
    refund("r-4", 1, Some(&january)).await.expect_problem(409, "refund_exceeds_paid");
    // A grant is a means of payment, so it has no tax.
    let grant = json!({"amount_cents": 500, "currency": "USD", "reason": "outage"});
    billing.post(&format!("/deployments/{id}/credits"), &billing.admin, grant).await.expect(200);
    let charge = json!({"description": "Migration", "amount_cents": 1_001, "currency": "USD", "when": "now"});
    let charged = billing.post(&format!("/deployments/{id}/charges"), &billing.admin, charge).await.expect(200);
    assert_eq!(
        (sums(&charged["invoice"]), &charged["invoice"]["due_cents"]),
        ([1_001, 190, 1_900, 1_191], &json!(691))
    );
    let voided = billing.void(&id, charged["invoice"]["number"].as_str().expect("a number")).await.expect(200);
    assert_eq!((&voided["invoice"]["status"], balance(&billing, &id).await), (&json!("void"), 500));
    let month = billing.get("/tenants/acme/account?month=2027-01", &billing.user).await.expect(200);
    let told = &month["account"]["statement"]["amounts"][0];
    let cents = |name: &str| told[name].as_i64().expect("cents");
    assert_eq!(
        [cents("invoiced_cents"), cents("tax_cents"), cents("credited_cents"), cents("voided_cents")],
        [4_344 + 1_191, 0, 4_344, 1_191]
    );
    check(&billing, &id).await;
}

#[tokio::test]
async fn recurring_revenue_is_without_tax_and_an_unpaid_invoice_gives_no_tax_back() {
    let billing = Billing::at(JANUARY).await;
    tax(&billing, 1_900).await;
    let id = billing.create_subscribed("shop", studio()).await;
    assert_eq!(billing.load(&id).await.recurring().expect("revenue").1, 12 * 3_650);
    let addon = billing.subscription(&id).await["addons"][0]["id"].as_str().expect("an id").to_owned();
    billing.set_time("2027-01-02T00:00:00Z");
    billing.delete(&format!("/deployments/{id}/subscription/addons/{addon}"), &billing.user).await.expect(200);
    // 726 of storage and its tax of 138 are no longer due.
    assert_eq!((&newest(&billing, &id).await["due_cents"], balance(&billing, &id).await), (&json!(3_480), 0));
    billing
        .post(&format!("/deployments/{id}/invoices/{}/write-off", billing.newest(&id).await), &billing.admin, json!({}))
        .await
        .expect(200);
    billing.cancel(&id, "immediate").await.expect(200);
    assert_eq!(balance(&billing, &id).await, 0, "nothing was paid");
    check(&billing, &id).await;
}

/// An amount in the format of the documents: `13,917`.
fn written(cents: i64) -> String {
    let digits = cents.abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[tokio::test]
async fn the_example_of_a_year_with_a_discount_and_tax_is_to_the_cent() {
    let billing = Billing::at(JANUARY).await;
    tax(&billing, 1_900).await;
    billing.sell_coupon("partner", json!({})).await;
    let id = billing.create_subscribed("shop", studio()).await;
    billing.settle(&id).await;
    billing.set_time("2027-01-10T00:00:00Z");
    billing.grant_discount(&id, "partner").await.expect(200);
    billing.change(&id, json!({"plan_code": "yearly", "effective": "period_end"})).await.expect(200);
    billing.sweep_at(FEBRUARY).await;
    let year = newest(&billing, &id).await;
    let [subtotal, year_tax, _, total] = sums(&year);
    billing.settle(&id).await;
    let addon = billing.subscription(&id).await["addons"][0]["id"].as_str().expect("an id").to_owned();
    billing.set_time("2027-08-01T00:00:00Z");
    let path = format!("/deployments/{id}/subscription/addons/{addon}");
    let credits = async || {
        let year =
            billing.get(&format!("/deployments/{id}/invoices/{}", number_of(&year)), &billing.user).await.expect(200);
        column(&year["invoice"]["credits"], "amount_cents").iter().filter_map(Value::as_i64).collect::<Vec<i64>>()
    };
    billing.delete(&path, &billing.user).await.expect(200);
    let detached = balance(&billing, &id).await;
    billing.change(&id, json!({"plan_code": "studio"})).await.expect(200);
    let [storage, storage_tax, plan, plan_tax] = credits().await[..] else { panic!("four credits") };
    let [month, month_tax, _, month_total] = sums(&newest(&billing, &id).await);
    let left = balance(&billing, &id).await;
    billing.set_time("2027-08-02T00:00:00Z");
    let refund = json!({"reference": "r-1", "amount_cents": left, "currency": "USD"});
    billing.post(&format!("/deployments/{id}/refunds"), &billing.admin, refund).await.expect(200);
    check(&billing, &id).await;

    assert_eq!(detached, storage + storage_tax);
    assert_eq!(left, detached + plan + plan_tax - month_total);
    let (kept, kept_tax) = (subtotal - storage - plan + month, year_tax - storage_tax - plan_tax + month_tax);
    assert_eq!(total - left, kept + kept_tax, "the customer paid for the used part and its tax");
    let w = written;
    let rows = [
        format!(
            "| 1 February | the year opens: {}, and 19 % of it | {} + {} = {} due, paid |",
            w(subtotal),
            w(subtotal),
            w(year_tax),
            w(total)
        ),
        format!(
            "| 1 August | storage detached: {} and {} of its tax | balance {} |",
            w(storage),
            w(storage_tax),
            w(detached)
        ),
        format!(
            "| 1 August | changed to `studio` at once: {} and {} of its tax credited; {} + {} charged | balance {} |",
            w(plan),
            w(plan_tax),
            w(month),
            w(month_tax),
            w(left)
        ),
        format!("| 2 August | the balance is refunded | {} paid back |", w(left)),
        format!("The customer has paid {}: {} before tax, and {} of tax.", w(total - left), w(kept), w(kept_tax)),
    ];
    let document = fs::read_to_string(format!("{ROOT}/docs/billing.md")).expect("a document").replace('\n', " ");
    for row in rows {
        assert!(document.contains(&row), "docs/billing.md lacks: {row}");
    }
}
