//! The promise: every page of the console fits on a desktop and a phone screen, light and dark, is accessible as far as
//! axe-core can tell, and is shown in the documentation.
//!
//! `UPDATE_PICTURES=1 cargo test -p arcadia-tests --test it console_pictures` takes the pictures of `docs/console/`
//! anew,
//! from a demo.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use fantoccini::Locator;
use serde_json::{Value, json};

use crate::docs;
use crate::harness::browser::{Browser, browse};
use crate::harness::environment;
use crate::harness::project::ROOT;
use crate::harness::setup;
use crate::harness::world::id_of;
use crate::program::{Directory, Running, run};

const UNTIL: &str = "2027-03-15T10:00:00Z";
/// The largest size of a picture, in bytes.
const MAX_LEN: u64 = 200 * 1024;

/// The window sizes: name, width and height.
const FORMS: [(&str, u32, u32); 2] = [("desk", 1280, 760), ("phone", 390, 844)];
const SCHEMES: [&str; 2] = ["light", "dark"];

/// The pages by name, each with its address, and a tag and text that show that it is loaded.
fn pages(id: &str, number: &str, tenant: &str, operation: &str) -> Vec<(&'static str, String, &'static str, String)> {
    let page = |name, place: &str, tag, text: &str| (name, place.to_owned(), tag, text.to_owned());
    vec![
        page("today", "#/", "span", "a month"),
        page("attention", "#/attention?kind=held", "p", "1 deployment"),
        page("deployments", "#/deployments", "p", "deployments"),
        page("deployment", &format!("#/deployments/{id}"), "h2", "Subscription"),
        page("invoices", "#/invoices", "p", "invoices"),
        page("invoice", &format!("#/deployments/{id}/invoices/{number}"), "h2", "Lines"),
        page("tenants", "#/tenants", "p", "tenants"),
        page("tenant", &format!("#/tenants/{tenant}"), "h2", "Next invoices"),
        page("catalog", "#/catalog", "th", "Studio"),
        page("operations", "#/operations", "a", "Credit 5.00 USD"),
        page("operation", &format!("#/operations/{operation}"), "h2", "Results"),
        page("schedule", "#/schedule", "p", "steps"),
        page("clock", "#/clock", "button", "Advance a day"),
    ]
}

fn picture(page: &str, form: &str, scheme: &str) -> PathBuf {
    PathBuf::from(format!("{ROOT}/docs/console/{page}-{form}-{scheme}.png"))
}

/// The table of `docs/console.md`. Readers who prefer dark pages see the dark pictures.
fn table(names: &[&str]) -> String {
    let mut text = String::from("| Page | Desk | Phone |\n|---|---|---|\n");
    for name in names {
        let [desk, phone] = FORMS.map(|(form, ..)| {
            let width = if form == "desk" { 560 } else { 180 };
            format!(
                "<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"console/{name}-{form}-dark.png\">\
                 <img src=\"console/{name}-{form}-light.png\" width=\"{width}\" alt=\"{name}, {form}\"></picture>"
            )
        });
        writeln!(text, "| {name} | {desk} | {phone} |").expect("a text");
    }
    text
}

