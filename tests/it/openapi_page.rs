//! The promise: the documentation page works in a browser, offline: it shows every operation, tries one out with the
//! token of its address, remembers the token, asks nobody but its own server for anything, and has nothing to complain of.
//!
//! It needs Chromium and its driver, which `infra/setup` installs. What the page looks like is kept as
//! `target/tmp/docs-page.png` and `target/tmp/docs-page-operation.png`.

use std::fs;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use arcadia_functions::ROUTES;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use futures_util::FutureExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::harness::project::TEMPORARY;
use crate::harness::{World, insist_on, unique};

/// A browser with a profile of its own, and the driver that it hangs on.
struct Browser {
    client: Client,
    driver: Child,
    profile: PathBuf,
}

impl Browser {
    async fn start() -> Self {
        insist_on("browser");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .kill_on_drop(true)
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver");
        let mut lines = BufReader::new(driver.stdout.take().expect("a pipe")).lines();
        let port = loop {
            let line = lines.next_line().await.expect("a line").expect("chromedriver ended before it said its port");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let profile = Path::new(TEMPORARY).join(unique());
        let data = format!("--user-data-dir={}", profile.display());
        let arguments = [
            &data,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1280,1600",
        ];
        let capabilities = json!({
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("capabilities are an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromium starts");
        Self { client, driver, profile }
    }

    /// Waits for an element and clicks on it.
    async fn click(&self, selector: &str) {
        let element = self.client.wait().for_element(Locator::Css(selector)).await;
        element.expect(selector).click().await.expect(selector);
    }

    /// Waits for an element and reads it.
    async fn text(&self, selector: &str) -> String {
        let element = self.client.wait().for_element(Locator::Css(selector)).await;
        element.expect(selector).text().await.expect(selector)
    }

    async fn count(&self, selector: &str) -> usize {
        self.client.find_all(Locator::Css(selector)).await.expect(selector).len()
    }

    /// What the browser has logged of a kind since it was asked last.
    async fn log(&self, kind: &'static str) -> Vec<Value> {
        let Value::Array(entries) = self.client.issue_cmd(Log(kind)).await.expect(kind) else { panic!("a list") };
        entries
    }

    async fn screenshot(&self, name: &str) {
        let picture = self.client.screenshot().await.expect("a picture");
        fs::write(Path::new(TEMPORARY).join(name), picture).expect(name);
    }

    async fn stop(mut self) {
        self.client.close().await.expect("chromium ends");
        self.driver.kill().await.expect("chromedriver ends");
        fs::remove_dir_all(&self.profile).expect("the profile");
    }
}

/// Chromium's own command for its logs.
#[derive(Debug)]
struct Log(&'static str);

impl WebDriverCompatibleCommand for Log {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({"type": self.0}).to_string()))
    }
}

/// Sends an operation's example from the page; the status that the page shows.
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
    let browser = Browser::start().await;
    // A browser outlives its driver, so it is ended even if the test fails.
    let outcome = AssertUnwindSafe(try_the_page(&world, &browser)).catch_unwind().await;
    browser.stop().await;
    if let Err(failure) = outcome {
        resume_unwind(failure);
    }
}

async fn try_the_page(world: &World, browser: &Browser) {
    let page = format!("{}/docs", world.base);
    browser.client.goto(&format!("{page}#token={}", world.admin)).await.unwrap();
    browser.text(".opblock").await;
    assert_eq!(browser.count(".opblock").await, ROUTES.len(), "the page shows every route");
    assert_eq!(browser.client.current_url().await.unwrap().as_str(), page, "the token is gone from the address");
    browser.screenshot("docs-page.png").await;

    let status = try_out(browser, "Plans", "list_plans").await;
    assert!(status.starts_with("200"), "{status}");
    let status = try_out(browser, "Deployments", "create_deployment").await;
    assert!(status.starts_with("201"), "the first example works as it stands: {status}");
    assert_eq!(world.stored().await[0].slug.as_str(), "shop", "the answer came from the real server");
    browser.screenshot("docs-page-operation.png").await;

    // Without a token in the address, the page has the one that it was given before.
    browser.client.goto("about:blank").await.unwrap();
    browser.client.goto(&page).await.unwrap();
    let status = try_out(browser, "Plans", "list_plans").await;
    assert!(status.starts_with("200"), "{status}");

    let complaints: Vec<Value> = browser.log("browser").await;
    assert!(complaints.is_empty(), "{complaints:#?}");
    let asked = asked(&browser.log("performance").await);
    assert!(asked.iter().any(|url| url.starts_with(&format!("{}/api/v1/plans", world.base))), "{asked:#?}");
    // Chromium's own first page is one of its own.
    let harmless = ["data:", "about:", "chrome:", &format!("{}/", world.base)];
    for url in asked {
        assert!(harmless.iter().any(|start| url.starts_with(start)), "it asked for {url}");
    }
}

/// The addresses that the page has asked for.
fn asked(log: &[Value]) -> Vec<String> {
    let messages = log.iter().map(|entry| entry["message"].as_str().expect("a message"));
    let messages = messages.map(|text| serde_json::from_str::<Value>(text).expect("JSON")["message"].take());
    let requests = messages.filter(|message| message["method"] == "Network.requestWillBeSent");
    requests.map(|message| message["params"]["request"]["url"].as_str().expect("an address").to_owned()).collect()
}
