//! Descriptions of operations. [`crate::document`] combines them with the routes.

use arcadia_domain::Power;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// A function that generates the schema of a type, or a reference to it.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A parameter of a linked operation, and the location of its value in the response.
pub type LinkParameter = (&'static str, &'static str);

/// An operation, by its route's handler name.
pub struct Operation {
    pub handler: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    pub body: Option<Body>,
    pub answers: Vec<Answer>,
    pub if_match: bool,
    pub uses_store: bool,
    pub problems: Vec<&'static str>,
    pub powers: Vec<Power>,
}

/// The body of a request.
pub struct Body {
    pub schema: SchemaOf,
    pub required: bool,
    pub has_fields: bool,
    /// Valid bodies, by name.
    pub examples: Vec<(&'static str, Value)>,
}

/// A successful response.
pub struct Answer {
    pub status: u16,
    pub description: &'static str,
    pub schema: SchemaOf,
    pub etag: bool,
    pub location: bool,
    /// Whether it is also available as CSV, with the URL of the next page.
    pub csv: bool,
    /// Operations that can follow, with their parameters.
    pub links: Vec<(&'static str, Vec<LinkParameter>)>,
}

impl Operation {
    pub const fn new(
        tag: &'static str,
        handler: &'static str,
        summary: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            handler,
            tag,
            summary,
            description,
            body: None,
            answers: Vec::new(),
            if_match: false,
            uses_store: true,
            problems: Vec::new(),
            powers: Vec::new(),
        }
    }

    /// Adds a required body.
    pub fn body<T: JsonSchema>(self, examples: impl Into<Vec<(&'static str, Value)>>) -> Self {
        let body = Body { schema: schema_of::<T>, required: true, has_fields: true, examples: examples.into() };
        Self { body: Some(body), ..self }
    }

    /// Adds an optional body.
    pub fn optional_body<T: JsonSchema>(
        self,
        has_fields: bool,
        examples: impl Into<Vec<(&'static str, Value)>>,
    ) -> Self {
        let body = Body { schema: schema_of::<T>, required: false, has_fields, examples: examples.into() };
        Self { body: Some(body), ..self }
    }

    /// Adds a response with status 200.
    pub fn ok<T: JsonSchema>(self, description: &'static str) -> Self {
        self.answer::<T>(200, description)
    }

    /// Adds a response with status 200 and an `ETag`.
    pub fn versioned<T: JsonSchema>(self, description: &'static str) -> Self {
        self.answer::<T>(200, description).last_answer(|answer| answer.etag = true)
    }

    /// Adds a response with status 201, an `ETag` and a `Location`.
    pub fn created<T: JsonSchema>(self, description: &'static str) -> Self {
        self.answer::<T>(201, description).last_answer(|answer| (answer.etag, answer.location) = (true, true))
    }

    /// Adds a response with status 202 and a `Location`.
    pub fn accepted<T: JsonSchema>(self, description: &'static str) -> Self {
        self.answer::<T>(202, description).last_answer(|answer| answer.location = true)
    }

    /// Adds an `ETag` to the last response.
    pub fn with_etag(self) -> Self {
        self.last_answer(|answer| answer.etag = true)
    }

    /// Marks the last response as available as CSV.
    pub fn csv(self) -> Self {
        self.last_answer(|answer| answer.csv = true)
    }

    /// Links the last response to an operation that can follow.
    pub fn link(self, operation: &'static str, parameters: impl Into<Vec<LinkParameter>>) -> Self {
        self.last_answer(|answer| answer.links.push((operation, parameters.into())))
    }

    /// Marks that it supports `If-Match`.
    pub fn if_match(self) -> Self {
        Self { if_match: true, ..self }
    }

    /// Marks that it does not read the table.
    pub fn without_store(self) -> Self {
        Self { uses_store: false, ..self }
    }

    /// Adds problems, in addition to those of its route, parameters and body.
    pub fn problems(self, codes: &[&'static str]) -> Self {
        Self { problems: codes.to_vec(), ..self }
    }

    /// Adds the powers that the operation or its fields need.
    pub fn powers(self, powers: &[Power]) -> Self {
        Self { powers: powers.to_vec(), ..self }
    }

    fn answer<T: JsonSchema>(mut self, status: u16, description: &'static str) -> Self {
        let schema = schema_of::<T>;
        let (etag, location, csv) = (false, false, false);
        self.answers.push(Answer { status, description, schema, etag, location, csv, links: Vec::new() });
        self
    }

    fn last_answer(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            change(answer);
        }
        self
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
