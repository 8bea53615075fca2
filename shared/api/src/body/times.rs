//! Times in requests, for the schemas.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A time in a request.
#[derive(Debug)]
pub struct Moment;

/// A day in a request.
#[derive(Debug)]
pub struct Day;

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An RFC 3339 time in the years 1970 to 9999, truncated to milliseconds.",
            "type": "string",
            "format": "date-time",
            "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-",
            "examples": ["2027-02-14T00:00:00Z"],
        })
    }
}

impl JsonSchema for Day {
    fn schema_name() -> Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A day in the years 1970 to 9999.",
            "type": "string",
            "format": "date",
            "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-",
            "examples": ["2027-01-31"],
        })
    }
}
