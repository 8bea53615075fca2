//! The arguments that shape a request, whatever it asks for.

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Failure;

/// On condition of which version something is changed.
#[derive(Debug, Default, Args)]
pub struct Precondition {
    /// Change only what is in this version still, as `show` names it
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub if_match: Option<String>,
}

/// How a command on a deployment is carried out.
#[derive(Debug, Default, Args)]
pub struct Options {
    /// Only show what the command would come to
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub condition: Precondition,
}

/// How something is done once only.
#[derive(Debug, Default, Args)]
pub struct Once {
    /// The name of this request: under the same name it is carried out once, however often it is sent. A new one by default
    #[arg(long, value_name = "KEY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub idempotency_key: Option<String>,
}

/// How much of a list is wanted.
#[derive(Debug, Args)]
pub struct Paging {
    /// The most to list
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// List everything
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// Go on after what an earlier list ended with
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

/// The fields of a body: those that were given.
pub fn body(fields: &impl Serialize) -> Result<Value, Failure> {
    let mut body = serde_json::to_value(fields).map_err(|error| Failure::Usage(error.to_string()))?;
    if let Value::Object(fields) = &mut body {
        fields.retain(|_, value| !value.is_null());
    }
    Ok(body)
}

/// An entity tag, with or without its quotes, or `*`.
fn version(text: &str) -> Result<String, String> {
    match text.trim_matches('"') {
        "*" => Ok("*".to_owned()),
        digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(format!("\"{digits}\"")),
        _ => Err("must be a version, such as 3".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_quoted() {
        assert_eq!(version("3").as_deref(), Ok("\"3\""));
        assert_eq!(version("\"3\"").as_deref(), Ok("\"3\""));
        assert_eq!(version("*").as_deref(), Ok("*"));
        assert!(version("").is_err() && version("x").is_err() && version("-1").is_err());
    }
}
