//! The promise: the OpenAPI document describes exactly the requests that the handlers read.
//! [`crate::harness::contract`] checks the answers of all tests against it.

use std::collections::BTreeSet;

use arcadia_domain::{
    Currency, DeploymentId, DisplayName, InvalidValue, InvoiceNumber, Notes, PaymentReference, ProviderReference,
    Reason, ShortCode, Slug, TemplateVersion, TenantId,
};
use arcadia_functions::{Audience, ROUTES, Route};
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::harness::client::send;
use crate::harness::contract::{compile, document, operation, resolve};
use crate::harness::reply::fields;
use crate::harness::{Random, Reply, World};

/// The schema of an operation's body, if it has one.
fn body_schema(route: &Route) -> Option<&'static Value> {
    let body = operation(route).get("requestBody")?;
    Some(resolve(&body["content"]["application/json"]["schema"]))
}

/// The names of a schema's properties.
fn properties(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned().collect()
}

/// The names of all properties that any schema has.
fn all_properties() -> BTreeSet<String> {
    let schemas = document()["components"]["schemas"].as_object().expect("schemas");
    schemas.values().flat_map(properties).collect()
}

/// Sends a body to a route, as a caller who may use it, about records that do not exist.
async fn call(world: &World, route: &Route, body: &Value) -> Reply {
    let mut path = route.path.trim_start_matches("/api/v1").to_owned();
    for (name, value) in [
        ("id", "019bc104-f980-7c2f-93d1-5b0c4e8a9d27"),
        ("number", "20270115100000-5b0c4e8a9d27-USD"),
        ("addon_id", "019bc104-f980-7c2f-93d1-5b0c4e8a9d27"),
        ("tenant_id", "acme"),
        ("code", "nothing"),
        ("operation_id", "019bc104-f980-7c2f-93d1-5b0c4e8a9d27"),
    ] {
        path = path.replace(&format!("{{{name}}}"), value);
    }
    let token = if route.audience == Audience::Everyone { &world.user } else { &world.admin };
    send(world.request(route.method.clone(), &path, token).json(body)).await
}

/// The fields that a problem reports with this code.
fn complaints(problem: &Value, code: &str) -> BTreeSet<String> {
    let named = fields(problem).into_iter().filter(|(_, found)| *found == code);
    named.map(|(pointer, _)| pointer.trim_start_matches('/').to_owned()).collect()
}

#[tokio::test]
async fn exactly_the_fields_documented_as_required_are() {
    let world = World::start().await;
    for (route, schema) in ROUTES.iter().filter_map(|route| Some((route, body_schema(route)?))) {
        let reply = call(&world, route, &json!({})).await;
        let required = schema["required"].as_array().into_iter().flatten();
        let required: BTreeSet<String> = required.map(|name| name.as_str().expect("a name").to_owned()).collect();
        if ["put_tenant", "release_tenant"].contains(&route.handler) {
            // Every tenant exists, even before any of its fields is set.
            reply.expect(200);
        } else if required.is_empty() {
            reply.expect_problem(404, "not_found");
        } else {
            let problem = reply.expect_problem(422, "validation_failed");
            assert_eq!(complaints(&problem, "required"), required, "{}", route.handler);
        }
    }
}

#[tokio::test]
async fn every_documented_property_is_read() {
    let world = World::start().await;
    for (route, schema) in ROUTES.iter().filter_map(|route| Some((route, body_schema(route)?))) {
        let documented = properties(schema);
        if documented.is_empty() {
            continue;
        }
        // Every handler reports each field that it reads, and each unknown one: no property is an object without
        // fields.
        let body: Value = documented.iter().map(|name| (name.clone(), json!({}))).collect::<Map<_, _>>().into();
        let problem = call(&world, route, &body).await.expect_problem(422, "validation_failed");
        let named: BTreeSet<String> =
            fields(&problem).iter().filter_map(|(pointer, _)| Some(pointer.split('/').nth(1)?.to_owned())).collect();
        assert_eq!(named, documented, "{}", route.handler);
    }
}