#[tokio::test]
async fn every_page_fits_on_a_desk_and_on_a_phone_and_can_be_read_by_everybody() {
    let axe = setup::script("infra/axe", &[]).unwrap_or_else(|complaints| panic!("{complaints}"));
    let axe = fs::read_to_string(axe.trim()).expect("axe-core");
    let data = Directory::new();
    let filled = run(&["demo", "--data", data.path(), "--deployments", "60", "--seed", "7", "--until", UNTIL]);
    assert_eq!(filled.status.code(), Some(0), "{}", String::from_utf8_lossy(&filled.stderr));
    let program = Running::start(&data, &["--clock", UNTIL]).await;
    let token = run(&["token", "--data", data.path(), "--role", "platform_admin", "--clock", UNTIL]).stdout;
    let token = String::from_utf8(token).expect("a token");
    let token = token.trim();
    let open = program.http.get("/invoices?status=open", token).await.expect(200)["invoices"][0].clone();
    let text = |name: &str| open[name].as_str().expect("an open invoice").to_owned();
    let deployment = format!("#/deployments/{}", text("deployment_id"));
    let hold = json!({"billing_action_suspended": true});
    program.http.patch(&format!("/deployments/{}", text("deployment_id")), token, hold).await.expect(200);
    let command = json!({"type": "credit", "amount_cents": 500, "currency": "USD"});
    let body = json!({"filter": {"state": "active"}, "command": command, "reason": "outage", "rate_per_second": 10});
    let operation = id_of(&program.http.post("/operations", token, body).await.expect(202)["operation"]);
    let pages = pages(&text("deployment_id"), &text("number"), &text("tenant_id"), &operation);
    browse(async |browser| {
        for scheme in SCHEMES {
            browser.prefer(scheme).await;
            for (form, width, height) in FORMS {
                browser.resize(width, height).await;
                browser.client.goto("about:blank").await.unwrap();
                browser.client.goto(&format!("{}/console/#token={token}", program.http.base)).await.unwrap();
                browser.client.execute(&axe, vec![]).await.unwrap();
                for (name, place, tag, text) in &pages {
                    look(browser, place, tag, text).await;
                    browser.check(&format!("{name}, {form}, {scheme}")).await;
                    if environment("UPDATE_PICTURES").is_some() {
                        fs::create_dir_all(format!("{ROOT}/docs/console")).unwrap();
                        fs::write(picture(name, form, scheme), browser.picture().await).unwrap();
                    }
                }
                look(browser, &deployment, "button", "Clear the hold").await;
                browser.click("header.page .actions button").await;
                look(browser, &deployment, "dialog", "Hold").await;
                browser.check(&format!("a dialog, {form}, {scheme}")).await;
                look(browser, "#/deployments?state=active", "button", "Command for all").await;
                browser.click("header.page .actions button").await;
                look(browser, "#/deployments?state=active", "dialog", "Dry run").await;
                browser.check(&format!("a command for many, {form}, {scheme}")).await;
                look(browser, "#/catalog", "button", "New coupon").await;
                browser.click("#coupons + button").await;
                look(browser, "#/catalog", "dialog", "Its terms are copied").await;
                browser.check(&format!("a coupon, {form}, {scheme}")).await;
            }
        }
        let mut complaints: Vec<Value> = browser.log("browser").await;
        // The running operation can change the dialog's record; the dialog then reports that.
        complaints
            .retain(|each| !each["message"].as_str().is_some_and(|text| text.contains("412 (Precondition Failed)")));
        assert_eq!(complaints, Vec::<Value>::new());
    })
    .await;
    program.stop("-TERM").await;
    let names: Vec<&str> = pages.iter().map(|(name, ..)| *name).collect();
    for (name, (form, ..), scheme) in names
        .iter()
        .flat_map(|name| FORMS.map(|form| (name, form)))
        .flat_map(|(name, form)| SCHEMES.map(|scheme| (name, form, scheme)))
    {
        let path = picture(name, form, scheme);
        let len = fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).len();
        assert!((1..=MAX_LEN).contains(&len), "{} has {len} bytes", path.display());
    }
    docs::check("console.md", "pictures", &table(&names));
}

/// Opens a page and waits until it is loaded.
async fn look(browser: &Browser, place: &str, tag: &str, text: &str) {
    browser.client.execute("location.hash = arguments[0]", vec![json!(place)]).await.unwrap();
    let path = format!("//{tag}[contains(normalize-space(.), \"{text}\")]");
    let found = browser.client.wait().for_element(Locator::XPath(&path)).await;
    found.unwrap_or_else(|error| panic!("{place}, {text}: {error}"));
    // A picture of an unfinished page would differ.
    let mut tries = 0;
    while browser.count("[aria-busy=true], .loading").await > 0 {
        tries += 1;
        assert!(tries < 100, "{place} is still loading");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
