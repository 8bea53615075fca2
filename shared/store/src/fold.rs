//! A short form for lists of records in an item: each record but the first is stored as its difference from the one
//! before it. Members that are equal are left out, and one that only the one before has is null.
//!
//! The charges of a period and the lines of an invoice have most members in common, and every KB of an item is paid for
//! twice in a transaction.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

type Members = HashMap<String, AttributeValue>;

/// The name under which a folded list stands: in place of `[...]` there is `{"folded": [...]}`.
const FOLDED: &str = "folded";

/// Folds the lists of records in a value, at any depth.
pub fn fold(value: &mut AttributeValue) {
    match value {
        AttributeValue::M(members) => members.values_mut().for_each(fold),
        AttributeValue::L(elements) => {
            elements.iter_mut().for_each(fold);
            let records = elements.iter().map(|element| element.as_m().ok()).collect::<Option<Vec<_>>>();
            let Some(records) = records.filter(|records| records.len() > 1) else { return };
            let pairs = records.iter().zip(records.iter().skip(1));
            let differences = pairs.map(|(before, record)| AttributeValue::M(difference(before, record)));
            let folded = records.first().map(|first| AttributeValue::M((*first).clone()));
            let folded = AttributeValue::L(folded.into_iter().chain(differences).collect());
            *value = AttributeValue::M(HashMap::from([(FOLDED.to_owned(), folded)]));
        }
        _ => {}
    }
}

/// The members of a record that differ from those of the record before it.
fn difference(before: &Members, record: &Members) -> Members {
    let new = record.iter().filter(|(name, value)| before.get(*name) != Some(*value));
    let new = new.map(|(name, value)| (name.clone(), value.clone()));
    let gone = before.keys().filter(|name| !record.contains_key(*name));
    new.chain(gone.map(|name| (name.clone(), AttributeValue::Null(true)))).collect()
}

/// Restores the lists that were folded; other lists stay as they are.
pub fn unfold(value: &mut AttributeValue) {
    if let AttributeValue::M(members) = value
        && let Some(AttributeValue::L(differences)) = members.get_mut(FOLDED)
    {
        let mut before = Members::new();
        let records = std::mem::take(differences).into_iter().map(|difference| {
            if let AttributeValue::M(difference) = difference {
                before.extend(difference);
                before.retain(|_, value| !value.is_null());
            }
            AttributeValue::M(before.clone())
        });
        *value = AttributeValue::L(records.collect());
    }
    match value {
        AttributeValue::M(members) => members.values_mut().for_each(unfold),
        AttributeValue::L(elements) => elements.iter_mut().for_each(unfold),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn folded(record: &Value) -> AttributeValue {
        let mut value = serde_dynamo::to_attribute_value(record).expect("a value");
        fold(&mut value);
        value
    }

    fn json(value: AttributeValue) -> Value {
        serde_dynamo::from_attribute_value(value).expect("JSON")
    }

    #[test]
    fn a_record_in_a_list_is_its_difference_from_the_one_before() {
        let charges = json!({"charges": [
            {"id": "a", "from": 1, "to": 2}, {"id": "b", "addon": "x", "from": 1, "to": 2}, {"id": "c", "from": 1, "to": 2},
        ]});
        let stored = json!({"charges": {"folded": [
            {"id": "a", "from": 1, "to": 2}, {"id": "b", "addon": "x"}, {"id": "c", "addon": null},
        ]}});
        assert_eq!(json(folded(&charges)), stored);
    }

    #[test]
    fn whatever_is_folded_is_read_as_it_was() {
        for record in [
            json!({}),
            json!({"list": []}),
            json!({"list": [{"a": 1}]}),
            json!({"list": [{"a": 1}, {"a": 1}, {}, {"a": 2, "b": [{"c": 1}, {"c": 1, "d": "e"}]}]}),
            json!({"list": [{"a": {"b": [{"c": 1}, {}]}}, {"a": {"b": [{"c": 1}, {}]}}, {"a": {"b": []}}]}),
            json!({"list": [1, 2], "mixed": [{"a": 1}, 2], "text": ["a", "a"], "nested": [[{"a": 1}, {"a": 1}], []]}),
            json!({"map": {"folded": [{"a": 1}, {"a": 1, "b": 2}]}}),
        ] {
            let mut value = folded(&record);
            unfold(&mut value);
            assert_eq!(json(value), record);
        }
    }
}
