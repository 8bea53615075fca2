//! What DynamoDB bills for a request, by the rules that AWS publishes. DynamoDB Local reports the capacity of transactions
//! wrongly, so it is computed from the requests and answers that were seen and from what the table held before and after.
//!
//! The rules are those of the Amazon DynamoDB Developer Guide:
//! - "DynamoDB Item sizes and formats" (`CapacityUnitCalculations.html`): how long an item is.
//! - "DynamoDB read and write operations" (`read-write-operations.html`): a read unit for every 4 KB that is read strongly,
//!   half of one if eventually; a write unit for every KB of the larger of the item before and after.
//! - "Amazon DynamoDB Transactions: How it works" (`transaction-apis.html`): of every item in a transaction, twice that.
//! - "Using Global Secondary Indexes in DynamoDB" (`GSI.html`): what a write costs in an index, and that a Query of an index
//!   reads its entries rather than the items. The 100 bytes for each item and entry that the guide speaks of are storage.
//!
//! Items, values, requests and answers are in the typed JSON of the API, such as `{"S": "text"}`. Read units are counted in
//! halves, so that all numbers are whole.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{ProjectionType, TableDescription};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::exchange::Exchange;

const READ_UNIT_BYTES: usize = 4_096;
const WRITE_UNIT_BYTES: usize = 1_024;

/// All that a table holds, by key.
pub type Items = BTreeMap<(String, String), Value>;

/// How much a reader wants to know of what was just written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    Eventual,
    Strong,
    Transactional,
}

/// An index of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its keys are the attributes of this name with `PK` and `SK` behind.
    pub name: String,
    /// Whether its entries hold the keys alone, or whole items.
    pub keys_only: bool,
}

/// What something costs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cost {
    pub requests: usize,
    pub half_read_units: usize,
    /// For writes of the table.
    pub write_units: usize,
    /// For writes of the indexes that follow, by index.
    pub index_write_units: BTreeMap<String, usize>,
}

impl Consistency {
    const fn half_units(self) -> usize {
        match self {
            Self::Eventual => 1,
            Self::Strong => 2,
            Self::Transactional => 4,
        }
    }
}

impl Index {
    /// The indexes of a table.
    pub fn all(table: &TableDescription) -> Vec<Self> {
        let index = |index: &aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription| {
            let projection = index.projection().and_then(|projection| projection.projection_type()).expect("a type");
            let keys_only = match projection {
                ProjectionType::All => false,
                ProjectionType::KeysOnly => true,
                other => panic!("a projection that no index has: {other}"),
            };
            Self { name: index.index_name().expect("a name").to_owned(), keys_only }
        };
        table.global_secondary_indexes().iter().map(index).collect()
    }

    /// The entry of an item in the index, if it has one.
    pub fn entry(&self, item: Option<&Value>) -> Option<Value> {
        let [pk, sk] = self.keys();
        let item = item?.as_object().expect("an item");
        if !item.contains_key(&pk) || !item.contains_key(&sk) {
            return None;
        }
        let projected = |name: &String| !self.keys_only || [&pk, &sk].contains(&name) || name == "PK" || name == "SK";
        let entry = item.iter().filter(|(name, _)| projected(name)).map(|(name, value)| (name.clone(), value.clone()));
        Some(Value::Object(entry.collect::<Map<_, _>>()))
    }

    /// What it costs that an item changes: nothing if its entry stays as it is, else a write of the entry, and two if the
    /// entry moves, since the old one is deleted. These are ordinary writes, also after a transaction.
    pub fn write_units(&self, old: Option<&Value>, new: Option<&Value>) -> usize {
        let key = |entry: &Value| self.keys().map(|name| entry[name].clone());
        match (self.entry(old), self.entry(new)) {
            (None, None) => 0,
            (Some(old), Some(new)) if old == new => 0,
            (Some(old), Some(new)) if key(&old) != key(&new) => {
                write_units(Some(&old), None) + write_units(None, Some(&new))
            }
            (old, new) => write_units(old.as_ref(), new.as_ref()),
        }
    }

