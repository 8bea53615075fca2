//! A deployed binary, run as Lambda runs it: a process that asks a runtime API for events and sends the answers there.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, Response, Uri};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};

use super::programs::bootstrap;
use super::project::ROOT;

/// Later than any test.
const DEADLINE_MS: &str = "253402300799000";
/// The namespace of the metrics of a test.
pub const NAMESPACE: &str = "arcadia-tests";

/// What a function came to: an answer or an error for each event, and what it printed.
#[derive(Debug)]
pub struct Ran {
    /// The answers; an error's has an `errorMessage`.
    pub answers: Vec<Value>,
    /// The lines of standard output that are metrics.
    pub metrics: Vec<Value>,
    /// The lines that are spans.
    pub traces: Vec<Value>,
    /// The other lines.
    pub logs: Vec<Value>,
}

/// A function that runs as a process.
#[derive(Debug)]
pub struct Function {
    child: Child,
    events: mpsc::UnboundedSender<Value>,
    answers: mpsc::UnboundedReceiver<Value>,
}

#[derive(Debug)]
struct Runtime {
    events: Mutex<mpsc::UnboundedReceiver<Value>>,
    answers: mpsc::UnboundedSender<Value>,
    /// Where X-Ray says that events belong.
    trace: Option<&'static str>,
}

/// The event that API Gateway sends to the function of an operation, as `infra/event` prints it.
///
/// # Panics
/// If it prints none.
#[must_use]
pub fn event(arguments: &[&str]) -> Value {
    let output = std::process::Command::new(format!("{ROOT}/infra/event")).args(arguments).output();
    let output = output.expect("infra/event");
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("infra/event {arguments:?}: {error}"))
}

/// Has the function `handler` work on events, one after the other. `table` is where, as an endpoint and a name.
pub async fn run(handler: &str, table: Option<(&str, &str)>, events: &[Value]) -> Ran {
    run_within(None, handler, table, events).await
}

/// The same for events that belong to a trace of X-Ray.
pub async fn run_within(
    trace: Option<&'static str>,
    handler: &str,
    table: Option<(&str, &str)>,
    events: &[Value],
) -> Ran {
    // A function without a table gets nothing of what belongs to one.
    let environment = table.map(|(endpoint, table)| of_table(endpoint, table));
    let environment = environment.as_ref().map_or(&[][..], |environment| environment);
    run_binary(bootstrap(), trace, handler, environment, events).await
}

/// The same for any binary: it gets what Lambda sets, and `environment`.
pub async fn run_binary(
    binary: &Path,
    trace: Option<&'static str>,
    handler: &str,
    environment: &[(&str, &str)],
    events: &[Value],
) -> Ran {
    let mut function = Function::start(binary, trace, handler, environment, Stdio::piped()).await;
    let mut stdout = function.child.stdout.take().expect("its output");
    let invoking = async {
        let mut ran = Vec::new();
        for event in events {
            function.send(event.clone());
            ran.push(function.answer().await);
        }
        function.kill().await;
        ran
    };
    let mut printed = String::new();
    let (answers, read) = tokio::join!(invoking, stdout.read_to_string(&mut printed));
    read.expect("its output");
    let lines = printed.lines().map(|line| serde_json::from_str::<Value>(line).expect("every line is JSON"));
    let (metrics, others): (_, Vec<Value>) = lines.partition(|line| line.get("_aws").is_some());
    let (traces, logs) = others.into_iter().partition(|line| line.get("resourceSpans").is_some());
    Ran { answers, metrics, traces, logs }
}

impl Function {
    /// Starts a function on a table, by its endpoint and name. What it prints is not kept.
    pub async fn on_table(handler: &str, (endpoint, table): (&str, &str)) -> Self {
        Self::start(bootstrap(), None, handler, &of_table(endpoint, table), Stdio::null()).await
    }

    async fn start(
        binary: &Path,
        trace: Option<&'static str>,
        handler: &str,
        environment: &[(&str, &str)],
        stdout: Stdio,
    ) -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let runtime = Arc::new(Runtime { events: Mutex::new(receiver), answers: answered, trace });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the address of a bound listener").to_string();
        let router = Router::new().fallback(handle).with_state(runtime);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut command = Command::new(binary);
        command.env_clear().env("_HANDLER", handler).env("AWS_LAMBDA_RUNTIME_API", &address);
        for (name, value) in [
            ("AWS_LAMBDA_FUNCTION_NAME", handler),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ] {
            command.env(name, value);
        }
        command.envs(environment.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(stdout).kill_on_drop(true).spawn().expect("the binary");
        Self { child, events, answers }
    }

    /// Has an event wait until the function asks for it.
    pub fn send(&self, event: Value) {
        self.events.send(event).expect("the runtime API listens");
    }

    /// The answer to the next event.
    pub async fn answer(&mut self) -> Value {
        self.answers.recv().await.expect("an answer")
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it runs until it is ended");
    }
}

/// What the template gives a function that works on a table.
fn of_table<'a>(endpoint: &'a str, table: &'a str) -> [(&'static str, &'a str); 7] {
    [
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoint),
        ("TABLE_NAME", table),
        ("DEFAULT_REGION", "eu-central-1"),
        ("DUE_SHARDS", "16"),
        ("METRICS_NAMESPACE", NAMESPACE),
        ("TENANT_CLAIM", "tenant_id"),
        ("ROLE_CLAIM", "role"),
    ]
}

async fn handle(State(runtime): State<Arc<Runtime>>, method: Method, uri: Uri, body: Bytes) -> Response<Body> {
    if method == Method::GET && uri.path().ends_with("/invocation/next") {
        let Some(event) = runtime.events.lock().await.recv().await else { return std::future::pending().await };
        let response = Response::builder();
        let response = match runtime.trace {
            Some(trace) => response.header("lambda-runtime-trace-id", trace),
            None => response,
        };
        return response
            .header("lambda-runtime-aws-request-id", "00000000-0000-4000-8000-000000000000")
            .header("lambda-runtime-deadline-ms", DEADLINE_MS)
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:tests")
            .body(Body::from(event.to_string()))
            .expect("a response");
    }
    let answer = serde_json::from_slice(&body).expect("an answer is JSON");
    let _ = runtime.answers.send(answer);
    Response::builder().status(202).body(Body::from("{}")).expect("a response")
}
