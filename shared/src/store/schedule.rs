//! What is read across deployments: what the clock will do with each, and all that a tenant has.

use std::collections::HashMap;

use futures_util::future::try_join_all;

use super::items::{self, DeploymentRow, string};
use super::keys::{self, DueEntry};
use super::queries::Page;
use super::schema::{DUE_INDEX, TENANT_INDEX};
use super::{Store, StoreError};
use crate::domain::{Action, TenantId, Timestamp};

/// The most deployments of a tenant that one request adds up.
pub const MAX_SUMMED_DEPLOYMENTS: usize = 10_000;

/// How many of a tenant's deployments one Query asks for; DynamoDB answers with at most 1 MB of them.
const ROWS_A_QUERY: usize = 1_000;

/// How often a page of everyone's schedule that is filtered is filled up; one that needs more ends early, with a cursor.
const MAX_FILLINGS: usize = 10;

/// Which steps of the clock to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScheduleFilter {
    /// Only this step.
    pub action: Option<Action>,
    /// Only what is due before this moment.
    pub before: Option<Timestamp>,
}

impl ScheduleFilter {
    fn wants(self, row: &DeploymentRow) -> bool {
        row.next_action.is_some_and(|next| {
            self.action.is_none_or(|action| next.action == action) && self.before.is_none_or(|before| next.at < before)
        })
    }
}

/// Where a deployment with a next step stands in a schedule.
fn entry(row: &DeploymentRow) -> Option<DueEntry> {
    row.next_action.map(|next| DueEntry { at: next.at, id: row.deployment.id })
}

impl Store {
    /// Every deployment of a tenant, newest first; `None` if there are more than [`MAX_SUMMED_DEPLOYMENTS`]. One Query of the
    /// tenant index for each thousand, or each megabyte.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn rows_of_tenant(&self, tenant_id: &TenantId) -> Result<Option<Vec<DeploymentRow>>, StoreError> {
        let partition = keys::tenant_partition(tenant_id);
        let mut rows = Vec::new();
        let mut position = None;
        loop {
            let (items, read_to) = self.index_page(TENANT_INDEX, &partition, position, ROWS_A_QUERY, None).await?;
            for item in items {
                rows.push(items::to_deployment(item)?);
            }
            if rows.len() > MAX_SUMMED_DEPLOYMENTS {
                return Ok(None);
            }
            position = read_to;
            if position.is_none() {
                return Ok(Some(rows));
            }
        }
    }

    /// A page of what the clock will do first with each deployment of a tenant, by time: from the whole list of the tenant.
    /// `None` if that is too long, as for [`Store::rows_of_tenant`].
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn schedule_of_tenant(
        &self,
        tenant_id: &TenantId,
        filter: ScheduleFilter,
        limit: usize,
        after: Option<DueEntry>,
    ) -> Result<Option<Page<DeploymentRow, DueEntry>>, StoreError> {
        let Some(mut rows) = self.rows_of_tenant(tenant_id).await? else { return Ok(None) };
        rows.retain(|row| filter.wants(row) && entry(row) > after);
        rows.sort_unstable_by_key(entry);
        let next = rows.get(limit.saturating_sub(1)).filter(|_| rows.len() > limit).and_then(entry);
        rows.truncate(limit);
        Ok(Some(Page { items: rows, next }))
    }

    /// A page of what the clock will do first with everyone's deployments, by time: a Query of each partition of the due
    /// index and one BatchGetItem. With a filter by action a page is filled up by further ones, or ends early.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn schedule_of_everyone(
        &self,
        filter: ScheduleFilter,
        limit: usize,
        after: Option<DueEntry>,
    ) -> Result<Page<DeploymentRow, DueEntry>, StoreError> {
        let mut page = Page { items: Vec::new(), next: after };
        for _ in 0..MAX_FILLINGS {
            let entries = self.due_entries(filter.before, limit, page.next).await?;
            let mut found: HashMap<_, _> = HashMap::new();
            for item in self.get_items(entries.items.iter().map(|entry| keys::deployment(entry.id)), false).await? {
                let row = items::to_deployment(item)?;
                found.insert(row.deployment.id, row);
            }
            for entry in entries.items {
                // Who has moved since the index was read is left out, and so is what is postponed beyond its time.
                let row = found.remove(&entry.id).filter(|row| filter.wants(row));
                page.items.extend(row.filter(|_| page.items.len() < limit));
                page.next = Some(entry);
                if page.items.len() == limit {
                    return Ok(page);
                }
            }
            if entries.next.is_none() {
                page.next = None;
                return Ok(page);
            }
        }
        Ok(page)
    }

    /// A page of the due index, whatever the partition.
    async fn due_entries(
        &self,
        before: Option<Timestamp>,
        limit: usize,
        after: Option<DueEntry>,
    ) -> Result<Page<DueEntry, DueEntry>, StoreError> {
        let (first, last) = keys::due_between(after, before).into_inner();
        let limit_each = i32::try_from(limit + 1).unwrap_or(i32::MAX);
        let queries = (0..self.due_shards).map(|shard| {
            self.client
                .query()
                .table_name(&self.table)
                .index_name(DUE_INDEX)
                .limit(limit_each)
                .key_condition_expression("GSI3PK = :pk AND GSI3SK BETWEEN :first AND :last")
                .expression_attribute_values(":pk", string(keys::due_partition(shard)))
                .expression_attribute_values(":first", string(first.clone()))
                .expression_attribute_values(":last", string(last.clone()))
                .send()
        });
        let mut entries: Vec<DueEntry> = Vec::new();
        for output in try_join_all(queries).await? {
            for item in output.items.unwrap_or_default() {
                let text = item.get("GSI3SK").and_then(|value| value.as_s().ok());
                let entry = text.and_then(|text| text.parse().ok());
                entries.push(entry.ok_or_else(|| StoreError::Damaged("an entry of the due index".to_owned()))?);
            }
        }
        entries.sort_unstable();
        Ok(Page::cut(entries, limit, false, |entry| *entry))
    }
}
