//! Torn reads: DynamoDB reads item by item, so a read beside a transaction can find some of its items as before and some
//! as after it. DynamoDB Local never does that; the proxy remembers what transactions have written over and puts it into
//! answers.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::Random;
use super::exchange::Seen;

/// An item's primary key.
type Key = (String, String);

/// What the last transaction in each partition has written over.
#[derive(Debug, Default)]
pub struct Memory {
    partitions: HashMap<String, BTreeMap<String, Option<Value>>>,
}

/// An item as it was before a transaction, if it was there.
#[derive(Debug, Clone, PartialEq)]
pub struct Stale {
    key: Key,
    item: Option<Value>,
}

impl Memory {
    /// Takes note of a transaction that was carried out, and of the items that it found.
    pub fn note(&mut self, request: &Value, found: &[Value]) {
        let mut changed: HashMap<String, BTreeMap<String, Option<Value>>> = HashMap::new();
        for write in request["TransactItems"].as_array().expect("writes") {
            // An update says only what it changes, so its item counts as unchanged.
            let (item, after) = match (write.get("Put"), write.get("Delete")) {
                (Some(put), None) => (&put["Item"], Some(&put["Item"])),
                (None, Some(delete)) => (&delete["Key"], None),
                _ => continue,
            };
            let (pk, sk) = key_of(item);
            let before = found.iter().find(|found| key_of(found) == (pk.clone(), sk.clone()));
            if before != after {
                changed.entry(pk).or_default().insert(sk, before.cloned());
            }
        }
        self.partitions.extend(changed);
    }

    /// The items of a partition that its last transaction changed, as they were, if their sort keys are among `sort_keys`
    /// or begin as one of them that ends in `#`.
    pub fn stale(&self, pk: &str, sort_keys: &[&str]) -> Vec<Stale> {
        let is_meant = |sk: &String| {
            sort_keys.iter().any(|wanted| sk == wanted || (wanted.ends_with('#') && sk.starts_with(wanted)))
        };
        let changed = self.partitions.get(pk).into_iter().flatten().filter(|(sk, _)| is_meant(sk));
        changed.map(|(sk, item)| Stale { key: (pk.to_owned(), sk.clone()), item: item.clone() }).collect()
    }

    /// Some of the items that a read asks for and that one transaction changed, but not all of them; `None` if there is
    /// no such choice.
    pub fn some(&self, request: &Seen, random: &mut Random) -> Option<Vec<Stale>> {
        let asked = |pk: &String, changed: &BTreeMap<String, Option<Value>>| -> Vec<Stale> {
            let stale = changed.iter().map(|(sk, item)| Stale { key: (pk.clone(), sk.clone()), item: item.clone() });
            stale.filter(|stale| stale.is_asked_for(request)).collect()
        };
        let mut found: Vec<Vec<Stale>> =
            self.partitions.iter().map(|(pk, changed)| asked(pk, changed)).filter(|stale| stale.len() > 1).collect();
        found.sort_by(|a, b| a[0].key.cmp(&b[0].key));
        let mut stale = found.into_iter().next()?;
        // One is read as it is now, one as it was, the others either way.
        stale.swap_remove(random.below(stale.len()));
        let first = stale.swap_remove(random.below(stale.len()));
        stale.retain(|_| random.below(2) == 0);
        stale.push(first);
        Some(stale)
    }
}

impl Stale {
    /// Whether a request reads the item: a Query of the table, a BatchGetItem or a GetItem.
    pub fn is_asked_for(&self, request: &Seen) -> bool {
        let (pk, sk) = &self.key;
        let body = &request.body;
        match request.operation.as_str() {
            "Query" if body["IndexName"].is_null() => {
                let value = |name: &str| body["ExpressionAttributeValues"][name]["S"].as_str();
                let within = match (value(":present"), value(":first"), value(":last")) {
                    (Some(prefix), ..) => sk.starts_with(prefix),
                    (None, Some(first), Some(last)) => (first..=last).contains(&sk.as_str()),
                    _ => false,
                };
                value(":pk") == Some(pk) && within
            }
            "BatchGetItem" => {
                let tables = body["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values());
                tables.filter_map(|table| table["Keys"].as_array()).flatten().any(|key| key_of(key) == self.key)
            }
            "GetItem" => key_of(&body["Key"]) == self.key,
            _ => false,
        }
    }

    /// Puts the item into an answer in place of what is there.
    fn put_into(&self, request: &Seen, answer: &mut Value) {
        if request.operation == "GetItem" {
            answer["Item"] = self.item.clone().unwrap_or_default();
            return answer.as_object_mut().expect("an answer").retain(|_, member| !member.is_null());
        }
        let is_query = request.operation == "Query";
        let items = if is_query {
            &mut answer["Items"]
        } else {
            let tables = answer["Responses"].as_object_mut().expect("tables");
            tables.values_mut().next().expect("the one table")
        };
        let items = items.as_array_mut().expect("items");
        items.retain(|item| key_of(item) != self.key);
        items.extend(self.item.clone());
        if is_query {
            items.sort_by_key(key_of);
            if request.body["ScanIndexForward"] == false {
                items.reverse();
            }
            let count = json!(items.len());
            (answer["Count"], answer["ScannedCount"]) = (count.clone(), count);
        }
    }
}

/// An answer with some of its items as they were before.
pub fn tear(request: &Seen, answer: &[u8], stale: &[Stale]) -> Vec<u8> {
    let mut answer: Value = serde_json::from_slice(answer).expect("an answer");
    for item in stale.iter().filter(|stale| stale.is_asked_for(request)) {
        item.put_into(request, &mut answer);
    }
    answer.to_string().into_bytes()
}

/// A BatchGetItem of all that a transaction writes.
pub fn read_of(request: &Value) -> Value {
    let writes = request["TransactItems"].as_array().expect("writes");
    let mut table = Value::Null;
    let keys: Vec<Value> = writes
        .iter()
        .map(|write| {
            let (_, write) = write.as_object().and_then(|write| write.iter().next()).expect("a write");
            table = write["TableName"].clone();
            let item = if write["Item"].is_null() { &write["Key"] } else { &write["Item"] };
            json!({"PK": item["PK"], "SK": item["SK"]})
        })
        .collect();
    json!({"RequestItems": {table.as_str().expect("a table"): {"Keys": keys, "ConsistentRead": true}}})
}

fn key_of(item: &Value) -> Key {
    let text = |name: &str| item[name]["S"].as_str().expect("a key").to_owned();
    (text("PK"), text("SK"))
}
