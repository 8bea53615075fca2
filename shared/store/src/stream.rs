//! Records of the table's stream, as JSON from Lambda and EventBridge Pipes: which record is an event, and the event or
//! difference in it. Stored forms are in [`super::items`]; adding figures up is in `figures`.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use super::figures::{Difference, figures_of};
use super::item::Item;
use super::items::{AnyEventRecord, to_any_event_record};
use super::{StoreError, keys};

/// Whether a record is of a new event. The pipe in `template.yaml` has the same rule as its filter.
#[must_use]
pub fn is_event(record: &Value) -> bool {
    let sort_key = record.pointer("/dynamodb/Keys/SK/S").and_then(Value::as_str);
    record["eventName"] == "INSERT" && sort_key.is_some_and(|key| key.starts_with(keys::EVENT_PREFIX))
}

/// Reads the event of a record.
///
/// # Errors
/// [`StoreError::BadMessage`] if it is not a record of the stream, [`StoreError::Damaged`] if it has no readable event.
pub fn to_event(record: &Value) -> Result<AnyEventRecord, StoreError> {
    to_any_event_record(image(record)?)
}

/// The written item of a record.
fn image(record: &Value) -> Result<Item, StoreError> {
    let image = record.pointer("/dynamodb/NewImage").and_then(Value::as_object);
    let image = image.ok_or_else(|| StoreError::BadMessage("a stream record without a new image".into()))?;
    let item = image.iter().map(|(name, value)| Some((name.clone(), attribute(value)?))).collect::<Option<Item>>();
    item.ok_or_else(|| StoreError::BadMessage("an attribute of a type that no item has".into()))
}

/// Reads the difference of figures in a record; `None` if the record is not of a commit's last event or not of a
/// deployment's, or if the difference is empty.
///
/// # Errors
/// As [`to_event`].
pub fn to_difference(record: &Value) -> Result<Option<Difference>, StoreError> {
    if !is_event(record) {
        return Ok(None);
    }
    let item = image(record)?;
    let sequence = record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str);
    let sequence = sequence
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| StoreError::BadMessage("a stream record without a sequence number".into()))?;
    let figures = figures_of(&item);
    Ok(match to_any_event_record(item)? {
        AnyEventRecord::OfDeployment(record) if !figures.is_empty() => {
            Some(Difference { sequence, at: record.event.occurred_at, figures })
        }
        AnyEventRecord::OfDeployment(_) | AnyEventRecord::OfTenant(_) | AnyEventRecord::OfCatalog(_) => None,
    })
}

/// Reads a value in DynamoDB's typed JSON; `None` if it is malformed, or of a type that no item has (sets and bytes).
fn attribute(value: &Value) -> Option<AttributeValue> {
    let (kind, value) = value.as_object().filter(|typed| typed.len() == 1)?.iter().next()?;
    Some(match kind.as_str() {
        "S" => AttributeValue::S(value.as_str()?.to_owned()),
        "N" => AttributeValue::N(value.as_str()?.to_owned()),
        "BOOL" => AttributeValue::Bool(value.as_bool()?),
        "NULL" => AttributeValue::Null(value.as_bool()?),
        "L" => AttributeValue::L(value.as_array()?.iter().map(attribute).collect::<Option<_>>()?),
        "M" => {
            let entries = value.as_object()?.iter().map(|(name, value)| Some((name.clone(), attribute(value)?)));
            AttributeValue::M(entries.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn typed_json_is_read_as_dynamodb_means_it() {
        let value = json!({"M": {"list": {"L": [{"N": "1"}, {"BOOL": true}, {"NULL": true}]}, "text": {"S": "x"}}});
        let Some(AttributeValue::M(entries)) = attribute(&value) else { panic!("{value}") };
        assert_eq!(entries["text"], AttributeValue::S("x".to_owned()));
        let list = [AttributeValue::N("1".to_owned()), AttributeValue::Bool(true), AttributeValue::Null(true)];
        assert_eq!(entries["list"], AttributeValue::L(list.into()));
        for bad in [json!(1), json!({}), json!({"S": 1}), json!({"SS": ["a"]}), json!({"S": "a", "N": "1"})] {
            assert_eq!(attribute(&bad), None, "{bad}");
        }
    }

    #[test]
    fn only_new_events_pass() {
        let record = |name: &str, key: &str| json!({"eventName": name, "dynamodb": {"Keys": {"SK": {"S": key}}}});
        assert!(is_event(&record("INSERT", "EVENT#0000000001")));
        for (name, key) in
            [("MODIFY", "EVENT#1"), ("REMOVE", "EVENT#1"), ("INSERT", "#DEPLOYMENT"), ("INSERT", "EVENT")]
        {
            assert!(!is_event(&record(name, key)), "{name} {key}");
        }
        assert!(!is_event(&json!({})));
    }
}
