//! Requests, as handlers see them.

use std::str::FromStr;

use arcadia_api::body::fields::timestamp;
use arcadia_api::{MAX_BODY_LEN, read_body};
use arcadia_domain::{InvalidValue, Timestamp};
use lambda_http::{Body, Request, RequestExt};
use serde_json::Value;

use super::IdempotencyKey;
use crate::Error;
use crate::auth::Principal;

/// A request with its verified caller.
#[derive(Debug)]
pub struct Call {
    /// The caller.
    pub principal: Principal,
    /// The key under which the caller may repeat the request.
    pub idempotency_key: Option<IdempotencyKey>,
    request: Request,
    parameters: Vec<(String, String)>,
}

impl Call {
    /// Combines a request with its caller. `parameters` are the names of the route's query parameters.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the query has an unknown or repeated parameter, or if the idempotency key is invalid.
    pub fn new(principal: Principal, request: Request, parameters: &[&str]) -> Result<Self, Error> {
        let query = request.query_string_parameters();
        let given: Vec<(String, String)> = query.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        for (index, (name, _)) in given.iter().enumerate() {
            if !parameters.contains(&name.as_str()) {
                let detail = if parameters.is_empty() {
                    "this route takes no query parameters".to_owned()
                } else {
                    format!("this route takes only the query parameters {}", parameters.join(", "))
                };
                return Err(Error::malformed("unknown_parameter", detail));
            }
            if given.iter().skip(index + 1).any(|(other, _)| other == name) {
                return Err(Error::malformed("repeated_parameter", "a query parameter is repeated"));
            }
        }
        // A dry run stores nothing, so its response cannot be replayed.
        let is_dry_run = given.iter().any(|(name, value)| name == "dry_run" && value == "true");
        let key = IdempotencyKey::from_request(&request, &principal, bytes(request.body()))?;
        let idempotency_key = key.filter(|_| !is_dry_run);
        Ok(Self { principal, idempotency_key, request, parameters: given })
    }

    /// All query parameters.
    #[must_use]
    pub fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// The request's path.
    #[must_use]
    pub fn address(&self) -> &str {
        self.request.uri().path()
    }

