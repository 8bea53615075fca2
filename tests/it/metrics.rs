//! The promise: the deployed binary writes metrics, one line for each invocation.

use arcadia_store::metrics::{REJECTIONS, names};
use serde_json::{Value, json};

use crate::harness::Fault;
use crate::harness::billing::Billing;
use crate::harness::lambda::{self, NAMESPACE, Ran};

/// Long ago, since the binary uses the machine's clock.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";

/// Runs functions on the table of a world, through its proxy.
async fn run(billing: &Billing, handler: &str, events: &[Value]) -> Ran {
    lambda::run(handler, Some((&billing.dynamodb.endpoint, billing.app.store.table())), events).await
}

/// A call of the route that moves a deployment.
fn transition(id: &str, to_state: &str) -> Value {
    let body = json!({"to_state": to_state}).to_string();
    lambda::event(&["transition_deployment", &format!("id={id}"), "--body", &body])
}

/// The counts of a line, after checking its form: one directive that names each count and its unit.
fn counted(line: &Value) -> Value {
    let mut counted = line.clone();
    let envelope = counted.as_object_mut().unwrap().shift_remove("_aws").unwrap();
    assert!(envelope["Timestamp"].as_i64().unwrap() > 1_700_000_000_000, "milliseconds: {envelope}");
    let [directive] = &envelope["CloudWatchMetrics"].as_array().unwrap()[..] else { panic!("{envelope}") };
    assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!(NAMESPACE), &json!([[]])));
    for definition in directive["Metrics"].as_array().unwrap() {
        let (name, unit) = (definition["Name"].as_str().unwrap(), definition["Unit"].as_str().unwrap());
        assert_eq!(unit, if name == "SweepLag" { "Seconds" } else { "Count" });
        assert!(counted[name].is_u64(), "{line}");
        assert!(names().iter().any(|known| known == name) || name.starts_with(REJECTIONS), "{name}");
    }
    assert_eq!(directive["Metrics"].as_array().unwrap().len(), counted.as_object().unwrap().len());
    counted
}

#[tokio::test]
async fn a_call_counts_its_outcome_and_a_read_counts_nothing() {
    let billing = Billing::at(LONG_AGO).await;
    let id = billing.create("shop").await["id"].as_str().unwrap().to_owned();
    billing.dynamodb.plan("TransactWriteItems", 1, Fault::cancelled(&["TransactionConflict", "None"]));
    let first = run(&billing, "transition_deployment", &[transition(&id, "paused"), transition(&id, "archived")]).await;
    let statuses: Vec<&Value> = first.answers.iter().map(|answer| &answer["statusCode"]).collect();
    assert_eq!(statuses, [&json!(200), &json!(422)], "{first:?}");
    let lines: Vec<Value> = first.metrics.iter().map(counted).collect();
    assert_eq!(
        lines,
        [
            json!({"Commits": 1, "Published": 0, "Retries": 1, "Transitions.active.paused": 1}),
            json!({"Rejections.invalid_transition": 1}),
        ]
    );
    billing.dynamodb.plan("TransactWriteItems", 1, Fault::cancelled(&["ConditionalCheckFailed", "None"]));
    let same = transition(&id, "paused");
    let second = run(&billing, "transition_deployment", &[transition(&id, "active"), same]).await;
    let statuses: Vec<&Value> = second.answers.iter().map(|answer| &answer["statusCode"]).collect();
    assert_eq!(statuses, [&json!(409), &json!(200)], "{second:?}");
    let lines: Vec<Value> = second.metrics.iter().map(counted).collect();
    assert_eq!(lines, [json!({"Conflicts": 1})], "an invocation without counts writes no line");
    // The size that the guide's cost table assumes for the logs of an invocation.
    let lines = [&first.metrics, &first.logs, &second.metrics, &second.logs].into_iter().flatten();
    let bytes: usize = lines.map(|line| line.to_string().len()).sum();
    assert!(bytes <= 4 * 1024, "{bytes} bytes for four invocations");
    let printed = format!("{:?}{:?}", first.metrics, second.metrics);
    assert!(!printed.contains(&id) && !printed.contains("acme"), "a line contains no id");
}

#[tokio::test]
async fn a_sweep_counts_its_steps_what_they_did_and_how_late_it_was() {
    let billing = Billing::at(LONG_AGO).await;
    billing.create_subscribed("unpaid", json!({"plan_code": "studio"})).await;
    billing.fill(2, "free").await;
    let ran = run(&billing, "billing_sweep", &[json!({})]).await;
    let [line] = &ran.metrics[..] else { panic!("{ran:?}") };
    let line = counted(line);
    // The first becomes past due and, being so far behind, goes no further. The free ones renew three times, at no
    // charge.
    assert_eq!(ran.answers[0]["due"], 3, "{ran:?}");
    assert_eq!((&line["Steps"], &line["Commits"]), (&ran.answers[0]["steps"], &ran.answers[0]["steps"]));
    assert_eq!((&line["Transitions.active.past_due"], &line["InvoicesOverdue"]), (&json!(1), &json!(1)));
    assert!(line["InvoicesOpened"].as_u64() >= Some(6) && line["InvoicesPaid"].as_u64() >= Some(6), "{line}");
    assert!(line["SweepLag"].as_u64() > Some(86_400 * 30), "{line}");
    assert_eq!((&line["Postponed"], &line["Unanswered"]), (&json!(0), &json!(0)));
}
