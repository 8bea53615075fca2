//! Items: whatever stands in the table, reading it gives a record or an error, never a panic; and what was read is written
//! as something that reads the same, and can be shown.
//!
//! An input is an item as JSON. Objects of the one field `N`, `B`, `SS` or `NS` stand for DynamoDB's own types.

use arcadia_api::{DeploymentRowView, DeploymentView, InvoiceRowView, SubscriptionView};
use arcadia_domain::{Aggregate, Authority, Versions, allowed_transitions};
use arcadia_store::item::Item;
use arcadia_store::keys::DEFAULT_DUE_SHARDS;
use arcadia_store::{CommitId, StoreError, item, items};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Runs the target.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_slice(input) else { return false };
    let item: Item = fields.into_iter().map(|(name, value)| (name, attribute(value))).collect();
    let id = "0192f0c1-2345-7abc-8def-0123456789ab".parse().expect("an id");
    let tenant_id = "acme".parse().expect("a tenant");
    let read = [
        deployment(&item),
        same(&item, items::to_subscription, |part| items::from_subscription(id, &part.record, part.version)),
        same(&item, items::to_subscription_addon, |part| {
            items::from_subscription_addon(id, &part.record, part.version)
        }),
        same(&item, items::to_resource, items::from_resource),
        same(&item, items::to_invoice, |row| items::from_invoice(row, DEFAULT_DUE_SHARDS)),
        same(&item, items::to_plan, items::from_plan),
        same(&item, items::to_plan_version, items::from_plan_version),
        same(&item, items::to_addon, items::from_addon),
        same(&item, items::to_dunning_policy, |part| {
            items::from_dunning_policy(&tenant_id, &part.record, part.version)
        }),
        // An event is only written beside its deployment.
        items::to_event(item.clone()).is_ok(),
        items::to_trial_claim(item.clone()).is_ok(),
        item::from_item::<items::SlugClaimItem>(item.clone()).is_ok(),
    ];
    if let Ok(row) = items::to_invoice(item) {
        drop(json!(InvoiceRowView::from(&row)));
    }
    assert!(read.iter().filter(|read| **read).count() <= 1, "an item is of one kind");
    read.contains(&true)
}

/// Reads a record, writes it and reads it again.
fn same<T: PartialEq + std::fmt::Debug>(
    item: &Item,
    read: fn(Item) -> Result<T, StoreError>,
    write: impl Fn(&T) -> Result<Item, StoreError>,
) -> bool {
    let Ok(record) = read(item.clone()) else { return false };
    let written = write(&record).expect("what was read can be written");
    assert_eq!(read(written).as_ref().ok(), Some(&record));
    true
}

fn deployment(item: &Item) -> bool {
    let Ok(row) = items::to_deployment(item.clone()) else { return false };
    drop(json!(DeploymentRowView::of(&row, Some(row.deployment.updated_at))));
    drop(allowed_transitions(&row.deployment, Authority::TenantUser, row.deployment.updated_at));
    let aggregate =
        Aggregate { deployment: row.deployment, subscription: None, addons: Vec::new(), versions: Versions::default() };
    drop(json!(DeploymentView::of(&aggregate)));
    drop(json!(SubscriptionView::of(&aggregate)));
    let written = items::DeploymentItem::new(&aggregate, 16, CommitId::new(Uuid::nil()));
    let again = item::to_item(&written).and_then(items::to_deployment).expect("what was read can be written");
    assert_eq!((again.deployment, again.next_action), (aggregate.deployment.clone(), aggregate.next_action()));
    true
}

fn attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(value),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(values) => AttributeValue::L(values.into_iter().map(attribute).collect()),
        Value::Object(fields) => typed(&fields)
            .unwrap_or_else(|| AttributeValue::M(fields.into_iter().map(|(n, v)| (n, attribute(v))).collect())),
    }
}

/// An attribute of a type that JSON has not, or a number that is none.
fn typed(fields: &Map<String, Value>) -> Option<AttributeValue> {
    let (name, value) = fields.iter().next().filter(|_| fields.len() == 1)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = || -> Option<Vec<String>> { value.as_array()?.iter().map(text).collect() };
    match name.as_str() {
        "N" => Some(AttributeValue::N(text(value)?)),
        "B" => Some(AttributeValue::B(Blob::new(text(value)?))),
        "SS" => Some(AttributeValue::Ss(texts()?)),
        "NS" => Some(AttributeValue::Ns(texts()?)),
        _ => None,
    }
}
