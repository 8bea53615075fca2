//! Builds requests by the name of their route. The table of routes defines methods and paths.

use std::collections::BTreeMap;

use arcadia_functions::runtime::{Clock, RealClock};
use arcadia_functions::{Route, find_route};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Map, Value};
use ureq::http::{Method, Request as HttpRequest, header};
use uuid::{NoContext, Timestamp, Uuid};

use super::{Failure, Once, Options, Precondition};

/// A request to the API.
#[derive(Debug, Clone)]
pub struct Request {
    route: &'static Route,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Map<String, Value>>,
    if_match: Option<String>,
    key: Option<String>,
    csv: bool,
    /// The times in the body, by field: the caller may have said them as how far they are from now.
    times: Vec<(&'static str, String)>,
}

impl Request {
    /// Builds a request to a handler's route. `open` are the path parameters.
    ///
    /// # Errors
    /// [`Failure::NotUnderstood`] if the route does not exist.
    pub fn to(handler: &str, open: &[(&str, &str)]) -> Result<Self, Failure> {
        let route = find_route(handler).ok_or(Failure::NotUnderstood)?;
        let mut path = route.path.to_owned();
        for (name, value) in open {
            path = path.replace(&format!("{{{name}}}"), &encode(value));
        }
        // Every POST has an idempotency key, so that it can be repeated if its response is lost.
        let key = (route.method == Method::POST).then(new_key);
        Ok(Self { route, path, query: Vec::new(), body: None, if_match: None, key, csv: false, times: Vec::new() })
    }

    /// Adds a query parameter, if it has a value.
    pub fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Adds the fields of a record to the body, except those that are null.
    ///
    /// # Errors
    /// [`Failure::Usage`] if they cannot be serialised as JSON.
    pub fn body(mut self, fields: &impl Serialize) -> Result<Self, Failure> {
        let fields = serde_json::to_value(fields).map_err(|error| Failure::Usage(error.to_string()))?;
        let body = self.body.get_or_insert_default();
        if let Value::Object(fields) = fields {
            body.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
        Ok(self)
    }

    /// Adds a field to the body, if it has a value.
    ///
    /// # Errors
    /// [`Failure::Usage`] if it cannot be serialised as JSON.
    pub fn field(self, name: &str, value: Option<impl Serialize>) -> Result<Self, Failure> {
        self.body(&BTreeMap::from([(name, value)]))
    }

    /// Adds a time to the body, if it has a value.
    ///
    /// # Errors
    /// [`Failure::Usage`] if it cannot be serialised as JSON.
    pub fn time(self, name: &'static str, time: Option<String>) -> Result<Self, Failure> {
        self.naming(name, time.as_deref()).field(name, time)
    }

    /// Names a time of the body in [`Request::repetition`].
    pub fn naming(mut self, name: &'static str, time: Option<&str>) -> Self {
        self.times.extend(time.map(|time| (name, time.to_owned())));
        self
    }

    /// Adds fields that are to be cleared to the body.
    ///
    /// # Errors
    /// [`Failure::Usage`] if one of them is set.
    pub fn clear(mut self, names: &[String]) -> Result<Self, Failure> {
        let body = self.body.get_or_insert_default();
        for name in names {
            if body.insert(name.clone(), Value::Null).is_some_and(|value| !value.is_null()) {
                return Err(Failure::Usage(format!("{name} cannot be both set and cleared")));
            }
        }
        Ok(self)
    }

    /// Adds a precondition.
    pub fn on(self, condition: &Precondition) -> Self {
        Self { if_match: condition.if_match.clone(), ..self }
    }

    /// Adds the options of a command on a deployment.
    pub fn with(self, options: &Options) -> Self {
        self.on(&options.condition).query("dry_run", options.dry_run.then(|| true.to_string()))
    }

    /// Sets the caller's idempotency key, if given. Only a POST has one.
    pub fn once(mut self, once: &Once) -> Self {
        debug_assert!(self.key.is_some(), "{} takes no idempotency key", self.route.handler);
        if let Some(key) = &once.idempotency_key {
            self.key = Some(key.clone());
        }
        self
    }

    /// Requests comma-separated values.
    pub fn csv(self) -> Self {
        Self { csv: true, ..self }
    }

    /// The arguments that repeat the request without executing it twice, if there are any. A dry run executes nothing.
    pub fn repetition(&self) -> Option<String> {
        let in_body = self.body.as_ref().and_then(|body| body.get("dry_run")).is_some();
        let is_dry_run = in_body || self.query.iter().any(|(name, _)| *name == "dry_run");
        let key = self.key.as_ref().filter(|_| !is_dry_run)?;
        let times = self.times.iter().map(|(name, time)| format!(", and with {name} {time}"));
        Some(format!("--idempotency-key {key}{}", times.collect::<String>()))
    }

    /// Whether the request changes nothing.
    pub fn only_reads(&self) -> bool {
        self.route.method == Method::GET
    }

    /// Whether the request can be sent again if its outcome is unknown.
    pub fn can_be_repeated(&self) -> bool {
        self.key.is_some() || self.only_reads()
    }

    /// Builds the HTTP request and its body.
    pub fn http(&self, base: &str, token: &str) -> Result<(HttpRequest<()>, Option<String>), Failure> {
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut http = HttpRequest::builder()
            .method(self.route.method.clone())
            .uri(format!("{base}{}{mark}{}", self.path, query.join("&")))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::USER_AGENT, concat!("arcadia/", env!("CARGO_PKG_VERSION")));
        if self.body.is_some() {
            http = http.header(header::CONTENT_TYPE, "application/json");
        }
        if self.csv {
            http = http.header(header::ACCEPT, "text/csv");
        }
        if let Some(version) = &self.if_match {
            http = http.header(header::IF_MATCH, version);
        }
        if let Some(key) = &self.key {
            http = http.header("idempotency-key", key);
        }
        let http = http.body(()).map_err(|error| Failure::Usage(format!("the request cannot be made: {error}")))?;
        Ok((http, self.body.as_ref().map(|body| Value::Object(body.clone()).to_string())))
    }
}

fn new_key() -> String {
    let now = RealClock.now();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())).to_string()
}

