//! Wraps invocations in spans, which `crate::spans` prints. Only built with the feature `traces`.

use std::error::Error;

use arcadia_store::error_chain;
use lambda_http::http::{Response, header};
use lambda_http::{Body, Request, RequestExt};
use lambda_runtime::Context;
use serde_json::{Value, json};

use crate::runtime::App;
use crate::spans::{Outcome, traced};
use crate::{Route, respond as answer};

/// Responds to a request on a route within a span.
pub async fn respond(app: &App, route: &Route, request: Request) -> Response<Body> {
    let trace = request.lambda_context_ref().and_then(|context| context.xray_trace_id.clone());
    let deployment_id = request.path_parameters().first("id").map(str::to_owned);
    let outcome = |response: &Response<Body>| told(route, deployment_id, response);
    traced(trace.as_deref(), route.handler, answer(app, route, request), outcome).await
}

/// Runs scheduled work within a span.
pub async fn function<T, E: Error + 'static>(
    context: &Context,
    name: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let outcome = |result: &Result<T, E>| Outcome {
        attributes: [("faas.invocation_id".to_owned(), context.request_id.as_str().into())].into_iter().collect(),
        error: result.as_ref().err().map(|error| error_chain(error)),
    };
    traced(context.xray_trace_id.as_deref(), name, work, outcome).await
}

/// Derives a span's outcome from a response.
fn told(route: &Route, deployment_id: Option<String>, response: &Response<Body>) -> Outcome {
    let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    // Only the response to a creation has a `Location`.
    let created = text(header::LOCATION.as_str()).and_then(|location| location.rsplit('/').next().map(str::to_owned));
    let is_deployment = route.handler == "create_deployment";
    let (status, body) = (response.status(), serde_json::from_slice::<Value>(response.body()).unwrap_or_default());
    let code = body["code"].as_str().filter(|_| !status.is_success());
    let attributes = json!({
        "http.request.method": route.method.as_str(),
        "http.route": route.path,
        "http.response.status_code": status.as_u16(),
        "faas.invocation_id": text("x-request-id"),
        "arcadia.deployment_id": created.filter(|_| is_deployment).or(deployment_id),
        "arcadia.code": code,
    });
    let Value::Object(mut attributes) = attributes else { return Outcome::default() };
    attributes.retain(|_, value| !value.is_null());
    Outcome { attributes, error: status.is_server_error().then(|| code.unwrap_or("internal").to_owned()) }
}
