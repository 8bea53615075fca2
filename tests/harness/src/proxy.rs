//! A proxy between the product's DynamoDB client and DynamoDB. It notes every request, and lets some go wrong when
//! told to: DynamoDB Local by itself neither throttles, nor loses answers, nor has transactions collide. It stands on
//! hyper itself, since only who holds the connection can reset it.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::exchange::{Exchange, Seen};
use super::fault::Fault;
use super::tears::{self, Memory, Stale};
use super::weather::{Kind, Weather, halves};

const TARGET: &str = "x-amz-target";
const SDK_REQUEST: &str = "amz-sdk-request";
const JSON: &str = "application/x-amz-json-1.0";
/// Longer than any request to DynamoDB.
const MAX_BODY_LEN: usize = 32 << 20;
/// How long a connection to DynamoDB is kept for another request.
const MAX_IDLE: Duration = Duration::from_secs(5);
/// How often the store sends a transaction that is cancelled for nothing that is wrong with it.
const COMMIT_ATTEMPTS: usize = 5;

/// The proxy of one test.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it answers.
    pub endpoint: String,
    state: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: &'static str,
    client: reqwest::Client,
    seen: Mutex<Vec<Seen>>,
    /// What was asked and answered, while somebody wants to know.
    record: Mutex<Option<Vec<Exchange>>>,
    faults: Mutex<Vec<Planned>>,
    weather: Mutex<Option<Weather>>,
    /// What transactions have written over, while somebody wants to know.
    memory: Mutex<Option<Memory>>,
    /// How often the last attempt at something went wrong, so that nobody tries again.
    exhausted: Mutex<usize>,
    /// How often each transaction was cancelled, by its token.
    cancelled: Mutex<HashMap<String, usize>>,
    /// How many requests are late and have not reached DynamoDB yet.
    late: Mutex<usize>,
    arrived: Notify,
}

#[derive(Debug)]
struct Planned {
    operation: &'static str,
    times: usize,
    fault: Fault,
}

/// A request on its way; when it is dropped without an answer, its sender has given it up or was cut off.
struct Attempt {
    state: Arc<Shared>,
    is_last: bool,
    failed: bool,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`; it lives as long as the test's runtime.
    pub async fn start(upstream: &'static str) -> Self {
        // DynamoDB Local closes idle connections, and a request must not be sent on one that is just being closed.
        let client = reqwest::Client::builder().no_proxy().pool_idle_timeout(MAX_IDLE);
        let state = Arc::new(Shared {
            upstream,
            client: client.build().expect("an HTTP client"),
            seen: Mutex::default(),
            record: Mutex::default(),
            faults: Mutex::default(),
            weather: Mutex::default(),
            memory: Mutex::default(),
            exhausted: Mutex::default(),
            cancelled: Mutex::default(),
            late: Mutex::default(),
            arrived: Notify::new(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the address of a bound listener");
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(converse(Arc::clone(&shared), stream));
            }
        });
        Self { endpoint: format!("http://{address}"), state }
    }

    /// Lets the next `times` requests of `operation` go wrong, after any that were planned before.
    pub fn plan(&self, operation: &'static str, times: usize, fault: Fault) {
        lock(&self.state.faults).push(Planned { operation, times, fault });
    }

    /// Forgets all plans and all requests so far.
    pub fn clear(&self) {
        lock(&self.state.faults).clear();
        lock(&self.state.seen).clear();
    }

    /// Remembers from now on what transactions write over.
    pub fn remember(&self) {
        lock(&self.state.memory).get_or_insert_default();
    }

    /// Items of a deployment as they were before its last transaction: those that it changed and whose sort keys are among
    /// `sort_keys`, or begin as one of them that ends in `#`.
    pub fn stale(&self, pk: &str, sort_keys: &[&str]) -> Vec<Stale> {
        let memory = lock(&self.state.memory);
        let stale = memory.as_ref().expect("a memory").stale(pk, sort_keys);
        assert!(!stale.is_empty(), "the last transaction in {pk} changed none of {sort_keys:?}");
        stale
    }

    /// Lets requests go wrong by themselves from now on.
    pub fn begin(&self, weather: Weather) {
        if weather.tears() {
            self.remember();
        }
        *lock(&self.state.weather) = Some(weather);
    }

    /// Ends the bad weather and waits for what is late; how often each kind has happened.
    pub async fn calm(&self) -> BTreeMap<Kind, usize> {
        let weather = lock(&self.state.weather).take().expect("weather");
        loop {
            let arrived = self.state.arrived.notified();
            if *lock(&self.state.late) == 0 {
                return weather.injected();
            }
            arrived.await;
        }
    }

