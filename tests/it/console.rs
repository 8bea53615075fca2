//! The promise: the console works in a browser under its content security policy. It signs in by its link and removes
//! the
//! token from the address, shows a deployment with the moves that the caller can make, and pauses it after a dry run.
//! It
//! shows another caller's change as a conflict, or at once where the program streams events, lists what needs a person,
//! and
//! shows a tenant's user only that tenant. It sends requests to its own server only. A request that fails is said and
//! can be tried again; what was typed, read or chosen stays.
//!
//! The test keeps screenshots as `target/tmp/console-*.png`.

use std::time::Duration;

use arcadia_api::gateway_answer;
use fantoccini::Locator;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::browser::{Browser, asked, browse};
use crate::harness::world::id_of;
use crate::program::{Directory, Running, token};

/// Waits for an element with this text, and returns it.
pub async fn find(browser: &Browser, element: &str, text: &str) -> fantoccini::elements::Element {
    let path = format!("//{element}[contains(normalize-space(.), \"{text}\")]");
    browser.client.wait().for_element(Locator::XPath(&path)).await.unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub async fn press(browser: &Browser, text: &str) {
    find(browser, "button", text).await.click().await.unwrap_or_else(|error| panic!("{text}: {error}"));
}

pub async fn open(browser: &Browser, world: &World, token: &str) {
    browser.client.goto("about:blank").await.unwrap();
    browser.client.goto(&format!("{}/console/#token={token}", world.base)).await.unwrap();
    find(browser, "h1", "Today").await;
    let address = browser.client.current_url().await.unwrap();
    assert!(!address.as_str().contains("token"), "the token is still in the address: {address}");
}

pub async fn go(browser: &Browser, place: &str) {
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
    // The first view sends four requests.
    find(browser, "p", "Nothing").await;
    let count = "return document.querySelectorAll('.requests li').length";
    assert_eq!(browser.client.execute(count, vec![]).await.unwrap(), json!(4));
    browser.screenshot("console-today.png").await;
    go(browser, "#/deployments").await;
    for slug in ["shop", "foreign"] {
        find(browser, "a", slug).await;
    }
    browser.screenshot("console-deployments.png").await;

    // A pause: first its dry run, then the command.
    go(browser, &format!("#/deployments/{id}")).await;
    press(browser, "Pause").await;
    browser.client.wait().for_element(Locator::Css("dialog[open]")).await.expect("a dialog");
    find(browser, "dialog//*", "paused").await;
    assert_eq!(world.show(id).await["deployment"]["state"], "active", "a dry run changes nothing");
    browser.screenshot("console-dry-run.png").await;
    // Another caller is quicker.
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
    // A tenant's user sees its own deployments only.
    open(browser, world, &world.user).await;
    go(browser, "#/deployments").await;
    find(browser, "a", "shop").await;
    assert_eq!(browser.client.find_all(Locator::XPath("//a[contains(., 'foreign')]")).await.unwrap().len(), 0);
    go(browser, &format!("#/deployments/{foreign}")).await;
    find(browser, "*", "not_found").await;

    // The browser logs the refusals above as failed loads. It must log nothing else.
    let complaints: Vec<Value> = browser.log("browser").await;
    let unexpected = complaints.iter().filter(|entry| {
        let text = entry["message"].as_str().unwrap_or_default();
        !(text.contains("Failed to load resource") && (text.contains("404") || text.contains("412")))
    });
    let unexpected: Vec<_> = unexpected.collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    let harmless = ["data:", "about:", "chrome:", &format!("{}/", world.base)];
    for url in asked(&browser.log("performance").await) {
        assert!(harmless.iter().any(|start| url.starts_with(start)), "the page requested {url}");
    }
}

/// The control key, and the release of all keys, as WebDriver encodes them.
const CONTROL: char = '\u{E009}';
const NULL: char = '\u{E000}';

/// Enters a text in a field, found by its label.
pub async fn fill(browser: &Browser, label: &str, text: &str) {
    let path = format!("//dialog//label[contains(., \"{label}\")]/following::input[1]");
    let field =
        browser.client.wait().for_element(Locator::XPath(&path)).await.unwrap_or_else(|e| panic!("{label}: {e}"));
    // As a user does: selects all and types over it. Clearing a field by WebDriver sends the page no event.
    field.send_keys(&format!("{CONTROL}a{NULL}{text}")).await.unwrap();
}

/// Chooses the option of a field in the dialog that begins with a text.
pub async fn choose(browser: &Browser, label: &str, option: &str) {
    let path =
        format!("//dialog//label[contains(., \"{label}\")]/following::select[1]/option[starts-with(., \"{option}\")]");
    let found =
        browser.client.wait().for_element(Locator::XPath(&path)).await.unwrap_or_else(|e| panic!("{option}: {e}"));
    found.click().await.unwrap();
}

/// Confirms the dialog once its dry run is shown, and waits until it closes.
pub async fn confirm(browser: &Browser) {
    browser.click("dialog[open] button[type=submit]:enabled").await;
    let mut tries = 0;
    while browser.count("dialog[open]").await > 0 {
        tries += 1;
        assert!(tries < 200, "the dialog stays: {}", browser.text("dialog[open]").await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn every_command_about_money_is_in_the_console() {
    let world = World::start().await;
    world.open_shop().await;
    let id = id_of(&world.create("shop").await);
    for n in 0..300 {
        let body = json!({"tenant_id": "many", "slug": format!("one-{n:03}")});
        world.post("/deployments", &world.admin, body).await.expect(201);
    }
    browse(async |browser| {
        open(browser, &world, &world.admin).await;
        buy_and_pay(&world, browser, &id).await;
        find_among_many(browser).await;
        // A tenant's account, and the platform's view of all tenants.
        go(browser, "#/tenants").await;
        find(browser, "a", "many").await.click().await.unwrap();
        find(browser, "h1", "Tenant many").await;
        find(browser, "a", "300").await;
        open(browser, &world, &world.user).await;
        find(browser, "a", "Account").await.click().await.unwrap();
        find(browser, "h1", "Account").await;
        find(browser, "th", "Balance").await;
    })
    .await;
}

/// Subscribes, pays, changes the plan and voids an invoice.
async fn buy_and_pay(world: &World, browser: &Browser, id: &str) {
    go(browser, &format!("#/deployments/{id}")).await;
    press(browser, "Subscribe").await;
    choose(browser, "Plan", "studio").await;
    // The dry run shows the lines of the first invoice and issues nothing.
    find(browser, "dialog//th", "studio charge").await;
    find(browser, "dialog//p", "An invoice over").await;
    assert_eq!(world.show(id).await["subscription"], Value::Null, "a dry run changes nothing");
    browser.screenshot("console-subscribe.png").await;
    confirm(browser).await;
    find(browser, "h3", "Next invoice, on").await;
    find(browser, "button", "Change the plan").await;
    let open_of = async || world.show(id).await["deployment"]["open_invoices"].clone();
    let number = open_of().await[0]["number"].as_str().expect("an invoice").to_owned();

    go(browser, &format!("#/deployments/{id}/invoices/{number}")).await;
    press(browser, "Record a payment").await;
    fill(browser, "Reference", "transfer-1").await;
    confirm(browser).await;
    find(browser, "*[contains(@class, 'chip')]", "paid").await;
    assert_eq!(open_of().await, json!([]));

    go(browser, &format!("#/deployments/{id}")).await;
    press(browser, "Change the plan").await;
    choose(browser, "Plan", "team").await;
    // The dry run shows the credit of the old plan and the charge of the new one.
    find(browser, "dialog//th", "studio credit").await;
    find(browser, "dialog//th", "team charge").await;
    confirm(browser).await;
    assert_eq!(world.subscription(id).await["plan_code"], "team");

    let mistake = world.create_subscribed("mistake", json!({"plan_code": "studio"})).await;
    let number = world.show(&mistake).await["deployment"]["open_invoices"][0]["number"].clone();
    let number = number.as_str().expect("an invoice");
    go(browser, &format!("#/deployments/{mistake}/invoices/{number}")).await;
    press(browser, "Void").await;
    confirm(browser).await;
    find(browser, "*[contains(@class, 'chip')]", "void").await;
    go(browser, "#/invoices?status=void").await;
    find(browser, "a", number).await;
}

/// Scrolls through a long list, and filters it.
async fn find_among_many(browser: &Browser) {
    go(browser, "#/deployments?tenant_id=many").await;
    find(browser, "a", "one-").await;
    let mut tries = 0;
    while browser.count("tbody tr").await < 300 {
        tries += 1;
        assert!(tries < 100, "{} of 300 are listed", browser.count("tbody tr").await);
        browser.client.execute("scrollTo(0, document.body.scrollHeight)", vec![]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    find(browser, "*[@role = 'status']", "300 deployments").await;
    let field = browser.client.find(Locator::Css("input[placeholder=shop]")).await.expect("the filter by slug");
    field.send_keys("one-007\n").await.unwrap();
    find(browser, "*[@role = 'status']", "1 deployment").await;
    let address = browser.client.current_url().await.unwrap();
    assert!(address.fragment().is_some_and(|place| place.contains("slug=one-007")), "{address}");
}

#[tokio::test]
async fn deployments_that_need_a_person_are_counted_on_today_and_listed() {
    let data = Directory::new();
    let program = Running::start(&data, &["--in-memory"]).await;
    let admin = token(&data, &["--role", "platform_admin"]);
    let created = program.http.post("/deployments", &admin, json!({"tenant_id": "acme", "slug": "shop"})).await;
    let path = format!("/deployments/{}", id_of(&created.expect(201)["deployment"]));
    browse(async |browser| {
        browser.client.goto(&format!("{}/console/#token={admin}", program.http.base)).await.unwrap();
        find(browser, "p", "Nothing needs a person.").await;
        program.http.patch(&path, &admin, json!({"billing_action_suspended": true})).await.expect(200);
        press(browser, "Reload this page").await;
        find(browser, "a", "Held: no scheduled step changes their state").await.click().await.unwrap();
        find(browser, "h1", "Needs a person").await;
        find(browser, "*[@role = 'status']", "1 deployment").await;
        find(browser, "a", "acme/shop").await.click().await.unwrap();
        find(browser, "p", "Held since").await;
    })
    .await;
    program.stop("-TERM").await;
}

#[tokio::test]
async fn a_deployment_on_the_screen_follows_what_happens_to_it() {
    let data = Directory::new();
    let program = Running::start(&data, &["--in-memory"]).await;
    let admin = token(&data, &["--role", "platform_admin"]);
    let created = program.http.post("/deployments", &admin, json!({"tenant_id": "acme", "slug": "shop"})).await;
    let path = format!("/deployments/{}", id_of(&created.expect(201)["deployment"]));
    browse(async |browser| {
        browser.client.goto(&format!("{}/console/#token={admin}", program.http.base)).await.unwrap();
        find(browser, "h1", "Today").await;
        go(browser, &format!("#{path}")).await;
        find(browser, "button", "Pause").await;
        let body = json!({"to_state": "paused", "reason": "elsewhere"});
        program.http.post(&format!("{path}/transition"), &admin, body).await.expect(200);
        find(browser, "p", "Reason: elsewhere").await;
        find(browser, "button", "Resume").await;
    })
    .await;
    program.stop("-TERM").await;
}

#[tokio::test]
async fn the_test_clock_is_turned_until_an_invoice_is_past_due() {
    let data = Directory::new();
    let program = Running::start(&data, &[]).await;
    let admin = token(&data, &["--role", "platform_admin"]);
    let created = program.http.post("/deployments", &admin, json!({"tenant_id": "acme", "slug": "shop"})).await;
    let id = id_of(&created.expect(201)["deployment"]);
    let body = json!({"plan_code": "studio"});
    program.http.post(&format!("/deployments/{id}/subscribe"), &admin, body).await.expect(201);
    browse(async |browser| {
        browser.client.goto(&format!("{}/console/#token={admin}", program.http.base)).await.unwrap();
        find(browser, "a", "Clock").await.click().await.unwrap();
        press(browser, "Advance a month").await;
        find(browser, "h2", "What the sweep did").await;
        // The clock advances a day at a time; the buttons are disabled until it ends.
        find(browser, "button[not(@disabled)]", "Advance a month").await;
        go(browser, "#/").await;
        find(browser, "p", "overdue.").await;
        find(browser, "*[name() = 'text']", "suspended 1").await;
        browser.screenshot("console-past-due.png").await;
    })
    .await;
    program.stop("-TERM").await;
}

/// Runs a script in the page.
pub async fn script(browser: &Browser, text: &str) {
    browser.client.execute(text, vec![]).await.unwrap_or_else(|error| panic!("{text}: {error}"));
}

/// A script that has API Gateway's own answer with a status given to requests whose address has `part`, until
/// `window.mended`.
fn disturbed(part: &str, status: u16) -> String {
    let body = json!({"message": gateway_answer(status).expect("an answer of API Gateway").message}).to_string();
    let (part, body) = (json!(part), json!(body));
    format!(
        "const real = window.fetch;
        window.fetch = (url, options) => !window.mended && String(url).includes({part})
            ? Promise.resolve(new Response({body}, {{ status: {status} }}))
            : real(url, options);"
    )
}

#[tokio::test]
async fn a_preview_that_could_not_be_made_is_not_a_refusal_and_is_tried_again() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    browse(async |browser| {
        open(browser, &world, &world.admin).await;
        go(browser, &format!("#/deployments/{id}")).await;
        find(browser, "button", "Pause").await;
        script(browser, &disturbed("dry_run", 429)).await;
        // All fields of this command are remarks, and they do not repeat the dry run.
        press(browser, "Hold").await;
        find(browser, "dialog//p", "The preview could not be made").await;
        find(browser, "dialog//p", "nothing was executed").await;
        let shown = browser.text("dialog[open]").await;
        assert!(!shown.contains("would be refused") && !shown.contains("safe to send"), "{shown}");
        browser.screenshot("console-no-preview.png").await;
        script(browser, "window.mended = true").await;
        press(browser, "Try again").await;
        confirm(browser).await;
        find(browser, "p", "Held since").await;
    })
    .await;
}

/// Has the schedule answered with two pages of a step each. The second is refused until `window.mended`.
const TWO_PAGES: &str = "
    const real = window.fetch;
    const step = (slug) => ({
        deployment_id: slug, tenant_id: 'acme', slug, action: 'renew', at: '2027-01-16T00:00:00Z',
        amount_cents: null, currency: null,
    });
    const answer = (body, status = 200) => Promise.resolve(new Response(JSON.stringify(body), { status }));
    window.fetch = (url, options) => {
        if (!String(url).includes('/schedule')) return real(url, options);
        if (!String(url).includes('cursor')) return answer({ schedule: [step('one')], next_cursor: 'next' });
        return window.mended
            ? answer({ schedule: [step('two')], next_cursor: null })
            : answer({ message: 'Too Many Requests' }, 429);
    };";

#[tokio::test]
async fn a_count_that_breaks_off_keeps_what_it_has_and_goes_on() {
    let world = World::start().await;
    browse(async |browser| {
        open(browser, &world, &world.admin).await;
        script(browser, TWO_PAGES).await;
        press(browser, "Reload this page").await;
        press(browser, "Count all").await;
        find(browser, "p", "There are too many calls at once").await;
        find(browser, "td", "1 or more").await;
        script(browser, "window.mended = true").await;
        press(browser, "Try again").await;
        find(browser, "td[normalize-space(.) = '2']", "2").await;
        assert_eq!(browser.client.find_all(Locator::XPath("//button[. = 'Count all']")).await.unwrap().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_period_is_not_dropped_while_the_present_time_is_unknown() {
    let world = World::start().await;
    world.open_shop().await;
    world.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    browse(async |browser| {
        // From the start: the first page reads it, too, and it is read once.
        let source = format!("{{ {} }}", disturbed("/lifecycle", 503));
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": source})).await;
        open(browser, &world, &world.admin).await;
        for (place, heading) in [("#/schedule?days=90", "Schedule"), ("#/invoices?days=last_month", "Invoices")] {
            go(browser, place).await;
            find(browser, "h1", heading).await;
            find(browser, "p", "The function did not answer in time").await;
            assert_eq!(browser.count("main table").await, 0, "{place}");
        }
        find(browser, "button[@disabled]", "Download CSV").await;
        script(browser, "window.mended = true").await;
        press(browser, "Try again").await;
        find(browser, "p", "No invoice matches these filters.").await;
        find(browser, "button[not(@disabled)]", "Download CSV").await;
        go(browser, "#/schedule?days=90").await;
        find(browser, "a", "shop").await;
    })
    .await;
}

#[tokio::test]
async fn text_in_a_filter_stays_when_an_answer_arrives() {
    let world = World::start().await;
    for slug in ["shop", "other"] {
        world.create(slug).await;
    }
    browse(async |browser| {
        open(browser, &world, &world.admin).await;
        let wait = "const real = window.fetch;
            const typed = new Promise((then) => { window.typed = then; });
            window.fetch = (url, options) =>
                String(url).includes('/deployments') ? typed.then(() => real(url, options)) : real(url, options);";
        script(browser, wait).await;
        go(browser, "#/deployments").await;
        let field = browser.client.wait().for_element(Locator::Css("input[placeholder=shop]")).await;
        let field = field.expect("the filter by slug");
        field.send_keys("sho").await.unwrap();
        script(browser, "window.typed()").await;
        find(browser, "a", "other").await;
        assert_eq!(field.prop("value").await.unwrap().as_deref(), Some("sho"));
        field.send_keys("p\n").await.unwrap();
        find(browser, "*[@role = 'status']", "1 deployment").await;
        press(browser, "Clear filters").await;
        find(browser, "a", "other").await;
        assert_eq!(field.prop("value").await.unwrap().as_deref(), Some(""));
    })
    .await;
}
