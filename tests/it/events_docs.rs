//! The promise: the events in the documentation are real ones, one of each type, and of the form that their schema says.
//!
//! `UPDATE_DOCS=1 cargo test -p arcadia-tests events_docs` writes both anew.

use std::collections::BTreeSet;
use std::fs;

use arcadia_functions::events::publish::{CloudEvent, SCHEMA, SOURCE, TYPE_PREFIX};
use arcadia_shared::domain::State;
use arcadia_shared::store::items::to_event_record;
use serde_json::{Map, Value, json};

use crate::harness::billing::Billing;
use crate::harness::environment;
use crate::harness::history::{BEGINNING, event_types, everything};
use crate::harness::project::ROOT;

/// How long a UUID is as text, and from where on it is part of an invoice's number.
const UUID_LEN: usize = 36;
const UUID_TAIL: usize = 24;

/// One event of each type, by type.
async fn examples() -> Value {
    let billing = Billing::at(BEGINNING).await;
    let mut events: Vec<Value> = Vec::new();
    for id in everything(&billing).await {
        let partition = billing.partition(&id).await;
        let items = partition.into_iter().filter(|(sort_key, _)| sort_key.starts_with("EVENT#"));
        events.extend(items.map(|(_, item)| json!(CloudEvent::from(to_event_record(item).unwrap()))));
    }
    // All of them, since an invoice's number has a part of an id that is told elsewhere.
    let events: Vec<Value> = serde_json::from_str(&with_known_ids(json!(events).to_string())).unwrap();
    let first = |kind: String| {
        let event = events.iter().find(|event| event["data"]["type"] == kind).expect("everything happened");
        (kind, event.clone())
    };
    event_types().into_iter().map(first).collect::<Map<_, _>>().into()
}

/// The text with other UUIDs in it: the same in every run.
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

/// The schema of `data.data` for a type of event.
fn details(_kind: &str) -> Value {
    json!({"type": "object"})
}

/// The JSON schema of an event as it is published.
fn schema() -> Value {
    let states: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
    let state = json!({"enum": states.iter().map(|state| json!(state)).chain([Value::Null]).collect::<Vec<_>>()});
    let text = json!({"type": ["string", "null"]});
    let types = event_types();
    let data = json!({
        "sequence": {"type": "integer", "minimum": 1},
        "type": {"enum": types},
        "data": {"type": "object"},
        "from_state": state,
        "to_state": state,
        "reason": text,
        "actor": {"type": "string"},
        "notes": text,
        "occurred_at": {"type": "string", "format": "date-time"},
        "deployment_id": {"type": "string", "format": "uuid"},
        "tenant_id": {"type": "string"},
    });
    let envelope = json!({
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "pattern": "^[0-9a-f-]{36}/[1-9][0-9]*$"},
        "source": {"const": SOURCE},
        "type": {"enum": types.iter().map(|kind| format!("{TYPE_PREFIX}{kind}")).collect::<Vec<_>>()},
        "subject": {"type": "string", "format": "uuid"},
        "time": {"type": "string", "format": "date-time"},
        "dataschema": {"const": SCHEMA},
        "datacontenttype": {"const": "application/json"},
        "sequence": {"type": "string", "pattern": "^[0-9]{10}$"},
        "tenantid": {"type": "string"},
        "data": {"type": "object", "required": names(&data), "properties": data},
    });
    let of_type = |kind: &String| {
        json!({
            "if": {"properties": {"type": {"const": format!("{TYPE_PREFIX}{kind}")}}},
            "then": {"properties": {"data": {"properties": {"type": {"const": kind}, "data": details(kind)}}}},
        })
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "An event of Arcadia Cloud, as a CloudEvent",
        "type": "object",
        "required": names(&envelope),
        "properties": envelope,
        "allOf": types.iter().map(of_type).collect::<Vec<_>>(),
    })
}

fn names(object: &Value) -> Vec<&String> {
    object.as_object().unwrap().keys().collect()
}

/// Holds what should be in a file against what is, or puts it there.
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
    let (examples, schema) = (examples().await, schema());
    for (kind, event) in examples.as_object().unwrap() {
        assert_eq!(names(event), names(&schema["properties"]), "{kind}");
        let data = &schema["properties"]["data"];
        let same = |of: &Value| names(of).into_iter().cloned().collect::<BTreeSet<String>>();
        assert_eq!(same(&event["data"]), same(&data["properties"]), "{kind}");
    }
    check("event-examples.json", &examples);
    check("event-schema.json", &schema);
}

#[test]
fn the_guide_names_every_type_and_no_other() {
    let guide = fs::read_to_string(format!("{ROOT}/docs/events.md")).unwrap();
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let listed: BTreeSet<String> = rows.map(|(kind, _)| kind.to_owned()).collect();
    assert_eq!(listed, event_types().into_iter().collect());
}
