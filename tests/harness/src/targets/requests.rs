//! Requests: whatever is sent to whichever route, the answer is well-formed, and no mistake of a caller is answered with
//! a 500. The event, its decoding, the claims, the route's handler and the problem are the real ones. DynamoDB cannot be
//! reached, so every accepted request ends in a 503.
//!
//! An input is written as HTTP/1.1 has it: method and target, headers, an empty line, the body. The headers `sub`, `role` and
//! `tenant` stand for the token's claims; an administrator's JSON is what is meant when they and `content-type` are left out.

use std::cell::LazyCell;
use std::sync::Arc;

use arcadia_domain::{Actor, Authority, Scope, Timestamp};
use arcadia_functions::auth::{ClaimNames, Principal};
use arcadia_functions::http::Call;
use arcadia_functions::runtime::{App, Clock, Settings};
use arcadia_functions::{Error, ROUTES, Route, respond};
use arcadia_store::Store;
use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::result::ConnectorError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use lambda_http::http::{Response, Uri, header};
use lambda_http::{Body, Request};
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};

/// When every request arrives.
const NOW_S: i64 = 1_800_000_000;

thread_local! {
    static WORLD: LazyCell<(Runtime, App)> = LazyCell::new(|| {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        (runtime, app())
    });
}

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        DateTime::from_timestamp(NOW_S, 0).expect("a time")
    }
}

/// A connection to nobody.
#[derive(Debug)]
struct Nobody;

impl HttpConnector for Nobody {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Err(ConnectorError::io("nobody is at home".into())))
    }
}

/// A request, in the words of an input.
struct Parsed<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: Map<String, Value>,
    body: &'a [u8],
}

/// Runs the target.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) -> bool {
    let Some(parsed) = parse(input) else { return false };
    let Some(route) = ROUTES.iter().find(|route| parameters(route, &parsed).is_some()) else { return false };
    let Ok(request) = lambda_http::request::from_str(&event(route, parsed).to_string()) else { return false };
    let response = WORLD.with(|world| {
        let (runtime, app) = &**world;
        runtime.block_on(respond(app, route, request))
    });
    check(route, &response)
}

/// A call by an administrator.
pub(super) fn call(request: Request, parameters: &[&str]) -> Result<Call, Error> {
    let actor = Actor { id: "ada".to_owned(), authority: Authority::PlatformAdmin };
    Call::new(Principal { actor, scope: Scope::All }, request, parameters)
}

/// Insists that an answer is what callers are promised; tells whether it took the store to refuse the request.
fn check(route: &Route, response: &Response<Body>) -> bool {
    let (status, headers) = (response.status().as_u16(), response.headers());
    let Body::Text(text) = response.body() else { panic!("{} answered no text", route.handler) };
    let body: Value = serde_json::from_str(text).expect("an answer is JSON");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    if status == 200 {
        // The one route that asks nobody.
        assert_eq!(route.handler, "show_lifecycle");
        return true;
    }
    assert!([400, 401, 403, 412, 413, 415, 422, 503].contains(&status), "{} answered {status}: {text}", route.handler);
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    assert!(body["status"] == status && body["code"].is_string() && body["title"].is_string(), "{text}");
    assert_eq!(headers.contains_key(header::RETRY_AFTER), status == 503);
    status == 503
}

fn parse(input: &[u8]) -> Option<Parsed<'_>> {
    let end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let (head, body) = input.split_at(end);
    let body = body.strip_prefix(b"\n\n").unwrap_or_default();
    let mut lines = std::str::from_utf8(head).ok()?.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    // API Gateway hands nothing on that is no target.
    let uri: Uri = target.parse().ok()?;
    uri.path_and_query()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Map::from_iter([("content-type".to_owned(), json!("application/json"))]);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), json!(value.trim()));
    }
    // It also knows its own name, and lets no other through.
    headers.insert("host".to_owned(), json!("api.example.com"));
    Some(Parsed { method, path, query, headers, body })
}

/// The parts of a path that vary, if it is the route's.
fn parameters(route: &Route, request: &Parsed<'_>) -> Option<Map<String, Value>> {
    let (known, given) = (route.path.split('/'), request.path.split('/'));
    if route.method.as_str() != request.method || known.clone().count() != given.clone().count() {
        return None;
    }
    let mut parameters = Map::new();
    for (known, given) in known.zip(given) {
        match known.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => {
                parameters.insert(name.to_owned(), json!(given));
            }
            None if known == given => {}
            None => return None,
        }
    }
    Some(parameters)
}

/// The event that API Gateway makes of a request: an HTTP API's, payload format 2.0.
fn event(route: &Route, request: Parsed<'_>) -> Value {
    let parameters = parameters(route, &request);
    let Parsed { method, path, query, mut headers, body } = request;
    let mut claim = |name: &str, default: &str| headers.remove(name).unwrap_or_else(|| json!(default));
    let (sub, role, tenant) = (claim("sub", "ada"), claim("role", "platform_admin"), claim("tenant", "acme"));
    let text = std::str::from_utf8(body).ok();
    json!({
        "version": "2.0",
        "routeKey": format!("{method} {}", route.path),
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "pathParameters": parameters,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "authorizer": {"jwt": {"claims": {"sub": sub, "role": role, "tenant_id": tenant}, "scopes": null}},
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ""},
            "requestId": "fuzz",
            "stage": "$default",
        },
        "body": text.map_or_else(|| STANDARD.encode(body), str::to_owned),
        "isBase64Encoded": text.is_none(),
    })
}

fn app() -> App {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Nobody)))
        .endpoint_url("http://nobody.invalid")
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "fuzz"))
        .retry_config(RetryConfig::disabled())
        .build();
    App {
        store: Store::new(Client::from_conf(config), "fuzz"),
        clock: Arc::new(Still),
        settings: Settings {
            default_region: "eu-central-1".parse().expect("a region"),
            claims: ClaimNames { tenant: "tenant_id".to_owned(), role: "role".to_owned() },
        },
    }
}
