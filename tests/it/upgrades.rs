//! The promise: the previous release reads the records of the next one, as `docs/deploying.md` promises for a rollback.
//! It ignores attributes that were added.

use arcadia_store::item::{Item, string};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use crate::harness::billing::Billing;
use crate::harness::history::{BEGINNING, FORGED, everything};

/// An attribute that no release has.
const ADDED: &str = "added_later";

/// All answers of the API about a deployment.
async fn told(billing: &Billing, id: &str) -> Vec<Value> {
    let mut told = Vec::new();
    for end in ["", "/events?limit=100", "/invoices", "/resources"] {
        told.push(billing.get(&format!("/deployments/{id}{end}"), &billing.admin).await.expect(200));
    }
    told
}

/// A map whose keys are data, not attributes: prices by interval.
const KEYED: &str = "interval_prices";

/// Adds an attribute to the item, and to every record in it.
fn add(item: &mut Item) {
    for (_, value) in item.iter_mut().filter(|(name, _)| *name != KEYED) {
        add_within(value);
    }
    item.insert(ADDED.to_owned(), string("?"));
}

fn add_within(value: &mut AttributeValue) {
    match value {
        AttributeValue::M(members) => add(members),
        AttributeValue::L(values) => values.iter_mut().for_each(add_within),
        _ => {}
    }
}

#[tokio::test]
async fn attributes_added_by_a_later_release_are_ignored() {
    let billing = Billing::at(BEGINNING).await;
    let mut items = 0;
    for id in everything(&billing).await {
        let before = told(&billing, &id).await;
        for mut item in billing.partition(&id).await.into_values() {
            add(&mut item);
            let put = billing.direct.put_item().table_name(billing.app.store.table());
            put.set_item(Some(item)).send().await.expect("a write by the test");
            items += 1;
        }
        assert_eq!(told(&billing, &id).await, before);
        if before[0]["deployment"]["slug"] != FORGED {
            billing.books(&id).await;
        }
    }
    println!("{items} items got an attribute");
    assert!(items > 30);
}
