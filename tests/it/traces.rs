//! The promise: built with the feature `traces`, the binary prints the work of an invocation as spans that any
//! OpenTelemetry collector accepts, within X-Ray's trace, and nothing unless X-Ray samples it. The feature is not
//! deployed, so these tests are built separately: `cargo test --workspace --features arcadia-tests/traces --test it
//! traces::`.

use arcadia_functions::spans::MAX_SPANS;
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::lambda::{self, Ran};
use crate::harness::{Fault, World};

/// Long ago, since the binary uses the machine's clock.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";
const SAMPLED: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
const NOT_SAMPLED: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";

async fn run(world: &World, trace: Option<&'static str>, handler: &str, events: &[Value]) -> Ran {
    let table = (world.dynamodb.endpoint.as_str(), world.app.store.table());
    lambda::run_within(trace, handler, Some(table), events).await
}

/// A call of the route that moves a deployment.
fn transition(id: &str, to_state: &str) -> Value {
    let body = json!({"to_state": to_state}).to_string();
    lambda::event(&["transition_deployment", &format!("id={id}"), "--body", &body])
}

/// The spans of a line, after checking their common form.
fn spans(line: &Value) -> Vec<Value> {
    let resource = &line["resourceSpans"][0];
    assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "arcadia-cloud");
    let spans = resource["scopeSpans"][0]["spans"].as_array().expect("spans").clone();
    assert!((1..=MAX_SPANS).contains(&spans.len()));
    for span in &spans {
        assert_eq!(span["traceId"], "5759e988bd862e3fe1be46a994272793");
        let id = span["spanId"].as_str().unwrap();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(nanoseconds(span, "startTimeUnixNano") <= nanoseconds(span, "endTimeUnixNano"), "{span}");
    }
    spans
}

/// A time, which OTLP's JSON has as a string.
fn nanoseconds(span: &Value, name: &str) -> u64 {
    span[name].as_str().expect("a text").parse().expect("nanoseconds")
}

/// The value of an attribute of a span, as a string.
fn attribute<'a>(span: &'a Value, key: &str) -> &'a str {
    let mut attributes = span["attributes"].as_array().expect("attributes").iter();
    let value = attributes.find(|attribute| attribute["key"] == key).map(|attribute| &attribute["value"]);
    value.and_then(|value| value["stringValue"].as_str().or(value["intValue"].as_str())).unwrap_or_default()
}

#[tokio::test]
async fn a_call_is_a_span_and_so_is_every_attempt_of_every_request_in_it() {
    let world = World::start().await;
    let id = world.create("shop").await["id"].as_str().unwrap().to_owned();
    world.dynamodb.plan("TransactWriteItems", 1, Fault::cancelled(&["TransactionConflict", "None"]));
    let events = [transition(&id, "paused"), transition(&id, "archived")];
    let ran = run(&world, Some(SAMPLED), "transition_deployment", &events).await;
    let [paused, refused] = &ran.traces[..] else { panic!("{ran:?}") };

    let (paused, refused) = (spans(paused), spans(refused));
    let names =
        |spans: &[Value]| spans.iter().map(|span| span["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let (query, write) = ("DynamoDB.Query", "DynamoDB.TransactWriteItems");
    assert_eq!(names(&paused), [query, write, write, "transition_deployment"]);
    assert_eq!(names(&refused), [query, "transition_deployment"]);
    let errors: Vec<&str> = paused.iter().map(|span| attribute(span, "error.type")).collect();
    assert_eq!(errors, ["", "TransactionCanceledException", "", ""], "a failed request was sent again");
    assert_eq!((&paused[1]["status"]["code"], &paused[2]["status"]), (&json!(2), &Value::Null));

    for (spans, status, code) in [(&paused, "200", ""), (&refused, "422", "invalid_transition")] {
        let (root, requests) = spans.split_last().unwrap();
        assert_eq!((&root["kind"], &root["parentSpanId"]), (&json!(2), &json!("53995c3f42cd8ad8")));
        for (key, value) in [
            ("faas.name", "transition_deployment"),
            ("faas.invocation_id", "request-transition_deployment"),
            ("http.request.method", "POST"),
            ("http.route", "/api/v1/deployments/{id}/transition"),
            ("http.response.status_code", status),
            ("arcadia.deployment_id", &id),
            ("arcadia.code", code),
        ] {
            assert_eq!(attribute(root, key), value, "{key}");
        }
        for request in requests {
            assert_eq!((&request["kind"], &request["parentSpanId"]), (&json!(3), &root["spanId"]));
            assert_eq!(attribute(request, "db.system.name"), "aws.dynamodb");
            assert!(nanoseconds(root, "startTimeUnixNano") <= nanoseconds(request, "startTimeUnixNano"));
            assert!(nanoseconds(request, "endTimeUnixNano") <= nanoseconds(root, "endTimeUnixNano"));
        }
    }
}

#[tokio::test]
async fn an_invocation_that_is_not_sampled_prints_no_more_than_without_the_feature() {
    let world = World::start().await;
    let id = world.create("shop").await["id"].as_str().unwrap().to_owned();
    for trace in [None, Some(NOT_SAMPLED), Some("Root=;Sampled=1")] {
        let ran = run(&world, trace, "transition_deployment", &[transition(&id, "active")]).await;
        assert_eq!(ran.answers[0]["statusCode"], 200);
        assert_eq!((ran.traces.len(), ran.logs.len()), (0, 1), "{ran:?}");
    }
}

#[tokio::test]
async fn the_spans_of_a_long_sweep_come_in_several_lines_and_none_is_missing() {
    let billing = Billing::at(LONG_AGO).await;
    billing.fill(MAX_SPANS, "free").await;
    billing.dynamodb.clear();
    let ran = run(&billing, Some(SAMPLED), "billing_sweep", &[json!({})]).await;
    assert_eq!(ran.answers[0]["due"], MAX_SPANS, "{:?}", ran.answers);
    let all: Vec<Value> = ran.traces.iter().flat_map(spans).collect();
    let (root, requests) = all.split_last().unwrap();
    assert_eq!((&root["name"], attribute(root, "faas.name")), (&json!("billing_sweep"), "billing_sweep"));
    assert!(requests.iter().all(|request| request["parentSpanId"] == root["spanId"]));
    // All but the request that warms the connection, before the invocation.
    assert_eq!(requests.len(), billing.dynamodb.seen().len() - 1);
    assert!(ran.traces.len() > 2 && requests.len() > 2 * MAX_SPANS, "{} spans", all.len());
}
