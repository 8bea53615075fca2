//! The HTTP server in place of API Gateway: it routes requests, verifies tokens, and runs the route's function on the
//! event that Lambda would receive. It contains no business rules.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use arcadia_console::{Claims, Console};
use arcadia_domain::Timestamp;
use arcadia_functions::auth::ClaimNames;
use arcadia_functions::http::problem::Problem;
use arcadia_functions::runtime::App;
use arcadia_functions::{Error, ROUTES, Route, problem_response, respond};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::body::into_body;
use crate::event::{self, EventError};
use crate::events_route::{self, Events};
use crate::issuer::Issuer;
use crate::proof::{self, Proof};
use crate::sweeper::TestClock;
use crate::{clock_route, docs};

/// Maximum length of a body in API Gateway, in bytes.
pub const MAX_BODY_LEN: usize = 10 * 1024 * 1024;
/// How much of a longer body is read, so that the client receives the error response.
const MAX_DRAINED_LEN: usize = 2 * MAX_BODY_LEN;
/// Timeout for receiving a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long running requests may take to finish after the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// The shared state of the server.
#[derive(Debug, Clone)]
struct Gateway {
    app: App,
    issuer: Arc<Issuer>,
    console: Console,
    extras: Extras,
    /// Address that the server listens on.
    address: SocketAddr,
}

/// Local extras beside the product's routes.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// A clock that can be advanced.
    pub test_clock: Option<Arc<TestClock>>,
    /// Live events.
    pub events: Option<Events>,
}

/// The target of a request.
#[derive(Debug, Clone)]
enum Target {
    /// A route of the product.
    Function(&'static Route),
    /// The test clock.
    Clock(Arc<TestClock>),
    /// The events of this run.
    Events(Events),
}

/// A refusal by the gateway itself.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// No route has this path.
    RouteNotFound,
    /// The path supports only these methods.
    MethodNotAllowed(String),
    /// The path's encoding is invalid.
    InvalidPath,
    /// The challenge cannot be signed.
    InvalidChallenge,
    /// The body is incomplete.
    IncompleteBody,
    /// The body did not arrive in time.
    SlowBody,
    /// The body is longer than [`MAX_BODY_LEN`].
    LongBody,
    /// The request does not have exactly one valid token.
    Unauthenticated,
    /// The headers cannot be passed on.
    Headers(EventError),
    /// The function returned no response.
    Crashed,
}

/// A route and its decoded path parameters.
type Match = (&'static Route, BTreeMap<&'static str, String>);

/// Serves until `shutdown` resolves, then finishes running requests and returns.
///
/// # Errors
/// Errors of the listener.
pub async fn serve(
    listener: TcpListener,
    app: App,
    issuer: Arc<Issuer>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_with(listener, app, issuer, Extras::default(), shutdown).await
}

/// Like [`serve`], with the local extras.
///
/// # Errors
/// Errors of the listener.
pub async fn serve_with(
    listener: TcpListener,
    app: App,
    issuer: Arc<Issuer>,
    extras: Extras,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let events = extras.events.clone();
    let address = listener.local_addr()?;
    let router = Router::new().fallback(handle).with_state(Gateway::new(app, issuer, extras, address));
    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async {
            shutdown.await;
            // Readers of events would otherwise never stop.
            if let Some(events) = events {
                events.close();
            }
            let _ = stopping.send(());
        });
    // Otherwise a client that never completes its request would block the shutdown.
    let overdue = async {
        let _ = stopped.await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        served = server => served,
        () = overdue => Ok(()),
    }
}

