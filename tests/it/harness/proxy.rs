//! A proxy between the product's DynamoDB client and DynamoDB. It notes every request, and lets some go wrong when
//! told to: DynamoDB Local by itself neither throttles, nor loses answers, nor has transactions collide.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

const TARGET: &str = "x-amz-target";
const JSON: &str = "application/x-amz-json-1.0";

/// The proxy of one test.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it answers.
    pub endpoint: String,
    state: Arc<Shared>,
}

/// A request that went to DynamoDB.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Such as `Query`.
    pub operation: String,
    /// What it asked for.
    pub body: Value,
}

/// What shall go wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// DynamoDB does it, but the connection breaks in the middle of its answer.
    BreakOff,
    /// DynamoDB does it, but its answer arrives as a 500.
    ServerError,
    /// DynamoDB does not hear of it and answers this instead.
    Answer(StatusCode, Value),
    /// DynamoDB does not know the request token again, as after ten minutes.
    ForgetToken,
    /// The request waits until as many as the barrier is for are there, so that they go on side by side.
    Gather(Arc<Barrier>),
}

#[derive(Debug)]
struct Shared {
    upstream: &'static str,
    client: reqwest::Client,
    seen: Mutex<Vec<Seen>>,
    faults: Mutex<Vec<Planned>>,
}

#[derive(Debug)]
struct Planned {
    operation: &'static str,
    times: usize,
    fault: Fault,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`; it lives as long as the test's runtime.
    pub async fn start(upstream: &'static str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let state = Arc::new(Shared { upstream, client, seen: Mutex::default(), faults: Mutex::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the address of a bound listener");
        let router = Router::new().fallback(handle).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
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

    /// How many requests of `operation` there were.
    pub fn count(&self, operation: &str) -> usize {
        lock(&self.state.seen).iter().filter(|seen| seen.operation == operation).count()
    }
}

impl Fault {
    /// What DynamoDB answers to a transaction that it cancelled, with a code for each item.
    pub fn cancelled(codes: &[&str]) -> Self {
        let reasons: Vec<Value> = codes.iter().map(|code| json!({"Code": code, "Message": code})).collect();
        let message =
            format!("Transaction cancelled, please refer cancellation reasons for specific reasons {codes:?}");
        Self::error("TransactionCanceledException", &json!({"Message": message, "CancellationReasons": reasons}))
    }

    /// An error that DynamoDB answers with, by its name.
    pub fn named(name: &str) -> Self {
        Self::error(name, &json!({"message": name}))
    }

    fn error(name: &str, body: &Value) -> Self {
        let mut body = body.clone();
        body["__type"] = format!("com.amazonaws.dynamodb.v20120810#{name}").into();
        Self::Answer(StatusCode::BAD_REQUEST, body)
    }
}

async fn handle(State(state): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get(TARGET).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    let seen = Seen { operation: operation.to_owned(), body: serde_json::from_slice(&body).unwrap_or_default() };
    lock(&state.seen).push(seen.clone());
    match state.next_fault(operation) {
        None => state.forward(&headers, body).await,
        Some(Fault::Gather(barrier)) => {
            barrier.wait().await;
            state.forward(&headers, body).await
        }
        Some(Fault::ForgetToken) => {
            let mut request = seen.body;
            request["ClientRequestToken"] = super::unique().into();
            state.forward(&headers, request.to_string().into()).await
        }
        Some(Fault::Answer(status, body)) => answer(status, Body::from(body.to_string())),
        Some(Fault::ServerError) => {
            state.forward(&headers, body).await;
            answer(StatusCode::INTERNAL_SERVER_ERROR, Body::empty())
        }
        Some(Fault::BreakOff) => {
            state.forward(&headers, body).await;
            let pieces = [Ok("{"), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
            answer(StatusCode::OK, Body::from_stream(stream::iter(pieces)))
        }
    }
}

impl Shared {
    fn next_fault(&self, operation: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let planned = faults.iter_mut().find(|planned| planned.operation == operation && planned.times > 0)?;
        planned.times -= 1;
        Some(planned.fault.clone())
    }

    async fn forward(&self, headers: &HeaderMap, body: Bytes) -> Response {
        let mut headers = headers.clone();
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        let sent = self.client.post(self.upstream).headers(headers).body(body).send().await;
        let received = sent.expect("DynamoDB Local answers");
        let status = received.status();
        answer(status, Body::from(received.bytes().await.expect("DynamoDB Local answers in full")))
    }
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
