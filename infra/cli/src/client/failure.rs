//! Failures of requests: their messages and exit codes.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use serde_json::Value;

use super::bare_problem;
use super::text::{ALARM, DIM, styled, visible, visible_json};

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Invalid combination of arguments.
    #[error("{0}")]
    Usage(String),
    /// No deployment has this slug.
    #[error("no deployment is called {0}")]
    NoSuchSlug(String),
    /// There is no response.
    #[error("{url} does not answer: {reason}. Is it running there? `arcadia` starts it, --url names another place")]
    Unreachable {
        /// The URL.
        url: String,
        /// The cause.
        reason: String,
        /// The idempotency key of the request, if it has one.
        key: Option<String>,
    },
    /// Another program responds at the URL. The token is not for it.
    #[error(
        "the program at {url} does not use the data directory {data}, so no token was sent to it: pass its \
         directory with --data, or pass a --token"
    )]
    #[cfg_attr(not(feature = "local"), expect(dead_code, reason = "only a program on this machine fails so"))]
    Foreign {
        /// The URL.
        url: String,
        /// The data directory.
        data: String,
    },
    /// The program stopped while its events were followed.
    #[error("the program at {0} has stopped: start it and run this command again to see later events")]
    #[cfg_attr(not(feature = "local"), expect(dead_code, reason = "only a program on this machine fails so"))]
    Stopped(String),
    /// The API rejected the request.
    #[error("{}", .0.text())]
    Refused(Problem),
    /// The response is not one of this API.
    #[error("unexpected response: this does not look like an Arcadia API")]
    NotUnderstood,
    /// The audit found violations.
    #[error("the books of {} do not hold", super::views::counted(*.0, "deployment"))]
    Violations(usize),
    /// The response cannot be printed.
    #[error("the response cannot be printed: {0}")]
    Print(#[from] io::Error),
}

/// A problem from the API.
#[derive(Debug)]
pub struct Problem {
    status: u16,
    body: Value,
    json: bool,
}

impl Failure {
    /// Prints the failure, if any, and returns the exit code.
    pub fn exit(done: Result<(), Self>) -> ExitCode {
        let Err(failure) = done else { return ExitCode::SUCCESS };
        match &failure {
            Self::Refused(problem) if problem.json => {
                anstream::eprintln!("{}", visible_json(&problem.body.to_string()));
            }
            // `text()` has already escaped the server's text with `visible`.
            Self::Refused(problem) => anstream::eprintln!("{} {}", styled(ALARM, "error:"), problem.text()),
            Self::Usage(_)
            | Self::NoSuchSlug(_)
            | Self::Unreachable { .. }
            | Self::Foreign { .. }
            | Self::Stopped(_)
            | Self::NotUnderstood
            | Self::Violations(_)
            | Self::Print(_) => anstream::eprintln!("{} {}", styled(ALARM, "error:"), visible(&failure.to_string())),
        }
        if let Self::Unreachable { key: Some(key), .. } = &failure {
            anstream::eprintln!(
                "It is unknown whether the request was carried out. To make sure, repeat it with --idempotency-key \
                 {key}"
            );
        }
        ExitCode::from(failure.code())
    }

    /// The exit code, as listed in the help.
    const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NoSuchSlug(_) => 4,
            Self::Unreachable { .. }
            | Self::Foreign { .. }
            | Self::Stopped(_)
            | Self::NotUnderstood
            | Self::Violations(_)
            | Self::Print(_) => 1,
            Self::Refused(problem) => match problem.status {
                400 => 2,
                409 | 412 | 422 => 3,
                404 => 4,
                401 | 403 => 5,
                429 | 503 => 6,
                _ => 1,
            },
        }
    }
}

impl Problem {
    /// Builds a problem from a response.
    pub fn new(status: u16, text: String, json: bool) -> Self {
        let body = serde_json::from_str::<Value>(&text).ok().filter(|body| body["code"].is_string());
        Self { status, body: body.unwrap_or_else(|| bare_problem(status, &text)), json }
    }

    fn text(&self) -> String {
        let Self { status, body, json: _ } = self;
        let member = |name: &str| visible(body[name].as_str().unwrap_or_default());
        let mut text = format!("{} {}", member("detail"), styled(DIM, &format!("({}, {status})", member("code"))));
        let errors = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !errors.is_empty() {
            // The detail only joins the errors that are listed below.
            text = format!("the request is invalid {}", styled(DIM, &format!("({}, {status})", member("code"))));
        }
        for error in errors {
            let part = |name: &str| visible(error[name].as_str().unwrap_or_default());
            let _ = write!(
                text,
                "\n  {} {} {}",
                part("pointer"),
                part("detail"),
                styled(DIM, &format!("({})", part("code")))
            );
        }
        for (name, value) in body.as_object().into_iter().flatten() {
            if !["type", "title", "status", "code", "detail", "errors"].contains(&name.as_str()) {
                let _ = write!(text, "\n  {}: {}", visible(&name.replace('_', " ")), visible(&plain(value)));
            }
        }
        text
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
