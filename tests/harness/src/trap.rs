//! A proxy between a program and DynamoDB that stops the program's n-th transaction, or its n-th request, for it to be
//! killed there: when DynamoDB has not heard of it yet, or when it is done but not answered.

use std::future;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The proxy.
#[derive(Debug)]
pub struct Trap {
    /// Where it answers.
    pub endpoint: String,
    state: Arc<Shared>,
}

/// Where a transaction is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// DynamoDB never hears of it.
    Before,
    /// DynamoDB has done it, but its answer does not arrive.
    After,
}

#[derive(Debug)]
struct Shared {
    upstream: &'static str,
    client: reqwest::Client,
    armed: Mutex<Option<Armed>>,
}

#[derive(Debug)]
struct Armed {
    /// The operation that is counted; any request if none is named.
    operation: Option<&'static str>,
    /// How many pass before the one that is stopped.
    passing: usize,
    stop: Stop,
    reached: oneshot::Sender<()>,
}

impl Trap {
    /// Starts a proxy in front of `upstream`; it lives as long as the test's runtime.
    pub async fn start(upstream: &'static str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let state = Arc::new(Shared { upstream, client, armed: Mutex::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the address of a bound listener");
        let router = Router::new().fallback(handle).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint: format!("http://{address}"), state }
    }

    /// Stops the transaction that comes after `passing` others. What is returned tells when it is there.
    pub fn arm(&self, passing: usize, stop: Stop) -> oneshot::Receiver<()> {
        self.arm_at(Some("TransactWriteItems"), passing, stop)
    }

    /// Stops the request that comes after `passing` others, whatever it asks for.
    pub fn arm_any(&self, passing: usize, stop: Stop) -> oneshot::Receiver<()> {
        self.arm_at(None, passing, stop)
    }

    fn arm_at(&self, operation: Option<&'static str>, passing: usize, stop: Stop) -> oneshot::Receiver<()> {
        let (reached, when) = oneshot::channel();
        let armed = Armed { operation, passing, stop, reached };
        *self.state.armed.lock().expect("no holder of the lock panics") = Some(armed);
        when
    }
}

async fn handle(State(state): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let stopped = state.next(target.rsplit('.').next().unwrap_or_default());
    let Some(Armed { stop, reached, .. }) = stopped else { return state.forward(&headers, body).await };
    if stop == Stop::After {
        state.forward(&headers, body).await;
    }
    let _ = reached.send(());
    // Dropped when the program is gone, and with it the connection.
    future::pending().await
}

impl Shared {
    /// Counts a request; the trap, if this is the one to be stopped.
    fn next(&self, operation: &str) -> Option<Armed> {
        let mut armed = self.armed.lock().expect("no holder of the lock panics");
        let counts = |armed: &Armed| armed.operation.is_none_or(|counted| counted == operation);
        match armed.as_mut().filter(|armed| counts(armed)) {
            Some(Armed { passing: 0, .. }) => armed.take(),
            Some(armed) => {
                armed.passing -= 1;
                None
            }
            None => None,
        }
    }

    async fn forward(&self, headers: &HeaderMap, body: Bytes) -> Response {
        let mut headers = headers.clone();
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        let received = self.client.post(self.upstream).headers(headers).body(body).send().await;
        let received = received.expect("DynamoDB Local answers");
        let (status, headers) = (received.status(), received.headers().clone());
        let body = received.bytes().await.expect("DynamoDB Local answers in full");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        for name in [header::CONTENT_TYPE, header::HeaderName::from_static("x-amz-crc32")] {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }
}
