//! The promise: an operator corrects a customer's charges in the console. Each correction is on the page of its record,
//! asks for a reason, shows its dry run, and appears in the history.

use std::collections::BTreeSet;

use serde_json::json;

use crate::console::{choose, confirm, fill, find, go, open, press};
use crate::harness::billing::Billing;
use crate::harness::browser::{Browser, browse};

const START: &str = "2027-01-01T00:00:00Z";

/// Opens a dialog, fills it in, and confirms it.
async fn correct(browser: &Browser, button: &str, fields: &[(&str, &str)]) {
    press(browser, button).await;
    for (label, text) in fields {
        fill(browser, label, text).await;
    }
    fill(browser, "Reason", "put right").await;
    confirm(browser).await;
}

#[tokio::test]
async fn corrections_are_made_from_the_console() {
    let billing = Billing::at(START).await;
    billing.sell_coupon("partner", json!({})).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    let number = billing.newest(&id).await;
    let path = format!("/deployments/{id}/invoices/{number}");
    let shown = async || billing.get(&path, &billing.admin).await.expect(200)["invoice"].take();
    let status = async || shown().await["status"].take();
    browse(async |browser| {
        open(browser, &billing, &billing.admin).await;
        // A charge for a migration, a credit for an outage, a discount for a partner.
        go(browser, &format!("#/deployments/{id}")).await;
        press(browser, "Charge").await;
        fill(browser, "Description", "Migration").await;
        fill(browser, "Amount", "50.00").await;
        choose(browser, "Invoiced", "now").await;
        fill(browser, "Reason", "put right").await;
        find(browser, "dialog//p", "An invoice over").await;
        confirm(browser).await;
        find(browser, "p", "Charged once, on an invoice of its own").await;
        correct(browser, "Credit", &[("Amount", "5.00")]).await;
        find(browser, "p", "Credit granted").await;
        correct(browser, "Grant a discount", &[("Coupon", "partner")]).await;
        correct(browser, "Remove the discount", &[]).await;
        find(browser, "button", "Grant a discount").await;
        // A later due date; a payment that is too large, partly refunded, then reversed as a mistake.
        go(browser, &format!("#/deployments/{id}/invoices/{number}")).await;
        correct(browser, "Move the due date", &[]).await;
        assert_eq!(shown().await["due_at"], "2027-01-15T00:00:00Z");
        press(browser, "Record a payment").await;
        fill(browser, "Reference", "wire").await;
        fill(browser, "Amount", "40.00").await;
        find(browser, "dialog//label", "becomes balance").await.click().await.unwrap();
        confirm(browser).await;
        find(browser, "th", "Became balance").await;
        assert_eq!(status().await, "paid");
        correct(browser, "Refund a part", &[("Amount", "1.00"), ("Reference", "back-1")]).await;
        find(browser, "th", "Credited").await;
        correct(browser, "Reverse a payment", &[]).await;
        find(browser, "button", "Write off").await;
        correct(browser, "Write off", &[]).await;
        find(browser, "button", "Withdraw the write-off").await;
        assert_eq!(status().await, "written_off");
        browser.screenshot("console-corrections.png").await;
        correct(browser, "Withdraw the write-off", &[]).await;
        find(browser, "button", "Write off").await;
        correct(browser, "Credit", &[]).await;
        // The part that became balance has been used, so that amount is owed again.
        let credited = shown().await;
        assert_eq!(credited["credited_cents"], credited["total_cents"]);
        let cents = |name: &str| credited[name].as_i64().expect("cents");
        assert_eq!(cents("due_cents"), cents("returned_cents") - cents("balance_cents"));
    })
    .await;
    let events = billing.get(&format!("/deployments/{id}/events?limit=100"), &billing.admin).await.expect(200);
    let events = events["events"].as_array().expect("events");
    let corrected: BTreeSet<&str> = events
        .iter()
        .filter(|event| event["reason"] == "put right")
        .filter_map(|event| event["type"].as_str())
        .collect();
    let expected = [
        "charge_added",
        "credit_granted",
        "credit_note_issued",
        "discount_granted",
        "discount_removed",
        "invoice_due_date_changed",
        "invoice_written_off",
        "payment_reversed",
        "refunded",
        "write_off_withdrawn",
    ];
    assert_eq!(corrected, BTreeSet::from(expected));
    billing.books(&id).await;
}
