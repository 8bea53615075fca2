//! Deployments that need a person. What their state says is kept in step by each commit; what a function of ours could not
//! do leaves a trace that expires.

use arcadia_domain::{Aggregate, Attention, DeploymentId, DeploymentRow, Timestamp};
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use chrono::TimeDelta;

use super::items::{self, Item, number, string};
use super::keys::{self, AttentionEntry, Key};
use super::pages::{self, Page, Part};
use super::schema::{TABLE, TTL_ATTRIBUTE};
use super::{Store, StoreError};

/// The `type` of a trace.
const ATTENTION_TYPE: &str = "attention";

/// How long it is told that an event could not be published: as long as the pipe's queue keeps what it gave up.
const NOT_PUBLISHED_FOR: TimeDelta = TimeDelta::days(14);

impl Store {
    /// Lists deployments that need a person, for one reason or any, the longest first, each with its trace, and
    /// its record if that can be read: a Query of each partition and one BatchGetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_attention(
        &self,
        kind: Option<Attention>,
        now: Timestamp,
        limit: usize,
        after: Option<AttentionEntry>,
    ) -> Result<Page<(AttentionEntry, Option<DeploymentRow>), AttentionEntry>, StoreError> {
        let kinds = Attention::ALL.into_iter().filter(|one| kind.is_none_or(|kind| *one == kind));
        let partitions: Vec<String> = kinds.flat_map(keys::attention_partitions).collect();
        let partitions = &partitions;
        let entries = |after| async move {
            let part = Part { index: TABLE, keys: keys::attention_after(after), oldest_first: true };
            let Page { items, next } = self.merged::<AttentionEntry>(&part, partitions, limit).await?;
            let to_deployment = |(entry, _): (AttentionEntry, Key)| (entry, keys::deployment(entry.due.id));
            Ok(Page { items: items.into_iter().map(to_deployment).collect(), next })
        };
        // A record that cannot be read is a reason to be listed.
        let read =
            |entry: &AttentionEntry, item| Ok(counts(entry, now).then(|| (*entry, items::to_deployment(item).ok())));
        self.filled(limit, after, true, entries, read).await
    }

    /// How many failures of a kind there are at `now`: a Query of their partition.
    pub(super) async fn count_failures(&self, kind: Attention, now: Timestamp) -> Result<usize, StoreError> {
        let mut count = 0;
        for partition in keys::attention_partitions(kind) {
            for item in self.all_items(&partition, keys::attention_after(None)).await? {
                let entry: AttentionEntry = pages::position(TABLE, &item)?;
                count += usize::from(counts(&entry, now));
            }
        }
        Ok(count)
    }

    /// Leaves a trace of a deployment that the sweep puts off, for as long as it does.
    pub(super) async fn trace_postponed(&self, id: DeploymentId, until: Timestamp) -> Result<(), StoreError> {
        self.trace(Attention::Postponed, id, until, until).await
    }

    /// Leaves a trace of an event that was written at a moment and cannot be published.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not take it.
    pub async fn trace_not_published(&self, id: DeploymentId, at: Timestamp) -> Result<(), StoreError> {
        self.trace(Attention::NotPublished, id, at, at + NOT_PUBLISHED_FOR).await
    }

    async fn trace(
        &self,
        kind: Attention,
        id: DeploymentId,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut item = trace_item(keys::attention(kind, at, id));
        item.insert(TTL_ATTRIBUTE.to_owned(), number(expires_at.timestamp()));
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Keeps the traces in step with the state of a deployment.
    pub(super) fn attention_writes(
        &self,
        before: Option<&Aggregate>,
        after: &Aggregate,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let damaged = |error: aws_sdk_dynamodb::error::BuildError| StoreError::Damaged(error.to_string());
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
                writes.push(TransactWriteItem::builder().delete(delete.build().map_err(damaged)?).build());
            }
            if let Some(item) = is.map(key).map(trace_item) {
                let put = Put::builder().table_name(&self.table).set_item(Some(item));
                writes.push(TransactWriteItem::builder().put(put.build().map_err(damaged)?).build());
            }
        }
        Ok(writes)
    }
}

/// Whether a trace counts: DynamoDB deletes those that have expired in its own time.
fn counts(entry: &AttentionEntry, now: Timestamp) -> bool {
    match entry.kind {
        Attention::Held | Attention::CancelledWithResources => true,
        Attention::Postponed => entry.due.at > now,
        Attention::NotPublished => entry.due.at + NOT_PUBLISHED_FOR > now,
    }
}

fn trace_item(Key { pk, sk }: Key) -> Item {
    [("PK", pk), ("SK", sk), ("type", ATTENTION_TYPE.to_owned())]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), string(value)))
        .collect()
}
