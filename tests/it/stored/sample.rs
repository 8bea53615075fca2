//! Values of every record, made from its JSON Schema: with every optional part, and with none.

use arcadia_store::item::Item;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// How much of its optional parts a value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Every field, a list with an element of every kind, and the first of several values.
    Full,
    /// Null, empty or zero where allowed, and the last of several values.
    Bare,
}

struct Sampler {
    definitions: Value,
    shape: Shape,
}

/// Full and bare records of a type, of each of its kinds if it has several.
pub fn records<T: JsonSchema + DeserializeOwned>() -> Vec<T> {
    let read = |value: Value| {
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{}: {error}: {value}", T::schema_name()))
    };
    values::<T>().into_iter().map(read).collect()
}

/// The same as JSON.
pub fn values<T: JsonSchema>() -> Vec<Value> {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let schema = generator.into_root_schema_for::<T>().to_value();
    let of = |shape| Sampler { definitions: schema["$defs"].clone(), shape }.kinds(&schema);
    [of(Shape::Full), of(Shape::Bare)].concat()
}

/// An item as JSON.
pub fn json_of(item: &Item) -> Value {
    let mut value: Value = serde_dynamo::from_item(item.clone()).expect("an item is JSON");
    value.sort_all_objects();
    value
}

/// The item of a JSON object.
pub fn item_of(value: &Value) -> Item {
    serde_dynamo::to_item(value).expect("JSON is an item")
}

impl Sampler {
    /// A value of each kind of object that a schema allows, or one value if there are no kinds.
    fn kinds(&self, schema: &Value) -> Vec<Value> {
        let schema = self.resolved(schema);
        let kinds = alternatives(schema);
        let is_object = |kind: &&Value| self.resolved(kind)["properties"].is_object();
        if kinds.len() < 2 || !kinds.iter().all(is_object) {
            return vec![self.value(schema)];
        }
        kinds.into_iter().map(|kind| merged(self.properties(schema), self.value(kind))).collect()
    }

    fn value(&self, schema: &Value) -> Value {
        let schema = self.resolved(schema);
        if !schema["const"].is_null() {
            return schema["const"].clone();
        }
        if is_nullable(schema) && self.shape == Shape::Bare {
            return Value::Null;
        }
        if let Some(names) = schema["enum"].as_array() {
            let names: Vec<&Value> = names.iter().filter(|name| !name.is_null()).collect();
            return self.choice(&names).clone();
        }
        let kinds = alternatives(schema);
        if !kinds.is_empty() {
            return merged(self.properties(schema), self.value(self.choice(&kinds)));
        }
        if let Some(example) = schema["examples"].get(0) {
            return example.clone();
        }
        let full = self.shape == Shape::Full;
        let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        match types.iter().find(|name| *name != "null").and_then(Value::as_str) {
            Some("object") => self.properties(schema),
            Some("array") => json!(if full { self.kinds(&schema["items"]) } else { Vec::new() }),
            Some("boolean") => json!(full),
            Some("integer") => json!(if full { 7 } else { 0 }),
            Some("string") if schema["format"] == "date-time" => json!("2027-01-31T00:00:00Z"),
            Some("string") if schema["format"] == "date" => json!("2027-01-31"),
            Some("string") => json!("text"),
            other => panic!("no sample value for the type {other:?}: {schema}"),
        }
    }

    fn properties(&self, schema: &Value) -> Value {
        let members = schema["properties"].as_object().cloned().unwrap_or_default();
        let mut object: Map<String, Value> =
            members.iter().map(|(name, schema)| (name.clone(), self.value(schema))).collect();
        let name = schema["propertyNames"]["enum"].get(0).and_then(Value::as_str);
        if let Some(name) = name.filter(|_| self.shape == Shape::Full) {
            object.insert(name.to_owned(), self.value(&schema["additionalProperties"]));
        }
        object.into()
    }

    fn choice<'a>(&self, choices: &[&'a Value]) -> &'a Value {
        let choice = if self.shape == Shape::Full { choices.first() } else { choices.last() };
        choice.expect("a choice")
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
            Some(name) => self.resolved(&self.definitions[name]),
            None => schema,
        }
    }
}

/// The alternative schemas of a value, except null.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let lists = ["oneOf", "anyOf"].into_iter().filter_map(|name| schema[name].as_array());
    lists.flatten().filter(|one| one["type"] != "null").collect()
}

fn is_nullable(schema: &Value) -> bool {
    let is_null = |one: &Value| one == "null" || one.is_null() || one["type"] == "null";
    ["type", "enum", "oneOf", "anyOf"]
        .iter()
        .any(|name| schema[*name].as_array().is_some_and(|all| all.iter().any(is_null)))
}

fn merged(mut object: Value, other: Value) -> Value {
    match (&mut object, other) {
        (Value::Object(members), Value::Object(more)) => members.extend(more),
        (object, other) => *object = other,
    }
    object
}
