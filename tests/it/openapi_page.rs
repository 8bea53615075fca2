//! The promise: the documentation page works in a browser, offline. It shows every operation, sends one with the token
//! of
//! its address, remembers the token, calls only its own server, and logs no error.
//!
//! It needs Chromium and its driver, which `infra/setup` installs. The test keeps screenshots as
//! `target/tmp/docs-page.png` and `target/tmp/docs-page-operation.png`.

use arcadia_functions::ROUTES;
use serde_json::Value;

use crate::harness::World;
use crate::harness::browser::{Browser, asked, browse};

/// Sends an operation's example from the page. Returns the status that the page shows.
async fn try_out(browser: &Browser, tag: &str, operation: &str) -> String {
    let block = format!("#operations-{tag}-{operation}");
    if browser.count(&format!("{block}.is-open")).await == 0 {
        browser.click(&format!("{block} .opblock-summary-control")).await;
    }
    browser.click(&format!("{block} button.execute")).await;
    browser.text(&format!("{block} .live-responses-table tbody .response-col_status")).await
}

#[tokio::test]
async fn every_operation_can_be_tried_in_a_browser() {
    let world = World::start().await;
    world.open_shop().await;
    browse(async |browser| try_the_page(&world, browser).await).await;
}

async fn try_the_page(world: &World, browser: &Browser) {
    let page = format!("{}/docs", world.base);
    browser.client.goto(&format!("{page}#token={}", world.admin)).await.unwrap();
    browser.text(".opblock").await;
    assert_eq!(browser.count(".opblock").await, ROUTES.len(), "the page shows every route");
    assert_eq!(browser.client.current_url().await.unwrap().as_str(), page, "the token is still in the address");
    browser.screenshot("docs-page.png").await;

    let status = try_out(browser, "Plans", "list_plans").await;
    assert!(status.starts_with("200"), "{status}");
    let status = try_out(browser, "Deployments", "create_deployment").await;
    assert!(status.starts_with("201"), "the first example works unchanged: {status}");
    assert_eq!(world.stored().await[0].slug.as_str(), "shop", "the answer came from the real server");
    browser.screenshot("docs-page-operation.png").await;

    // Without a token in the address, the page uses the one that it remembers.
    browser.client.goto("about:blank").await.unwrap();
    browser.client.goto(&page).await.unwrap();
    let status = try_out(browser, "Plans", "list_plans").await;
    assert!(status.starts_with("200"), "{status}");

    let complaints: Vec<Value> = browser.log("browser").await;
    assert!(complaints.is_empty(), "{complaints:#?}");
    let asked = asked(&browser.log("performance").await);
    assert!(asked.iter().any(|url| url.starts_with(&format!("{}/api/v1/plans", world.base))), "{asked:#?}");
    // Chromium's own first page has an address of its own.
    let harmless = ["data:", "about:", "chrome:", &format!("{}/", world.base)];
    for url in asked {
        assert!(harmless.iter().any(|start| url.starts_with(start)), "the page requested {url}");
    }
}