    fn keys(&self) -> [String; 2] {
        ["PK", "SK"].map(|part| format!("{}{part}", self.name))
    }
}

/// How many bytes an item is billed as: the names and values of its attributes.
pub fn item_size(item: &Value) -> usize {
    item.as_object().expect("an item").iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    const CONTAINER: usize = 3;
    const ELEMENT: usize = 1;
    let (kind, value) = value.as_object().and_then(|typed| typed.iter().next()).expect("a typed value");
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => text.len(),
        ("N", Value::String(text)) => number_size(text),
        ("B", Value::String(text)) => BASE64_STANDARD.decode(text).expect("base64").len(),
        ("SS", Value::Array(set)) => set.iter().filter_map(Value::as_str).map(str::len).sum(),
        ("BOOL" | "NULL", _) => 1,
        ("L", Value::Array(list)) => {
            CONTAINER + list.iter().map(|element| ELEMENT + value_size(element)).sum::<usize>()
        }
        ("M", Value::Object(map)) => {
            CONTAINER + map.iter().map(|(name, value)| ELEMENT + name.len() + value_size(value)).sum::<usize>()
        }
        _ => panic!("a value that no item has: {kind} {value}"),
    }
}

/// A byte for every two significant digits and one more; zeroes at either end are not significant.
fn number_size(text: &str) -> usize {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len().div_ceil(2) + 1
}

/// What it costs to read so many bytes: an item, or all items of a Query together. What finds nothing costs the least
/// that there is.
pub fn half_read_units(size: usize, consistency: Consistency) -> usize {
    consistency.half_units() * size.div_ceil(READ_UNIT_BYTES).max(1)
}

/// What it costs to put, change or delete an item. A write whose condition fails, and a condition that is only checked,
/// cost as much as to write what stands there anew.
pub fn write_units(old: Option<&Value>, new: Option<&Value>) -> usize {
    let size = [old, new].into_iter().flatten().map(item_size).max().unwrap_or_default();
    size.div_ceil(WRITE_UNIT_BYTES).max(1)
}

/// What a request cost that DynamoDB carried out, on a table that held `before` at first and `after` in the end.
pub fn cost(exchange: &Exchange, before: &Items, after: &Items, indexes: &[Index]) -> Cost {
    let Exchange { operation, request, answer } = exchange;
    assert!(answer["__type"].is_null(), "{operation} failed: {answer}");
    let mut cost = Cost { requests: 1, ..Cost::default() };
    let strong = |asked: &Value| match asked["ConsistentRead"] == true {
        true => Consistency::Strong,
        false => Consistency::Eventual,
    };
    match operation.as_str() {
        "Query" => {
            assert_eq!(answer["Count"], answer["ScannedCount"], "what a filter drops is not seen: {request}");
            let size = match answer["Items"].as_array() {
                Some(items) => items.iter().map(item_size).sum(),
                None => counted_size(request, before, indexes),
            };
            cost.half_read_units = half_read_units(size, strong(request));
        }
        "GetItem" => cost.half_read_units = half_read_units(answer.get("Item").map_or(0, item_size), strong(request)),
        "BatchGetItem" => {
            for (table, asked) in request["RequestItems"].as_object().expect("tables") {
                let found = answer["Responses"][table].as_array().expect("items");
                let missing = asked["Keys"].as_array().expect("keys").len() - found.len();
                let sizes = found.iter().map(item_size).chain(std::iter::repeat_n(0, missing));
                cost.half_read_units += sizes.map(|size| half_read_units(size, strong(asked))).sum::<usize>();
            }
        }
        "TransactWriteItems" => {
            for write in request["TransactItems"].as_array().expect("writes") {
                let (kind, write) = write.as_object().and_then(|write| write.iter().next()).expect("a write");
                cost.add_write(kind, write, 2, (before, after), indexes);
            }
        }
        "PutItem" | "UpdateItem" | "DeleteItem" => {
            cost.add_write(operation.trim_end_matches("Item"), request, 1, (before, after), indexes);
        }
        other => panic!("nobody knows what a {other} costs"),
    }
    cost
}

