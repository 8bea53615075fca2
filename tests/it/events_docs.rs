//! The promise: the documentation's example events are real, one of each type, and the schema describes every member of
//! them. [`crate::events_out`] checks all published events against the schema.
//!
//! `UPDATE_DOCS=1 cargo test -p arcadia-tests events_docs` writes both anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use arcadia_domain::lifecycle::INITIAL_STATES;
use arcadia_functions::events::publish::{
    CATALOG_SCHEMA, CATALOG_TYPE_PREFIX, CloudEvent, NO_TENANT, SCHEMA, SOURCE, TENANT_SCHEMA, TENANT_TYPE_PREFIX,
    TYPE_PREFIX,
};
use arcadia_store::item::Item;
use arcadia_store::items::{to_any_event_record, to_event_record};
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use crate::harness::billing::Billing;
use crate::harness::history::{BEGINNING, event_types, everything};
use crate::harness::project::ROOT;
use crate::harness::shop::merged;
use crate::harness::{Random, contract, environment};

/// The prefix of schema references in the OpenAPI document.
const COMPONENTS: &str = "#/components/schemas/";
/// The length of a UUID as text, and where the part begins that is in an invoice's number.
const UUID_LEN: usize = 36;
const UUID_TAIL: usize = 24;

/// The members that are absent when they have no value.
const SPARSE: [&str; 15] = [
    "bills_at_once",
    "cancelled_with_deployment",
    "charges_in_period",
    "credited_cents",
    "description",
    "discount",
    "excess_cents",
    "forgiven_cents",
    "paused_by",
    "reopened_at",
    "reversal",
    "tenant_rules",
    "value_date",
    "withdrawal",
    "write_offs",
];

/// One event of each type, by type.
async fn examples() -> Value {
    let billing = Billing::at(BEGINNING).await;
    let mut events: Vec<Value> = Vec::new();
    for id in everything(&billing).await {
        let partition = billing.partition(&id).await;
        let items = partition.into_iter().filter(|(sort_key, _)| sort_key.starts_with("EVENT#"));
        events.extend(items.map(|(_, item)| json!(CloudEvent::from(to_event_record(item).unwrap()))));
    }
    // All events together, since an invoice's number contains part of an id that other events have too.
    let events: Vec<Value> = serde_json::from_str(&with_known_ids(json!(events).to_string())).unwrap();
    let first = |kind: String| {
        let event = events.iter().find(|event| event["data"]["type"] == kind).expect("everything happened");
        (kind, event.clone())
    };
    event_types().into_iter().map(first).collect::<Map<_, _>>().into()
}

/// Replaces the UUIDs of a text by ones that are the same in every run.
fn with_known_ids(mut text: String) -> String {
    let dashes = [8, 13, 18, 23];
    let is_uuid = |word: &str| {
        word.bytes().enumerate().all(|(n, b)| if dashes.contains(&n) { b == b'-' } else { b.is_ascii_hexdigit() })
    };
    let mut found: Vec<String> = Vec::new();
    for (start, _) in text.match_indices('"') {
        let word = text.get(start + 1..start + 1 + UUID_LEN).filter(|word| is_uuid(word));
        if let Some(word) = word.filter(|word| !found.iter().any(|known| known == word)) {
            found.push(word.to_owned());
        }
    }
    for (n, id) in (1..).zip(&found) {
        let known = format!("01941f29-7c00-7000-8000-{n:012}");
        text = text.replace(id, &known).replace(&id[UUID_TAIL..], &known[UUID_TAIL..]);
    }
    text
}

/// The schemas of an event's details by type, from the code's type with the schema name `component`.
fn details(component: &str) -> Map<String, Value> {
    let schemas = &contract::document()["components"]["schemas"];
    let of_types = schemas[component]["oneOf"].as_array().expect("all types");
    let of_type = |reference: &Value| {
        let schema = &schemas[reference["$ref"].as_str()?.strip_prefix(COMPONENTS)?];
        let properties = &schema["properties"];
        // The last variant stands for future types.
        let kind = properties["type"]["const"].as_str()?.to_owned();
        let mut details = properties["data"].clone();
        details["description"] = schema["description"].clone();
        Some((kind, details))
    };
    of_types.iter().filter_map(of_type).collect()
}

