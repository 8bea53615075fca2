//! The responses of the function. API Gateway sends it the console's paths and all requests that match no other route.

use lambda_http::http::{HeaderValue, Method, Response, StatusCode, header};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _};
use serde_json::json;

use crate::console::Console;

/// Methods of the console's paths.
const ALLOWED: &str = "GET, HEAD";

/// Responds to any request.
#[must_use]
pub fn answer(console: &Console, request: &Request) -> Response<Body> {
    let found = console.find(request.raw_http_path(), request.headers());
    match (found, request.method()) {
        (Some(response), &Method::GET) => response,
        (Some(response), &Method::HEAD) => response.map(|_| Body::Empty),
        (Some(_), _) => {
            let detail = format!("This path supports only {ALLOWED}.");
            let mut response = problem(request, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &detail);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
            response
        }
        (None, _) => problem(request, StatusCode::NOT_FOUND, "not_found", "The route does not exist."),
    }
}

/// Builds a problem in the form of `arcadia_functions::http::problem`. That module is not used here because it depends
/// on the DynamoDB SDK; a test compares the two.
fn problem(request: &Request, status: StatusCode, code: &str, detail: &str) -> Response<Body> {
    let body = json!({
        "type": format!("urn:arcadia:problem:{code}"),
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    let mut response = Response::new(Body::Text(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref()
        && let Some(request_id) = context.request_id.as_ref().and_then(|id| HeaderValue::from_str(id).ok())
    {
        headers.insert("x-request-id", request_id);
    }
    response
}
