//! The promise: the pipe puts every event on the bus, once, as the API shows it, and nothing else. A consumer that
//! follows `sequence` gets each deployment's whole history.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use arcadia_functions::events::count::count;
use arcadia_functions::events::publish::{CATALOG_SCHEMA, SOURCE, publish};
use arcadia_local::engine::{Engine, Purpose, Storage};
use arcadia_store::stream::{is_event, to_difference};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::events_docs::{catalog_validator, tenant_validator, validator};
use crate::harness::billing::Billing;
use crate::harness::history::{BEGINNING, event_types, everything};
use crate::harness::stream::{Stream, matches};
use crate::harness::{dynamodb, lambda, table, yaml};

/// The properties of the pipe.
fn pipe() -> Value {
    yaml::read("infra/aws/events.yaml")["Resources"]["Pipe"]["Properties"].clone()
}

/// The pipe's own filter.
fn filter() -> Value {
    let filters = &pipe()["SourceParameters"]["FilterCriteria"]["Filters"];
    assert_eq!(filters.as_array().map(Vec::len), Some(1));
    serde_json::from_str(filters[0]["Pattern"].as_str().unwrap()).unwrap()
}

/// The member of an event at a path of the pipe's template.
fn at_path<'a>(event: &'a Value, path: &Value) -> &'a Value {
    let path = path.as_str().and_then(|path| path.strip_prefix("$.")).unwrap_or_else(|| panic!("{path} is no path"));
    &event[path]
}

/// The message that the pipe puts on the bus for the function's output: its template, with a value for every path in
/// angle brackets.
fn on_the_bus(returned: &Value) -> Value {
    let template = pipe()["TargetParameters"]["InputTemplate"].as_str().expect("a template").to_owned();
    let mut parts = template.split('<');
    let mut detail = parts.next().expect("a beginning").to_owned();
    for part in parts {
        let (path, rest) = part.split_once('>').expect("a path between angle brackets");
        detail += &format!("{}{rest}", at_path(returned, &path.into()));
    }
    serde_json::from_str(&detail).expect("the detail is JSON")
}

/// The events of a deployment as published, derived from the API's answers.
async fn told(billing: &Billing, id: &str) -> Vec<Value> {
    let tenant_id =
        billing.get(&format!("/deployments/{id}"), &billing.admin).await.expect(200)["deployment"]["tenant_id"].take();
    let mut events = billing.collect(&format!("/deployments/{id}/events?limit=100"), &billing.admin, "events").await;
    events.reverse();
    for event in &mut events {
        event["deployment_id"] = id.into();
        event["tenant_id"] = tenant_id.clone();
    }
    events
}

/// Makes every kind of event and publishes the stream's records, as the pipe would.
async fn check(endpoint: &'static str) {
    let billing = Billing::on(endpoint, BEGINNING).await;
    let changes = async || billing.collect("/catalog/events?limit=100", &billing.admin, "events").await;
    let unseen = changes().await;
    let stream = Stream::open(endpoint, &billing.app.store).await.unwrap();
    let ids = everything(&billing).await;
    let mut expected = Vec::new();
    for id in &ids {
        expected.push(told(&billing, id).await);
    }
    let mut changes = changes().await;
    changes.retain(|event| !unseen.contains(event));
    let count = expected.iter().map(Vec::len).sum::<usize>() + changes.len();
    let filter = filter();
    let records = stream.records(count, |record| matches(&filter, record)).await;
    let (passing, other): (Vec<Value>, Vec<Value>) = records.into_iter().partition(|record| matches(&filter, record));
    assert!(passing.iter().all(is_event) && !other.iter().any(is_event), "the code has the same filter");
    assert!(!other.is_empty());
    let batch = usize::try_from(pipe()["SourceParameters"]["DynamoDBStreamParameters"]["BatchSize"].as_u64().unwrap());
    let batches = passing.chunks(batch.unwrap()).map(|batch| json!(publish(&json!(batch)).unwrap()));
    let returned: Vec<Value> = batches.flat_map(|batch| batch.as_array().unwrap().clone()).collect();
    assert_eq!(returned.len(), count);
    // The pipe uses this to retry single records if the bus accepts only part of a batch.
    for (record, event) in passing.iter().zip(&returned) {
        assert!(record["eventID"].is_string() && record["eventID"] == event["eventID"], "{record}");
    }
    let published: Vec<Value> = returned.iter().map(on_the_bus).collect();
    let unique: BTreeSet<String> = published.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(unique.len(), count);
    let is_of_catalog = |event: &Value| event["dataschema"] == CATALOG_SCHEMA;
    let (of_catalog, published): (Vec<Value>, Vec<Value>) = published.into_iter().partition(is_of_catalog);
    check_of_catalog(&of_catalog, &changes);
    let validator = validator();
    for event in &published {
        let errors: Vec<String> = validator.iter_errors(event).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{event} does not match the schema");
    }
    for (id, expected) in ids.iter().zip(&expected) {
        // The stream keeps order for one item only.
        let mut of_one: Vec<&Value> = published.iter().filter(|event| event["subject"] == **id).collect();
        of_one.sort_by_key(|event| event["sequence"].as_str());
        let data: Vec<&Value> = of_one.iter().map(|event| &event["data"]).collect();
        assert_eq!(data, expected.iter().collect::<Vec<_>>(), "{id}");
        for (n, event) in (1..).zip(of_one) {
            assert_eq!(event["id"], format!("{id}/{n}"));
            assert_eq!(event["sequence"], format!("{n:010}"));
            check_envelope(event);
        }
    }
    let types: BTreeSet<&str> = published.iter().map(|event| event["data"]["type"].as_str().unwrap()).collect();
    assert_eq!(types, event_types().iter().map(String::as_str).collect::<BTreeSet<_>>(), "everything happened");
}

