//! The records of a table in a form that can be compared with those of another table.
//!
//! Both sides make their own ids. An id becomes a name: its place in the order of first appearance in the events, and
//! its millisecond, which both sides must agree on. An invoice's number ends in its subscription's id and becomes a name
//! too. Times and all other values must be equal. These differ by design and are left out:
//! - the shard in an index key and the `manifest` of a deployment, which follow from ids; every read checks the manifest;
//! - the body and the fingerprint of an idempotency record, because the simulator makes no full answers;
//! - operations with their results, which the simulator does not have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arcadia_domain::InvoiceNumber;
use arcadia_store::item::Item;
use arcadia_store::keys;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The length of the end of an id in an invoice's number.
const TAIL: usize = 12;
/// The partitions whose keys end with a shard.
const SHARDED: [&str; 5] = ["STATE#", "PLAN#", "INVOICES#", "DUE#", "ATTENTION#"];

/// A primary key.
type Key = (String, String);

/// The records of one side. Only records that change are put into the comparable form again.
#[derive(Debug)]
pub struct Records<Raw> {
    pub names: Names,
    records: BTreeMap<Key, Record<Raw>>,
    /// The comparable form of all records, by the comparable key.
    by_key: BTreeMap<Key, Value>,
    /// The comparable keys that have changed since the last comparison.
    changed: BTreeSet<Key>,
}

/// A record as it is stored, and its comparable key.
#[derive(Debug)]
struct Record<Raw> {
    raw: Raw,
    key: Key,
}

/// The ids of one side, in the order of their first appearance.
#[derive(Debug, Default)]
pub struct Names {
    ids: Vec<Uuid>,
    /// The place of an id, by its end.
    places: HashMap<String, usize>,
}

impl<Raw: PartialEq> Records<Raw> {
    pub fn new() -> Self {
        Self { names: Names::default(), records: BTreeMap::new(), by_key: BTreeMap::new(), changed: BTreeSet::new() }
    }

    /// Takes the present items of a table; `typed` turns one into JSON with the types of DynamoDB, such as
    /// `{"S": "text"}`.
    pub fn update(&mut self, items: impl Iterator<Item = (Key, Raw)>, typed: impl Fn(&Raw) -> Value) {
        let mut old = std::mem::take(&mut self.records);
        let mut changed = BTreeMap::new();
        for (key, raw) in items.filter(|((pk, _), _)| !pk.starts_with("OPERATION")) {
            if old.get(&key).is_some_and(|record| record.raw == raw) {
                self.records.extend(old.remove_entry(&key));
            } else {
                let item = typed(&raw);
                changed.insert(key, (raw, item));
            }
        }
        // Ids are learned deployment by deployment in the order of creation, and event by event.
        for ((pk, sk), (_, item)) in &changed {
            if pk.starts_with("DEPLOYMENT#") && sk.starts_with(keys::EVENT_PREFIX) {
                self.names.learn(item);
            }
        }
        for Record { key, .. } in old.into_values() {
            self.by_key.remove(&key);
            self.changed.insert(key);
        }
        for (stored, (raw, item)) in changed {
            let (key, value) = self.names.comparable(&item);
            self.by_key.insert(key.clone(), value);
            self.changed.insert(key.clone());
            self.records.insert(stored, Record { raw, key });
        }
    }
}