async fn handle(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let now = gateway.app.clock.now();
    let request_id = gateway.app.new_id(now).to_string();
    let (parts, body) = request.into_parts();
    let mut response = match gateway.answer(&parts, body, peer.ip(), &request_id, now).await {
        Ok(response) => response,
        Err(refusal) => {
            let problem = refusal.problem();
            let (method, path) = (parts.method.as_str(), parts.uri.path());
            let (status, code) = (problem.status.as_u16(), problem.code);
            tracing::info!(request_id, method, path, status, code, "refused by the gateway");
            let mut response = problem_response(&problem, &request_id);
            response.headers_mut().extend(refusal.header());
            response.map(into_body)
        }
    };
    // Use the program's clock, which may differ from the machine's.
    if let Ok(date) = HeaderValue::from_str(&now.format("%a, %d %b %Y %H:%M:%S GMT").to_string()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

impl Gateway {
    fn new(app: App, issuer: Arc<Issuer>, extras: Extras, address: SocketAddr) -> Self {
        let ClaimNames { tenant, role } = app.settings.claims.clone();
        // There is no issuer for sign-in: the printed links contain a token.
        let console = Console::local(&Claims { role, tenant }, extras.test_clock.is_some());
        Self { app, issuer, console, extras, address }
    }

    async fn answer(
        &self,
        parts: &Parts,
        body: Body,
        source_ip: IpAddr,
        request_id: &str,
        now: Timestamp,
    ) -> Result<Response<Body>, Refusal> {
        let path = parts.uri.path();
        if let Some(page) = docs::find(path).or_else(|| self.console.find(path, &parts.headers)) {
            return match parts.method {
                // The server removes the body of a HEAD itself.
                Method::GET | Method::HEAD => Ok(page.map(into_body)),
                _ => Err(Refusal::MethodNotAllowed("GET, HEAD".to_owned())),
            };
        }
        if parts.uri.path() == proof::PATH {
            return self.prove(parts, now);
        }
        let body = read(body).await?;
        let (target, path_parameters) = self.find(&parts.method, parts.uri.path())?;
        let claims = bearer(&parts.headers).and_then(|token| match self.issuer.verify(token, now) {
            Ok(claims) => Some(claims),
            Err(error) => {
                tracing::debug!(request_id, %error, "token refused");
                None
            }
        });
        let context = event::Context {
            request_id,
            now,
            source_ip,
            route_path: target.path(),
            path_parameters: &path_parameters,
            claims: &claims.ok_or(Refusal::Unauthenticated)?,
        };
        let event = event::build(parts, &body, &context).map_err(Refusal::Headers)?.to_string();
        let app = self.app.clone();
        let (name, request_id) = (target.name(), request_id.to_owned());
        // Each invocation is a task: a client that disconnects does not stop it, and a panic affects no other request.
        let invocation = tokio::spawn(async move {
            let request = lambda_http::request::from_str(&event)?;
            Ok::<_, serde_json::Error>(match target {
                Target::Function(route) => respond(&app, route, request).await.map(into_body),
                Target::Clock(test_clock) => {
                    clock_route::respond(&test_clock, request, &request_id).await.map(into_body)
                }
                Target::Events(events) => events.respond(&app, request, &request_id),
            })
        });
        match invocation.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(crashed(name, &error)),
            Err(error) => Err(crashed(name, &error)),
        }
    }

    /// Responds to a challenge with a proof that this program holds the issuer's key.
    fn prove(&self, parts: &Parts, now: Timestamp) -> Result<Response<Body>, Refusal> {
        if parts.method != Method::GET {
            return Err(Refusal::MethodNotAllowed("GET".to_owned()));
        }
        let proof = Proof { address: self.address.to_string(), now };
        let proved = proof::respond(&self.issuer, parts.uri.query().unwrap_or_default(), &proof);
        proved.map(|response| response.map(into_body)).ok_or(Refusal::InvalidChallenge)
    }

    /// Finds the target of a request.
    fn find(&self, method: &Method, path: &str) -> Result<(Target, BTreeMap<&'static str, String>), Refusal> {
        let Extras { test_clock, events } = &self.extras;
        let (target, methods): (_, &[Method]) = match (path, test_clock, events) {
            (clock_route::PATH, Some(test_clock), _) => (Target::Clock(Arc::clone(test_clock)), &clock_route::METHODS),
            (events_route::PATH, _, Some(events)) => (Target::Events(events.clone()), &events_route::METHODS),
            _ => return find_route(method, path).map(|(route, open)| (Target::Function(route), open)),
        };
        if methods.contains(method) {
            return Ok((target, BTreeMap::new()));
        }
        let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
        Err(Refusal::MethodNotAllowed(methods.join(", ")))
    }
}

impl Target {
    const fn path(&self) -> &'static str {
        match self {
            Self::Function(route) => route.path,
            Self::Clock(_) => clock_route::PATH,
            Self::Events(_) => events_route::PATH,
        }
    }

    /// Its name in logs.
    const fn name(&self) -> &'static str {
        match self {
            Self::Function(route) => route.handler,
            Self::Clock(_) => "local_clock",
            Self::Events(_) => "local_events",
        }
    }
}

