//! The promise: a command sees the deployment as the sweep would leave it if it ran now. The due steps come first, by the
//! sweep's own code, so that nobody gains or loses by the minutes between a boundary and the sweep.

use arcadia_functions::runtime::Clock as _;
use chrono::TimeDelta;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::permissions::{Permissions, needed};
use crate::harness::routes::{Due, Ready, rows, stock};
use crate::harness::{Fault, Reply};

const JANUARY: &str = "2027-01-01T00:00:00Z";
const FEBRUARY: &str = "2027-02-01T00:00:00Z";
/// Ten days after the renewal that no sweep has come to yet.
const LATE: &str = "2027-02-11T00:00:00Z";
const MARCH: &str = "2027-03-01T00:00:00Z";
/// More often than anybody sends anything.
const ALWAYS: usize = 1_000;

/// A world on 11 February that no sweep has seen since January, and a deployment that has paid for `studio` in January.
async fn late() -> (Billing, String) {
    let billing = Billing::at(JANUARY).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    billing.settle(&id).await;
    billing.set_time(LATE);
    (billing, id)
}

/// What a deployment has paid once all is paid that is billed by 1 March.
async fn paid_by_march(billing: &Billing, id: &str) -> i64 {
    billing.settle(id).await;
    billing.set_time(MARCH);
    billing.sweep().await;
    billing.settle(id).await;
    let invoices = billing.invoices(id).await;
    let payments = invoices.iter().flat_map(|invoice| invoice["payments"].as_array().expect("payments"));
    payments.map(|payment| payment["amount_cents"].as_i64().expect("an amount")).sum()
}

/// The kinds of the events after the first `known`.
async fn kinds_after(billing: &Billing, id: &str, known: usize) -> Vec<String> {
    billing.kinds(id).await.split_off(known)
}

fn transition(billing: &Billing, id: &str, body: &Value) -> RequestBuilder {
    billing.request(Method::POST, &format!("/deployments/{id}/transition"), &billing.user).json(body)
}

async fn rename(billing: &Billing, id: &str) -> Reply {
    billing.patch(&format!("/deployments/{id}"), &billing.user, json!({"display_name": "The shop"})).await
}

#[tokio::test]
async fn an_addon_attached_late_is_charged_from_when_it_was_attached() {
    let (billing, id) = late().await;
    billing.sell_addon("dear", json!({"price_cents": 7_777})).await;
    billing.attach(&id, "dear").await;
    // January, February, 18 of the 28 days of February at 7,777, and March with it.
    assert_eq!(paid_by_march(&billing, &id).await, 2_900 + 2_900 + 5_000 + 2_900 + 7_777);
}

#[tokio::test]
async fn a_change_of_plan_made_late_is_prorated_within_the_present_period() {
    let (billing, id) = late().await;
    billing.change(&id, json!({"plan_code": "team"})).await.expect(200);
    // Ten days of February as before and eighteen of the new plan: 7,400.
    assert_eq!(paid_by_march(&billing, &id).await, 2_900 + 7_400 + 9_900);
}

#[tokio::test]
async fn a_change_at_the_end_of_the_period_asked_for_late_waits_for_the_end_of_the_present_one() {
    let (billing, id) = late().await;
    let body = json!({"plan_code": "team", "effective": "period_end"});
    let changed = billing.change(&id, body).await.expect(200);
    assert_eq!(changed["subscription"]["current_period_end"], MARCH);
    assert_eq!(paid_by_march(&billing, &id).await, 2_900 + 2_900 + 9_900);
}

#[tokio::test]
async fn a_change_to_another_interval_made_late_bills_the_days_before_it() {
    let (billing, id) = late().await;
    billing.change(&id, json!({"plan_code": "yearly"})).await.expect(200);
    // Ten of the 28 days of February as before, then 355 of the 365 days of the year that begins with the month.
    assert_eq!(paid_by_march(&billing, &id).await, 2_900 + 1_036 + 28_205);
}

#[tokio::test]
async fn whoever_pauses_just_before_each_sweep_does_not_escape_it() {
    let billing = Billing::at(JANUARY).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    let to = async |state: &str| billing.transition(&id, &billing.user, json!({"to_state": state})).await;
    for _ in 0..7 {
        to("paused").await.expect(200);
        billing.sweep().await;
        to("active").await.expect(200);
        billing.clock.shift(TimeDelta::days(1));
    }
    // The due date: the pause finds it overdue.
    let refused = to("paused").await.expect_problem(422, "invalid_transition");
    assert_eq!(refused["from"], "past_due");
    assert_eq!(
        billing.kinds(&id).await.last().map(String::as_str),
        Some("past_due by system:billing as invoice_overdue")
    );
    for _ in 7..60 {
        billing.sweep().await;
        assert_ne!(to("paused").await.status, 200);
        billing.clock.shift(TimeDelta::days(1));
    }
    assert_eq!(billing.state(&id).await, "cancelled");
}

