//! A DynamoDB that is never the limit. It holds due deployments that are all alike, answers each request after a fixed
//! time, and throttles as DynamoDB does if it is given a capacity. Its deployment is a really stored one, under other
//! ids. It answers over HTTP, or within the process, where time can be virtual.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use arcadia_functions::runtime::local_client;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::Failure;
use crate::place::Item;

/// The settings of a stub.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stored present state of one due deployment.
    pub deployment: Vec<Item>,
    /// Its id.
    pub id: String,
    /// The number of due deployments, in all shards together.
    pub due: usize,
    /// The number of shards that they are spread over.
    pub shards: usize,
    /// The latency of a read and of a transaction.
    pub latency: [Duration; 2],
    /// The capacity; unlimited if there is none.
    pub capacity: Option<Capacity>,
}

/// The capacity of a table. Unused capacity is kept for some seconds, as in DynamoDB.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Steps a second of the table.
    pub table: f64,
    /// Steps a second of one partition of the due index.
    pub shard: f64,
}

/// The stub.
#[derive(Debug, Clone)]
pub struct Stub(Arc<State>);

/// The counts of a stub.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Done {
    /// Requests that were answered.
    pub requests: usize,
    /// Transactions that were accepted.
    pub steps: usize,
    /// Requests that were throttled.
    pub throttled: usize,
    /// The real latency of an answer, from the request's arrival to the answer's departure.
    pub latency: Duration,
}

#[derive(Debug)]
struct State {
    /// The answer to the Query of a deployment, split where its id belongs.
    aggregate: Vec<String>,
    /// A sort key of the due index, without the id.
    due_at: String,
    latency: [Duration; 2],
    /// The due deployments by shard: their numbers, in the order of their keys.
    due: Vec<Mutex<BTreeSet<usize>>>,
    requests: AtomicUsize,
    steps: AtomicUsize,
    throttled: AtomicUsize,
    answered_after_us: AtomicU64,
    capacity: Option<Capacity>,
    /// The bucket of the table, then those of the shards.
    buckets: Mutex<Vec<Bucket>>,
}

/// Unused capacity, in steps.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    steps: f64,
    at: Instant,
}

/// The header that names the operation.
const TARGET: &str = "x-amz-target";
/// The number of seconds for which unused capacity is kept.
const BURST_S: f64 = 5.0;

impl Stub {
    /// Makes a stub.
    pub fn new(settings: &Settings) -> Result<Self, Failure> {
        let Settings { deployment, id, due: count, shards, latency, capacity } = settings;
        let items: Vec<Value> = deployment.iter().map(wire_item).collect();
        let due_at = deployment.iter().find_map(|item| item.get("GSI3SK")?.as_s().ok());
        let due_at = due_at.and_then(|key| key.split_once('#')).ok_or("the deployment is not due")?.0.to_owned();
        let answer = json!({"Count": items.len(), "ScannedCount": items.len(), "Items": items}).to_string();
        let mut due = vec![BTreeSet::new(); *shards];
        for number in 0..*count {
            due[number % shards].insert(number);
        }
        Ok(Self(Arc::new(State {
            aggregate: answer.split(id).map(str::to_owned).collect(),
            due_at,
            latency: *latency,
            due: due.into_iter().map(Mutex::new).collect(),
            requests: AtomicUsize::new(0),
            steps: AtomicUsize::new(0),
            throttled: AtomicUsize::new(0),
            answered_after_us: AtomicU64::new(0),
            capacity: *capacity,
            buckets: Mutex::new(vec![Bucket { steps: 0.0, at: Instant::now() }; shards + 1]),
        })))
    }

    /// Answers over HTTP, on a thread that ends with the process. Returns the URL.
    pub fn listen(&self) -> Result<String, Failure> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let state = Arc::clone(&self.0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("stub".to_owned()).spawn(move || runtime.block_on(serve(listener, state)))?;
        Ok(endpoint)
    }

    /// A client that calls it within the process, and is otherwise the functions' own.
    pub fn client(&self) -> Client {
        let connector = SharedHttpConnector::new(Connector(Arc::clone(&self.0)));
        let client = http_client_fn(move |_, _| connector.clone());
        Client::from_conf(local_client("http://stub").config().to_builder().http_client(client).build())
    }

    /// The number of due deployments.
    pub fn due(&self) -> usize {
        self.0.due.iter().map(|shard| shard.lock().expect("no holder of the lock panics").len()).sum()
    }

    /// The counts so far.
    pub fn done(&self) -> Done {
        let requests = self.0.requests.load(Ordering::Relaxed);
        let latency_us = self.0.answered_after_us.load(Ordering::Relaxed) / (requests as u64).max(1);
        Done {
            requests,
            steps: self.0.steps.load(Ordering::Relaxed),
            throttled: self.0.throttled.load(Ordering::Relaxed),
            latency: Duration::from_micros(latency_us),
        }
    }
}

/// The stub as the SDK's connector.
#[derive(Debug)]
struct Connector(Arc<State>);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let state = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let operation = request.headers().get(TARGET).map(operation).unwrap_or_default().to_owned();
            let body = request.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
            let (status, text) = state.answer(&operation, &body).await;
            Ok(HttpResponse::new(status.into(), SdkBody::from(text)))
        })
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>) -> Result<(), std::io::Error> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&state, request));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
        });
    }
}