impl Refusal {
    fn problem(&self) -> Problem {
        match self {
            Self::RouteNotFound => Problem::new(StatusCode::NOT_FOUND, "not_found", "The route does not exist."),
            Self::MethodNotAllowed(allowed) => Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                format!("This path supports only {allowed}."),
            ),
            Self::InvalidPath => {
                Problem::new(StatusCode::BAD_REQUEST, "invalid_path", "The path must be percent-encoded UTF-8.")
            }
            Self::InvalidChallenge => {
                let detail =
                    "The query must contain one challenge of 32 to 64 letters, digits, hyphens and underscores.";
                Problem::new(StatusCode::BAD_REQUEST, "invalid_challenge", detail)
            }
            Self::IncompleteBody => Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", "The body is incomplete."),
            Self::SlowBody => {
                Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The body took too long to arrive.")
            }
            Self::LongBody => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "payload_too_large",
                format!("The body must be at most {MAX_BODY_LEN} bytes long."),
            ),
            Self::Unauthenticated => Problem::from(&Error::Unauthenticated),
            Self::Headers(EventError::Host) => Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid_host",
                "The request must have exactly one valid Host header.",
            ),
            Self::Headers(EventError::Header) => {
                Problem::new(StatusCode::BAD_REQUEST, "invalid_header", "Header values must be visible ASCII.")
            }
            Self::Crashed => Problem::from(&Error::Internal(String::new())),
        }
    }

    /// The header that HTTP requires with the problem.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::MethodNotAllowed(allowed) => HeaderValue::try_from(allowed).ok().map(|value| (header::ALLOW, value)),
            Self::Unauthenticated => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::RouteNotFound
            | Self::InvalidPath
            | Self::InvalidChallenge
            | Self::IncompleteBody
            | Self::SlowBody
            | Self::LongBody
            | Self::Headers(_)
            | Self::Crashed => None,
        }
    }
}

/// Reads a complete body.
async fn read(body: Body) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let mut len = 0_usize;
    let reading = async {
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Refusal::IncompleteBody)?;
            len = len.saturating_add(chunk.len());
            if len <= MAX_BODY_LEN {
                bytes.extend_from_slice(&chunk);
            } else if len > MAX_DRAINED_LEN {
                break;
            }
        }
        Ok(())
    };
    tokio::time::timeout(BODY_TIMEOUT, reading).await.map_err(|_| Refusal::SlowBody)??;
    if len > MAX_BODY_LEN { Err(Refusal::LongBody) } else { Ok(bytes) }
}

/// Finds the route of a request.
fn find_route(method: &Method, path: &str) -> Result<Match, Refusal> {
    let mut allowed = Vec::new();
    for route in ROUTES {
        let Some(open) = match_path(route.path, path) else { continue };
        if !route.takes(method) {
            allowed.push(route.method.as_str());
            allowed.extend((route.method == Method::GET).then_some("HEAD"));
            continue;
        }
        let decode = |(name, text)| Some((name, event::percent_decode(text)?.into_owned()));
        let open: Option<BTreeMap<_, _>> = open.into_iter().map(decode).collect();
        return Ok((route, open.ok_or(Refusal::InvalidPath)?));
    }
    if allowed.is_empty() { Err(Refusal::RouteNotFound) } else { Err(Refusal::MethodNotAllowed(allowed.join(", "))) }
}

/// Matches a path against a route's path and returns the raw path parameters. The match is exact: no doubled or
/// trailing slash, no encoded letter in a fixed segment, no empty parameter.
fn match_path<'a, 'p>(route_path: &'a str, path: &'p str) -> Option<Vec<(&'a str, &'p str)>> {
    let (mut wanted, mut given) = (route_path.split('/'), path.split('/'));
    let mut open = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(open),
            (Some(wanted), Some(given)) => match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !given.is_empty() => open.push((name, given)),
                None if wanted == given => {}
                Some(_) | None => return None,
            },
            (Some(_), None) | (None, Some(_)) => return None,
        }
    }
}

/// The bearer token of the only `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Logs a function that returned no response.
fn crashed(route: &str, error: &dyn fmt::Display) -> Refusal {
    tracing::error!(route, %error, "the function crashed");
    Refusal::Crashed
}

