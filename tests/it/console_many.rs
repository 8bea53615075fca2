//! The promise: the console gives one command to all deployments of a list after showing its dry run, follows and stops
//! it. It edits tenants, holds, prices and coupons. A list is shown, saved and offered to its end.

use std::time::Duration;

use fantoccini::Locator;
use serde_json::{Value, json};

use crate::console::{choose, confirm, fill, find, go, open, press, script};
use crate::harness::billing::Billing;
use crate::harness::browser::{Browser, browse};
use crate::harness::world::{ACME, START, id_of};
use crate::many::{finish, show, start, turn};

#[tokio::test]
async fn a_command_for_all_deployments_of_a_list_is_previewed_started_followed_and_stopped() {
    let billing = Billing::at(START).await;
    for n in 0..3 {
        billing.create_subscribed(&format!("shop-{n}"), json!({"plan_code": "studio"})).await;
    }
    let other = json!({"tenant_id": "globex", "slug": "foreign"});
    billing.post("/deployments", &billing.admin, other).await.expect(201);
    browse(async |browser| {
        open(browser, &billing, &billing.admin).await;
        // Lists of all deployments, and lists with a filter that operations do not have, offer no command.
        for place in ["#/deployments", "#/deployments?tenant_id=acme&slug=shop-1"] {
            go(browser, place).await;
            find(browser, "a", "shop-1").await;
            assert_eq!(
                browser.client.find_all(Locator::XPath("//button[. = 'Command for all']")).await.unwrap().len(),
                0
            );
        }
        go(browser, &format!("#/deployments?tenant_id={ACME}")).await;
        press(browser, "Command for all").await;
        find(browser, "dialog//*", "deployments of acme").await;
        fill(browser, "Reason", "provider was down").await;
        find(browser, "dialog//*", "3 deployments").await;
        find(browser, "dialog//td", "Due date of").await;
        browser.screenshot("console-operate.png").await;
        let none = billing.get("/operations", &billing.admin).await.expect(200);
        assert_eq!(none["operations"], json!([]), "a dry run starts nothing");
        confirm(browser).await;
        find(browser, "h1", "Due 7 days later").await;
        let listed = billing.get("/operations", &billing.admin).await.expect(200);
        let started = &listed["operations"][0];
        let id = started["id"].as_str().expect("an id").to_owned();
        assert_eq!(
            (&started["command"], &started["reason"]),
            (&json!({"type": "due_date", "days": 7}), &json!("provider was down"))
        );
        find(browser, "p", "about 3 left").await;
        browser.screenshot("console-operation-running.png").await;
        finish(&billing, &billing.app, &id).await;
        // The page refreshes by itself.
        find(browser, "p", "Completed").await;
        find(browser, "p", "3 results").await;
        assert_eq!(show(&billing, &id).await["counts"]["done"], 3);
        browser.screenshot("console-operation-ended.png").await;

        // Another operation, with a refusal in its dry run, is stopped.
        go(browser, "#/deployments?state=active").await;
        press(browser, "Command for all").await;
        choose(browser, "Command", "Charge once").await;
        fill(browser, "Description", "Migration").await;
        fill(browser, "Amount", "9.00").await;
        fill(browser, "Reason", "moved").await;
        find(browser, "dialog//td", "not_subscribed").await;
        browser.screenshot("console-operate-refused.png").await;
        confirm(browser).await;
        find(browser, "h1", "Charge 9.00 USD for Migration").await;
        press(browser, "Stop").await;
        confirm(browser).await;
        find(browser, "p", "Stopping").await;
    })
    .await;
}

