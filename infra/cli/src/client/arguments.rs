//! Command-line arguments that shape any request.

use std::str::FromStr;

use arcadia_domain::Named;
use chrono::{DateTime, NaiveDate, TimeDelta};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// The most records that one command lists.
pub const MAX_ROWS: usize = 1_000_000;

/// The precondition of a change.
#[derive(Debug, Default, Args)]
pub struct Precondition {
    /// Fail unless the record is still at this version (see `show`)
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub if_match: Option<String>,
}

/// Options of a command on a deployment.
#[derive(Debug, Default, Args)]
pub struct Options {
    /// Show the result without storing anything
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub condition: Precondition,
}

/// The idempotency of a request.
#[derive(Debug, Default, Args)]
pub struct Once {
    /// Idempotency key: a request repeated under the same key is carried out once. Default: a new key
    #[arg(long, value_name = "KEY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub idempotency_key: Option<String>,
}

/// The part of a list to print.
#[derive(Debug, Args)]
pub struct Paging {
    /// Maximum number of records to list. Default: 50; for CSV output, all records
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// List all records
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Continue after an earlier list, with the cursor that it printed
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

impl Paging {
    /// The maximum number of records, with a default for when neither that nor --all is given.
    pub fn most(&self, default: usize) -> usize {
        let given = self.limit.map(|limit| usize::try_from(limit).unwrap_or(MAX_ROWS));
        if self.all { MAX_ROWS } else { given.unwrap_or(default) }
    }
}

/// A time argument. [`Client::moment`](super::Client::moment) makes a time of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// An RFC 3339 time.
    At(String),
    /// An offset from now.
    FromNow(TimeDelta),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if DateTime::parse_from_rfc3339(text).is_ok() {
            return Ok(Self::At(text.to_owned()));
        }
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Ok(Self::At(format!("{date}T00:00:00Z")));
        }
        let wrong = "must be a time such as 2027-02-14T00:00:00Z, a date such as 2027-02-14, or a number of days or hours \
                     from now such as 7d, 12h or -30d";
        offset(text).map(Self::FromNow).ok_or_else(|| wrong.to_owned())
    }
}

/// Parses an offset in days or hours.
fn offset(text: &str) -> Option<TimeDelta> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = number.parse().ok()?;
    match unit {
        "d" => TimeDelta::try_days(number),
        "h" => TimeDelta::try_hours(number),
        _ => None,
    }
}

/// A parser of the names of these values; the help lists them with their descriptions.
pub fn one_of<T: Named>(values: &'static [T]) -> impl TypedValueParser<Value = T> {
    let known = |value: &T| T::VALUES.iter().find(|(known, ..)| known == value);
    let names = values
        .iter()
        .filter_map(known)
        .map(|(value, name, _)| PossibleValue::new(*name).help(value.description().trim_end_matches('.')));
    PossibleValuesParser::new(names).try_map(|given| given.parse())
}

/// Parses an entity tag, with or without quotes, or `*`.
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
    fn a_time_can_be_a_date_or_how_far_it_is_from_now() {
        let at = |text: &str| Ok(Moment::At(text.to_owned()));
        assert_eq!("2027-01-01T00:00:00+01:00".parse(), at("2027-01-01T00:00:00+01:00"));
        assert_eq!("2027-01-01".parse(), at("2027-01-01T00:00:00Z"));
        assert_eq!("2027-1-1".parse(), at("2027-01-01T00:00:00Z"));
        for (text, offset) in
            [("7d", TimeDelta::try_days(7)), ("-30d", TimeDelta::try_days(-30)), ("12h", TimeDelta::try_hours(12))]
        {
            assert_eq!(text.parse().ok(), offset.map(Moment::FromNow), "{text}");
        }
        for text in ["", "d", "7", "7w", "2027-13-01", "99999999999999999999d", "\u{e4}"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_quoted() {
        assert_eq!(version("3").as_deref(), Ok("\"3\""));
        assert_eq!(version("\"3\"").as_deref(), Ok("\"3\""));
        assert_eq!(version("*").as_deref(), Ok("*"));
        assert!(version("").is_err() && version("x").is_err() && version("-1").is_err());
    }
}
