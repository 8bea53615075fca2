//! Items of the table, and the conversion between them and stored forms. The stored forms themselves are in
//! [`super::items`].

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::failure::without_values;
use super::fold::unfold;

/// An item of the SDK: attribute values by name.
pub type Item = HashMap<String, AttributeValue>;

/// Whether an item has the `type` `kind`.
#[must_use]
pub fn is(item: &Item, kind: &str) -> bool {
    item.get("type").and_then(|v| v.as_s().ok()).is_some_and(|found| found == kind)
}

/// Converts a stored form to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn to_item<T: Serialize>(record: &T) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(record)
        .map_err(|error| StoreError::Damaged(without_values(&error.to_string()).into()))?;
    strip(&mut item);
    Ok(item)
}

/// Removes null members, at any depth: a missing field is read as null, and takes no space.
fn strip(members: &mut Item) {
    members.retain(|_, value| !value.is_null());
    members.values_mut().for_each(strip_within);
}

fn strip_within(value: &mut AttributeValue) {
    match value {
        AttributeValue::M(members) => strip(members),
        AttributeValue::L(elements) => elements.iter_mut().for_each(strip_within),
        _ => {}
    }
}

/// Reads a stored form from an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the item does not have that form. The message has the item's key, but no values.
pub fn from_item<T: DeserializeOwned>(mut item: Item) -> Result<T, StoreError> {
    item.values_mut().for_each(unfold);
    let name = |attribute| item.get(attribute).and_then(|v| v.as_s().ok()).cloned().unwrap_or_default();
    let key = format!("{} {}", name("PK"), name("SK"));
    serde_dynamo::from_item(item)
        .map_err(|error| StoreError::Damaged(format!("{key}: {}", without_values(&error.to_string())).into()))
}

/// A string attribute.
#[must_use]
pub fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
#[must_use]
pub fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