impl Names {
    /// Learns the new ids in an item.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                for id in words(text).filter_map(|(word, _)| id(word)) {
                    let place = self.ids.len();
                    if *self.places.entry(tail(id)).or_insert(place) == place {
                        self.ids.push(id);
                    }
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.learn(element)),
            Value::Object(members) => {
                let sorted: BTreeMap<&String, &Value> = members.iter().collect();
                sorted.into_values().for_each(|value| self.learn(value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A text with names in place of the known ids.
    pub fn named(&self, text: &str) -> String {
        self.replaced(text, |place, _| {
            let id = self.ids[place].simple().to_string();
            format!("<{place} of {}>", &id[..TAIL])
        })
    }

    /// A text with the ids of another side in place of this side's.
    pub fn translate(&self, text: &str, other: &Self) -> String {
        self.replaced(text, |place, is_whole| {
            let id = other.ids[place];
            if is_whole { id.to_string() } else { tail(id) }
        })
    }

    /// A text with each known id replaced, and the end of each in an invoice's number. `with` gets the place of the id and
    /// whether the whole id stands there.
    fn replaced(&self, text: &str, with: impl Fn(usize, bool) -> String) -> String {
        let place = |tail: &str| self.places.get(tail).copied();
        let word = |(word, separator): (&str, &str)| {
            let replaced = match (id(word), word.parse::<InvoiceNumber>()) {
                (Some(id), _) => place(&tail(id)).map(|place| with(place, true)),
                (None, Ok(_)) => {
                    let (second, rest) = word.split_once('-').expect("a number has parts");
                    let (tail, rest) = rest.split_once('-').expect("a number has parts");
                    place(tail).map(|place| format!("{second}-{}-{rest}", with(place, false)))
                }
                (None, Err(_)) => None,
            };
            replaced.unwrap_or_else(|| word.to_owned()) + separator
        };
        words(text).map(word).collect()
    }

    /// The comparable form of an item, with its key.
    fn comparable(&self, item: &Value) -> (Key, Value) {
        let mut members = Map::new();
        for (name, value) in item.as_object().expect("an item") {
            let value = match (name.as_str(), value["S"].as_str()) {
                ("manifest", _) => json!("a digest"),
                ("PK" | "GSI2PK" | "GSI3PK", Some(key)) => json!(self.named(without_shard(key))),
                _ => self.comparable_value(value),
            };
            members.insert(name.clone(), value);
        }
        let key = |name: &str| match &members[name] {
            Value::String(key) => key.clone(),
            value => value["S"].as_str().expect("a key").to_owned(),
        };
        let (pk, sk) = (key("PK"), key("SK"));
        if pk.starts_with("IDEMPOTENCY#") {
            members.remove("body");
            members.remove("fingerprint");
        }
        ((pk, sk), Value::Object(members))
    }

    fn comparable_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.named(text)),
            Value::Array(elements) => elements.iter().map(|element| self.comparable_value(element)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (self.named(name), self.comparable_value(value))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

/// The first difference between the two sides among the records that have changed since the last comparison.
pub fn difference<A, B>(simulated: &mut Records<A>, real: &mut Records<B>) -> Option<String> {
    let mut changed = std::mem::take(&mut simulated.changed);
    changed.append(&mut real.changed);
    let key = changed.into_iter().find(|key| simulated.by_key.get(key) != real.by_key.get(key))?;
    let [simulated, real] = [&simulated.by_key, &real.by_key].map(|side| side.get(&key).and_then(Value::as_object));
    let names: BTreeSet<&String> = [simulated, real].into_iter().flatten().flat_map(Map::keys).collect();
    let value = |side: Option<&Map<String, Value>>, name: &str| side.and_then(|side| side.get(name)).cloned();
    let show = |value: Option<Value>| value.map_or("nothing".to_owned(), |value| value.to_string());
    let mut text = format!("{} {}", key.0, key.1);
    for name in names {
        let (simulated, real) = (value(simulated, name), value(real, name));
        if simulated != real {
            text += &format!("\n  {name}:\n    simulated: {}\n    real:      {}", show(simulated), show(real));
        }
    }
    Some(text)
}

/// An item of the SDK as JSON with the types of DynamoDB.
pub fn typed(item: &Item) -> Value {
    item.iter().map(|(name, value)| (name.clone(), typed_value(value))).collect()
}

fn typed_value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(value) => json!({"BOOL": value}),
        AttributeValue::Null(value) => json!({"NULL": value}),
        AttributeValue::L(elements) => json!({"L": elements.iter().map(typed_value).collect::<Vec<_>>()}),
        AttributeValue::M(members) => json!({"M": typed(members)}),
        other => panic!("the store writes no {other:?}"),
    }
}

/// The words of a text that can be ids or numbers of invoices, each with the character after it.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_separator = |sign: char| !sign.is_ascii_alphanumeric() && sign != '-';
    text.split_inclusive(is_separator).map(move |part| {
        let word = part.trim_end_matches(is_separator);
        part.split_at(word.len())
    })
}

fn id(word: &str) -> Option<Uuid> {
    const LEN: usize = 36;
    (word.len() == LEN).then(|| Uuid::parse_str(word).ok()).flatten()
}

/// The end of an id, as an invoice's number has it.
fn tail(id: Uuid) -> String {
    let id = id.simple().to_string();
    let (_, tail) = id.split_at(id.len() - TAIL);
    tail.to_owned()
}

/// An index key without its shard.
fn without_shard(key: &str) -> &str {
    let is_shard = |end: &str| end.len() == 3 && end.bytes().all(|byte| byte.is_ascii_digit());
    match key.rsplit_once('#') {
        Some((start, end)) if is_shard(end) && SHARDED.iter().any(|prefix| key.starts_with(prefix)) => start,
        _ => key,
    }
}
