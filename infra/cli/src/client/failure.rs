//! Failures of requests: their messages and exit codes.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use arcadia_api::gateway_answer;
use serde::Deserialize;
use serde_json::{Map, Value, json};

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
    #[error("{url} does not answer: {reason}. Start the API with `arcadia`, or pass another address with --url")]
    Unreachable {
        /// The URL.
        url: String,
        /// The cause.
        reason: String,
        /// The arguments that repeat the request safely, if there are any.
        repetition: Option<String>,
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
    Refused(Box<Problem>),
    /// The response is not one of this API.
    #[error("unexpected response: this does not look like an Arcadia API")]
    NotUnderstood,
    /// The audit found violations.
    #[error("the books of {} do not add up", super::views::counted(*.0, "deployment"))]
    Violations(usize),
    /// The audit could not read some deployments.
    #[error("{} could not be read: audit them again", super::views::counted(*.0, "deployment"))]
    Unread(usize),
    /// The response cannot be printed.
    #[error("the response cannot be printed: {0}")]
    Print(#[from] io::Error),
}

/// A problem from the API.
#[derive(Debug)]
pub struct Problem {
    /// The arguments that repeat the request safely, if there are any and it is unknown whether it was carried out.
    pub repetition: Option<String>,
    status: u16,
    /// As it was received.
    whole: Value,
    details: Details,
    json: bool,
}

/// The parts of a problem that are printed.
#[derive(Debug, Deserialize)]
struct Details {
    code: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<Mistake>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// An error in one field of a request.
#[derive(Debug, Deserialize)]
struct Mistake {
    #[serde(default)]
    pointer: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
}

/// An answer of API Gateway's own.
#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Failure {
    /// Prints the failure, if any, and returns the exit code.
    pub fn exit(done: Result<(), Self>) -> ExitCode {
        let Err(failure) = done else { return ExitCode::SUCCESS };
        match &failure {
            Self::Refused(problem) if problem.json => {
                let mut whole = problem.whole.clone();
                if let (Some(members), Some(repetition)) = (whole.as_object_mut(), &problem.repetition) {
                    members.insert("repeat_with".to_owned(), json!(repetition));
                }
                anstream::eprintln!("{}", visible_json(&whole.to_string()));
                return ExitCode::from(failure.code());
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
            | Self::Unread(_)
            | Self::Print(_) => anstream::eprintln!("{} {}", styled(ALARM, "error:"), visible(&failure.to_string())),
        }
        if let Some(repetition) = failure.repetition() {
            anstream::eprintln!(
                "It is unknown whether the request was carried out. To make sure, repeat it with {repetition}"
            );
        }
        ExitCode::from(failure.code())
    }

    /// The arguments that repeat a request of which the outcome is unknown.
    fn repetition(&self) -> Option<&str> {
        match self {
            Self::Unreachable { repetition, .. } => repetition.as_deref(),
            Self::Refused(problem) => problem.repetition.as_deref(),
            _ => None,
        }
    }

    /// The failure in a line of plain text.
    pub fn plain(&self) -> String {
        match self {
            Self::Refused(problem) => {
                let Problem { status, details: Details { code, detail, .. }, .. } = &**problem;
                visible(&format!("{detail} ({code}, {status})"))
            }
            other => visible(&other.to_string()),
        }
    }

    /// Whether the same request can succeed later: the service did not answer, or is short of capacity.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => matches!(problem.status, 429 | 500..=599),
            _ => false,
        }
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
            | Self::Unread(_)
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
    /// Builds a problem from a response. One without a problem body gets a problem with the message of API Gateway's own
    /// answer and its reason, or with the text of another server.
    pub fn new(status: u16, text: &str, json: bool) -> Self {
        let read = serde_json::from_str(text).and_then(|whole: Value| Ok((Details::deserialize(&whole)?, whole)));
        let (details, whole) = read.unwrap_or_else(|_| {
            let details = Details::bare(status, text);
            let whole = json!({"status": status, "code": details.code, "detail": details.detail});
            (details, whole)
        });
        Self { repetition: None, status, whole, details, json }
    }

    fn text(&self) -> String {
        let Self { status, details: Details { code, detail, errors, more }, .. } = self;
        // With `errors`, the detail only repeats them.
        let what = if errors.is_empty() { visible(detail) } else { "the request is invalid".to_owned() };
        let mut text = format!("{what} {}", styled(DIM, &format!("({}, {status})", visible(code))));
        for Mistake { pointer, code, detail } in errors {
            let code = styled(DIM, &format!("({})", visible(code)));
            let _ = write!(text, "\n  {} {} {code}", visible(pointer), visible(detail));
        }
        for (name, value) in more {
            if !["type", "title", "status"].contains(&name.as_str()) {
                let _ = write!(text, "\n  {}: {}", visible(&name.replace('_', " ")), visible(&plain(value)));
            }
        }
        text
    }
}

impl Details {
    fn bare(status: u16, text: &str) -> Self {
        let message = serde_json::from_str(text).map(|Message { message }| message);
        let mut detail: String = message.as_deref().unwrap_or(text).chars().take(500).collect();
        if let Some(own) = gateway_answer(status).filter(|own| own.message == detail) {
            detail = format!("{detail}: {}", own.reason);
        }
        Self { code: format!("http_{status}"), detail, errors: Vec::new(), more: Map::new() }
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
