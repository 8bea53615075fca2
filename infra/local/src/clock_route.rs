//! `/local/clock`: shows and advances a test clock. The route is not part of the product: it has no function, and
//! exists only with a test clock.

use arcadia_api::body::fields::{integer, timestamp};
use arcadia_api::{FieldError, Fields};
use arcadia_functions::auth::Principal;
use arcadia_functions::http::Call;
use arcadia_functions::http::problem::Problem;
use arcadia_functions::{Audience, Error, problem_response};
use arcadia_store::error_chain;
use axum::http::{HeaderValue, Method, Response, header};
use chrono::TimeDelta;
use lambda_http::{Body, Request};
use serde_json::{Value, json};

use crate::sweeper::{Leap, LeapError, Leapt, TestClock};

/// Path of the route.
pub const PATH: &str = "/local/clock";
/// Methods of the route.
pub const METHODS: [Method; 2] = [Method::GET, Method::POST];

/// Maximum advance, in seconds: ten years.
const MAX_LEAP_S: i64 = 3_653 * 24 * 60 * 60;

/// Responds to a request with one of the [`METHODS`] from a caller with a verified token.
pub async fn respond(test_clock: &TestClock, request: Request, request_id: &str) -> Response<Body> {
    match answer(test_clock, request).await {
        Ok(body) => {
            let mut response = Response::new(Body::Text(body.to_string()));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            if let Ok(request_id) = HeaderValue::from_str(request_id) {
                headers.insert("x-request-id", request_id);
            }
            response
        }
        Err(error) => {
            let problem = Problem::from(&error);
            if problem.status.is_server_error() {
                tracing::error!(request_id, error = error_chain(&error), "the test clock failed");
            }
            problem_response(&problem, request_id)
        }
    }
}

async fn answer(test_clock: &TestClock, request: Request) -> Result<Value, Error> {
    let principal = Principal::from_request(&request, &test_clock.app().settings.claims)?;
    Audience::Admins.admit(principal.actor.authority)?;
    let shows = request.method() == Method::GET;
    let call = Call::new(principal, request, &[])?;
    if shows {
        return Ok(json!({"now": test_clock.now()}));
    }
    let Leapt { from, now, report } = test_clock.leap(read(&call)?).await?;
    tracing::info!(%from, %now, steps = report.steps, "the test clock was moved on");
    Ok(json!({"from": from, "now": now, "sweep": report}))
}

fn read(call: &Call) -> Result<Leap, Error> {
    let mut fields = Fields::parse(call.json_text()?)?;
    let seconds = fields.optional("advance_seconds", integer(1, MAX_LEAP_S));
    let now = fields.optional("now", timestamp);
    fields.finish(Ok(()))?;
    match (seconds, now) {
        (Some(seconds), None) => Ok(Leap::By(TimeDelta::seconds(seconds))),
        (None, Some(now)) => Ok(Leap::To(now)),
        (None, None) => Err(invalid("/advance_seconds", "required", "is required unless now is given")),
        (Some(_), Some(_)) => Err(invalid("/now", "not_both", "must not be given together with advance_seconds")),
    }
}

impl From<LeapError> for Error {
    fn from(error: LeapError) -> Self {
        match error {
            LeapError::Backward(now) => {
                let now = json!(now);
                let now = now.as_str().unwrap_or_default();
                invalid("/now", "not_forward", &format!("must be later than the clock's current time {now}"))
            }
            LeapError::TooFar => invalid("/now", "out_of_range", "must not be later than the year 8999"),
            LeapError::Store(error) => error.into(),
        }
    }
}

fn invalid(pointer: &str, code: &'static str, detail: &str) -> Error {
    Error::InvalidFields(vec![FieldError { pointer: pointer.to_owned(), code, detail: detail.to_owned() }])
}