    /// How often something went wrong at the last attempt that there is.
    pub fn exhausted(&self) -> usize {
        *lock(&self.state.exhausted)
    }

    /// Every request since the start or the last [`Proxy::clear`], in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// The names of the operations, sorted: requests that are sent at once have no order.
    pub fn operations(&self) -> Vec<String> {
        let mut operations: Vec<String> = self.seen().into_iter().map(|seen| seen.operation).collect();
        operations.sort();
        operations
    }

    /// Keeps from now on what is asked and answered.
    pub fn record(&self) {
        *lock(&self.state.record) = Some(Vec::new());
    }

    /// What was asked and answered since [`Proxy::record`], in the order of the answers. Nothing is kept any longer.
    pub fn recorded(&self) -> Vec<Exchange> {
        lock(&self.state.record).take().expect("a record was begun")
    }

    /// How many requests of `operation` there were.
    pub fn count(&self, operation: &str) -> usize {
        lock(&self.state.seen).iter().filter(|seen| seen.operation == operation).count()
    }
}

/// Serves a connection until it ends or is to be reset.
async fn converse(state: Arc<Shared>, stream: TcpStream) {
    // Otherwise small answers wait for each other.
    stream.set_nodelay(true).expect("a socket's option");
    let reset = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (state, reset) = (Arc::clone(&state), Arc::clone(&reset));
        async move { Ok::<_, Infallible>(handle(state, &reset, request).await) }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // It ends as its client wishes, or breaks off.
        _ = &mut connection => {}
        // Closed like this, a socket sends RST.
        () = reset.notified() => connection.into_parts().io.into_inner().set_zero_linger().expect("a socket's option"),
    }
}

async fn handle(state: Arc<Shared>, reset: &Notify, request: Request<Incoming>) -> Response {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let body = axum::body::to_bytes(Body::new(body), MAX_BODY_LEN).await.unwrap_or_default();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut seen = Seen { operation: operation(&headers), body: serde_json::from_slice(&body).unwrap_or_default() };
    lock(&state.seen).push(seen.clone());
    let fault = state.next_fault(&mut seen);
    let fails = fault.as_ref().is_some_and(Fault::fails);
    let is_last = state.is_last(&seen, fault.as_ref(), text(SDK_REQUEST));
    let mut attempt = Attempt { state: Arc::clone(&state), is_last, failed: true };
    let response = state.meet(fault, reset, headers, seen).await;
    attempt.failed = fails;
    response
}

impl Planned {
    fn is_for(&self, seen: &Seen) -> bool {
        let can_happen = match &self.fault {
            Fault::Torn(stale) => stale.iter().any(|stale| stale.is_asked_for(seen)),
            _ => true,
        };
        self.operation == seen.operation && self.times > 0 && can_happen
    }
}

impl Shared {
    /// What happens to a request, if anything: what was planned, or else what the weather brings.
    fn next_fault(&self, seen: &mut Seen) -> Option<Fault> {
        let planned = {
            let mut faults = lock(&self.faults);
            let planned = faults.iter_mut().find(|planned| planned.is_for(seen));
            planned.map(|planned| {
                planned.times -= 1;
                planned.fault.clone()
            })
        };
        planned.or_else(|| {
            let memory = lock(&self.memory);
            lock(&self.weather).as_mut()?.befall(seen, memory.as_ref())
        })
    }

    /// Whether no further attempt follows this one if it fails. `sdk_request` is the SDK's header about the attempt,
    /// such as `attempt=1; max=3`.
    fn is_last(&self, seen: &Seen, fault: Option<&Fault>, sdk_request: &str) -> bool {
        match fault {
            // Such an answer ends the attempts of the SDK; those of the store go on.
            Some(Fault::Answer(_, answer)) if !answer["CancellationReasons"].is_null() => {
                let token = seen.body["ClientRequestToken"].as_str().unwrap_or_default().to_owned();
                let mut cancelled = lock(&self.cancelled);
                let times = cancelled.entry(token).or_default();
                *times += 1;
                *times == COMMIT_ATTEMPTS
            }
            Some(Fault::Answer(_, answer)) if answer["message"] == "TransactionConflictException" => true,
            _ => {
                let value = |name| sdk_request.split("; ").find_map(|part| part.strip_prefix(name));
                value("attempt=").is_some_and(|attempt| Some(attempt) == value("max="))
            }
        }
    }

