//! The promise: the console gives one command to all deployments of a list after showing its dry run, follows and stops
//! it. It edits tenants, holds, prices and coupons.

use fantoccini::Locator;
use serde_json::json;

use crate::console::{choose, confirm, fill, find, go, open, press};
use crate::harness::billing::Billing;
use crate::harness::browser::browse;
use crate::harness::world::{ACME, START};
use crate::many::{finish, show};

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
