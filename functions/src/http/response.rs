//! Answers.

use lambda_http::http::StatusCode;
use serde_json::Value;

/// What a handler answers with when all went well.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
    /// The version of the deployment that the body shows, for `ETag`.
    pub version: Option<u64>,
    /// Where what was created can be found.
    pub location: Option<String>,
    /// Whether it was given before, and nothing has been done now.
    pub replayed: bool,
    /// What is sent in place of the body, if the caller asked for it.
    pub csv: Option<Csv>,
}

/// A page of a list as comma-separated values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv {
    /// The lines, with a header: RFC 4180.
    pub text: String,
    /// The address of the next page, if there may be more.
    pub next: Option<String>,
}

impl Answer {
    /// A plain answer.
    #[must_use]
    pub const fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body, version: None, location: None, replayed: false, csv: None }
    }

    /// The same as comma-separated values.
    #[must_use]
    pub fn with_csv(self, csv: Option<Csv>) -> Self {
        Self { csv, ..self }
    }

    /// An answer that shows a deployment in its present version.
    #[must_use]
    pub const fn versioned(body: Value, version: u64) -> Self {
        Self { status: StatusCode::OK, body, version: Some(version), location: None, replayed: false, csv: None }
    }

    /// An answer to a creation.
    pub fn created(body: Value, version: u64, location: impl Into<String>) -> Self {
        let (version, location) = (Some(version), Some(location.into()));
        Self { status: StatusCode::CREATED, body, version, location, replayed: false, csv: None }
    }
}
