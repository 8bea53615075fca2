//! Successful responses.

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

/// A successful response of a handler.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
    /// The version of the deployment in the body, for `ETag`.
    pub version: Option<u64>,
    /// The URL of the created record, for `Location`.
    pub location: Option<String>,
    /// Whether this is a stored response to an earlier request.
    pub replayed: bool,
    /// CSV to be sent instead of the body.
    pub csv: Option<Csv>,
}

/// A page of a list as comma-separated values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv {
    /// The lines, with a header line (RFC 4180).
    pub text: String,
    /// The URL of the next page, if there may be more records.
    pub next: Option<String>,
}

impl Answer {
    /// A response with status 200.
    #[must_use]
    pub const fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body, version: None, location: None, replayed: false, csv: None }
    }

    /// Adds CSV to be sent instead of the body.
    #[must_use]
    pub fn with_csv(self, csv: Option<Csv>) -> Self {
        Self { csv, ..self }
    }

    /// A response with a deployment at its current version.
    #[must_use]
    pub const fn versioned(body: Value, version: u64) -> Self {
        Self { status: StatusCode::OK, body, version: Some(version), location: None, replayed: false, csv: None }
    }

    /// The response to a dry run of the same command: it also has the events that the command would make, and its status is
    /// never 201 or 202. `version` is the stored version.
    #[must_use]
    pub fn dry_run(mut self, version: Option<u64>, events: &impl Serialize) -> Self {
        self.body["dry_run"] = json!(true);
        self.body["events"] = json!(events);
        Self { status: StatusCode::OK, location: None, version, ..self }
    }

    /// A response to a creation, with status 201.
    pub fn created(body: Value, version: u64, location: impl Into<String>) -> Self {
        let (version, location) = (Some(version), Some(location.into()));
        Self { status: StatusCode::CREATED, body, version, location, replayed: false, csv: None }
    }
}