#[tokio::test]
async fn coupons_are_made_and_changed_in_the_catalog() {
    let billing = Billing::at(START).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    browse(async |browser| {
        open(browser, &billing, &billing.admin).await;
        go(browser, "#/catalog").await;
        find(browser, "p", "There are no coupons yet").await;
        press(browser, "New coupon").await;
        fill(browser, "Code", "partners").await;
        fill(browser, "Name", "Partners").await;
        fill(browser, "Percent", "12.5").await;
        choose(browser, "For", "some periods").await;
        fill(browser, "Granted at most", "5").await;
        fill(browser, "Plans", "studio, team").await;
        browser.screenshot("console-coupon.png").await;
        confirm(browser).await;
        find(browser, "td", "12.5%").await;
        let coupon = billing.get("/coupons/partners", &billing.admin).await.expect(200)["coupon"].take();
        assert_eq!((&coupon["percent_basis_points"], &coupon["periods"]), (&json!(1_250), &json!(3)));
        assert_eq!((&coupon["plans"], &coupon["max_redemptions"]), (&json!(["studio", "team"]), &json!(5)));
        // A grant is counted and does not change the coupon's version.
        billing.grant_discount(&id, "partners").await.expect(200);
        browser.click("button[aria-label='Edit Partners']").await;
        choose(browser, "Takes off", "an amount").await;
        fill(browser, "Amount", "5").await;
        choose(browser, "Status", "retired").await;
        confirm(browser).await;
        find(browser, "td", "5.00 USD").await;
        let coupon = billing.get("/coupons/partners", &billing.admin).await.expect(200)["coupon"].take();
        assert_eq!((&coupon["amount_cents"], &coupon["percent_basis_points"]), (&json!(500), &json!(null)));
        assert_eq!(
            (&coupon["status"], &coupon["redemptions"], &coupon["revision"]),
            (&json!("retired"), &json!(1), &json!(2))
        );
        browser.screenshot("console-coupons.png").await;
        // A tenant's user sees no coupons.
        open(browser, &billing, &billing.user).await;
        go(browser, "#/catalog").await;
        find(browser, "h2", "Add-ons").await;
        assert_eq!(browser.client.find_all(Locator::Css("#coupons")).await.unwrap().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_customer_is_known_held_released_and_dunned_from_the_page_of_the_tenant() {
    let billing = Billing::at(START).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    let tenant = async || billing.get(&format!("/tenants/{ACME}"), &billing.admin).await.expect(200)["tenant"].take();
    let copied = async || {
        let operation = tenant().await["operation_id"].take();
        finish(&billing, &billing.app, operation.as_str().expect("an operation")).await;
        billing.show(&id).await["deployment"]["state"].take()
    };
    browse(async |browser| {
        open(browser, &billing, &billing.admin).await;
        go(browser, &format!("#/tenants/{ACME}")).await;
        press(browser, "Edit").await;
        fill(browser, "Name", "Acme GmbH").await;
        fill(browser, "Tax rate", "1900").await;
        fill(browser, "Reason", "registered").await;
        find(browser, "dialog//p", "An operation copies it to 1 deployment").await;
        browser.screenshot("console-customer.png").await;
        assert_eq!(tenant().await["name"], json!(null), "a dry run stores nothing");
        confirm(browser).await;
        find(browser, "p", "Reason: registered").await;
        assert_eq!((&tenant().await["name"], copied().await), (&json!("Acme GmbH"), json!("active")));
        press(browser, "Hold").await;
        fill(browser, "Reason", "abuse").await;
        find(browser, "dialog//p", "An operation copies it to 1 deployment").await;
        browser.screenshot("console-hold.png").await;
        confirm(browser).await;
        find(browser, "span", "held").await;
        assert_eq!(copied().await, "paused");
        press(browser, "Release").await;
        fill(browser, "Reason", "settled").await;
        confirm(browser).await;
        find(browser, "p", "Reason: settled").await;
        assert_eq!(copied().await, "active");
        browser.click("button[aria-label^='Edit what happens']").await;
        fill(browser, "Suspended", "21").await;
        fill(browser, "Reason", "agreed").await;
        find(browser, "dialog//li", "suspended after 21 days").await;
        confirm(browser).await;
        find(browser, "p", "Reason: agreed").await;
        let policy = billing.get(&format!("/tenants/{ACME}/dunning-policy"), &billing.admin).await.expect(200);
        assert_eq!(policy["dunning_policy"]["suspended_after_days"], 21);
        browser.screenshot("console-tenant.png").await;
    })
    .await;
}

#[tokio::test]
async fn a_price_is_changed_for_all_of_its_customers_from_the_catalog() {
    let billing = Billing::at(START).await;
    billing.sell_plan("club", &[json!({"price_cents": 2_900})]).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "club"})).await;
    browse(async |browser| {
        open(browser, &billing, &billing.admin).await;
        go(browser, "#/catalog").await;
        browser.click("button[aria-label^='Publish a version of club' i]").await;
        fill(browser, "Price", "39.00").await;
        choose(browser, "Replaces version", "version 1").await;
        let day = "const field = document.querySelector('dialog input[type=datetime-local]');
            field.value = '2027-03-01T00:00';
            field.dispatchEvent(new Event('input', { bubbles: true }));";
        find(browser, "dialog//label", "applies from").await;
        browser.client.execute(day, Vec::new()).await.expect("a script");
        fill(browser, "Reason", "dearer power").await;
        find(browser, "dialog//td", "39.00 USD").await;
        browser.screenshot("console-price-change.png").await;
        confirm(browser).await;
        find(browser, "p", "replaces version 1").await;
    })
    .await;
    let operations = billing.get("/operations", &billing.admin).await.expect(200);
    finish(&billing, &billing.app, operations["operations"][0]["id"].as_str().expect("an operation")).await;
    let pending = billing.subscription(&id).await["pending_change"].take();
    assert_eq!((&pending["price_cents"], &pending["effective_at"]), (&json!(3_900), &json!("2027-03-01T00:00:00Z")));
}

/// Scrolls until the page shows so many rows.
async fn scroll_to(browser: &Browser, rows: usize) {
    let mut tries = 0;
    while browser.count("tbody tr").await != rows {
        tries += 1;
        assert!(tries < 100, "{} of {rows} are listed", browser.count("tbody tr").await);
        script(browser, "scrollTo(0, document.body.scrollHeight)").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_results_of_an_operation_that_runs_are_listed_to_the_last() {
    let billing = Billing::at(START).await;
    billing.fill(60, "free").await;
    let command = json!({"type": "update", "billing_action_suspended": true});
    let body = json!({"filter": {"tenant_id": ACME}, "command": command, "rate_per_second": 55});
    let id = start(&billing, body).await;
    // The first page is read, then worked on.
    turn(&billing, &id).await;
    turn(&billing, &id).await;
    browse(async |browser| {
        open(browser, &billing, &billing.admin).await;
        go(browser, &format!("#/operations/{id}?outcome=any")).await;
        find(browser, "p", "55 results").await;
        scroll_to(browser, 55).await;
        finish(&billing, &billing.app, &id).await;
        find(browser, "p", "Completed").await;
        scroll_to(browser, 60).await;
    })
    .await;
}

/// Has the list of invoices saved from pages without an end. One request is refused, and nothing is written to a disk.
const ENDLESS: &str = "
    const real = window.fetch;
    let asked = 0;
    window.fetch = (url, options) => {
        if (options.headers.Accept !== 'text/csv') return real(url, options);
        const body = asked++ === 1 ? JSON.stringify({ message: 'Too Many Requests' }) : 'number\\r\\n' + '1\\r\\n'.repeat(100);
        const status = asked === 2 ? 429 : 200;
        const headers = { Link: '</api/v1/invoices?cursor=next>; rel=\"next\"' };
        return Promise.resolve(new Response(body, { status, headers }));
    };
    HTMLAnchorElement.prototype.click = () => {};";

#[tokio::test]
async fn a_list_that_is_saved_in_part_is_said_to_be() {
    let billing = Billing::at(START).await;
    browse(async |browser| {
        open(browser, &billing, &billing.admin).await;
        go(browser, "#/invoices").await;
        script(browser, ENDLESS).await;
        press(browser, "Download CSV").await;
        find(browser, "div", "Saved the first 100,000 rows as invoices.csv. There are more").await;
    })
    .await;
}

#[tokio::test]
async fn a_subscription_is_offered_the_whole_catalog_at_the_prices_of_its_interval() {
    let billing = Billing::at(START).await;
    // More than a page before the plan `yearly`.
    for n in 0..100 {
        billing.sell_plan(&format!("p{n:03}"), &[]).await;
    }
    billing.sell_addon("storage_50gb", json!({"interval_prices": {"year": 7_500}})).await;
    let id = id_of(&billing.create("shop").await);
    browse(async |browser| {
        open(browser, &billing, &billing.admin).await;
        go(browser, &format!("#/deployments/{id}")).await;
        press(browser, "Subscribe").await;
        choose(browser, "Plan", "yearly").await;
        find(browser, "dialog//label", "75.00 USD a year").await;
        choose(browser, "Plan", "studio").await;
        find(browser, "dialog//label", "7.50 USD a month").await;
    })
    .await;
}

#[tokio::test]
async fn a_new_record_of_the_catalog_never_replaces_one() {
    let billing = Billing::at(START).await;
    let prices = json!({"year": 7_500});
    billing.sell_addon("storage_50gb", json!({"interval_prices": prices})).await;
    billing.sell_coupon("partner", json!({})).await;
    let addon =
        async |code: &str| billing.get(&format!("/addons/{code}"), &billing.admin).await.expect(200)["addon"].take();
    browse(async |browser| {
        open(browser, &billing, &billing.admin).await;
        go(browser, "#/catalog").await;
        for (button, fields, refusal) in [
            ("New plan", &[("Code", "studio"), ("Name", "Other")][..], "The plan studio exists already."),
            (
                "New coupon",
                &[("Code", "partner"), ("Name", "Other"), ("Percent", "10")],
                "The coupon partner exists already.",
            ),
            (
                "New add-on",
                &[("Code", "storage_50gb"), ("Name", "Other"), ("Price of an interval", "1.00"), ("Unit", "GB")],
                "The add-on storage_50gb exists already.",
            ),
        ] {
            press(browser, button).await;
            for (label, text) in fields {
                fill(browser, label, text).await;
            }
            find(browser, "dialog//p", refusal).await;
            find(browser, "dialog//code", "precondition_failed").await;
            assert_eq!(browser.count("dialog[open] button[type=submit]:enabled").await, 0, "{button}");
            press(browser, "Back").await;
        }
        assert_eq!(addon("storage_50gb").await["interval_prices"], prices);

        // Another caller makes it between the dry run and the command.
        press(browser, "New add-on").await;
        for (label, text) in [("Code", "seats"), ("Name", "Seats"), ("Price of an interval", "1.00"), ("Unit", "seats")]
        {
            fill(browser, label, text).await;
        }
        find(browser, "dialog//li", "Add-on seats created for 1.00 USD").await;
        billing.sell_addon("seats", json!({})).await;
        browser.click("dialog[open] button[type=submit]:enabled").await;
        find(browser, "dialog//p", "The add-on seats exists already.").await;
        assert_eq!(addon("seats").await["price_cents"], 750);
    })
    .await;
}

#[tokio::test]
async fn a_dunning_policy_is_saved_in_the_version_that_was_seen_and_the_tenant_is_read_again() {
    let billing = Billing::at(START).await;
    billing.create("shop").await;
    let path = format!("/tenants/{ACME}");
    let policy_path = format!("{path}/dunning-policy");
    let suspended = async || -> Value {
        let answer = billing.get(&policy_path, &billing.admin).await.expect(200);
        answer["dunning_policy"]["suspended_after_days"].clone()
    };
    browse(async |browser| {
        open(browser, &billing, &billing.admin).await;
        go(browser, &format!("#/tenants/{ACME}")).await;
        browser.click("button[aria-label^='Edit what happens']").await;
        find(browser, "dialog//p", "Nothing changes.").await;
        // Another caller is quicker.
        let other = json!({
            "payment_terms_days": 7, "past_due_after_days": 0, "suspended_after_days": 14, "cancelled_after_days": 30,
            "archived_after_days": 120,
        });
        billing.put(&policy_path, &billing.admin, other).await.expect(200);
        fill(browser, "Suspended", "21").await;
        find(browser, "dialog//td", "120 days").await;
        assert_eq!(suspended().await, 14);
        press(browser, "Back").await;
        find(browser, "dd", "120 days").await;

        browser.click("button[aria-label^='Edit what happens']").await;
        fill(browser, "Suspended", "21").await;
        find(browser, "dialog//li", "suspended after 21 days").await;
        confirm(browser).await;
        assert_eq!(suspended().await, 21);
        // That is a new version of the tenant. It is read for the third time, so its next change is not a conflict.
        find(browser, &format!("li[contains(., '{path} 200')][3]"), "GET").await;
        press(browser, "Edit").await;
        fill(browser, "Name", "Acme GmbH").await;
        find(browser, "dialog//li", "Acme GmbH").await;
        assert_eq!(browser.count("dialog .bad").await, 0);
        confirm(browser).await;
        assert_eq!(billing.get(&path, &billing.admin).await.expect(200)["tenant"]["name"], "Acme GmbH");
    })
    .await;
}
