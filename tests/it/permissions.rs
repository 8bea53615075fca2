//! The promise: the scheduled functions have exactly the permissions that their work needs (`requests.rs` checks those
//! of the routes), and no deployed policy contains a wildcard.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use arcadia_functions::billing::dispatch;
use arcadia_functions::operations;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::billing::{Billing, overwrite};
use crate::harness::exchange::Seen;
use crate::harness::permissions::{self, Permissions, check_requests};
use crate::harness::routes::MISSING;
use crate::harness::yaml;
use crate::{figures, many, template};

const JANUARY: &str = "2027-01-01T00:00:00Z";
/// The actions that Lambda needs to read a queue on a function's behalf.
const POLLING: [&str; 3] = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];

fn need(action: &str, on: &str) -> (String, String) {
    (action.to_owned(), on.to_owned())
}

/// The permissions that the requests so far needed.
fn needed(billing: &Billing) -> Permissions {
    let seen = billing.dynamodb.seen();
    let written = ["TransactWriteItems", "UpdateItem"];
    let others: Vec<Seen> = seen.iter().filter(|seen| !written.contains(&&seen.operation[..])).cloned().collect();
    check_requests(&others, 0, "a scheduled function");
    permissions::needed(&seen)
}

#[tokio::test]
async fn a_sweep_may_do_what_its_steps_need_and_no_more() {
    let billing = Billing::at(JANUARY).await;
    // One changes to a plan that does not fit its add-on, one never pays, and one is damaged.
    let changing =
        billing.create_subscribed("changing", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    billing.settle(&changing).await;
    let to_euro = json!({"plan_code": "euro", "effective": "period_end", "drop_incompatible": true});
    billing.change(&changing, to_euro).await.expect(200);
    let unpaid = billing.create_subscribed("unpaid", json!({"plan_code": "studio"})).await;
    let damaged = billing.create_subscribed("damaged", json!({"plan_code": "studio"})).await;
    overwrite(&billing, &damaged, "#DEPLOYMENT", "state", Some("bogus")).await;
    billing.dynamodb.clear();
    for at in ["2027-01-08T00:00:00Z", "2027-01-22T00:00:00Z", "2027-02-07T00:00:00Z"] {
        billing.set_time(at);
        assert_eq!(billing.sweep_anyhow().await.postponed, 1, "{at}");
    }
    let mut needed = needed(&billing);
    assert_eq!(
        (billing.state(&unpaid).await, billing.books(&changing).await.count("plan_changed")),
        ("cancelled".to_owned(), 1)
    );
    needed.extend(POLLING.map(|action| need(action, "BillingQueue")));
    assert_eq!(template::scheduled_permissions()["billing_sweep"], needed);
}

/// The messages that a queue received: the names of operations, and their bodies.
type Sent = Arc<Mutex<Vec<(String, Value)>>>;

/// A queue that accepts everything, and a client of it.
async fn queue() -> (aws_sdk_sqs::Client, Sent) {
    let sent = Sent::default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(take).with_state(Arc::clone(&sent));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(HttpClientBuilder::new().build_http())
        .endpoint_url(format!("http://{address}"))
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
        .build();
    (aws_sdk_sqs::Client::from_conf(config), sent)
}

async fn take(State(sent): State<Sent>, headers: HeaderMap, body: Bytes) -> String {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    let entries = body["Entries"].as_array().into_iter().flatten();
    let taken: Vec<Value> =
        entries.map(|entry| json!({"Id": entry["Id"], "MessageId": entry["Id"], "MD5OfMessageBody": ""})).collect();
    sent.lock().unwrap().push((target, body));
    json!({"Successful": taken, "Failed": []}).to_string()
}

#[tokio::test]
async fn a_tick_sends_each_due_shard_once_and_may_do_no_more() {
    let billing = Billing::at(JANUARY).await;
    billing.fill(40, "free").await;
    let (queue, sent) = queue().await;
    let tick = async || dispatch::dispatch(&billing.app, &queue, "http://localhost/queue").await.unwrap();
    assert_eq!(tick().await, json!({"due_shards": []}), "nothing is due yet");
    assert!(sent.lock().unwrap().is_empty());
    billing.set_time("2027-02-01T00:00:00Z");
    billing.dynamodb.clear();
    let due = tick().await["due_shards"].clone();
    let mut needed = needed(&billing);
    let mut shards = Vec::new();
    for (target, body) in sent.lock().unwrap().iter() {
        // IAM names the permission for a batch like that for a single message.
        assert_eq!(target, "AmazonSQS.SendMessageBatch");
        needed.insert(need("sqs:SendMessage", "BillingQueue"));
        for entry in body["Entries"].as_array().unwrap() {
            let message: Value = serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap();
            assert_eq!(entry["MessageGroupId"], message["shard"].to_string(), "a shard's messages are one group");
            assert_eq!(entry["MessageDeduplicationId"], format!("202702010000-{}", message["shard"]));
            shards.push(message["shard"].clone());
        }
    }
    assert!(shards.len() > 10, "more than one batch: {shards:?}");
    assert_eq!(Value::from(shards), due);
    assert_eq!(template::scheduled_permissions()["billing_dispatch"], needed);
}

#[tokio::test]
async fn the_reader_of_the_stream_may_do_what_its_batches_need_and_no_more() {
    let billing = Billing::at(JANUARY).await;
    billing.dynamodb.clear();
    figures::add_again(&billing).await;
    let mut needed = needed(&billing);
    // A new instance warms its connection by a Query, and Lambda reads the stream on the function's behalf.
    let reading = ["Query", "DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];
    needed.extend(reading.map(|action| need(&format!("dynamodb:{action}"), "table")));
    assert_eq!(template::scheduled_permissions()["count_figures"], needed);
}

#[tokio::test]
async fn an_operations_worker_may_do_what_its_commands_need_and_no_more() {
    let billing = Billing::at(JANUARY).await;
    // Due steps, a change of plan that an add-on does not fit, an invoice, a hold, and a refusal.
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    billing.settle(&id).await;
    billing.set_time("2027-02-07T00:00:00Z");
    let to_euro = json!({
        "type": "change_plan", "plan_code": "euro", "plan_version": 1, "effective": "immediate", "proration": "none",
        "drop_incompatible": true,
    });
    let hold = json!({"type": "update", "billing_action_suspended": true});
    let mut needed = Permissions::new();
    for (filter, command) in [
        (json!({"tenant_id": "acme"}), to_euro.clone()),
        (json!({"plan_code": "euro"}), hold),
        (json!({"state": "active"}), to_euro),
        (json!({"ids": [MISSING]}), json!({"type": "transition", "to_state": "paused"})),
    ] {
        let operation = many::start(&billing, json!({"filter": filter, "command": command})).await;
        billing.dynamodb.clear();
        many::finish(&billing, &billing.app, &operation).await;
        needed.extend(self::needed(&billing));
    }
    assert_eq!(billing.books(&id).await.count("plan_changed"), 1);
    // A price change has a list of its own.
    let change = json!({
        "price_cents": 3_000, "currency": "EUR", "replaces": 1, "effective_from": "2027-04-01T00:00:00Z",
    });
    let published = billing.publish("euro", change).await.expect(201);
    billing.dynamodb.clear();
    many::finish(&billing, &billing.app, published["operation_id"].as_str().expect("an id")).await;
    needed.extend(self::needed(&billing));
    assert_eq!(billing.books(&id).await.count("price_change_announced"), 1);
    needed.extend(POLLING.map(|action| need(action, "OperationsQueue")));
    assert_eq!(template::scheduled_permissions()["operations_run"], needed);
}

#[tokio::test]
async fn a_tick_sends_each_running_operation_once_and_may_do_no_more() {
    let billing = Billing::at(JANUARY).await;
    let (queue, sent) = queue().await;
    let tick = async || operations::dispatch::dispatch(&billing.app, &queue, "http://localhost/queue").await.unwrap();
    assert_eq!(tick().await, json!({"operations": []}));
    let mut running = Vec::new();
    for _ in 0..12 {
        billing.clock.shift(chrono::TimeDelta::milliseconds(1));
        let hold = json!({"type": "update", "billing_action_suspended": true});
        running.push(many::start(&billing, json!({"filter": {"state": "active"}, "command": hold})).await);
    }
    billing.dynamodb.clear();
    assert_eq!(tick().await, json!({"operations": running}));
    let mut needed = needed(&billing);
    needed.insert(need("sqs:SendMessage", "OperationsQueue"));
    let messages: Vec<Value> = {
        let sent = sent.lock().unwrap();
        assert_eq!(sent.len(), 2, "more than one batch");
        sent.iter().flat_map(|(_, body)| body["Entries"].as_array().unwrap().clone()).collect()
    };
    for (entry, id) in messages.iter().zip(&running) {
        assert_eq!(entry["MessageGroupId"], *id, "an operation's messages are one group");
        assert_eq!(entry["MessageDeduplicationId"], format!("202701010000-{id}"));
    }
    assert_eq!(template::scheduled_permissions()["operations_dispatch"], needed);
    // A worker takes the message; a message that names no operation is delivered again.
    billing.clock.shift(chrono::TimeDelta::seconds(60));
    let body = messages[0]["MessageBody"].clone();
    let event = json!({"Records": [{"messageId": "first", "body": body}, {"messageId": "second", "body": "{}"}]});
    let time_left = std::time::Duration::from_secs(60);
    let answer = operations::run::handle(&billing.app, &event, time_left).await.expect("an answer");
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "second"}]}));
    assert_eq!(billing.app.store.running_operations().await.expect("a list").len(), 11);
}

