//! Generates the schemas of requests and responses in the form of OpenAPI 3.1.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Builds a generator whose schemas refer to each other within an OpenAPI document.
pub fn generator(contract: fn(SchemaSettings) -> SchemaSettings) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = Cow::Borrowed("/components/schemas");
        settings.meta_schema = None;
        settings.transforms.clear();
    });
    contract(settings).into_generator()
}

/// Takes the definitions out of a generator.
pub fn definitions(mut generator: SchemaGenerator) -> Map<String, Value> {
    let of_answers = generator.contract().is_serialize();
    let definitions = generator.take_definitions(false).into_iter();
    let plain = definitions.map(|(name, schema)| {
        let mut schema = Schema::try_from(schema).unwrap_or_default();
        Plain.transform(&mut schema);
        if of_answers {
            Complete.transform(&mut schema);
        }
        (name, schema.to_value())
    });
    plain.collect()
}

/// Simplifies schemas.
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(schema) = schema.as_object_mut() {
            // Formats of Rust's unsigned integers; OpenAPI defines only signed ones.
            if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                schema.remove("format");
            }
            list_values(schema);
        }
    }
}

/// Removes defaults: they apply to stored records, and an answer has every field.
struct Complete;

impl Transform for Complete {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        schema.remove("default");
    }
}

/// Turns a choice between single values, each with a description, into one list of values.
fn list_values(schema: &mut Map<String, Value>) {
    let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let value = |choice: &Value| Some((choice.get("const")?.as_str()?.to_owned(), choice.get("description").cloned()));
    let Some(values) = choices.iter().map(value).collect::<Option<Vec<_>>>() else { return };
    let mut description = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    description.push('\n');
    for (value, meaning) in &values {
        let meaning = meaning.as_ref().and_then(Value::as_str).unwrap_or_default();
        description.push_str(&format!("\n- `{value}`: {meaning}"));
    }
    schema.remove("oneOf");
    schema.insert("description".to_owned(), json!(description));
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), values.into_iter().map(|(value, _)| Value::from(value)).collect());
}