async fn respond(state: &State, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let target = request.headers().get(TARGET).and_then(|value| value.to_str().ok());
    let operation = target.map(operation).unwrap_or_default().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let (status, text) = state.answer(&operation, &String::from_utf8_lossy(&body)).await;
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

/// The operation that a header names.
fn operation(target: &str) -> &str {
    target.rsplit('.').next().unwrap_or_default()
}

impl State {
    async fn answer(&self, operation: &str, body: &str) -> (StatusCode, String) {
        let arrived = Instant::now();
        let (status, text) = match operation {
            "Query" if body.contains("GSI3PK") => (StatusCode::OK, self.page(body)),
            "Query" => (StatusCode::OK, self.aggregate.join(id_in(body))),
            "TransactWriteItems" => self.transact(body),
            _ => (StatusCode::OK, "{}".to_owned()),
        };
        let [read, write] = self.latency;
        let latency = if operation == "TransactWriteItems" { write } else { read };
        if !latency.is_zero() {
            tokio::time::sleep_until(arrived + latency).await;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let took_us = u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.answered_after_us.fetch_add(took_us, Ordering::Relaxed);
        (status, text)
    }

    /// A page of a shard.
    fn page(&self, body: &str) -> String {
        let after = body.find("DUE#").map_or("", |at| &body[at + 4..]);
        let shard: usize = after.get(..3).and_then(|shard| shard.parse().ok()).unwrap_or_default();
        let request: Value = serde_json::from_str(body).unwrap_or_default();
        let limit = usize::try_from(request["Limit"].as_u64().unwrap_or(1)).unwrap_or(1);
        let from = request["ExpressionAttributeValues"][":after"]["S"].as_str().unwrap_or_default();
        let from = from.split_once('#').map_or(0, |(_, id)| number_of(id) + 1);
        let due = self.due[shard].lock().expect("no holder of the lock panics");
        let numbers: Vec<usize> = due.range(from..).take(limit + 1).copied().collect();
        drop(due);
        let key = |number: &usize| {
            let id = id_of(*number);
            let (due_at, shard) = (&self.due_at, format!("DUE#{shard:03}"));
            json!({"PK": {"S": format!("DEPLOYMENT#{id}")}, "SK": {"S": "#DEPLOYMENT"},
                "GSI3PK": {"S": shard}, "GSI3SK": {"S": format!("{due_at}#{id}")}})
        };
        let rows: Vec<Value> = numbers.iter().take(limit).map(key).collect();
        let mut answer = json!({"Count": rows.len(), "ScannedCount": rows.len(), "Items": rows});
        if numbers.len() > limit {
            answer["LastEvaluatedKey"] = answer["Items"][limit - 1].clone();
        }
        answer.to_string()
    }

    /// Accepts a step, if there is capacity for it.
    fn transact(&self, body: &str) -> (StatusCode, String) {
        let number = number_of(id_in(body));
        let shard = number % self.due.len();
        if !self.has_capacity(shard) {
            self.throttled.fetch_add(1, Ordering::Relaxed);
            let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
            return (StatusCode::BAD_REQUEST, json!({"__type": kind, "message": "The level is exceeded"}).to_string());
        }
        if self.due[shard].lock().expect("no holder of the lock panics").remove(&number) {
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
        (StatusCode::OK, "{}".to_owned())
    }

    fn has_capacity(&self, shard: usize) -> bool {
        let Some(Capacity { table, shard: by_shard }) = self.capacity else { return true };
        let mut buckets = self.buckets.lock().expect("no holder of the lock panics");
        let wanted = [(0, table), (shard + 1, by_shard)];
        for (index, rate) in wanted {
            let Bucket { steps, at } = &mut buckets[index];
            *steps = (*steps + at.elapsed().as_secs_f64() * rate).min(rate * BURST_S);
            *at = Instant::now();
        }
        let enough = wanted.iter().all(|(index, _)| buckets[*index].steps >= 1.0);
        if enough {
            wanted.iter().for_each(|(index, _)| buckets[*index].steps -= 1.0);
        }
        enough
    }
}

/// The id of a deployment by its number; ids sort like numbers.
fn id_of(number: usize) -> String {
    format!("01941f29-7c00-7000-8000-{number:012x}")
}

fn number_of(id: &str) -> usize {
    id.get(24..36).and_then(|tail| usize::from_str_radix(tail, 16).ok()).unwrap_or_default()
}

/// The first id of a deployment in a request.
fn id_in(body: &str) -> &str {
    let start = body.find("DEPLOYMENT#").map_or(0, |at| at + "DEPLOYMENT#".len());
    body.get(start..start + 36).unwrap_or_default()
}

fn wire_item(item: &Item) -> Value {
    item.iter().map(|(name, value)| (name.clone(), wire(value))).collect::<serde_json::Map<_, _>>().into()
}

/// A value in DynamoDB's wire format.
fn wire(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(yes) => json!({"BOOL": yes}),
        AttributeValue::Null(yes) => json!({"NULL": yes}),
        AttributeValue::L(list) => json!({"L": list.iter().map(wire).collect::<Vec<_>>()}),
        AttributeValue::M(map) => json!({"M": wire_item(map)}),
        other => unreachable!("the product stores no {other:?}"),
    }
}