/// Insists that the catalog's events are published as the API lists them.
fn check_of_catalog(published: &[Value], listed: &[Value]) {
    let validator = catalog_validator();
    for event in published {
        let (data, kind) = (&event["data"], event["id"].as_str().and_then(|id| id.split('/').next()).expect("a kind"));
        assert!(validator.is_valid(event), "{event} does not match the schema");
        assert_eq!(event["id"], format!("{kind}/{}/{}", event["subject"].as_str().expect("a code"), data["revision"]));
        assert_eq!(event["sequence"], format!("{:010}", data["revision"].as_u64().expect("a revision")));
        assert!(data["type"].as_str().is_some_and(|name| name.starts_with(kind)), "{event}");
        check_form(event);
    }
    let set = |events: Vec<&Value>| events.into_iter().map(Value::to_string).collect::<BTreeSet<_>>();
    assert_eq!(set(published.iter().map(|event| &event["data"]).collect()), set(listed.iter().collect()));
}

/// Insists on the envelope of a deployment's event.
fn check_envelope(event: &Value) {
    let data = &event["data"];
    assert_eq!(event["type"], format!("cloud.arcadia.deployment.{}", data["type"].as_str().unwrap()));
    assert_eq!((&event["time"], &event["tenantid"]), (&data["occurred_at"], &data["tenant_id"]));
    check_form(event);
}

