//! A look into a table past the product. Only tests may Scan.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, RandomState};
use std::time::Duration;

use arcadia_domain::{Deployment, DeploymentId, Invoice};
use arcadia_store::item::{Item, number, string};
use arcadia_store::items::{from_invoice, to_deployment, to_invoice};
use arcadia_store::keys::{self, DEFAULT_DUE_SHARDS, Key};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use serde_json::{Value, json};
use uuid::Uuid;

/// All that a table holds, by key; two are equal when their tables are.
pub type Contents = BTreeMap<(String, String), Value>;

/// How long a client waits for an answer: longer than the functions' do, for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A client as the functions have it, except that it waits less between attempts and longer for an answer.
pub fn client(endpoint: &str) -> Client {
    client_with(endpoint, PATIENCE)
}

/// The same client with another patience.
pub fn client_with(endpoint: &str, patience: Duration) -> Client {
    let retry = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .http_client(HttpClientBuilder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
        .retry_config(retry)
        // The SDK lets all clients of a process share one allowance of retries, and tests must not use up each other's.
        .retry_partition(RetryPartition::new(super::unique()))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(patience).build())
        .build();
    Client::from_conf(config)
}

/// Reads the whole table.
pub async fn contents(client: &Client, table: &str) -> Contents {
    let mut contents = Contents::new();
    for item in scan(client, table).await {
        let item: Value = serde_dynamo::from_item(item).expect("an item is JSON");
        let key = |name: &str| item[name].as_str().expect("keys are strings").to_owned();
        contents.insert((key("PK"), key("SK")), item);
    }
    contents
}

/// Hashes the whole table as DynamoDB Local writes it down, without making sense of it.
pub async fn fingerprint(table: &str) -> u64 {
    let page = raw_scan(&http(), table, &Value::Null).await;
    assert!(page.starts_with('{') && page.contains("\"Items\":[{"), "{page}");
    assert!(!page.contains("\"LastEvaluatedKey\""), "only tables of one page are hashed");
    BuildHasherDefault::<DefaultHasher>::default().hash_one(page)
}

/// Reads the whole table with every value as DynamoDB has it, such as `{"S": "text"}`.
pub async fn typed_items(table: &str) -> Contents {
    let (client, mut found, mut start) = (http(), Contents::new(), Value::Null);
    loop {
        let (items, last) = typed_page(&raw_scan(&client, table, &start).await);
        found.extend(items);
        start = last;
        if start.is_null() {
            return found;
        }
    }
}

/// The items of a page as DynamoDB Local writes it, and the key where the next page begins.
pub fn typed_page(page: &str) -> (Contents, Value) {
    let key = |item: &Value, name: &str| item[name]["S"].as_str().expect("keys are strings").to_owned();
    let mut page: Value = serde_json::from_str(page).expect("JSON");
    let Value::Array(items) = page["Items"].take() else { panic!("a list of items: {page}") };
    let items = items.into_iter().map(|item| ((key(&item, "PK"), key(&item, "SK")), item)).collect();
    (items, page["LastEvaluatedKey"].take())
}

/// An HTTP client for requests to DynamoDB Local past the SDK.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("an HTTP client")
}

/// The answer of DynamoDB Local to a Scan that begins after a key, or at the beginning.
pub async fn raw_scan(client: &reqwest::Client, table: &str, start: &Value) -> String {
    let request = client.post(super::dynamodb::endpoint());
    let request = request.header("x-amz-target", "DynamoDB_20120810.Scan");
    let request = request.header("content-type", "application/x-amz-json-1.0");
    // It checks the form of this and nothing else.
    let signed = "AWS4-HMAC-SHA256 Credential=local/20270115/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
    let request = request.header("authorization", signed);
    let mut body = json!({"TableName": table, "ConsistentRead": true});
    if !start.is_null() {
        body["ExclusiveStartKey"] = start.clone();
    }
    let request = request.body(body.to_string());
    request.send().await.expect("a Scan by the test").text().await.expect("its answer in full")
}

