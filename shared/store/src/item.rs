//! An item of the table: attributes, and how the stored forms become items and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::failure::without_values;

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// Whether an item is of a type.
#[must_use]
pub fn is(item: &Item, kind: &str) -> bool {
    item.get("type").and_then(|v| v.as_s().ok()).is_some_and(|found| found == kind)
}

/// Turns any of the stored forms into an item.
///
/// # Errors
/// [`StoreError::Damaged`] if it cannot be expressed.
pub fn to_item<T: Serialize>(record: &T) -> Result<Item, StoreError> {
    serde_dynamo::to_item(record).map_err(|error| StoreError::Damaged(without_values(&error.to_string())))
}

/// Reads any of the stored forms.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is not one; the message names its key.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let name = |attribute| item.get(attribute).and_then(|v| v.as_s().ok()).cloned().unwrap_or_default();
    let key = format!("{} {}", name("PK"), name("SK"));
    serde_dynamo::from_item(item)
        .map_err(|error| StoreError::Damaged(format!("{key}: {}", without_values(&error.to_string()))))
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