/// The records of which a step is due, when it is, and its events.
fn due(due: Due, of_row: Ready) -> (Ready, &'static str, &'static [&'static str]) {
    const END_OF_JANUARY: &str = "2027-01-20T00:00:00Z";
    match due {
        Due::Renewal => (of_row, LATE, &["renewed", "invoice_opened"]),
        Due::Overdue => (Ready::Subscribed, END_OF_JANUARY, &["past_due by system:billing as invoice_overdue"]),
        Due::TrialEnd => {
            (Ready::InTrial, END_OF_JANUARY, &["active by system:billing as trial_ended", "invoice_opened"])
        }
        Due::PlanChange => (Ready::Changing, LATE, &["plan_changed", "invoice_opened"]),
        Due::Cancellation => (Ready::Cancelling, LATE, &["subscription_cancelled"]),
    }
}

#[tokio::test]
async fn every_command_finds_the_clock_s_step_taken() {
    let billing = Billing::at(JANUARY).await;
    stock(&billing).await;
    let mut prepared = Vec::new();
    // The table insists that every command on a deployment says what becomes of it.
    for (n, (row, late)) in rows().filter_map(|row| Some((row, row.late?))).enumerate() {
        let (ready, at, step) = due(late.due, row.on);
        let target = row.ready_on(ready, &billing, &format!("t{n}"), n).await;
        prepared.push((row, late.outcome, billing.kinds(&target.id).await.len(), target, at, step));
    }
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    for (row, outcome, known, target, at, step) in prepared {
        billing.set_time(at);
        let reply = send(row.request(&billing, &target).bearer_auth(&billing.admin)).await;
        let accepted = (200..300).contains(&reply.status);
        let next = billing.books(&target.id).await.aggregate.next_action();
        assert_eq!(next.filter(|next| next.at <= billing.clock.now()), None, "{}", row.handler);
        let events = kinds_after(&billing, &target.id, known).await;
        found.push((row.handler, if accepted { Ok(()) } else { Err(reply.status) }, events.join(", ")));
        let events = [step, outcome.unwrap_or_default()].concat();
        expected.push((row.handler, outcome.map(|_| ()), events.join(", ")));
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_request_takes_three_steps_and_the_next_one_goes_on() {
    let billing = Billing::at(JANUARY).await;
    let id = billing.fill(1, "free").await.remove(0);
    billing.set_time("2027-05-15T00:00:00Z");
    let known = billing.kinds(&id).await.len();
    let before = billing.fingerprint().await;
    let asked = transition(&billing, &id, &json!({"to_state": "paused", "dry_run": true}));
    let dry = send(asked).await.expect(200);
    assert_eq!((&dry["deployment"]["state"], &dry["deployment"]["version"]), (&json!("paused"), &json!(known + 9)));
    assert_eq!(billing.fingerprint().await, before, "a dry run writes nothing, however many steps it takes");
    billing.dynamodb.clear();
    let keyed = || transition(&billing, &id, &json!({"to_state": "paused"})).header("idempotency-key", "pause");
    let refused = send(keyed()).await;
    assert_eq!(refused.header("retry-after"), "1");
    refused.expect_problem(503, "catching_up");
    let renewal = ["renewed", "invoice_opened"];
    assert_eq!(kinds_after(&billing, &id, known).await, renewal.repeat(3), "what was done is kept");
    assert_eq!(billing.dynamodb.count("TransactWriteItems"), 3);
    let done = send(keyed()).await;
    assert_eq!((done.status, done.header("idempotent-replayed")), (200, ""), "{}", done.text);
    let events = kinds_after(&billing, &id, known + 6).await;
    assert_eq!(events, ["renewed", "invoice_opened", "paused by bob as "]);
    let again = send(keyed()).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, "true"));
    assert_eq!(again.text, done.text);
}

#[tokio::test]
async fn if_match_is_about_the_version_that_the_command_would_meet() {
    let (billing, id) = late().await;
    let version = billing.show(&id).await["deployment"]["version"].as_u64().expect("a version");
    let body = json!({"display_name": "The shop"});
    let path = format!("/deployments/{id}");
    let patch = |version: u64| {
        let request = billing.request(Method::PATCH, &path, &billing.user).json(&body);
        request.header("if-match", format!("\"{version}\""))
    };
    let before = billing.fingerprint().await;
    let reply = send(patch(version - 1)).await;
    assert_eq!(reply.header("etag"), format!("\"{version}\""));
    assert_eq!(reply.expect_problem(412, "precondition_failed")["current_version"], version);
    assert_eq!(billing.fingerprint().await, before, "what fails at once takes no step");
    let reply = send(patch(version)).await;
    assert_eq!(reply.header("etag"), format!("\"{}\"", version + 2));
    assert_eq!(reply.expect_problem(412, "precondition_failed")["current_version"], version + 2);
    assert_eq!(
        billing.kinds(&id).await[2 + 1..].last().map(String::as_str),
        Some("invoice_opened"),
        "the step is kept"
    );
    send(patch(version + 2)).await.expect(200);
}

#[tokio::test]
async fn a_dry_run_takes_the_steps_in_memory() {
    let (billing, id) = late().await;
    let version = billing.show(&id).await["deployment"]["version"].as_u64().expect("a version");
    let before = billing.fingerprint().await;
    let change = |dry_run: bool, version: u64| {
        let path = format!("/deployments/{id}/subscription/change");
        let request = billing.request(Method::POST, &path, &billing.user);
        request.header("if-match", format!("\"{version}\"")).json(&json!({"plan_code": "team", "dry_run": dry_run}))
    };
    billing.dynamodb.clear();
    let dry = send(change(true, version)).await;
    assert_eq!(dry.header("etag"), format!("\"{version}\""), "what is stored");
    let dry = dry.expect(200);
    assert_eq!(
        billing.dynamodb.operations(),
        ["BatchGetItem", "GetItem", "Query"],
        "the policy of the renewal, the plan"
    );
    assert_eq!(billing.fingerprint().await, before);
    assert_eq!(dry["subscription"]["current_period_end"], MARCH);
    let told = dry["event"]["sequence"].as_u64();
    assert_eq!(told, Some(version + 3), "after the renewal and its invoice");
    let pause = transition(&billing, &id, &json!({"to_state": "paused", "dry_run": true}));
    assert_eq!(send(pause).await.expect(200)["event"]["sequence"].as_u64(), told);
    assert_eq!(billing.fingerprint().await, before);
    // Carried out, it comes to the same.
    rename(&billing, &id).await.expect(200);
    let done = send(change(false, version + 3)).await.expect(200);
    let amounts = |answer: &Value| crate::harness::shop::column(&answer["lines"], "amount_cents");
    assert_eq!(amounts(&done), amounts(&dry));
}

#[tokio::test]
async fn a_repeated_key_is_answered_from_its_record_whatever_is_due() {
    let billing = Billing::at("2027-01-31T12:00:00Z").await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    billing.settle(&id).await;
    let attach = || {
        let request = billing.request(Method::POST, &format!("/deployments/{id}/subscription/addons"), &billing.user);
        request.json(&json!({"addon_code": "storage_50gb"})).header("idempotency-key", "attach")
    };
    let first = send(attach()).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let known = billing.kinds(&id).await.len();
    billing.set_time("2027-02-01T06:00:00Z");
    // The renewal cannot be written; whoever asks again is told what was done.
    billing.dynamodb.plan("TransactWriteItems", 1, Fault::named("ValidationException"));
    for round in 0..3 {
        let again = send(attach()).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"), "{round}: {}", again.text);
        assert_eq!(again.text, first.text, "{round}");
    }
    assert_eq!(kinds_after(&billing, &id, known).await, ["renewed", "invoice_opened"], "attached once");
}

#[tokio::test]
async fn a_step_that_is_refused_for_good_bars_nobody_from_repairs() {
    let (billing, id) = late().await;
    let known = billing.kinds(&id).await.len();
    let refuse = || billing.dynamodb.plan("TransactWriteItems", 1, Fault::named("ValidationException"));
    refuse();
    rename(&billing, &id).await.expect_problem(500, "internal");
    let number = billing.newest(&id).await;
    refuse();
    billing.pay(&id, &number, "again", 1).await.expect_problem(500, "internal");
    assert_eq!(kinds_after(&billing, &id, known).await, Vec::<String>::new());
    refuse();
    let body = json!({"billing_action_suspended": true});
    billing.patch(&format!("/deployments/{id}"), &billing.admin, body).await.expect(200);
    assert_eq!(kinds_after(&billing, &id, known).await, ["updated"], "without the renewal");
    // What is refused for another reason than what is in the step is no reason to do without it.
    billing.dynamodb.plan("TransactWriteItems", 1, Fault::named("AccessDeniedException"));
    let body = json!({"billing_action_suspended": false});
    let path = format!("/deployments/{id}");
    billing.patch(&path, &billing.admin, body.clone()).await.expect_problem(500, "internal");
    billing.dynamodb.plan("TransactWriteItems", 3, Fault::named("ThrottlingException"));
    billing.patch(&path, &billing.admin, body.clone()).await.expect_problem(503, "unavailable");
    billing.patch(&path, &billing.admin, body).await.expect(200);
    assert_eq!(kinds_after(&billing, &id, known + 1).await, ["renewed", "invoice_opened", "updated"]);
}

#[tokio::test]
async fn a_step_that_meets_somebody_else_is_decided_anew() {
    let (billing, id) = late().await;
    let overtaken = || Fault::cancelled(&["ConditionalCheckFailed"]);
    let known = billing.kinds(&id).await.len();
    billing.dynamodb.clear();
    billing.dynamodb.plan("TransactWriteItems", 3, overtaken());
    rename(&billing, &id).await.expect(200);
    assert_eq!(
        (
            billing.dynamodb.count("Query"),
            billing.dynamodb.count("GetItem"),
            billing.dynamodb.count("TransactWriteItems")
        ),
        (4, 1, 5),
        "it is read again each time, the policy is not"
    );
    assert_eq!(kinds_after(&billing, &id, known).await, ["renewed", "invoice_opened", "updated"]);
    billing.set_time(MARCH);
    billing.dynamodb.plan("TransactWriteItems", ALWAYS, overtaken());
    let reply = rename(&billing, &id).await;
    assert_eq!(reply.header("retry-after"), "1");
    reply.expect_problem(503, "catching_up");
}

#[tokio::test]
async fn callers_and_sweeps_at_once_take_a_step_once() {
    let (billing, id) = late().await;
    let known = billing.kinds(&id).await.len();
    let renames = (0..8).map(|n| {
        let body = json!({"display_name": format!("Shop {n}")});
        let (billing, id) = (&billing, &id);
        async move { billing.patch(&format!("/deployments/{id}"), &billing.user, body).await.status }
    });
    let (statuses, report) = tokio::join!(futures_util::future::join_all(renames), billing.sweep_anyhow());
    assert!(statuses.iter().all(|status| [200, 409, 503].contains(status)), "{statuses:?} {report:?}");
    let kinds = kinds_after(&billing, &id, known).await;
    let renamed = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(kinds[..2], ["renewed", "invoice_opened"]);
    assert_eq!(kinds[2..], vec!["updated"; renamed]);
}

#[tokio::test]
async fn what_is_read_shows_what_is_stored() {
    let (billing, id) = late().await;
    let before = billing.fingerprint().await;
    let shown = billing.show(&id).await;
    assert_eq!(
        (&shown["deployment"]["next_action"], &shown["deployment"]["next_action_at"]),
        (&json!("renew"), &json!(FEBRUARY))
    );
    assert_eq!(billing.invoices(&id).await.len(), 1);
    assert_eq!(billing.fingerprint().await, before);
}

/// The permissions that due steps need before a command.
pub async fn step_permissions() -> Permissions {
    let billing = Billing::at(JANUARY).await;
    // One changes to a plan that its add-on does not fit, and one never pays.
    let addons = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
    let changing = billing.create_subscribed("changing", addons).await;
    billing.settle(&changing).await;
    let to_euro = json!({"plan_code": "euro", "effective": "period_end", "drop_incompatible": true});
    billing.change(&changing, to_euro).await.expect(200);
    let unpaid = billing.create_subscribed("unpaid", json!({"plan_code": "studio"})).await;
    billing.dynamodb.clear();
    for at in ["2027-01-08T00:00:00Z", "2027-01-22T00:00:00Z", "2027-02-07T00:00:00Z"] {
        billing.set_time(at);
        for id in [&changing, &unpaid] {
            billing
                .patch(&format!("/deployments/{id}"), &billing.user, json!({"region": "eu-west-1"}))
                .await
                .expect(200);
        }
    }
    let needed = needed(&billing.dynamodb.seen());
    assert_eq!(billing.state(&unpaid).await, "cancelled");
    needed
}
