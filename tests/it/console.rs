//! The promise: the console works in a browser under its content security policy: it signs in by its link and takes the token
//! out of the address, shows a deployment with the moves that the caller can make, pauses it after a dry run, shows another's
//! change as a conflict, and gives a tenant's user what is theirs. It asks nobody but its own server for anything.
//!
//! What it looks like is kept as `target/tmp/console-*.png`.

use fantoccini::Locator;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::browser::{Browser, asked, browse};
use crate::harness::world::id_of;

/// Waits for an element with this text, and returns it.
async fn find(browser: &Browser, element: &str, text: &str) -> fantoccini::elements::Element {
    let path = format!("//{element}[contains(normalize-space(.), \"{text}\")]");
    browser.client.wait().for_element(Locator::XPath(&path)).await.unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn press(browser: &Browser, text: &str) {
    find(browser, "button", text).await.click().await.unwrap_or_else(|error| panic!("{text}: {error}"));
}

async fn open(browser: &Browser, world: &World, token: &str) {
    browser.client.goto("about:blank").await.unwrap();
    browser.client.goto(&format!("{}/console/#token={token}", world.base)).await.unwrap();
    find(browser, "h1", "Today").await;
    let address = browser.client.current_url().await.unwrap();
    assert!(!address.as_str().contains("token"), "the token is gone from the address: {address}");
}

async fn go(browser: &Browser, place: &str) {
    browser.client.execute("location.hash = arguments[0]", vec![json!(place)]).await.unwrap();
}

#[tokio::test]
async fn the_console_shows_and_does_what_the_api_does() {
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_subscribed("shop", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    let other = json!({"tenant_id": "globex", "slug": "foreign"});
    let foreign = id_of(&world.post("/deployments", &world.admin, other).await.expect(201)["deployment"]);
    browse(async |browser| walk(&world, browser, &id, &foreign).await).await;
}

async fn walk(world: &World, browser: &Browser, id: &str, foreign: &str) {
    open(browser, world, &world.admin).await;
    find(browser, "th", "Mark past due").await;
    browser.screenshot("console-today.png").await;
    go(browser, "#/deployments").await;
    for slug in ["shop", "foreign"] {
        find(browser, "a", slug).await;
    }
    browser.screenshot("console-deployments.png").await;

    // A pause: its dry run first, then the thing itself.
    go(browser, &format!("#/deployments/{id}")).await;
    press(browser, "Pause").await;
    browser.client.wait().for_element(Locator::Css("dialog[open]")).await.expect("a dialog");
    find(browser, "dialog//*", "paused").await;
    assert_eq!(world.show(id).await["deployment"]["state"], "active", "a dry run changes nothing");
    browser.screenshot("console-dry-run.png").await;
    // Somebody else is quicker.
    world
        .patch(&format!("/deployments/{id}"), &world.user, json!({"display_name": "Renamed meanwhile"}))
        .await
        .expect(200);
    browser.click("dialog[open] button[type=submit]:enabled").await;
    find(browser, "dialog//*", "Renamed meanwhile").await;
    browser.screenshot("console-conflict.png").await;
    assert_eq!(world.show(id).await["deployment"]["state"], "active");
    browser.click("dialog[open] button[type=submit]:enabled").await;
    find(browser, "button", "Resume").await;
    assert_eq!(world.show(id).await["deployment"]["state"], "paused");
    browser.screenshot("console-deployment.png").await;

    for (place, heading) in [("#/catalog", "Catalog"), ("#/schedule", "Schedule")] {
        go(browser, place).await;
        find(browser, "h1", heading).await;
    }
    // A tenant's user sees their own, and no more.
    open(browser, world, &world.user).await;
    go(browser, "#/deployments").await;
    find(browser, "a", "shop").await;
    assert_eq!(browser.client.find_all(Locator::XPath("//a[contains(., 'foreign')]")).await.unwrap().len(), 0);
    go(browser, &format!("#/deployments/{foreign}")).await;
    find(browser, "*", "not_found").await;

    // The refusals above are told to the browser as failed loads, and nothing else is wrong.
    let complaints: Vec<Value> = browser.log("browser").await;
    let unexpected = complaints.iter().filter(|entry| {
        let text = entry["message"].as_str().unwrap_or_default();
        !(text.contains("Failed to load resource") && (text.contains("404") || text.contains("412")))
    });
    let unexpected: Vec<_> = unexpected.collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    let harmless = ["data:", "about:", "chrome:", &format!("{}/", world.base)];
    for url in asked(&browser.log("performance").await) {
        assert!(harmless.iter().any(|start| url.starts_with(start)), "it asked for {url}");
    }
}
