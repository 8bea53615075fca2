//! How an operation is described: what stands here in words and types, [`crate::document`] joins with the route.

use arcadia_domain::Power;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// Makes the schema of a type, or a reference to it.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A parameter of a linked operation, and where in the answer its value stands.
pub type LinkParameter = (&'static str, &'static str);

/// One operation, by the handler name of its route.
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

/// What a request's body is.
pub struct Body {
    pub schema: SchemaOf,
    pub required: bool,
    pub has_fields: bool,
    /// Bodies that are accepted as they stand, by name.
    pub examples: Vec<(&'static str, Value)>,
}

/// What is answered when all goes well.
pub struct Answer {
    pub status: u16,
    pub description: &'static str,
    pub schema: SchemaOf,
    pub etag: bool,
    pub location: bool,
    /// Whether it can be had as CSV, with the address of the next page.
    pub csv: bool,
    /// What can be done next: an operation and its parameters.
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

    /// It takes a body.
    pub fn body<T: JsonSchema>(self, examples: impl Into<Vec<(&'static str, Value)>>) -> Self {
        let body = Body { schema: schema_of::<T>, required: true, has_fields: true, examples: examples.into() };
        Self { body: Some(body), ..self }
    }

    /// It takes a body, or none.
    pub fn optional_body<T: JsonSchema>(
        self,
        has_fields: bool,
        examples: impl Into<Vec<(&'static str, Value)>>,
    ) -> Self {
        let body = Body { schema: schema_of::<T>, required: false, has_fields, examples: examples.into() };
        Self { body: Some(body), ..self }
    }

    /// It answers 200.
    pub fn ok<T: JsonSchema>(self, description: &'static str) -> Self {
        self.answer::<T>(200, description)
    }

    /// It answers 200, with the version of what it shows.
    pub fn versioned<T: JsonSchema>(self, description: &'static str) -> Self {
        self.answer::<T>(200, description).last_answer(|answer| answer.etag = true)
    }

    /// It answers 201, with the version and the address of what it made.
    pub fn created<T: JsonSchema>(self, description: &'static str) -> Self {
        self.answer::<T>(201, description).last_answer(|answer| (answer.etag, answer.location) = (true, true))
    }

    /// Its last answer can be had as CSV, page by page.
    pub fn csv(self) -> Self {
        self.last_answer(|answer| answer.csv = true)
    }

    /// What its last answer leads to.
    pub fn link(self, operation: &'static str, parameters: impl Into<Vec<LinkParameter>>) -> Self {
        self.last_answer(|answer| answer.links.push((operation, parameters.into())))
    }

    /// It minds `If-Match`.
    pub fn if_match(self) -> Self {
        Self { if_match: true, ..self }
    }

    /// It needs no record.
    pub fn without_store(self) -> Self {
        Self { uses_store: false, ..self }
    }

    /// It can fail so, beside what follows from its route, parameters and body.
    pub fn problems(self, codes: &[&'static str]) -> Self {
        Self { problems: codes.to_vec(), ..self }
    }

    /// It is, or has fields that are, an exercise of these powers.
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
