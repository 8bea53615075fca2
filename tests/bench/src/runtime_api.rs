//! The part of Lambda's runtime API that functions use: it hands out events one after the other, and receives answers.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, Response, Uri};
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::Failure;

/// Later than any measurement.
const DEADLINE_MS: &str = "253402300799000";

/// A runtime API for one process.
#[derive(Debug)]
pub struct RuntimeApi {
    /// Its address, in the form of `AWS_LAMBDA_RUNTIME_API`.
    pub address: String,
    events: mpsc::UnboundedSender<String>,
    answers: mpsc::UnboundedReceiver<Arrived>,
    serving: JoinHandle<std::io::Result<()>>,
}

/// A request of a function, and the arrival time of its last byte.
#[derive(Debug)]
struct Arrived {
    at: Instant,
    path: String,
    body: Bytes,
}

#[derive(Debug)]
struct Shared {
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    answers: mpsc::UnboundedSender<Arrived>,
    invocations: AtomicU64,
}

impl RuntimeApi {
    /// Starts to listen.
    pub async fn start() -> Result<Self, Failure> {
        let (events, waiting) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let shared = Shared { events: Mutex::new(waiting), answers: answered, invocations: AtomicU64::new(0) };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let router = Router::new().fallback(handle).with_state(Arc::new(shared));
        // Lambda's own API sends without waiting for acknowledgements, too.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, events, answers, serving })
    }

    /// Queues an event for the next request.
    pub fn push(&self, event: String) -> Result<(), Failure> {
        Ok(self.events.send(event)?)
    }

    /// The next answer and its arrival time. An error that the function reports is an error here, too.
    pub async fn answer(&mut self) -> Result<(Instant, Bytes), Failure> {
        let Arrived { at, path, body } = self.answers.recv().await.ok_or("the runtime API has ended")?;
        if path.ends_with("/response") {
            Ok((at, body))
        } else {
            Err(format!("{path}: {}", String::from_utf8_lossy(&body)).into())
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn handle(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, body: Bytes) -> Response<Body> {
    if method == Method::GET && uri.path() == "/2018-06-01/runtime/invocation/next" {
        let Some(event) = shared.events.lock().await.recv().await else { return std::future::pending().await };
        let invocation = shared.invocations.fetch_add(1, Ordering::Relaxed);
        return Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", format!("00000000-0000-4000-8000-{invocation:012x}"))
            .header("lambda-runtime-deadline-ms", DEADLINE_MS)
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:bench")
            .header("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")
            .body(Body::from(event))
            .expect("a response");
    }
    let arrived = Arrived { at: Instant::now(), path: uri.path().to_owned(), body };
    // Without a receiver the measurement was given up.
    let _ = shared.answers.send(arrived);
    Response::builder().status(202).body(Body::from("{}")).expect("a response")
}