/// Insists on the requirements of CloudEvents 1.0 and of the pipe's target.
fn check_form(event: &Value) {
    let target = &pipe()["TargetParameters"]["EventBridgeEventBusParameters"];
    for (name, value) in event.as_object().unwrap() {
        assert!(name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
        assert!(name == "data" || value.as_str().is_some_and(|text| !text.is_empty()), "{name}: {value}");
    }
    assert_eq!((&event["specversion"], &event["datacontenttype"]), (&json!("1.0"), &json!("application/json")));
    assert_eq!(at_path(event, &target["DetailType"]), &event["type"]);
    assert_eq!(at_path(event, &target["Source"]), SOURCE);
    assert_eq!(at_path(event, &target["Time"]), &event["time"]);
    let on_the_bus = json!({"source": event["source"], "detail-type": event["type"], "detail": event});
    let archived = &yaml::read("infra/aws/events.yaml")["Resources"]["Archive"]["Properties"]["EventPattern"];
    assert!(matches(archived, &on_the_bus));
    assert!(!matches(archived, &json!({"source": SOURCE, "replay-name": "again"})));
    // EventBridge accepts 256 KB in one call, for all events of a batch.
    assert!(event.to_string().len() * 10 < 256 * 1024, "{event}");
}

#[tokio::test]
async fn every_event_is_published_once_and_nothing_else_is() {
    check(dynamodb::endpoint()).await;
}

/// Serves an in-process engine over HTTP, since the harness sends HTTP. Returns the URL.
async fn over_http(engine: SharedHttpConnector) -> &'static str {
    let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
        let engine = engine.clone();
        async move {
            let mut request = HttpRequest::new(SdkBody::from(body.to_vec()));
            let target = headers["x-amz-target"].to_str().expect("an operation").to_owned();
            request.headers_mut().insert("x-amz-target", target);
            let response = engine.call(request).await.expect("an engine that runs");
            let body = response.body().bytes().expect("a whole body").to_vec();
            (StatusCode::from_u16(response.status().as_u16()).expect("a status"), body)
        }
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("the address of a bound listener");
    tokio::spawn(async move { axum::serve(listener, router).await });
    Box::leak(format!("http://{address}").into_boxed_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engines_stream_says_the_same() {
    let engine = Engine::start(&Storage::Memory, Purpose::Serve).await.unwrap();
    check(over_http(engine.connector()).await).await;
    engine.stop().await.unwrap();
}

#[tokio::test]
async fn the_function_publishes_and_leaves_a_trace_of_what_it_cannot_read() {
    let billing = Billing::at(BEGINNING).await;
    let stream = Stream::open(dynamodb::endpoint(), &billing.app.store).await.unwrap();
    billing.create("shop").await;
    let records = stream.records(1, is_event).await;
    let good: Vec<&Value> = records.iter().filter(|record| is_event(record)).collect();
    let mut bad = good[0].clone();
    bad["dynamodb"]["NewImage"]["type"] = json!({"S": "nonsense"});
    let table = Some((dynamodb::endpoint(), billing.app.store.table()));
    let ran = lambda::run("publish_events", table, &[json!(good), json!([good[0], bad])]).await;
    assert_eq!(ran.answers[0], json!(publish(&json!(good)).unwrap()));
    let message = ran.answers[1]["errorMessage"].as_str().unwrap();
    let sequence_number = bad["dynamodb"]["SequenceNumber"].as_str().unwrap();
    assert!(message.contains(sequence_number) && message.contains("EVENT#0000000001"), "{message}");
    let [counted] = &ran.metrics[..] else { panic!("expected one metric line of the failed batch: {:?}", ran.metrics) };
    assert_eq!(counted["Published"], good.len());
    // The stream uses the real clock, which is far behind this world's.
    let found = table::contents(&billing.direct, billing.app.store.table()).await;
    let traces = found.keys().filter(|key| format!("{key:?}").contains("ATTENTION#not_published"));
    assert_eq!(traces.count(), 1);
    assert!(
        ran.logs.iter().any(|line| line["level"] == "ERROR" && line["route"] == "publish_events"),
        "{:?}",
        ran.logs
    );
}

#[tokio::test]
async fn events_of_tenants_are_published_too_and_count_for_nothing() {
    let billing = Billing::at(BEGINNING).await;
    let stream = Stream::open(dynamodb::endpoint(), &billing.app.store).await.unwrap();
    billing.create("shop").await;
    for name in ["Acme", "Acme GmbH"] {
        billing.put("/tenants/acme", &billing.admin, json!({"name": name})).await.expect(200);
    }
    let filter = filter();
    let records = stream.records(3, |record| matches(&filter, record)).await;
    let records: Vec<&Value> = records.iter().filter(|record| matches(&filter, record)).collect();
    let published = json!(publish(&json!(records)).unwrap());
    let published: Vec<Value> = published.as_array().unwrap().iter().map(on_the_bus).collect();
    let of_tenant = |event: &&Value| event["type"] == "cloud.arcadia.tenant.updated";
    let mut told: Vec<Value> = published.iter().filter(of_tenant).cloned().collect();
    told.sort_by_key(|event| event["sequence"].as_str().map(str::to_owned));
    let events = billing.get("/tenants/acme/events?order=asc", &billing.user).await.expect(200);
    let validator = tenant_validator();
    for (n, event) in (1..).zip(&told) {
        assert_eq!(event["id"], format!("tenant/acme/{n}"));
        assert_eq!((&event["subject"], &event["tenantid"]), (&json!("acme"), &json!("acme")));
        assert!(validator.is_valid(event), "{event} does not match the schema");
        let mut data = event["data"].clone();
        assert_eq!(data.as_object_mut().unwrap().remove("tenant_id"), Some(json!("acme")));
        assert_eq!(data, events["events"][n - 1]);
    }
    assert_eq!((told.len(), published.len()), (2, 3));
    // The function that adds up figures skips them.
    let counted = count(&billing.app, &json!({"Records": records})).await.unwrap();
    assert_eq!(counted, json!({"records": 3, "transactions": 1}));
    let differences = records.iter().filter(|record| to_difference(record).unwrap().is_some());
    assert_eq!(differences.count(), 1, "the deployment's");
}

#[test]
fn the_pipe_takes_one_batch_at_a_time_and_keeps_what_it_gives_up() {
    let pipe = pipe();
    let source = &pipe["SourceParameters"]["DynamoDBStreamParameters"];
    assert_eq!((&source["ParallelizationFactor"], &source["StartingPosition"]), (&json!(1), &json!("TRIM_HORIZON")));
    assert!(source["BatchSize"].as_u64().unwrap() <= 10, "a batch is larger than the bus accepts");
    assert_eq!(source["OnPartialBatchItemFailure"], "AUTOMATIC_BISECT");
    assert_eq!(source["DeadLetterConfig"]["Arn"], json!({"!GetAtt": "DeadLetters.Arn"}));
    let function = &yaml::template()["Resources"]["PublishEvents"]["Properties"];
    assert_eq!(function["Handler"], "publish_events");
    assert_eq!(function["Policies"][0]["Statement"][0]["Action"], json!(["dynamodb:PutItem"]), "for traces");
}