/// Reads every deployment of the table.
pub async fn deployments(client: &Client, table: &str) -> Vec<Deployment> {
    let items = scan(client, table).await.into_iter();
    let deployments = items.filter(|item| item["SK"].as_s().is_ok_and(|sk| sk == "#DEPLOYMENT"));
    deployments.map(|item| to_deployment(item).expect("a stored deployment").deployment).collect()
}

/// Writes `count` more deployments past the product, each the copy of one under an id of its own.
pub async fn crowd(client: &Client, table: &str, id: &str, count: usize) {
    let original = keys::deployment(id.parse().expect("an id"));
    copy(client, table, original, count, |_, id| {
        let key = keys::deployment(id);
        vec![("PK", key.pk), ("GSI1SK", id.to_string()), ("GSI2SK", id.to_string())]
    })
    .await;
}

/// Writes `count` invoices of a tenant past the product, each the copy of one under a deployment of its own.
pub async fn crowd_invoices(client: &Client, table: &str, (id, number): (&str, &str), tenant: &str, count: usize) {
    let original = keys::invoice(id.parse().expect("an id"), &number.parse().expect("a number"));
    let partition = keys::tenant_invoices_partition(&tenant.parse().expect("a tenant"));
    copy(client, table, original, count, |n, id| {
        let entry = format!("{n:014}#{number}");
        vec![("PK", keys::partition(id)), ("GSI1PK", partition.clone()), ("GSI1SK", entry)]
    })
    .await;
}

/// Changes a stored invoice past the product.
pub async fn edit_invoice(client: &Client, table: &str, (id, number): (&str, &str), edit: impl FnOnce(&mut Invoice)) {
    let key = keys::invoice(id.parse().expect("an id"), &number.parse().expect("a number"));
    let get = client.get_item().table_name(table).key("PK", string(key.pk)).key("SK", string(key.sk));
    let item = get.send().await.expect("a read by the test").item.expect("an invoice");
    let mut row = to_invoice(item).expect("a stored invoice");
    edit(&mut row.invoice);
    let item = from_invoice(&row, DEFAULT_DUE_SHARDS).expect("an item");
    client.put_item().table_name(table).set_item(Some(item)).send().await.expect("a write by the test");
}

/// Writes copies of an item, each with some texts made anew from how many were made before it and an id.
async fn copy(
    client: &Client,
    table: &str,
    key: Key,
    count: usize,
    texts: impl Fn(usize, DeploymentId) -> Vec<(&'static str, String)>,
) {
    let get = client.get_item().table_name(table).key("PK", string(key.pk)).key("SK", string(key.sk));
    let original = get.send().await.expect("a read by the test").item.expect("an item to copy");
    let copies: Vec<WriteRequest> = (0..count)
        .map(|n| {
            let id =
                DeploymentId::new(Uuid::from_u64_pair(RandomState::new().hash_one(n), RandomState::new().hash_one(n)));
            let mut copy = original.clone();
            copy.extend(texts(n, id).into_iter().map(|(name, text)| (name.to_owned(), string(text))));
            let put = PutRequest::builder().set_item(Some(copy)).build().expect("a request");
            WriteRequest::builder().put_request(put).build()
        })
        .collect();
    for some in copies.chunks(25) {
        let written =
            client.batch_write_item().request_items(table, some.to_vec()).send().await.expect("a write by the test");
        assert!(written.unprocessed_items.unwrap_or_default().is_empty());
    }
}

/// Changes a number of a stored deployment.
pub async fn set_number(client: &Client, table: &str, id: &str, name: &str, value: u32) {
    let key = keys::deployment(id.parse().expect("an id"));
    let update = client.update_item().table_name(table).key("PK", string(key.pk)).key("SK", string(key.sk));
    let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", name);
    update.expression_attribute_values(":value", number(value)).send().await.expect("an update by the test");
}

/// Reads the whole table, as the product reads items.
pub async fn items(client: &Client, table: &str) -> Vec<Item> {
    scan(client, table).await
}

async fn scan(client: &Client, table: &str) -> Vec<Item> {
    let pages = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
    pages.collect::<Result<_, _>>().await.expect("a Scan by the test")
}
