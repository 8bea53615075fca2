//! The spans of an invocation: the invocation itself, and each attempt of each DynamoDB request. Only built with the
//! feature `traces`. Spans are printed as lines of OTLP JSON, each ready to be sent to a collector's `/v1/traces`. They
//! join the trace that AWS X-Ray began; without a sampled X-Ray trace nothing is printed.
//!
//! Spans are collected per task, like the metrics of [`arcadia_store::metrics`].

use std::cell::RefCell;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Maximum number of spans in a line. CloudWatch accepts 256 KiB per line.
pub const MAX_SPANS: usize = 100;

/// Span kinds as defined by OTLP.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// OTLP status of a failed span. A successful span has no status.
const FAILED: u8 = 2;

tokio::task_local! {
    static TRACE: RefCell<Trace>;
}

/// The trace of an invocation, and its spans that are not printed yet.
#[derive(Debug)]
struct Trace {
    id: String,
    /// Id of the invocation's span.
    root_id: String,
    spans: Vec<Value>,
}

/// The outcome of an invocation.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Span attributes, named after OpenTelemetry's semantic conventions where they apply.
    pub attributes: Map<String, Value>,
    /// Kind of failure, if it failed.
    pub error: Option<String>,
}

/// Parent span from X-Ray's header.
#[derive(Debug, PartialEq, Eq)]
struct Parent {
    trace_id: String,
    span_id: Option<String>,
}

/// Runs an invocation and prints its spans if X-Ray samples it. `header` is the trace header that Lambda received;
/// `outcome` derives the span's outcome from the result.
pub async fn traced<T>(
    header: Option<&str>,
    name: &str,
    work: impl Future<Output = T>,
    outcome: impl FnOnce(&T) -> Outcome,
) -> T {
    let Some(parent) = header.and_then(sampled) else { return work.await };
    let root_id = new_span_id();
    let trace = Trace { id: parent.trace_id, root_id: root_id.clone(), spans: Vec::new() };
    let working = async {
        let began = now();
        let done = work.await;
        let mut root =
            Span { name, kind: SERVER, id: root_id, parent_id: parent.span_id, began, outcome: outcome(&done) };
        root.outcome.attributes.insert("faas.name".to_owned(), name.into());
        TRACE.with(|trace| {
            let trace = &mut *trace.borrow_mut();
            trace.add(root);
            trace.print();
        });
        done
    };
    TRACE.scope(RefCell::new(trace), Box::pin(working)).await
}

/// A DynamoDB client that makes a span of each request.
#[must_use]
pub fn client(config: &aws_config::SdkConfig) -> Client {
    Client::from_conf(aws_sdk_dynamodb::config::Builder::from(config).interceptor(Requests).build())
}

/// Parses X-Ray's header, such as `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`. Returns
/// `None` unless the trace is sampled.
fn sampled(header: &str) -> Option<Parent> {
    let part = |name| header.split(';').find_map(|part| part.trim().strip_prefix(name));
    let is_hex = |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let trace_id = part("Root=1-")?.replacen('-', "", 1);
    let span_id = part("Parent=").filter(|id| is_hex(id, 16)).map(str::to_owned);
    (part("Sampled=")? == "1" && is_hex(&trace_id, 32)).then_some(Parent { trace_id, span_id })
}

/// A finished span.
struct Span<'a> {
    name: &'a str,
    kind: u8,
    id: String,
    parent_id: Option<String>,
    began: SystemTime,
    outcome: Outcome,
}

impl Trace {
    /// Adds a span that ends now.
    fn add(&mut self, span: Span<'_>) {
        let Span { name, kind, id, parent_id, began, outcome: Outcome { mut attributes, error } } = span;
        let mut told = json!({
            "traceId": self.id,
            "spanId": id,
            "parentSpanId": parent_id,
            "name": name,
            "kind": kind,
            "startTimeUnixNano": nanoseconds(began),
            "endTimeUnixNano": nanoseconds(now()),
        });
        if let Some(error) = error {
            told["status"] = json!({"code": FAILED});
            attributes.insert("error.type".to_owned(), error.into());
        }
        told["attributes"] = attributes.iter().map(|(key, value)| json!({"key": key, "value": any(value)})).collect();
        self.spans.push(told);
        if self.spans.len() >= MAX_SPANS {
            self.print();
        }
    }

