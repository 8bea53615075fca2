//! Turns a request into a response: identifies the caller, runs the handler and writes its result.

use arcadia_store::{StoreError, error_chain, metrics};
use lambda_http::http::{HeaderName, HeaderValue, Method, Response, header};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt};
use serde_json::Value;

use crate::auth::Principal;
use crate::http::problem::Problem;
use crate::http::{Answer, Call, Csv};
use crate::metric_lines::measured;
use crate::runtime::App;
use crate::{Error, Route};

/// The header with the request's id; logs have it too.
const REQUEST_ID: &str = "x-request-id";

/// The header of a replayed response.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Responds to a request on a route in every case, and logs one line about it and one with its metrics.
pub async fn respond(app: &App, route: &Route, request: Request) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    let response = measured(answer(app, route, request)).await;
    if is_head { without_body(response) } else { response }
}

/// The response to a HEAD request: that of a GET without its body (RFC 9110, section 9.3.2).
fn without_body(mut response: Response<Body>) -> Response<Body> {
    let length = response.body().len();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response.map(|_| Body::Empty)
}

async fn answer(app: &App, route: &Route, request: Request) -> Response<Body> {
    let request_id = request_id(&request);
    let deployment_id = request.path_parameters().first("id").map(str::to_owned);
    let mut actor = String::new();
    let outcome = async {
        let principal = Principal::from_request(&request, &app.settings.claims)?;
        actor.clone_from(&principal.actor.id);
        route.audience.admit(principal.actor.authority)?;
        let call = Call::new(principal, request, route.parameters)?;
        let outcome = (route.call)(app, &call).await;
        replay(app, &call, outcome).await
    }
    .await;
    let route = route.handler;
    match outcome {
        Ok(answer) => {
            let status = answer.status.as_u16();
            // A creation has no deployment id in its path; the response has it.
            let created = answer.body.pointer("/deployment/id").and_then(Value::as_str);
            let deployment_id = created.or(deployment_id.as_deref());
            tracing::info!(request_id, route, deployment_id, actor, status, "answered");
            answer_response(answer, &request_id)
        }
        Err(error) => {
            let problem = Problem::from(&error);
            let (status, code) = (problem.status.as_u16(), problem.code);
            if matches!(error, Error::Rejected(_)) {
                metrics::rejected(code);
            }
            if problem.status.is_server_error() {
                let error = error_chain(&error);
                tracing::error!(request_id, route, deployment_id, actor, status, code, error, "failed");
            } else {
                tracing::info!(request_id, route, deployment_id, actor, status, code, "refused");
            }
            problem_response(&problem, &request_id)
        }
    }
}

/// Replaces an error with the stored response if the request's idempotency key shows that it was carried out before.
/// The record is read only for errors that a repeated request can get.
async fn replay(app: &App, call: &Call, outcome: Result<Answer, Error>) -> Result<Answer, Error> {
    let Some(key) = &call.idempotency_key else { return outcome };
    match outcome {
        Err(Error::Store(StoreError::Answered(record))) => key.replay(*record),
        Err(error) if error.may_follow_success() => {
            let record = app.store.load_idempotency_record(&key.id, app.clock.now()).await?;
            record.map_or(Err(error), |record| key.replay(record))
        }
        outcome => outcome,
    }
}

/// Writes a problem response.
#[must_use]
pub fn problem_response(problem: &Problem, request_id: &str) -> Response<Body> {
    let mut response = json_response("application/problem+json", &problem.body(), request_id);
    *response.status_mut() = problem.status;
    if let Some(seconds) = problem.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(tag) = problem.current_version.and_then(entity_tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The entity tag of a version.
fn entity_tag(version: u64) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("\"{version}\"")).ok()
}

fn answer_response(answer: Answer, request_id: &str) -> Response<Body> {
    let Answer { status, body, version, location, replayed, csv } = answer;
    let (mut response, next) = match csv {
        Some(Csv { text, next }) => (text_response("text/csv; charset=utf-8; header=present", text, request_id), next),
        None => (json_response("application/json", &body, request_id), None),
    };
    *response.status_mut() = status;
    let link = next.and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok());
    let location = location.and_then(|location| HeaderValue::try_from(location).ok());
    let replayed = replayed.then(|| HeaderValue::from_static("true"));
    let tag = version.and_then(entity_tag);
    let headers =
        [(header::ETAG, tag), (header::LOCATION, location), (header::LINK, link), (IDEMPOTENT_REPLAYED, replayed)];
    for (name, value) in headers {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn json_response(content_type: &'static str, body: &Value, request_id: &str) -> Response<Body> {
    text_response(content_type, body.to_string(), request_id)
}

fn text_response(content_type: &'static str, text: String, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Body::Text(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, request_id);
    }
    response
}

/// API Gateway's request id, or Lambda's invocation id.
fn request_id(request: &Request) -> String {
    let gateway = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    gateway.or_else(|| request.lambda_context_ref().map(|context| context.request_id.clone())).unwrap_or_default()
}