    /// Whether the caller prefers CSV to JSON, or accepts both equally (RFC 9110, section 12.5.1).
    #[must_use]
    pub fn wants_csv(&self) -> bool {
        let accept = self.header("accept").unwrap_or_default();
        let quality = |wanted: &str| {
            let mut found = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
                let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0_f32);
                is_wanted.then_some(quality)
            });
            found.next().unwrap_or(0.0)
        };
        let csv = quality("text/csv");
        csv > 0.0 && csv >= quality("application/json")
    }

    /// The URL of the next page of this list, for `Link`.
    #[must_use]
    pub fn next_address(&self, cursor: &str) -> String {
        let filters = self.parameters.iter().filter(|(name, _)| name != "cursor");
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(filters)
            .append_pair("cursor", cursor)
            .finish();
        format!("{}?{query}", self.address())
    }

    /// The value of a query parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter, parsed as one of the domain's types.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the value's own code.
    pub fn parsed_parameter<T: FromStr<Err = InvalidValue>>(&self, name: &str) -> Result<Option<T>, Error> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|e: InvalidValue| Error::malformed(e.code, format!("the parameter {name} {}", e.detail)))
        };
        self.parameter(name).map(parse).transpose()
    }

    /// A boolean query parameter, `true` or `false`.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the code `invalid_boolean`.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Error> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| Error::malformed("invalid_boolean", format!("the parameter {name} must be true or false")))
        };
        self.parameter(name).map(parse).transpose()
    }

    /// A query parameter that is a whole number, 0 or more.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the code `invalid_number`.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                Error::malformed("invalid_number", format!("the parameter {name} must be a whole number, 0 or more"))
            })
        };
        self.parameter(name).map(parse).transpose()
    }

    /// A query parameter that is an RFC 3339 time.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the code `invalid_timestamp`.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, Error> {
        let parse = |text: &str| {
            timestamp(&Value::from(text))
                .map_err(|e| Error::malformed(e.code, format!("the parameter {name} {}", e.detail)))
        };
        self.parameter(name).map(parse).transpose()
    }

    /// A path parameter, parsed.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the value's own code.
    pub fn path<T: FromStr<Err = InvalidValue>>(&self, name: &str) -> Result<T, Error> {
        let parameters = self.request.path_parameters();
        let text = parameters.first(name).unwrap_or_default();
        text.parse().map_err(|e: InvalidValue| Error::malformed(e.code, format!("the path's {name} {}", e.detail)))
    }

    /// The JSON body.
    ///
    /// # Errors
    /// [`Error::UnsupportedMediaType`], [`Error::TooLarge`] or [`Error::Malformed`] if the body is missing or unreadable,
    /// [`Error::UnknownFields`] or [`Error::InvalidFields`] with every mistake in it.
    pub fn json<B: arcadia_api::Body>(&self) -> Result<B, Error> {
        Ok(read_body(self.json_text()?)?)
    }

    /// The JSON body, of which every field is optional; one without fields if there is no body.
    ///
    /// # Errors
    /// As [`Call::json`], if there is a body.
    pub fn optional_json<B: arcadia_api::Body>(&self) -> Result<B, Error> {
        if self.body().is_empty() { Ok(read_body(b"{}")?) } else { self.json() }
    }

    /// The text of the JSON body.
    ///
    /// # Errors
    /// [`Error::UnsupportedMediaType`] or [`Error::TooLarge`].
    pub fn json_text(&self) -> Result<&[u8], Error> {
        if self.header("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(Error::UnsupportedMediaType);
        }
        // Two values joined with a comma match neither.
        let content_type = self.header("content-type").unwrap_or_default();
        let (media_type, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
        let media_type = media_type.trim();
        if parameters.contains(',')
            || !["application/json", "application/merge-patch+json"].iter().any(|t| media_type.eq_ignore_ascii_case(t))
        {
            return Err(Error::UnsupportedMediaType);
        }
        let body = self.body();
        if body.len() > MAX_BODY_LEN { Err(Error::TooLarge) } else { Ok(body) }
    }

    /// Rejects the call if it has an `If-Match` that does not name the record's version. That of a record that does not
    /// exist is 0; it does not match `*`.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`], or [`Error::Malformed`] if the header cannot be read.
    pub fn check_if_match(&self, current: Option<u64>) -> Result<(), Error> {
        if !self.request.headers().contains_key("if-match") {
            return Ok(());
        }
        let invalid = || Error::malformed("invalid_if_match", "If-Match must be * or values of ETag, such as \"3\"");
        let text = self.header("if-match").ok_or_else(invalid)?;
        let text = text.trim();
        let failed = Err(Error::PreconditionFailed { current });
        if text == "*" {
            return if current.is_some() { Ok(()) } else { failed };
        }
        let mut matches = false;
        // Quoted tags can contain commas, and list elements can be empty (RFC 9110, sections 5.6.1 and 8.8.3).
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let opaque = rest.strip_prefix("W/").unwrap_or(rest);
            let (value, after) = opaque.strip_prefix('"').and_then(|tag| tag.split_once('"')).ok_or_else(invalid)?;
            // A weak tag never matches (RFC 9110, section 13.1.1).
            matches |= opaque.len() == rest.len() && value == current.unwrap_or(0).to_string();
            rest = after.trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(invalid());
            }
        }
        if matches { Ok(()) } else { failed }
    }

    fn body(&self) -> &[u8] {
        bytes(self.request.body())
    }

    /// A header's values, joined with commas, as API Gateway joins repeated headers. `None` if the header is missing or
    /// a value is not ASCII.
    fn header(&self, name: &str) -> Option<String> {
        let values = self.request.headers().get_all(name).iter().map(|value| value.to_str().ok());
        values.collect::<Option<Vec<_>>>().filter(|values| !values.is_empty()).map(|values| values.join(","))
    }
}

fn bytes(body: &Body) -> &[u8] {
    match body {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    }
}
