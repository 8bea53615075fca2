//! What the OpenAPI document promises, held against every answer that any test gets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use arcadia_functions::{ROUTES, Route};
use jsonschema::{Draft, Validator};
use reqwest::Method;
use serde_json::{Value, json};

use super::Reply;

/// The document as the code has it.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| arcadia_openapi::document().expect("routes and descriptions match"))
}

/// The description of a route.
pub fn operation(route: &Route) -> &'static Value {
    &document()["paths"][route.path][route.method.as_str().to_lowercase()]
}

/// Insists that an answer is one that the document promises for the operation: its status, form, headers and body, and
/// not a member more.
#[track_caller]
pub fn check(method: &Method, path: &str, reply: &Reply) {
    let Some(route) = ROUTES.iter().find(|route| route.method == method && matches(route.path, path)) else { return };
    let what = || format!("{} {}: {}", route.handler, reply.status, reply.text);
    let promised = &operation(route)["responses"][reply.status.to_string()];
    assert!(promised.is_object(), "no such status is documented: {}", what());
    let media_type = reply.header("content-type").split(';').next().unwrap_or_default();
    let media = &promised["content"][media_type];
    assert!(media.is_object(), "{media_type} is not documented: {}", what());
    for (name, header) in promised["headers"].as_object().expect("headers") {
        check_header(name, resolve(header), reply, &what());
    }
    // API Gateway's own answers, which have neither, are of another type.
    if media_type == "application/problem+json" {
        assert!(!reply.header("x-request-id").is_empty(), "{}", what());
        assert!(reply.status != 503 || !reply.header("retry-after").is_empty(), "{}", what());
    }
    if !media_type.ends_with("json") {
        assert_eq!(media["schema"]["type"], "string", "{}", what());
        return;
    }
    let errors: Vec<String> =
        validator(&media["schema"]).iter_errors(&reply.body).map(|e| format!("{} {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "not as documented: {errors:#?}\n{}", what());
}

/// A validator of one of the document's schemas, which takes only members that are documented.
pub fn compile(schema: &Value) -> Validator {
    static SCHEMAS: OnceLock<Value> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| {
        let mut schemas = document()["components"]["schemas"].clone();
        close(&mut schemas);
        schemas
    });
    let mut root = schema.clone();
    root["components"] = json!({"schemas": schemas});
    let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
    options.build(&root).expect("a schema")
}

/// A description, or what it refers to.
pub fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => document().pointer(reference.trim_start_matches('#')).expect(reference),
        None => value,
    }
}

fn check_header(name: &str, described: &'static Value, reply: &Reply, what: &str) {
    let text = reply.header(name);
    if text.is_empty() {
        assert_ne!(described["required"], true, "the header {name} is missing: {what}");
        return;
    }
    let number = || text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number));
    let value = if described["schema"]["type"] == "integer" { number() } else { json!(text) };
    assert!(validator(&described["schema"]).is_valid(&value), "the header {name} is {text:?}: {what}");
}

/// The validator of a schema, made once: that takes longer than most requests.
fn validator(schema: &Value) -> Arc<Validator> {
    static VALIDATORS: OnceLock<Mutex<HashMap<String, Arc<Validator>>>> = OnceLock::new();
    let mut validators = VALIDATORS.get_or_init(Mutex::default).lock().expect("no holder of the lock panics");
    Arc::clone(validators.entry(schema.to_string()).or_insert_with(|| Arc::new(compile(schema))))
}

fn matches(route_path: &str, path: &str) -> bool {
    let (wanted, given): (Vec<_>, Vec<_>) = (route_path.split('/').collect(), path.split('/').collect());
    let fits = |(wanted, given): (&&str, &&str)| wanted == given || wanted.starts_with('{') && !given.is_empty();
    wanted.len() == given.len() && wanted.iter().zip(&given).all(fits)
}

/// Makes every object of a schema refuse members that are not documented. Callers have to ignore those; tests do not.
fn close(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(close),
        Value::Object(schema) => {
            schema.values_mut().for_each(close);
            if schema.contains_key("properties") {
                // The parts of one object must not refuse each other's members.
                for name in ["oneOf", "anyOf", "allOf"] {
                    let parts = schema.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten();
                    parts.filter_map(Value::as_object_mut).for_each(|part| _ = part.remove("unevaluatedProperties"));
                }
                schema.insert("unevaluatedProperties".to_owned(), json!(false));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
