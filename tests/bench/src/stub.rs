//! A DynamoDB that is never the limit: it holds deployments that are due and alike, answers each request after a set
//! time, and throttles as DynamoDB does when it is told how much a second it takes. What it knows of a deployment is one
//! that was really stored, under other ids.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Failure;

/// A stored item.
pub type Item = HashMap<String, AttributeValue>;

/// What a stub is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The present state of one deployment that is due, as it is stored.
    pub deployment: Vec<Item>,
    /// Its id.
    pub id: String,
    /// How many like it are due, in all shards together.
    pub due: usize,
    /// Over how many shards they are spread.
    pub shards: usize,
    /// How long each answer takes.
    pub latency: Duration,
    /// What it takes in a second; anything if there is none.
    pub capacity: Option<Capacity>,
}

/// How much a table takes in a second. What is not used is kept for some seconds, as DynamoDB does.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Write units of the table and all its indexes.
    pub table: f64,
    /// Write units of one partition of the due index.
    pub shard: f64,
    /// Write units of a step in the table and its indexes.
    pub step: f64,
    /// Write units of a step in the due index.
    pub step_in_shard: f64,
}

/// A running stub. Its thread ends with the process.
#[derive(Debug, Clone)]
pub struct Stub {
    /// Where it answers.
    pub endpoint: String,
    state: Arc<State>,
}

/// What a stub has done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Done {
    /// Requests that were answered.
    pub requests: usize,
    /// Transactions that were taken.
    pub steps: usize,
    /// Requests that were throttled.
    pub throttled: usize,
    /// How long an answer really took, from the request's arrival to the answer's departure.
    pub latency: Duration,
}

#[derive(Debug)]
struct State {
    /// The answer to the Query of a deployment, in the pieces between which its id stands.
    aggregate: Vec<String>,
    /// A sort key of the due index, without the id.
    due_at: String,
    shards: usize,
    latency: Duration,
    /// What is due, by shard, in the order of its keys: the numbers of deployments. A number taken is gone.
    due: Vec<Mutex<std::collections::BTreeSet<usize>>>,
    requests: AtomicUsize,
    steps: AtomicUsize,
    throttled: AtomicUsize,
    answered_after_us: AtomicU64,
    capacity: Option<Capacity>,
    buckets: Mutex<Vec<Bucket>>,
}

/// Capacity that has not been used yet.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    units: f64,
    at: Instant,
}

/// For how many seconds unused capacity is kept.
const BURST_S: f64 = 5.0;

impl Stub {
    /// Starts a stub with a thread of its own.
    pub fn start(settings: Settings) -> Result<Self, Failure> {
        let items: Vec<Value> = settings.deployment.iter().map(wire_item).collect();
        let due_at = settings.deployment.iter().find_map(|item| item.get("GSI3SK")?.as_s().ok());
        let due_at = due_at.and_then(|key| key.split_once('#')).ok_or("the deployment is not due")?.0.to_owned();
        let answer = json!({"Count": items.len(), "ScannedCount": items.len(), "Items": items}).to_string();
        let mut due = vec![std::collections::BTreeSet::new(); settings.shards];
        for number in 0..settings.due {
            due[number % settings.shards].insert(number);
        }
        let state = Arc::new(State {
            aggregate: answer.split(&settings.id).map(str::to_owned).collect(),
            due_at,
            shards: settings.shards,
            latency: settings.latency,
            due: due.into_iter().map(Mutex::new).collect(),
            requests: AtomicUsize::new(0),
            steps: AtomicUsize::new(0),
            throttled: AtomicUsize::new(0),
            answered_after_us: AtomicU64::new(0),
            capacity: settings.capacity,
            buckets: Mutex::new(vec![Bucket { units: 0.0, at: Instant::now() }; settings.shards + 1]),
        });
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let served = Arc::clone(&state);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("stub".to_owned()).spawn(move || runtime.block_on(serve(listener, served)))?;
        Ok(Self { endpoint, state })
    }

    /// What it has done so far.
    pub fn done(&self) -> Done {
        let requests = self.state.requests.load(Ordering::Relaxed);
        let latency_us = self.state.answered_after_us.load(Ordering::Relaxed) / (requests as u64).max(1);
        Done {
            requests,
            steps: self.state.steps.load(Ordering::Relaxed),
            throttled: self.state.throttled.load(Ordering::Relaxed),
            latency: Duration::from_micros(latency_us),
        }
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>) -> Result<(), std::io::Error> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&state, request));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
        });
    }
}

async fn answer(state: &State, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let arrived = Instant::now();
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or_default().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let body = String::from_utf8_lossy(&body);
    let (status, text) = match operation.as_str() {
        "Query" if body.contains("GSI3PK") => (StatusCode::OK, state.due(&body)),
        "Query" => (StatusCode::OK, state.aggregate.join(id_in(&body))),
        "TransactWriteItems" => state.transact(&body),
        _ => (StatusCode::OK, "{}".to_owned()),
    };
    if !state.latency.is_zero() {
        tokio::time::sleep_until((arrived + state.latency).into()).await;
    }
    state.requests.fetch_add(1, Ordering::Relaxed);
    let took_us = u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
    state.answered_after_us.fetch_add(took_us, Ordering::Relaxed);
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

impl State {
    /// A page of a shard.
    fn due(&self, body: &str) -> String {
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

    /// Takes a step, if there is capacity for it.
    fn transact(&self, body: &str) -> (StatusCode, String) {
        let number = number_of(id_in(body));
        let shard = number % self.shards;
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
        let Some(Capacity { table, shard: by_shard, step, step_in_shard }) = self.capacity else { return true };
        let mut buckets = self.buckets.lock().expect("no holder of the lock panics");
        let now = Instant::now();
        let wanted = [(0, table, step), (shard + 1, by_shard, step_in_shard)];
        for (index, rate, _) in wanted {
            let Bucket { units, at } = &mut buckets[index];
            *units = (*units + now.duration_since(*at).as_secs_f64() * rate).min(rate * BURST_S);
            *at = now;
        }
        let enough = wanted.iter().all(|(index, _, units)| buckets[*index].units >= *units);
        if enough {
            wanted.iter().for_each(|(index, _, units)| buckets[*index].units -= units);
        }
        enough
    }
}

/// The id of a deployment by its number; ids sort as numbers do.
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

/// A value as it goes over the wire.
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
