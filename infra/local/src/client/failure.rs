//! What is told, and how the program ends, when a request does not work out.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use serde_json::Value;

use super::bare_problem;
use super::text::{ALARM, DIM, styled, visible, visible_json};

/// Why a request did not work out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments do not go together.
    #[error("{0}")]
    Usage(String),
    /// No deployment has the slug.
    #[error("no deployment is called {0}")]
    NoSuchSlug(String),
    /// Nothing answers, or no more.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
        /// The key of the request, if it has one.
        key: Option<String>,
    },
    /// Something listens, but not the program that the token would be for.
    #[error(
        "what listens at {url} is not the program of the data directory {data}, so no token was sent to it: name its \
         own directory with --data, or give a --token"
    )]
    Foreign {
        /// Where.
        url: String,
        /// The data directory.
        data: String,
    },
    /// The program has stopped while it was followed.
    #[error("the program at {0} has stopped: what happens once it runs again is not told here")]
    Stopped(String),
    /// The API said no.
    #[error("{}", .0.text())]
    Refused(Problem),
    /// The answer is not one of this API.
    #[error("the answer is not one of this API")]
    NotUnderstood,
    /// The answer cannot be printed.
    #[error("the answer cannot be printed: {0}")]
    Print(#[from] io::Error),
}

/// What the API said.
#[derive(Debug)]
pub struct Problem {
    status: u16,
    body: Value,
    json: bool,
}

impl Failure {
    /// Tells what went wrong, if anything did, and says how to end.
    pub fn exit(done: Result<(), Self>) -> ExitCode {
        let Err(failure) = done else { return ExitCode::SUCCESS };
        match &failure {
            Self::Refused(problem) if problem.json => {
                anstream::eprintln!("{}", visible_json(&problem.body.to_string()));
            }
            // It has put every text of the server's through `visible` itself.
            Self::Refused(problem) => anstream::eprintln!("{} {}", styled(ALARM, "error:"), problem.text()),
            Self::Usage(_)
            | Self::NoSuchSlug(_)
            | Self::Unreachable { .. }
            | Self::Foreign { .. }
            | Self::Stopped(_)
            | Self::NotUnderstood
            | Self::Print(_) => anstream::eprintln!("{} {}", styled(ALARM, "error:"), visible(&failure.to_string())),
        }
        if let Self::Unreachable { key: Some(key), .. } = &failure {
            anstream::eprintln!(
                "Whether it was carried out is unknown. To make sure, repeat it with --idempotency-key {key}"
            );
        }
        ExitCode::from(failure.code())
    }

    /// The exit code, as the help lists them.
    const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NoSuchSlug(_) => 4,
            Self::Unreachable { .. }
            | Self::Foreign { .. }
            | Self::Stopped(_)
            | Self::NotUnderstood
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
    /// A problem as it was answered.
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
            // The sentence only joins what follows one by one.
            text = format!("the request has mistakes {}", styled(DIM, &format!("({}, {status})", member("code"))));
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