/// The characters that RFC 3986 lets stand for themselves anywhere: letters, digits and these four.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes a text so that it is one part of a path or query.
fn encode(text: &str) -> String {
    match text {
        // A segment of dots alone would change the path.
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => utf8_percent_encode(text, UNRESERVED).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_put_into_a_path_stays_one_part_of_it() {
        for (text, path) in
            [("a b", "a%20b"), ("../x", "..%2Fx"), ("..", "%2E%2E"), ("a?b#c", "a%3Fb%23c"), ("\u{e4}", "%C3%A4")]
        {
            let request = Request::to("show_plan", &[("code", text)]).unwrap();
            let (http, _) = request.http("http://localhost:1", "t").unwrap();
            assert_eq!(http.uri().to_string(), format!("http://localhost:1/api/v1/plans/{path}"), "{text}");
        }
    }

    #[test]
    fn every_post_has_a_key_and_nothing_else_has() {
        let key = |handler: &str| Request::to(handler, &[]).unwrap().key;
        assert!(key("transition_deployment").is_some());
        assert_ne!(key("create_deployment"), key("create_deployment"));
        assert_eq!((key("update_deployment"), key("put_plan"), key("detach_addon")), (None, None, None));
        let once = Once { idempotency_key: Some("mine".to_owned()) };
        let request = Request::to("void_invoice", &[]).unwrap().once(&once);
        let request = request.time("due_at", Some("2027-02-14T00:00:00Z".to_owned())).unwrap();
        let repeated = "--idempotency-key mine, and with due_at 2027-02-14T00:00:00Z";
        assert_eq!(request.repetition().as_deref(), Some(repeated));
    }
}