    /// Prints the collected spans in one line.
    fn print(&mut self) {
        let spans = std::mem::take(&mut self.spans);
        if spans.is_empty() {
            return;
        }
        let service = json!({"key": "service.name", "value": {"stringValue": "arcadia-cloud"}});
        let scope = json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")});
        let line = json!({"resourceSpans": [{
            "resource": {"attributes": [service]},
            "scopeSpans": [{"scope": scope, "spans": spans}],
        }]});
        // Write errors are ignored.
        let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
    }
}

/// An OTLP `AnyValue`.
fn any(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::String(text) => json!({"stringValue": text}),
        other => json!({"stringValue": other.to_string()}),
    }
}

/// Makes a span of each attempt of a request.
#[derive(Debug)]
struct Requests;

/// Start time of an attempt.
#[derive(Debug)]
struct Began(SystemTime);

impl Storable for Began {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Requests {
    fn name(&self) -> &'static str {
        "traces"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Began(now()));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(Began(began)), Some(operation)) = (config.load::<Began>(), config.load::<Metadata>()) else {
            return Ok(());
        };
        let answered = context.response();
        let status = answered.map(|response| response.status().as_u16());
        let mut attributes = Map::new();
        attributes.insert("db.system.name".to_owned(), "aws.dynamodb".into());
        attributes.insert("db.operation.name".to_owned(), operation.name().into());
        attributes.extend(status.map(|status| ("http.response.status_code".to_owned(), status.into())));
        let failed = !matches!(context.output_or_error(), Some(Ok(_)));
        let error = failed.then(|| answered.and_then(error_type).unwrap_or_else(|| "no_answer".to_owned()));
        let name = format!("DynamoDB.{}", operation.name());
        // Requests outside an invocation have no span.
        let _ = TRACE.try_with(|trace| {
            let trace = &mut *trace.borrow_mut();
            let (id, parent_id) = (new_span_id(), Some(trace.root_id.clone()));
            let outcome = Outcome { attributes, error };
            trace.add(Span { name: &name, kind: CLIENT, id, parent_id, began: *began, outcome });
        });
        Ok(())
    }
}

/// DynamoDB's name of the error in a response.
fn error_type(response: &HttpResponse) -> Option<String> {
    let body: Value = serde_json::from_slice(response.body().bytes()?).ok()?;
    Some(body["__type"].as_str()?.rsplit('#').next()?.to_owned())
}

#[allow(clippy::disallowed_methods, reason = "an id of a span is random, and decides nothing")]
fn new_span_id() -> String {
    const RANDOM_HALF: usize = 16;
    Uuid::now_v7().simple().to_string().split_off(RANDOM_HALF)
}

#[allow(clippy::disallowed_methods, reason = "how long a span lasts decides nothing")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn nanoseconds(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_sampled_has_a_place_in_a_trace() {
        let ids = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8";
        let parent = sampled(&format!("{ids};Sampled=1;Lineage=a:1")).unwrap();
        assert_eq!(parent.trace_id, "5759e988bd862e3fe1be46a994272793");
        assert_eq!(parent.span_id.as_deref(), Some("53995c3f42cd8ad8"));
        let alone = sampled("Sampled=1;Root=1-5759e988-bd862e3fe1be46a994272793").unwrap();
        assert_eq!(alone.span_id, None);
        for header in [ids, &format!("{ids};Sampled=0"), "Root=1-5759e988;Sampled=1", "Root=x;Sampled=1", "", ";;=="] {
            assert_eq!(sampled(header), None, "{header}");
        }
    }
}