#[tokio::test]
async fn properties_that_only_others_have_are_refused() {
    let world = World::start().await;
    for (route, schema) in ROUTES.iter().filter_map(|route| Some((route, body_schema(route)?))) {
        let others: BTreeSet<String> = all_properties().difference(&properties(schema)).cloned().collect();
        let body: Value = others.iter().map(|name| (name.clone(), json!({}))).collect::<Map<_, _>>().into();
        let problem = call(&world, route, &body).await.expect_problem(400, "unknown_field");
        assert_eq!(complaints(&problem, "unknown_field"), others, "{}", route.handler);
    }
}

/// Returns whether the domain accepts a text.
type Parses = fn(&str) -> bool;

fn parses<T: std::str::FromStr<Err = InvalidValue>>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// Every string type with a pattern in the document: its schema's name, a valid text, and the domain's parser.
const VALUES: &[(&str, &str, Parses)] = &[
    ("Currency", "EUR", parses::<Currency>),
    ("DeploymentId", "019bc104-f980-7c2f-93d1-5b0c4e8a9d27", parses::<DeploymentId>),
    ("DisplayName", "The shop", parses::<DisplayName>),
    ("InvoiceNumber", "20270115100000-5b0c4e8a9d27-USD", parses::<InvoiceNumber>),
    ("Notes", "Back in two\nweeks.", parses::<Notes>),
    ("PaymentReference", "wire-2027-000017", parses::<PaymentReference>),
    ("ProviderReference", "arn:aws:rds:eu-central-1:123456789012:db:shop", parses::<ProviderReference>),
    ("Reason", "holidays", parses::<Reason>),
    ("ShortCode", "storage_50gb", parses::<ShortCode>),
    ("Slug", "my-shop-2", parses::<Slug>),
    ("TemplateVersion", "1.4.0", parses::<TemplateVersion>),
    ("TenantId", "Acme_Corp-1", parses::<TenantId>),
];

#[test]
fn the_forms_of_values_are_those_that_are_checked() {
    const ROUNDS: usize = 3_000;
    let mut random = Random::from_seed();
    for (name, example, parses) in VALUES {
        let schema = &document()["components"]["schemas"][name];
        let validator = compile(schema);
        for example in schema["examples"].as_array().into_iter().flatten() {
            assert!(parses(example.as_str().expect("a text")), "{name}: {example}");
        }
        let mut accepted = 0_usize;
        for _ in 0..ROUNDS {
            let text = variation(&mut random, example, schema["maxLength"].as_u64());
            agree(name, &validator, *parses, &text);
            accepted += usize::from(parses(&text));
        }
        assert!(
            (1..ROUNDS).contains(&accepted),
            "{name}: {accepted} of {ROUNDS} are accepted, so only one side is tested"
        );
    }
}

fn agree(name: &str, validator: &Validator, parses: Parses, text: &str) {
    assert_eq!(validator.is_valid(&json!(text)), parses(text), "{name}: document and code differ on {text:?}");
}

/// A text that differs from another in a few characters, or that is about as long as allowed.
fn variation(random: &mut Random, example: &str, max_len: Option<u64>) -> String {
    const CHARACTERS: &[char] = &[
        'a', 'f', 'g', 'z', 'A', 'Z', '0', '9', '-', '_', '.', '+', '#', '/', '~', '!', '"', '$', '%', ' ', '\t', '\n',
        '\r', '\0', '\u{b}', '\u{1f}', '\u{7f}', '\u{85}', '\u{a0}', 'é', '\u{1680}', '\u{200b}', '\u{2028}',
        '\u{3000}', '\u{feff}', '😀',
    ];
    let mut text: Vec<char> = match (random.below(4), max_len) {
        (0, _) => Vec::new(),
        (1, Some(max_len)) => {
            let len = usize::try_from(max_len).expect("a length") + random.below(3) - 1;
            vec![*random.pick(CHARACTERS); len]
        }
        (_, _) => example.chars().collect(),
    };
    for _ in 0..random.below(4) {
        let (at, character) = (random.below(text.len() + 1), *random.pick(CHARACTERS));
        match random.below(3) {
            0 => text.insert(at, character),
            1 if at < text.len() => text[at] = character,
            _ if at < text.len() => _ = text.remove(at),
            _ => {}
        }
    }
    text.into_iter().collect()
}

#[test]
fn descriptions_are_for_callers() {
    let text = document().to_string();
    for trace in ["[`", "crate::", "super::", "Option<", "Vec<"] {
        assert!(!text.contains(trace), "the document mentions {trace}");
    }
}
