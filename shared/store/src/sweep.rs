//! The due index, for sweeps: the deployments that are due, and postponing one. Taking their steps is in
//! `arcadia_functions`.

use arcadia_domain::{Attention, DeploymentId, Timestamp};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::item::{Item, string};
use super::keys::{self, Key};
use super::schema::DUE_INDEX;
use super::{Store, StoreError};

/// The attribute of a postponed deployment's item with the time of its first postponement. The next commit writes the
/// item without it.
pub const POSTPONED_SINCE: &str = "postponed_since";

/// An entry of the due index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRow {
    /// The deployment that is due.
    pub id: DeploymentId,
    /// Its sort key in the index. The next page continues after it, and postponing does nothing if it has changed.
    pub sort_key: String,
}

/// A page of the due entries of a shard, the longest due first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePage {
    /// The entries.
    pub rows: Vec<DueRow>,
    /// Whether there are more.
    pub more: bool,
}

impl Store {
    /// A page of the deployments of a shard that are due at `now`, after the sort key `after`: one Query of the index.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer.
    pub async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<DuePage, StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(DUE_INDEX)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .key_condition_expression("GSI3PK = :pk AND GSI3SK BETWEEN :after AND :now")
            .expression_attribute_values(":pk", string(keys::due_partition(shard)))
            .expression_attribute_values(":after", string(keys::due_after(after)))
            .expression_attribute_values(":now", string(keys::due_until(now)))
            .send()
            .await?;
        let more = output.last_evaluated_key.is_some();
        let rows = output.items.unwrap_or_default().iter().filter_map(due_row).collect();
        Ok(DuePage { rows, more })
    }

    /// Postpones a deployment that cannot be worked on from `now` until `until`, unless it has changed since its entry
    /// was read. Its place in the due index changes, and the item notes when it was postponed for the first time:
    /// two requests, however many deployments are postponed.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer.
    pub async fn postpone(&self, row: &DueRow, now: Timestamp, until: Timestamp) -> Result<(), StoreError> {
        let Key { pk, sk } = keys::deployment(row.id);
        let moved = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("PK", string(pk))
            .key("SK", string(sk))
            .update_expression("SET GSI3SK = :until, #since = if_not_exists(#since, :now)")
            .condition_expression("GSI3SK = :read")
            .expression_attribute_names("#since", POSTPONED_SINCE)
            .expression_attribute_values(":until", string(keys::due_sort_key(until, row.id)))
            .expression_attribute_values(":read", string(row.sort_key.clone()))
            .expression_attribute_values(":now", string(now.to_rfc3339()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await;
        match moved {
            Ok(output) => {
                let since = output.attributes().and_then(|item| item.get(POSTPONED_SINCE)?.as_s().ok()?.parse().ok());
                self.trace(Attention::Postponed, row.id, since.unwrap_or(now), until).await
            }
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn due_row(item: &Item) -> Option<DueRow> {
    let text = |name: &str| item.get(name).and_then(|v| AttributeValue::as_s(v).ok());
    Some(DueRow { id: keys::deployment_id(text("PK")?)?, sort_key: text("GSI3SK")?.clone() })
}
