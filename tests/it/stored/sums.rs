//! Items that the store updates in parts and never writes whole: traces, sums of figures, marks of batches, limits of
//! tenants, and the running operations.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use arcadia_domain::{
    Command, Figure, Figures, HoldTenant, Operation, State, Tenant, UpdateDeployment, UpdateTenant, decide,
    hold_tenant, update_tenant,
};
use arcadia_store::item::Item;
use arcadia_store::{CommitId, Difference, NeedsAttention, NewQuota, Store, error_chain, schema};
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use chrono::TimeDelta;
use uuid::Uuid;

use super::kinds::{a_record, created, now};
use super::sample::item_of;
use crate::harness::billing::admin;
use crate::harness::{dynamodb, table, unique};

/// The `type` of each kind.
pub const NAMES: [&str; 5] = ["attention", "figures", "figures_batch", "running_operations", "tenant_limits"];

/// DynamoDB Local recognises a transaction by its token, whatever its table.
fn other_commit_id() -> CommitId {
    CommitId::new(Uuid::from_u64_pair(RandomState::new().hash_one(1), RandomState::new().hash_one(2)))
}

async fn store() -> Store {
    let (client, name) = (table::client(dynamodb::endpoint()), unique());
    schema::create_table(&client, &name).await.expect("a table");
    Store::new(client, name)
}

/// The store's items of these kinds, in a table on which every command that writes them was executed.
pub async fn written() -> BTreeMap<String, Vec<Item>> {
    let store = store().await;
    let creation = created();
    store.commit(&creation, other_commit_id(), None).await.expect("a commit");
    let id = creation.after.deployment.id;
    let hold =
        Command::Update(UpdateDeployment { billing_action_suspended: Some(true), ..UpdateDeployment::default() });
    let hold = decide(&creation.after, hold, &admin(), None, now()).expect("a hold").expect("a change");
    store.commit(&hold, other_commit_id(), None).await.expect("a commit");
    store.trace_not_published(id, now()).await.expect("a trace");
    let (deployment_quota, unsubscribed_after_days) = (Some(Some(3)), Some(Some(30)));
    let quota = UpdateTenant { deployment_quota, unsubscribed_after_days, ..UpdateTenant::default() };
    let quota =
        update_tenant(&Tenant::default(), quota, a_record(), &admin(), now()).expect("a quota").expect("a change");
    let tenant_id = &creation.after.deployment.tenant_id;
    let count = store.count_live(tenant_id).await.expect("a count").expect("a count within the limit");
    let new_quota = Some(NewQuota::Of(3, count));
    store.commit_tenant(tenant_id, &quota, new_quota, None, other_commit_id()).await.expect("a commit");
    let reason = HoldTenant { reason: a_record(), notes: None };
    let held = hold_tenant(&quota.after, reason, a_record(), &admin(), now()).expect("a hold").expect("a change");
    store.commit_tenant(tenant_id, &held, None, None, other_commit_id()).await.expect("a commit");
    let figures = Figures::of_change(None, &creation.after);
    let batch = [Difference { sequence: 1, at: now(), figures }];
    store.add_figures(&batch, now(), &other_commit_id).await.expect("figures");
    let operation = Operation { revision: 1, ..a_record() };
    store.start_operation(&operation, None, other_commit_id(), None).await.expect("an operation");
    let mut kinds: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for item in table::contents(store.client(), store.table()).await.values() {
        if let Some(name) = item["type"].as_str().filter(|name| NAMES.contains(name)) {
            kinds.entry(name.to_owned()).or_default().push(item_of(item));
        }
    }
    assert!(kinds.keys().eq(NAMES), "{kinds:?}");
    kinds
}

/// Insists that the table accepts an item, alone and in a transaction.
pub async fn put(item: Item) {
    let store = store().await;
    let put = Put::builder().table_name(store.table()).set_item(Some(item)).build().expect("a write");
    let write = TransactWriteItem::builder().put(put).build();
    let written = store.client().transact_write_items().transact_items(write).send().await;
    written.unwrap_or_else(|error| panic!("{}", error_chain(&error)));
}

/// Insists that the store reads items of each of these kinds.
pub async fn check(kinds: BTreeMap<&str, Vec<Item>>) {
    let store = store().await;
    for item in kinds.values().flatten() {
        let put = store.client().put_item().table_name(store.table()).set_item(Some(item.clone()));
        put.send().await.expect("a write by the test");
    }
    let count = |name: &str| kinds.get(name).map_or(0, Vec::len);
    let limits = store.load_limits(&"acme".parse().expect("a tenant")).await.expect("the limits");
    assert_eq!(limits.map(|limits| limits.live()), (count("tenant_limits") > 0).then_some(Some(1)));
    let traces: Vec<NeedsAttention> = store.list_attention(None, now(), 100, None).await.expect("the traces").items;
    assert_eq!(traces.len(), count("attention"));
    let running = store.running_operations().await.expect("the running operations");
    assert_eq!(running.len(), count("running_operations"));
    let later = now() + TimeDelta::hours(2);
    let totals = store.summary(later).await.expect("the figures").totals;
    let of_active = i64::from(count("figures") > 0);
    assert_eq!(totals.get(&Figure::State(State::Active)), of_active);
}