/// Collects the schemas that a schema refers to, directly or indirectly, by name.
fn definitions(schema: &Value, found: &mut BTreeMap<String, Value>) {
    match schema {
        Value::Array(schemas) => schemas.iter().for_each(|schema| definitions(schema, found)),
        Value::Object(members) => {
            let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix(COMPONENTS));
            if let Some(name) = name.filter(|name| !found.contains_key(*name)) {
                let definition = contract::document()["components"]["schemas"][name].clone();
                found.insert(name.to_owned(), definition.clone());
                definitions(&definition, found);
            }
            members.values().for_each(|schema| definitions(schema, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Turns a schema of the OpenAPI document into a self-contained one, whose objects allow no members but the named ones.
fn stand_alone(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(stand_alone),
        Value::Object(members) => {
            members.values_mut().for_each(stand_alone);
            if members.contains_key("properties") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            if let Some(Value::String(reference)) = members.get_mut("$ref") {
                *reference = reference.replace(COMPONENTS, "#/$defs/");
            }
            // Only OpenAPI defines this format.
            members.retain(|name, value| name != "format" || value != "int64");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The schemas of the states in an event of a type: only two types have any.
fn states(kind: &str) -> [Value; 2] {
    let state = json!({"$ref": format!("{COMPONENTS}State")});
    match kind {
        "created" => [
            json!({"const": null}),
            json!({"enum": INITIAL_STATES.iter().map(|state| state.as_str()).collect::<Vec<_>>()}),
        ],
        "state_changed" => [state.clone(), state],
        _ => [json!({"const": null}), json!({"const": null})],
    }
}

fn component(name: &str) -> Value {
    json!({"$ref": format!("{COMPONENTS}{name}")})
}

fn or_null(name: &str) -> Value {
    json!({"anyOf": [component(name), {"type": "null"}]})
}

/// The parts of the published events of one history that differ from those of others.
struct Published {
    schema: &'static str,
    title: &'static str,
    prefix: &'static str,
    /// The types of the events.
    types: Vec<String>,
    /// The name of the event in the OpenAPI document.
    event: &'static str,
    /// The schemas of its envelope's `id`, `subject`, `sequence` and `tenantid`.
    envelope: Value,
    /// The members of its `data` that other events do not have.
    data: Value,
    /// The members of `data` besides its details, by type.
    of_type: fn(&str) -> Value,
}

impl Published {
    /// The JSON schema of a published event.
    fn schema(self) -> Value {
        let Self { schema, title, prefix, types, event, envelope, data, of_type } = self;
        let time = json!({"type": "string", "format": "date-time"});
        let data = merged(
            json!({
                "type": {"enum": types},
                "data": {"type": "object"},
                "reason": or_null("Reason"),
                "actor": {"description": "The token's subject.", "type": "string", "minLength": 1},
                "notes": or_null("Notes"),
                "occurred_at": time,
            }),
            data,
        );
        let envelope = merged(
            json!({
                "specversion": {"const": "1.0"},
                "source": {"const": SOURCE},
                "type": {"enum": types.iter().map(|kind| format!("{prefix}{kind}")).collect::<Vec<_>>()},
                "time": time,
                "dataschema": {"const": schema},
                "datacontenttype": {"const": "application/json"},
                "data": {"type": "object", "required": names(&data), "properties": data},
            }),
            envelope,
        );
        let mut details = details(event);
        let of_type = |kind: &String| {
            let details = details.remove(kind).unwrap_or_else(|| panic!("no schema describes {kind}"));
            let data = merged(json!({"type": {"const": kind}, "data": details}), of_type(kind));
            json!({
                "if": {"properties": {"type": {"const": format!("{prefix}{kind}")}}},
                "then": {"properties": {"data": {"properties": data}}},
            })
        };
        let of_types: Vec<Value> = types.iter().map(of_type).collect();
        whole(schema, title, &envelope, of_types)
    }
}

fn schema() -> Value {
    let of_deployment = Published {
        schema: SCHEMA,
        title: "An event of Arcadia Cloud, as a CloudEvent",
        prefix: TYPE_PREFIX,
        types: event_types(),
        event: "Event",
        envelope: json!({
            "id": {
                "description": "The deployment's id and the event's sequence: the same however often it is delivered.",
                "type": "string",
                "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[1-9][0-9]*$",
            },
            "subject": component("DeploymentId"),
            "sequence": {"description": "The sequence in ten digits.", "type": "string", "pattern": "^[0-9]{10}$"},
            "tenantid": component("TenantId"),
        }),
        data: json!({
            "deployment_id": component("DeploymentId"),
            "tenant_id": component("TenantId"),
            "sequence": {"description": "The event's place in the deployment's history, without gaps.", "type": "integer", "minimum": 1},
            "commit_last": {
                "description": "The sequence of the last event of the same commit: those up to it were committed together.",
                "type": "integer",
                "minimum": 1,
            },
            "entries": {
                "description": "What it did to the books besides issuing an invoice.",
                "type": "array",
                "items": component("Entry"),
            },
            "charges": or_null("ChargeChanges"),
            "from_state": or_null("State"),
            "to_state": or_null("State"),
            "actor": {"description": "The token's subject, or `system:billing`.", "type": "string", "minLength": 1},
        }),
        of_type: |kind| {
            let [from_state, to_state] = states(kind);
            json!({"from_state": from_state, "to_state": to_state})
        },
    };
    of_deployment.schema()
}

/// The schema of an event, from the schemas of its envelope and of each type.
fn whole(id: &str, title: &str, envelope: &Value, of_types: Vec<Value>) -> Value {
    let mut definitions_by_name = BTreeMap::new();
    definitions(&json!([envelope, of_types]), &mut definitions_by_name);
    let mut parts = json!({"properties": envelope, "required": names(envelope), "definitions": definitions_by_name});
    stand_alone(&mut parts);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": id,
        "title": title,
        "type": "object",
        "required": parts["required"],
        "properties": parts["properties"],
        "additionalProperties": false,
        "allOf": of_types.into_iter().map(closed_details).collect::<Vec<_>>(),
        "$defs": parts["definitions"],
    })
}

fn tenant_schema() -> Value {
    let of_tenant = Published {
        schema: TENANT_SCHEMA,
        title: "An event of a tenant of Arcadia Cloud, as a CloudEvent",
        prefix: TENANT_TYPE_PREFIX,
        types: details("TenantEvent").keys().cloned().collect(),
        event: "TenantEvent",
        envelope: json!({
            "id": {
                "description": "`tenant`, the tenant's id and the event's sequence: the same however often it is delivered.",
                "type": "string",
                "pattern": "^tenant/[A-Za-z0-9_-]{1,64}/[1-9][0-9]*$",
            },
            "subject": component("TenantId"),
            "sequence": {"description": "The sequence in ten digits.", "type": "string", "pattern": "^[0-9]{10}$"},
            "tenantid": component("TenantId"),
        }),
        data: json!({
            "tenant_id": component("TenantId"),
            "sequence": {"description": "The event's place in the tenant's history, without gaps.", "type": "integer", "minimum": 1},
        }),
        of_type: |_| json!({}),
    };
    of_tenant.schema()
}

/// One event of a tenant of each type, by type.
async fn tenant_examples() -> Value {
    let billing = Billing::at(BEGINNING).await;
    let policy = json!({
        "payment_terms_days": 14, "past_due_after_days": 3, "suspended_after_days": 21, "cancelled_after_days": 60,
        "archived_after_days": 90,
    });
    billing.put("/tenants/acme/dunning-policy", &billing.admin, policy).await.expect(200);
    let known = json!({
        "name": "Acme GmbH", "billing_address": "Hafenstrasse 1, 20457 Hamburg", "email": "billing@acme.example",
        "tax_id": "DE123456789", "tax_rate_basis_points": 1900, "deployment_quota": 50,
    });
    billing.put("/tenants/acme", &billing.admin, known).await.expect(202);
    let abuse = json!({"reason": "abuse", "notes": "Sends spam; reported on 14 February."});
    billing.put("/tenants/acme/hold", &billing.admin, abuse).await.expect(202);
    billing.delete("/tenants/acme/hold", &billing.admin).await.expect(202);
    let items = crate::harness::table::items(&billing.direct, billing.app.store.table()).await.into_iter();
    let is_event = |item: &Item| {
        item["SK"].as_s().is_ok_and(|key| key.starts_with("EVENT#"))
            && item["PK"].as_s().is_ok_and(|pk| pk == "TENANT#acme")
    };
    let events =
        items.filter(is_event).map(|item| json!(CloudEvent::from(to_any_event_record(item).expect("an event"))));
    let by_type = events.map(|event| (event["data"]["type"].as_str().expect("a type").to_owned(), event));
    let by_type: Value = by_type.collect::<BTreeMap<_, _>>().into_iter().collect::<Map<_, _>>().into();
    serde_json::from_str(&with_known_ids(by_type.to_string())).expect("JSON")
}

fn catalog_schema() -> Value {
    let of_catalog = Published {
        schema: CATALOG_SCHEMA,
        title: "An event of the catalog of Arcadia Cloud, as a CloudEvent",
        prefix: CATALOG_TYPE_PREFIX,
        types: details("CatalogEvent").keys().cloned().collect(),
        event: "CatalogEvent",
        envelope: json!({
            "id": {
                "description": "What changed, its code and the revision: the same however often it is delivered.",
                "type": "string",
                "pattern": "^(plan|addon|coupon)/[a-z0-9_]{1,63}/[1-9][0-9]*$",
            },
            "subject": component("ShortCode"),
            "sequence": {"description": "The revision in ten digits.", "type": "string", "pattern": "^[0-9]{10}$"},
            "tenantid": {"description": "The catalog is every tenant's.", "const": NO_TENANT},
        }),
        data: json!({
            "revision": {"description": "The record's revision that the change made, without gaps.", "type": "integer", "minimum": 1},
        }),
        of_type: |_| json!({}),
    };
    of_catalog.schema()
}

/// One event of the catalog of each type, by type.
async fn catalog_examples() -> Value {
    let billing = Billing::at(BEGINNING).await;
    let put = async |path: &str, body: Value| billing.put(path, &billing.admin, body).await;
    put("/plans/club", json!({"name": "Club"})).await.expect(201);
    put("/plans/club", json!({"name": "The club"})).await.expect(200);
    let price = |cents: i64| json!({"price_cents": cents, "currency": "USD", "interval": "month"});
    billing.publish("club", price(2_900)).await.expect(201);
    let replaces = json!({"replaces": 1, "effective_from": "2027-04-01T00:00:00Z"});
    billing.publish("club", merged(replaces, price(3_400))).await.expect(201);
    let addon = |cents: i64| json!({"name": "Backups", "price_cents": cents, "currency": "USD", "quantity": 1, "unit": "daily"});
    put("/addons/backups", addon(400)).await.expect(201);
    put("/addons/backups", addon(500)).await.expect(200);
    let coupon = |points: i64| json!({"name": "Partners", "percent_basis_points": points, "duration": "forever"});
    put("/coupons/partner", coupon(2_000)).await.expect(201);
    put("/coupons/partner", coupon(2_500)).await.expect(200);
    let items = crate::harness::table::items(&billing.direct, billing.app.store.table()).await.into_iter();
    let of_these = ["PLAN#club", "ADDON#backups", "COUPON#partner"];
    let is_event = |item: &Item| {
        item["SK"].as_s().is_ok_and(|key| key.starts_with("EVENT#"))
            && item["PK"].as_s().is_ok_and(|key| of_these.contains(&key.as_str()))
    };
    let mut events: Vec<Value> = items
        .filter(is_event)
        .map(|item| json!(CloudEvent::from(to_any_event_record(item).expect("an event"))))
        .collect();
    // The example is the last of several events of a type.
    events.sort_by_key(|event| event["sequence"].as_str().map(str::to_owned));
    let by_type = events.into_iter().map(|event| (event["data"]["type"].as_str().expect("a type").to_owned(), event));
    let by_type: Value = by_type.collect::<BTreeMap<_, _>>().into_iter().collect::<Map<_, _>>().into();
    serde_json::from_str(&with_known_ids(by_type.to_string())).expect("JSON")
}

/// The part of the schema for one type. Only its details need to be made self-contained.
fn closed_details(mut of_type: Value) -> Value {
    let data = &mut of_type["then"]["properties"]["data"]["properties"];
    data.as_object_mut().expect("members").values_mut().for_each(stand_alone);
    of_type
}

/// A validator of events, with formats.
pub fn validator() -> Validator {
    validator_of(&schema())
}

/// The same for events of tenants.
pub fn tenant_validator() -> Validator {
    validator_of(&tenant_schema())
}

/// The same for events of the catalog.
pub fn catalog_validator() -> Validator {
    validator_of(&catalog_schema())
}

fn validator_of(schema: &Value) -> Validator {
    let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
    options.build(schema).expect("a schema")
}

/// The path of every object in an event.
fn objects(value: &Value, place: &str, found: &mut Vec<String>) {
    if let Value::Object(members) = value {
        found.push(place.to_owned());
        members.iter().for_each(|(name, member)| objects(member, &format!("{place}/{name}"), found));
    }
    if let Value::Array(members) = value {
        members.iter().enumerate().for_each(|(n, member)| objects(member, &format!("{place}/{n}"), found));
    }
}

fn names(object: &Value) -> Vec<&String> {
    object.as_object().unwrap().keys().collect()
}

/// Compares a file with its expected content, or writes it.
fn check(file: &str, expected: &Value) {
    let path = format!("{ROOT}/docs/{file}");
    let expected = serde_json::to_string_pretty(expected).unwrap() + "\n";
    if environment("UPDATE_DOCS").is_some() {
        fs::write(&path, expected).expect(file);
    } else {
        let found = fs::read_to_string(&path).expect(file);
        assert_eq!(found, expected, "{file} is out of date: run UPDATE_DOCS=1 cargo test -p arcadia-tests events_docs");
    }
}

#[tokio::test]
async fn the_examples_are_real_and_of_the_form_of_the_schema() {
    let (examples, schema, validator) = (examples().await, schema(), validator());
    for (kind, event) in examples.as_object().unwrap() {
        let errors: Vec<String> =
            validator.iter_errors(event).map(|error| format!("{} {error}", error.instance_path())).collect();
        assert_eq!(errors, Vec::<String>::new(), "{kind}");
    }
    check("event-examples.json", &examples);
    check("event-schema.json", &schema);
}

/// Checks one example of every type against the schema, and both against the files of `what`.
fn check_examples(what: &str, event: &str, examples: &Value, schema: &Value) {
    let validator = validator_of(schema);
    for (kind, event) in examples.as_object().unwrap() {
        let errors: Vec<String> =
            validator.iter_errors(event).map(|error| format!("{} {error}", error.instance_path())).collect();
        assert_eq!(errors, Vec::<String>::new(), "{kind}");
        let mut more = event.clone();
        more["data"]["data"]["unheard_of"] = json!(1);
        assert!(!validator.is_valid(&more), "{kind} accepts another member");
    }
    let types: BTreeSet<&String> = examples.as_object().unwrap().keys().collect();
    assert_eq!(types, details(event).keys().collect(), "everything happened");
    check(&format!("{what}-event-examples.json"), examples);
    check(&format!("{what}-event-schema.json"), schema);
}

#[tokio::test]
async fn the_examples_of_tenants_events_are_real_and_of_the_form_of_their_schema() {
    check_examples("tenant", "TenantEvent", &tenant_examples().await, &tenant_schema());
}

#[tokio::test]
async fn the_examples_of_the_catalogs_events_are_real_and_of_the_form_of_their_schema() {
    check_examples("catalog", "CatalogEvent", &catalog_examples().await, &catalog_schema());
}

#[tokio::test]
async fn the_schema_takes_no_member_more_and_none_less() {
    let (examples, validator) = (examples().await, validator());
    let mut refused = 0;
    for (kind, event) in examples.as_object().unwrap() {
        let mut places = Vec::new();
        objects(event, "", &mut places);
        for place in places {
            let mut more = event.clone();
            more.pointer_mut(&place).unwrap()["unheard_of"] = json!(1);
            assert!(!validator.is_valid(&more), "{kind} accepts another member at {place:?}");
            // An update names only the fields that it changed.
            if kind == "updated" && place == "/data/data" {
                continue;
            }
            for name in names(event.pointer(&place).unwrap()) {
                if SPARSE.contains(&name.as_str()) {
                    continue;
                }
                let mut less = event.clone();
                less.pointer_mut(&place).unwrap().as_object_mut().unwrap().remove(name);
                assert!(!validator.is_valid(&less), "{kind} is valid without {name} at {place:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 500, "only {refused} members were left out");
}

#[test]
fn the_guide_names_every_type_and_no_other() {
    let guide = fs::read_to_string(format!("{ROOT}/docs/events.md")).unwrap();
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let listed: BTreeSet<String> = rows.map(|(kind, _)| kind.to_owned()).collect();
    let of_tenants = details("TenantEvent").into_iter().map(|(kind, _)| format!("{TENANT_TYPE_PREFIX}{kind}"));
    let of_catalog = details("CatalogEvent").into_iter().map(|(kind, _)| format!("{CATALOG_TYPE_PREFIX}{kind}"));
    assert_eq!(listed, event_types().into_iter().chain(of_tenants).chain(of_catalog).collect());
}

/// Calls the consumer of the documentation, which gets events line by line and then reads the missing ones.
const CALLER: &str = r#"
import json, sys
given = json.load(sys.stdin)
applied = []
history = lambda deployment, after: [event for event in given["history"][deployment] if event["sequence"] > after]
consumer = Consumer(lambda deployment, events: applied.append([deployment, [event["sequence"] for event in events]]), history)
for event in given["events"]:
    consumer.receive(event)
before = len(applied)
consumer.close_gaps()
json.dump({"before": before, "applied": applied}, sys.stdout)
"#;

#[tokio::test]
async fn the_consumer_applies_each_commit_once_and_in_order_whatever_arrives() {
    let page = fs::read_to_string(format!("{ROOT}/docs/events.md")).unwrap();
    let consumer = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a consumer");
    let billing = Billing::at(BEGINNING).await;
    let mut history = Map::new();
    let mut events = Vec::new();
    for id in everything(&billing).await {
        let partition = billing.partition(&id).await;
        let items = partition.into_iter().filter(|(sort_key, _)| sort_key.starts_with("EVENT#"));
        let all: Vec<Value> = items.map(|(_, item)| json!(CloudEvent::from(to_event_record(item).unwrap()))).collect();
        history.insert(id, all.iter().map(|event| event["data"].clone()).collect());
        events.extend(all);
    }
    // The commits: the sequences that end with the same event.
    let mut expected: BTreeMap<String, BTreeMap<u64, Vec<u64>>> = BTreeMap::new();
    for event in &events {
        let number = |name: &str| event["data"][name].as_u64().expect("a sequence");
        let of_one = expected.entry(event["subject"].as_str().expect("an id").to_owned()).or_default();
        of_one.entry(number("commit_last")).or_default().push(number("sequence"));
    }
    assert!(expected.values().flat_map(BTreeMap::values).any(|commit| commit.len() > 1));
    let mut random = Random::from_seed();
    let mut arriving: Vec<Value> = events.iter().chain(&events).cloned().collect();
    for last in (1..arriving.len()).rev() {
        arriving.swap(last, random.below(last + 1));
    }
    // Some events never arrive.
    arriving.retain(|event| event["data"]["sequence"].as_u64().is_some_and(|sequence| sequence % 5 != 3));
    let mut python = Command::new("python3");
    python.args(["-c", &format!("{consumer}{CALLER}")]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().expect("python3");
    let given = json!({"events": arriving, "history": history}).to_string();
    python.stdin.take().expect("a pipe").write_all(given.as_bytes()).expect("all of it");
    let output = python.wait_with_output().expect("an end");
    assert!(output.status.success());
    let done: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut applied: BTreeMap<String, Vec<Vec<u64>>> = BTreeMap::new();
    for commit in done["applied"].as_array().expect("commits") {
        let sequences = serde_json::from_value(commit[1].clone()).expect("sequences");
        applied.entry(commit[0].as_str().expect("an id").to_owned()).or_default().push(sequences);
    }
    let expected: BTreeMap<String, Vec<Vec<u64>>> =
        expected.into_iter().map(|(id, commits)| (id, commits.into_values().collect())).collect();
    assert_eq!(applied, expected);
    assert!(done["before"].as_u64() < Some(done["applied"].as_array().map_or(0, Vec::len) as u64), "gaps were closed");
}