#[cfg(test)]
mod clock_tests;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use arcadia_domain::Authority;
    use arcadia_functions::runtime::{Clock, Settings};
    use arcadia_store::Store;
    use chrono::TimeDelta;

    use super::*;
    use crate::issuer::{TokenRequest, claim_names};
    use arcadia_functions::runtime::local_client;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// A clock that the gateway can read once, and the function cannot read.
    #[derive(Debug, Default)]
    struct BrokenClock(AtomicBool);

    impl Clock for BrokenClock {
        fn now(&self) -> Timestamp {
            assert!(!self.0.swap(true, Ordering::SeqCst), "the clock has stopped");
            NOW
        }
    }

    fn found(method: Method, path: &str) -> Result<(&'static str, BTreeMap<&'static str, String>), Refusal> {
        find_route(&method, path).map(|(route, open)| (route.handler, open))
    }

    #[test]
    fn every_route_is_found_by_its_own_path_with_its_open_parts() {
        for route in ROUTES {
            let path = route.path.replace("{id}", "one%20id").replace("{resource_id}", "r");
            let (handler, open) = found(route.method.clone(), &path).unwrap();
            assert_eq!(handler, route.handler);
            assert_eq!(open.get("id").map(String::as_str), route.path.contains("{id}").then_some("one id"));
            assert_eq!(open.contains_key("resource_id"), route.path.contains("{resource_id}"));
        }
    }

    #[test]
    fn paths_that_only_look_like_a_route_are_not_found() {
        for path in [
            "",
            "/",
            "*",
            "/api/v1",
            "/api/v1/deployments/",
            "//api/v1/deployments",
            "/api/v1//deployments",
            "/api/v1/deployments//",
            "/api/v1/deployments//events",
            "/api/v1/%64eployments",
            "/API/v1/deployments",
            "/api/v1/deployments/a/b/c/d",
            "/api/v1/deployments/a/../b/events/x",
        ] {
            assert_eq!(found(Method::GET, path).err(), Some(Refusal::RouteNotFound), "{path}");
        }
    }

    #[test]
    fn other_methods_are_told_which_would_do() {
        for method in [Method::OPTIONS, Method::PUT, Method::TRACE] {
            let refusal = found(method, "/api/v1/deployments").unwrap_err();
            assert_eq!(refusal, Refusal::MethodNotAllowed("GET, HEAD, POST".to_owned()));
        }
        let refusal = found(Method::DELETE, "/api/v1/deployments/x").unwrap_err();
        assert_eq!(refusal.header(), Some((header::ALLOW, HeaderValue::from_static("GET, HEAD, PATCH"))));
    }

    #[test]
    fn broken_percent_encoding_is_refused() {
        for id in ["%", "%zz", "%ff", "a%2"] {
            let path = format!("/api/v1/deployments/{id}");
            assert_eq!(found(Method::GET, &path).err(), Some(Refusal::InvalidPath), "{id}");
        }
    }

    #[test]
    fn a_token_stands_in_one_bearer_header() {
        let headers = |values: &[&'static str]| -> HeaderMap {
            values.iter().map(|value| (header::AUTHORIZATION, HeaderValue::from_static(value))).collect()
        };
        assert_eq!(bearer(&headers(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer(&headers(&["bearer abc"])), Some("abc"));
        for bad in [&[][..], &["abc"], &["Basic abc"], &["Bearer"], &["Bearer a", "Bearer a"]] {
            assert_eq!(bearer(&headers(bad)), None, "{bad:?}");
        }
    }

    #[tokio::test]
    async fn bodies_are_taken_up_to_the_limit() {
        assert_eq!(read(Body::from(vec![b'x'; MAX_BODY_LEN])).await.ok().map(|bytes| bytes.len()), Some(MAX_BODY_LEN));
        assert_eq!(read(Body::from(vec![b'x'; MAX_BODY_LEN + 1])).await, Err(Refusal::LongBody));
    }

    #[tokio::test]
    async fn a_function_that_panics_is_answered_for() {
        // No server listens there, and none is called.
        let store = Store::new(local_client("http://127.0.0.1:9"), "table");
        let settings = Settings { default_region: "eu-central-1".parse().unwrap(), claims: claim_names() };
        let issuer = Issuer::generate().unwrap();
        let (role, ttl) = (Authority::PlatformAdmin, TimeDelta::hours(1));
        let request = TokenRequest { role, tenant: None, sub: "ada".to_owned(), ttl };
        let token = issuer.issue(&request, NOW).unwrap();
        let app = App { store, clock: Arc::new(BrokenClock::default()), settings };
        let gateway = Gateway::new(app, Arc::new(issuer), Extras::default(), ([127, 0, 0, 1], 9).into());
        let request = Request::post("/api/v1/deployments")
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::from("{}"))
            .unwrap();
        let response = handle(State(gateway), ConnectInfo(([127, 0, 0, 1], 1).into()), request).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