/// The size of the entries that a Query counts without answering them: it pays for them all the same.
fn counted_size(request: &Value, items: &Items, indexes: &[Index]) -> usize {
    assert_eq!(request["Select"], "COUNT", "{request}");
    let index = indexes.iter().find(|index| request["IndexName"] == index.name.as_str()).expect("an index");
    let [pk, sk] = index.keys();
    let value = |name: &str| request["ExpressionAttributeValues"][name]["S"].as_str().expect("a text");
    let is_counted = |entry: &Value| {
        let key = |name: &str| entry[name]["S"].as_str().expect("a key");
        key(&pk) == value(":pk") && (value(":first")..=value(":last")).contains(&key(&sk))
    };
    items.values().filter_map(|item| index.entry(Some(item))).filter(is_counted).map(|entry| item_size(&entry)).sum()
}

impl Cost {
    fn add_write(
        &mut self,
        kind: &str,
        write: &Value,
        times: usize,
        (before, after): (&Items, &Items),
        indexes: &[Index],
    ) {
        let key = if kind == "Put" { &write["Item"] } else { &write["Key"] };
        let key = ["PK", "SK"].map(|name| key[name]["S"].as_str().expect("a key").to_owned()).into();
        let old = before.get(&key);
        let new = if kind == "ConditionCheck" { old } else { after.get(&key) };
        if kind == "Put" {
            assert_eq!(Some(&write["Item"]), new, "something was written twice, which this does not see through");
        }
        self.write_units += times * write_units(old, new);
        for index in indexes {
            self.add_index(&index.name, index.write_units(old, new));
        }
    }

    /// Adds what writes of an index cost.
    pub fn add_index(&mut self, name: &str, units: usize) {
        if units > 0 {
            *self.index_write_units.entry(name.to_owned()).or_default() += units;
        }
    }