#[test]
fn nothing_is_permitted_by_a_wildcard_or_to_everyone() {
    let templates = ["template.yaml", "infra/aws/events.yaml", "infra/aws/alarms.yaml"].map(yaml::read);
    for (name, resource) in templates.iter().flat_map(|template| template["Resources"].as_object().unwrap()) {
        let properties = &resource["Properties"];
        if resource["Type"] == "AWS::Serverless::Function" {
            assert_eq!(properties["Role"], Value::Null, "{name}: a role that this test does not see");
            for policy in properties["Policies"].as_array().into_iter().flatten() {
                assert!(policy["Statement"].is_array(), "{name}: a policy that this test cannot read: {policy}");
            }
        }
        statements(properties, &mut |statement| {
            assert_eq!(statement["Effect"], "Allow", "{name}");
            for part in ["Action", "Resource", "Principal"] {
                assert!(!statement[part].to_string().contains('*'), "{name}: {statement}");
            }
            for inverse in ["NotAction", "NotResource", "NotPrincipal"] {
                assert_eq!(statement[inverse], Value::Null, "{name}: {statement}");
            }
        });
    }
}

/// Visits every statement of every policy below a node.
fn statements(node: &Value, visit: &mut impl FnMut(&Value)) {
    match node {
        Value::Array(nodes) => nodes.iter().for_each(|node| statements(node, visit)),
        Value::Object(fields) => {
            if fields.contains_key("Effect") {
                visit(node);
            }
            fields.values().for_each(|node| statements(node, visit));
        }
        _ => {}
    }
}