    /// Answers a request, with what happens to it.
    async fn meet(self: &Arc<Self>, fault: Option<Fault>, reset: &Notify, headers: HeaderMap, seen: Seen) -> Response {
        let mut request = seen.body.clone();
        let forward = |request: &Value| self.forward(headers.clone(), request.to_string().into());
        match fault {
            None => {}
            Some(Fault::Gather(barrier)) => {
                barrier.wait().await;
            }
            Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
            Some(Fault::ForgetToken) => request["ClientRequestToken"] = super::unique().into(),
            Some(Fault::Answer(status, body)) => return answer(status, Body::from(body.to_string())),
            Some(Fault::ServerError) => {
                forward(&request).await;
                return answer(StatusCode::INTERNAL_SERVER_ERROR, Body::empty());
            }
            Some(Fault::BreakOff) => {
                let (status, body) = forward(&request).await;
                return broken_off(status, &body);
            }
            Some(Fault::Late(delay)) => {
                *lock(&self.late) += 1;
                let (state, body) = (Arc::clone(self), request.to_string().into());
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    state.forward(headers, body).await;
                    *lock(&state.late) -= 1;
                    state.arrived.notify_one();
                });
                reset.notify_one();
                return future::pending().await;
            }
            Some(Fault::Unanswered) => {
                forward(&request).await;
                return future::pending().await;
            }
            Some(fault @ (Fault::ResetBefore | Fault::ResetAfter)) => {
                if matches!(fault, Fault::ResetAfter) {
                    forward(&request).await;
                }
                reset.notify_one();
                return future::pending().await;
            }
            Some(Fault::Unprocessed) => {
                let (read, unread) = halves(&request);
                let (status, body) = forward(&read).await;
                let mut body: Value = serde_json::from_slice(&body).expect("an answer");
                body["UnprocessedKeys"] = unread;
                return answer(status, Body::from(body.to_string()));
            }
            Some(Fault::Torn(stale)) => {
                let (status, body) = forward(&request).await;
                return answer(status, Body::from(tears::tear(&seen, &body, &stale)));
            }
        }
        let (status, body) = forward(&request).await;
        answer(status, Body::from(body))
    }

    /// The items that a transaction is about to write over, if they are to be remembered.
    async fn found_by(&self, headers: &HeaderMap, request: &Bytes) -> Option<(Value, Vec<Value>)> {
        if lock(&self.memory).is_none() || operation(headers) != "TransactWriteItems" {
            return None;
        }
        let request: Value = serde_json::from_slice(request).expect("a request");
        let mut headers = headers.clone();
        headers.insert(TARGET, header::HeaderValue::from_static("DynamoDB_20120810.BatchGetItem"));
        let read = self.client.post(self.upstream).headers(headers).body(tears::read_of(&request).to_string());
        let answer = read.send().await.expect("DynamoDB Local answers").bytes().await.expect("an answer in full");
        let answer: Value = serde_json::from_slice(&answer).expect("DynamoDB speaks JSON");
        let tables = answer["Responses"].as_object().expect("what was found").values();
        Some((request, tables.filter_map(Value::as_array).flatten().cloned().collect()))
    }

    async fn forward(&self, mut headers: HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        let (operation, request) = (operation(&headers), body.clone());
        let found = self.found_by(&headers, &body).await;
        let sent = self.client.post(self.upstream).headers(headers).body(body).send().await;
        let received = sent.expect("DynamoDB Local answers");
        let (status, answer) = (received.status(), received.bytes().await.expect("DynamoDB Local answers in full"));
        if let Some((request, found)) = found.filter(|_| status.is_success()) {
            lock(&self.memory).get_or_insert_default().note(&request, &found);
        }
        if let Some(record) = lock(&self.record).as_mut() {
            let json = |bytes: &Bytes| serde_json::from_slice(bytes).expect("DynamoDB speaks JSON");
            record.push(Exchange { operation, request: json(&request), answer: json(&answer) });
        }
        (status, answer)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.failed && self.is_last {
            *lock(&self.state.exhausted) += 1;
        }
    }
}

/// An answer of which half arrives.
fn broken_off(status: StatusCode, body: &Bytes) -> Response {
    let pieces = [Ok(body.slice(..body.len() / 2)), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
    let mut response = answer(status, Body::from_stream(stream::iter(pieces)));
    response.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
    response
}

/// The operation that a request names, such as `Query`.
fn operation(headers: &HeaderMap) -> String {
    let target = headers.get(TARGET).and_then(|value| value.to_str().ok()).unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

fn answer(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(JSON));
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of the lock panics")
}
