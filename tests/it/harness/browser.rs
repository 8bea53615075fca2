//! Chromium, driven by chromedriver.

use std::fs;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use futures_util::FutureExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::project::TEMPORARY;
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

    pub async fn screenshot(&self, name: &str) {
        let picture = self.client.screenshot().await.expect("a picture");
        fs::write(Path::new(TEMPORARY).join(name), picture).expect(name);
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
