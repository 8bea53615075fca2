//! Traces: records that a deployment needs a person. Traces of a deployment's state are written by each commit; traces
//! of a failed function expire. Which states need a person is in [`arcadia_domain::Attention`].

use std::collections::{BTreeSet, HashMap};

use arcadia_domain::{Aggregate, Attention, DeploymentId, DeploymentRow, Timestamp};
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use chrono::TimeDelta;
use futures_util::future::try_join_all;

use super::item::{Item, number, string};
use super::keys::{self, AttentionEntry, Key};
use super::pages::{self, Page, Part};
use super::schema::{TABLE, TTL_ATTRIBUTE};
use super::{Store, StoreError, items};

/// The `type` of a trace.
const ATTENTION_TYPE: &str = "attention";

/// The attribute with the end of a failure's trace.
const UNTIL: &str = "until";

/// A deployment that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedsAttention {
    /// The reason.
    pub kind: Attention,
    /// Since when it needs a person.
    pub since: Timestamp,
    /// When the sweep tries again; only for a postponed deployment.
    pub until: Option<Timestamp>,
    /// The deployment.
    pub id: DeploymentId,
    /// Its record, if that can be read.
    pub row: Option<DeploymentRow>,
}

/// How long an unpublished event is listed: as long as the pipe's queue keeps it.
const NOT_PUBLISHED_FOR: TimeDelta = TimeDelta::days(14);

impl Store {
    /// Lists deployments that need a person, for one reason or all, the longest first: a Query of each partition and
    /// one
    /// BatchGetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_attention(
        &self,
        kind: Option<Attention>,
        now: Timestamp,
        limit: usize,
        after: Option<AttentionEntry>,
    ) -> Result<Page<NeedsAttention, AttentionEntry>, StoreError> {
        let kinds = Attention::ALL.into_iter().filter(|one| kind.is_none_or(|kind| *one == kind));
        let partitions: Vec<String> = kinds.flat_map(keys::attention_partitions).collect();
        let part = Part { index: TABLE, keys: keys::attention_after(after), oldest_first: true };
        let pages = partitions.iter().map(|partition| self.index_page::<AttentionEntry>(&part, partition, limit + 1));
        let mut traces = Vec::new();
        for (items, _) in try_join_all(pages).await? {
            for item in &items {
                traces.push(Trace::of(item)?);
            }
        }
        traces.sort_unstable_by_key(|trace| trace.entry);
        let Page { items: mut traces, next } = Page::cut(traces, limit, false, |trace| trace.entry);
        traces.retain(|trace| trace.counts(now));
        let ids: BTreeSet<DeploymentId> = traces.iter().map(|trace| trace.entry.due.id).collect();
        let mut rows = HashMap::new();
        for item in self.get_items(ids.into_iter().map(keys::deployment), false).await? {
            // An unreadable record is itself a reason to be listed.
            rows.insert(pages::key_of(&item)?, items::to_deployment(item).ok());
        }
        let found = traces.into_iter().map(|Trace { entry, until }| NeedsAttention {
            kind: entry.kind,
            since: entry.due.at,
            until: until.filter(|_| entry.kind == Attention::Postponed),
            id: entry.due.id,
            row: rows.get(&keys::deployment(entry.due.id)).cloned().flatten(),
        });
        Ok(Page { items: found.collect(), next })
    }

    /// The number of traces of a kind at `now`: one Query for each partition.
    pub(super) async fn count_failures(&self, kind: Attention, now: Timestamp) -> Result<usize, StoreError> {
        let mut count = 0;
        for partition in keys::attention_partitions(kind) {
            for item in self.all_items(&partition, keys::attention_after(None)).await? {
                count += usize::from(Trace::of(&item)?.counts(now));
            }
        }
        Ok(count)
    }

    /// Writes the trace of an event that occurred at `at` and cannot be published; it expires after 14 days.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not accept it.
    pub async fn trace_not_published(&self, id: DeploymentId, at: Timestamp) -> Result<(), StoreError> {
        self.trace(Attention::NotPublished, id, at, at + NOT_PUBLISHED_FOR).await
    }

    /// Writes the trace of a failure that is listed since a time until another, and then expires.
    pub(super) async fn trace(
        &self,
        kind: Attention,
        id: DeploymentId,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let mut item = trace_item(keys::attention(kind, since, id));
        item.insert(UNTIL.to_owned(), string(until.to_rfc3339()));
        item.insert(TTL_ATTRIBUTE.to_owned(), number(until.timestamp()));
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// The writes that bring the traces of a deployment's state up to date with a change.
    pub(super) fn attention_writes(
        &self,
        before: Option<&Aggregate>,
        after: &Aggregate,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut writes = Vec::new();
        for kind in Attention::OF_STATE {
            let was = before.and_then(|before| kind.since(&before.deployment));
            let is = kind.since(&after.deployment);
            if was == is {
                continue;
            }
            let key = |at| keys::attention(kind, at, after.deployment.id);
            if let Some(Key { pk, sk }) = was.map(key) {
                let delete = Delete::builder().table_name(&self.table).key("PK", string(pk)).key("SK", string(sk));
                writes.push(TransactWriteItem::builder().delete(delete.build()?).build());
            }
            if let Some(item) = is.map(key).map(trace_item) {
                let put = Put::builder().table_name(&self.table).set_item(Some(item));
                writes.push(TransactWriteItem::builder().put(put.build()?).build());
            }
        }
        Ok(writes)
    }
}

/// A trace as it is stored.
#[derive(Debug)]
struct Trace {
    entry: AttentionEntry,
    /// The end of a failure's listing; none for a trace of a state.
    until: Option<Timestamp>,
}

impl Trace {
    fn of(item: &Item) -> Result<Self, StoreError> {
        let until = item.get(UNTIL).and_then(|until| until.as_s().ok()?.parse().ok());
        Ok(Self { entry: pages::position(TABLE, item)?, until })
    }

    /// Whether it has not expired: DynamoDB deletes expired items some time later.
    fn counts(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

fn trace_item(Key { pk, sk }: Key) -> Item {
    [("PK", pk), ("SK", sk), ("type", ATTENTION_TYPE.to_owned())]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), string(value)))
        .collect()
}
