//! Chromium, driven by chromedriver.

use std::fs;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use futures_util::FutureExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::project::temporary;
use super::{insist_on, unique};

/// A browser with a profile of its own, and the driver that it hangs on.
pub struct Browser {
    pub client: Client,
    driver: Child,
    profile: PathBuf,
}

impl Browser {
    pub async fn start() -> Self {
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
        let profile = temporary().join(unique());
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
    pub async fn click(&self, selector: &str) {
        let element = self.client.wait().for_element(Locator::Css(selector)).await;
        element.expect(selector).click().await.expect(selector);
    }

    /// Waits for an element and reads it.
    pub async fn text(&self, selector: &str) -> String {
        let element = self.client.wait().for_element(Locator::Css(selector)).await;
        element.expect(selector).text().await.expect(selector)
    }

    pub async fn count(&self, selector: &str) -> usize {
        self.client.find_all(Locator::Css(selector)).await.expect(selector).len()
    }

    /// What the browser has logged of a kind since it was asked last.
    pub async fn log(&self, kind: &'static str) -> Vec<Value> {
        let Value::Array(entries) = self.client.issue_cmd(Log(kind)).await.expect(kind) else { panic!("a list") };
        entries
    }

    /// Has Chromium carry out a command of its developer tools.
    pub async fn devtools(&self, command: &'static str, parameters: Value) -> Value {
        self.client.issue_cmd(Devtools(command, parameters)).await.expect(command)
    }

    /// Sets the size of the window.
    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Sets the preferred colour scheme, and reduced motion, so that no picture shows a half-finished animation.
    pub async fn prefer(&self, scheme: &str) {
        let still = json!({"name": "prefers-reduced-motion", "value": "reduce"});
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}, still]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// A picture of the window.
    pub async fn picture(&self) -> Vec<u8> {
        let shot = self.devtools("Page.captureScreenshot", json!({"format": "png"})).await;
        BASE64_STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64")
    }

    /// Insists that the page is no wider than the window and that axe-core, which it has loaded, finds no violation.
    pub async fn check(&self, what: &str) {
        let hidden = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        let hidden = self.client.execute(hidden, vec![]).await.expect("a number");
        assert_eq!(hidden, 0, "{what} is wider than the window");
        assert_eq!(self.violations().await, "", "{what}");
    }

    /// The violations that axe-core finds: the rule, its help text, and the elements.
    async fn violations(&self) -> String {
        let found = "const told = arguments[0]; axe.run().then(({violations}) => told(violations.flatMap(({id, help, nodes}) => \
                     nodes.map(({html}) => `${id}: ${help}: ${html}`)).join('\\n')), (error) => told(String(error)))";
        let found = self.client.execute_async(found, vec![]).await.expect("axe-core runs");
        found.as_str().expect("a text").to_owned()
    }

    pub async fn screenshot(&self, name: &str) {
        let picture = self.client.screenshot().await.expect("a picture");
        fs::write(temporary().join(name), picture).expect(name);
    }

    pub async fn stop(mut self) {
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

/// Chromium's way to its developer tools.
#[derive(Debug)]
struct Devtools(&'static str, Value);

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({"cmd": self.0, "params": self.1}).to_string()))
    }
}

/// Lets a browser do something. It outlives its driver, so it is ended even if the test fails.
pub async fn browse(what: impl AsyncFnOnce(&Browser)) {
    let browser = Browser::start().await;
    let outcome = AssertUnwindSafe(what(&browser)).catch_unwind().await;
    browser.stop().await;
    if let Err(failure) = outcome {
        resume_unwind(failure);
    }
}

/// The addresses that the page has asked for.
pub fn asked(log: &[Value]) -> Vec<String> {
    let messages = log.iter().map(|entry| entry["message"].as_str().expect("a message"));
    let messages = messages.map(|text| serde_json::from_str::<Value>(text).expect("JSON")["message"].take());
    let requests = messages.filter(|message| message["method"] == "Network.requestWillBeSent");
    requests.map(|message| message["params"]["request"]["url"].as_str().expect("an address").to_owned()).collect()
}
