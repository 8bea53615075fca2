//! The promise: the deployed binary counts what it does, a line for each invocation, and the dashboard and the alarms
//! name nothing that it does not count.

use std::collections::BTreeSet;
use std::fs;

use arcadia_store::metrics::{REJECTIONS, names};
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::lambda::{self, NAMESPACE, Ran};
use crate::harness::project::ROOT;
use crate::harness::{Fault, yaml};

/// Long ago, since the binary goes by the machine's clock.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";

/// Runs functions on the table of a world, through its proxy.
async fn run(billing: &Billing, handler: &str, events: &[Value]) -> Ran {
    lambda::run(handler, Some((&billing.dynamodb.endpoint, billing.app.store.table())), events).await
}

/// A call of the route that moves a deployment.
fn transition(id: &str, to_state: &str) -> Value {
    let text = fs::read_to_string(format!("{ROOT}/infra/events/transition_deployment.json")).unwrap();
    let mut event: Value = serde_json::from_str(&text.replace("00000000-0000-7000-8000-000000000000", id)).unwrap();
    event["body"] = json!({"to_state": to_state}).to_string().into();
    event
}

/// What a line counts, after a look at its form: one directive, that names each count and its unit.
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
async fn a_call_counts_what_came_of_it_and_a_mere_look_nothing() {
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
            json!({"Commits": 1, "Retries": 1, "Transitions.active.paused": 1}),
            json!({"Rejections.invalid_transition": 1}),
        ]
    );
    billing.dynamodb.plan("TransactWriteItems", 1, Fault::cancelled(&["ConditionalCheckFailed", "None"]));
    let same = transition(&id, "paused");
    let second = run(&billing, "transition_deployment", &[transition(&id, "active"), same]).await;
    let statuses: Vec<&Value> = second.answers.iter().map(|answer| &answer["statusCode"]).collect();
    assert_eq!(statuses, [&json!(409), &json!(200)], "{second:?}");
    let lines: Vec<Value> = second.metrics.iter().map(counted).collect();
    assert_eq!(lines, [json!({"Conflicts": 1})], "and nothing where nothing happened");
    let printed = format!("{:?}{:?}", first.metrics, second.metrics);
    assert!(!printed.contains(&id) && !printed.contains("acme"), "no id is part of a line");
}

#[tokio::test]
async fn a_sweep_counts_its_steps_what_they_did_and_how_late_it_was() {
    let billing = Billing::at(LONG_AGO).await;
    billing.create_subscribed("unpaid", json!({"plan_code": "studio"})).await;
    billing.fill(2, "free").await;
    let ran = run(&billing, "billing_sweep", &[json!({})]).await;
    let [line] = &ran.metrics[..] else { panic!("{ran:?}") };
    let line = counted(line);
    // The first goes past due and, as it is so far behind, no further; the free ones renew three times, at no charge.
    assert_eq!(ran.answers[0]["due"], 3, "{ran:?}");
    assert_eq!((&line["Steps"], &line["Commits"]), (&ran.answers[0]["steps"], &ran.answers[0]["steps"]));
    assert_eq!((&line["Transitions.active.past_due"], &line["InvoicesOverdue"]), (&json!(1), &json!(1)));
    assert!(line["InvoicesOpened"].as_u64() >= Some(6) && line["InvoicesPaid"].as_u64() >= Some(6), "{line}");
    assert!(line["SweepLag"].as_u64() > Some(86_400 * 30), "{line}");
    assert_eq!((&line["Postponed"], &line["Unanswered"]), (&json!(0), &json!(0)));
}

/// The metrics that alarms and the dashboard name, as namespace and name, and whether they have dimensions.
fn named() -> BTreeSet<(String, String, bool)> {
    let template = yaml::read("infra/alarms.yaml");
    let resources = template["Resources"].as_object().unwrap();
    let mut named = BTreeSet::new();
    let namespace = |value: &Value| match value {
        Value::String(name) => name.clone(),
        reference => {
            assert_eq!(*reference, json!({"!Ref": "Namespace"}));
            "${Namespace}".to_owned()
        }
    };
    let mut name = |metric: &Value| {
        let text = metric["MetricName"].as_str().unwrap().to_owned();
        named.insert((namespace(&metric["Namespace"]), text, !metric["Dimensions"].is_null()));
    };
    for alarm in resources.values().filter(|resource| resource["Type"] == "AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        match properties["Metrics"].as_array() {
            Some(queries) => {
                queries.iter().map(|query| &query["MetricStat"]["Metric"]).filter(|m| !m.is_null()).for_each(&mut name)
            }
            None => name(properties),
        }
    }
    let body = resources["Dashboard"]["Properties"]["DashboardBody"]["!Sub"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).expect("the dashboard is JSON");
    for widget in body["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().unwrap() {
            if let Some(search) = metric[0]["expression"].as_str() {
                // All metrics that begin with a word.
                let word = search.split('"').nth(3).unwrap();
                assert_eq!(search, format!(r#"SEARCH('{{"${{Namespace}}"}} "{word}"', 'Sum', 300)"#));
                assert!(
                    word == REJECTIONS || names().iter().any(|name| name.starts_with(&format!("{word}."))),
                    "{word}"
                );
            } else {
                let texts: Vec<String> =
                    metric.as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned).collect();
                named.insert((texts[0].clone(), texts[1].clone(), texts.len() > 2));
            }
        }
    }
    named
}

#[test]
fn what_alarms_and_the_dashboard_name_is_counted() {
    let template = yaml::read("infra/alarms.yaml");
    let filters = template["Resources"].as_object().unwrap().values();
    let filters = filters.filter(|resource| resource["Type"] == "AWS::Logs::MetricFilter");
    let filtered = filters.flat_map(|filter| filter["Properties"]["MetricTransformations"].as_array().unwrap());
    let mut own: BTreeSet<String> = names().into_iter().collect();
    own.extend(filtered.map(|metric| metric["MetricName"].as_str().unwrap().to_owned()));
    let named = named();
    for (namespace, name, has_dimensions) in &named {
        if namespace == "${Namespace}" {
            assert!(own.contains(name), "nobody counts {name}");
            assert!(!has_dimensions, "{name}");
        } else {
            assert!(namespace.starts_with("AWS/"), "{namespace} {name}");
        }
    }
    let shown: BTreeSet<&String> = named.iter().map(|(_, name, _)| name).collect();
    for name in own.iter().filter(|name| !name.starts_with("Transitions.")) {
        assert!(shown.contains(name), "{name} is shown nowhere");
    }
    // The namespace is the same on both sides.
    let root = yaml::template();
    let stack = json!({"!Ref": "AWS::StackName"});
    assert_eq!(root["Globals"]["Function"]["Environment"]["Variables"]["METRICS_NAMESPACE"], stack);
    assert_eq!(root["Resources"]["Alarms"]["Properties"]["Parameters"]["Namespace"], stack);
}