    /// All writes, of the table and its indexes.
    pub fn all_write_units(&self) -> usize {
        self.write_units + self.index_write_units.values().sum::<usize>()
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |mut sum, cost| {
            sum.requests += cost.requests;
            sum.half_read_units += cost.half_read_units;
            sum.write_units += cost.write_units;
            for (name, units) in cost.index_write_units {
                sum.add_index(&name, units);
            }
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_size(size: usize) -> Value {
        json!({"PK": {"S": "x".repeat(size - 2)}})
    }

    #[test]
    fn an_item_is_as_long_as_its_names_and_values() {
        for (value, size) in [
            (json!({"S": ""}), 0),
            (json!({"S": "abc"}), 3),
            (json!({"S": "é😀"}), 6),
            (json!({"N": "0"}), 1),
            (json!({"N": "7"}), 2),
            (json!({"N": "2900"}), 2),
            (json!({"N": "-123"}), 3),
            (json!({"N": "0.0012"}), 2),
            (json!({"N": "12345"}), 4),
            (json!({"B": "AAEC"}), 3),
            (json!({"BOOL": false}), 1),
            (json!({"NULL": true}), 1),
            (json!({"L": []}), 3),
            (json!({"L": [{"S": "ab"}, {"BOOL": true}]}), 3 + 3 + 2),
            (json!({"M": {}}), 3),
            (json!({"M": {"name": {"S": "ab"}, "list": {"L": []}}}), 3 + 7 + 8),
        ] {
            assert_eq!(item_size(&json!({"": value.clone()})), size, "{value}");
            assert_eq!(item_size(&json!({"five5": value, "é": {"S": "a"}})), size + 5 + 3);
        }
    }

    #[test]
    fn reads_are_billed_by_four_kilobytes() {
        use Consistency::{Eventual, Strong, Transactional};
        for (size, consistency, half_units) in [
            (0, Strong, 2),
            (0, Eventual, 1),
            (1, Transactional, 4),
            (4_096, Strong, 2),
            (4_097, Strong, 4),
            (8_192, Eventual, 2),
            (8_193, Transactional, 12),
        ] {
            assert_eq!(half_read_units(size, consistency), half_units, "{size} {consistency:?}");
        }
    }

    #[test]
    fn writes_are_billed_by_the_kilobyte_of_the_larger_item() {
        for (old, new, units) in [
            (None, None, 1),
            (None, Some(1_024), 1),
            (None, Some(1_025), 2),
            (Some(3_000), Some(10), 3),
            (Some(10), Some(3_000), 3),
            (Some(2_049), None, 3),
        ] {
            let [old_item, new_item] = [old, new].map(|size| size.map(of_size));
            assert_eq!(write_units(old_item.as_ref(), new_item.as_ref()), units, "{old:?} {new:?}");
        }
    }

    #[test]
    fn an_index_is_billed_for_what_changes_in_it() {
        let whole = Index { name: "GSI1".to_owned(), keys_only: false };
        let keys = Index { name: "GSI1".to_owned(), keys_only: true };
        let item = |sk: &str, name: &str| json!({"PK": {"S": "p"}, "SK": {"S": "s"}, "GSI1PK": {"S": "a"}, "GSI1SK": {"S": sk}, "name": {"S": name}});
        let (first, renamed, moved, long) =
            (item("1", "a"), item("1", "b"), item("2", "a"), item("1", &"x".repeat(1_500)));
        let outside = json!({"PK": {"S": "p"}, "SK": {"S": "s"}, "GSI1PK": {"S": "a"}});
        for (old, new, in_whole, in_keys) in [
            (None, Some(&outside), 0, 0),
            (Some(&outside), None, 0, 0),
            (None, Some(&first), 1, 1),
            (Some(&first), None, 1, 1),
            (Some(&first), Some(&outside), 1, 1),
            (Some(&first), Some(&first), 0, 0),
            (Some(&first), Some(&renamed), 1, 0),
            (Some(&first), Some(&moved), 2, 2),
            (Some(&first), Some(&long), 2, 0),
            (Some(&long), Some(&moved), 3, 2),
        ] {
            assert_eq!(whole.write_units(old, new), in_whole, "{old:?} {new:?}");
            assert_eq!(keys.write_units(old, new), in_keys, "{old:?} {new:?}");
        }
        assert_eq!(keys.entry(Some(&first)).unwrap().as_object().unwrap().len(), 4);
        assert_eq!(whole.entry(Some(&first)), Some(first));
    }

    #[test]
    fn requests_are_billed_by_what_they_ask_and_find() {
        let (before, after) = (Items::new(), Items::from([(("p".to_owned(), "s".to_owned()), of_key(1_100))]));
        let bill = |operation: &str, request: Value, answer: Value| {
            let cost = cost(&Exchange { operation: operation.to_owned(), request, answer }, &before, &after, &[]);
            (cost.requests, cost.half_read_units, cost.write_units)
        };
        let items = json!([of_size(3_000), of_size(3_000)]);
        let found = json!({"Items": items, "Count": 2, "ScannedCount": 2});
        assert_eq!(bill("Query", json!({"ConsistentRead": true}), found.clone()), (1, 4, 0), "one sum is rounded");
        assert_eq!(bill("Query", json!({"IndexName": "GSI1"}), found), (1, 2, 0));
        let asked = json!({"RequestItems": {"t": {"Keys": [{}, {}, {}], "ConsistentRead": true}}});
        assert_eq!(bill("BatchGetItem", asked, json!({"Responses": {"t": items}})), (1, 6, 0), "each is rounded");
        assert_eq!(bill("GetItem", json!({}), json!({})), (1, 1, 0));
        assert_eq!(bill("PutItem", json!({"Item": of_key(1_100)}), json!({})), (1, 0, 2));
        let transaction = json!({"TransactItems": [
            {"Put": {"Item": of_key(1_100)}},
            {"ConditionCheck": {"Key": {"PK": {"S": "p"}, "SK": {"S": "t"}}}},
        ]});
        assert_eq!(bill("TransactWriteItems", transaction, json!({})), (1, 0, 2 * 2 + 2));
    }

    fn of_key(size: usize) -> Value {
        json!({"PK": {"S": "p"}, "SK": {"S": "s"}, "rest": {"S": "x".repeat(size - 10)}})
    }
}
