//! Lists of scheduled steps across deployments, and all deployments of a tenant. Which steps are due for a sweep is in
//! [`super::sweep`].

use arcadia_domain::{Action, DeploymentRow, TenantId, Timestamp};

use super::keys::{self, DueEntry};
use super::pages::{Page, Part};
use super::queries::newest_before;
use super::schema::{DUE_INDEX, TENANT_INDEX};
use super::{Store, StoreError, items};

/// The most deployments of a tenant that one request adds up or sorts.
pub const MAX_SUMMED_DEPLOYMENTS: usize = 10_000;

/// A filter of scheduled steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScheduleFilter {
    /// Only steps of this kind.
    pub action: Option<Action>,
    /// Only steps due before this moment.
    pub before: Option<Timestamp>,
}

impl ScheduleFilter {
    fn wants(self, row: &DeploymentRow) -> bool {
        row.next_action.is_some_and(|next| {
            self.action.is_none_or(|action| next.action == action) && self.before.is_none_or(|before| next.at < before)
        })
    }
}

/// The position of a deployment in a schedule; `None` without a next step.
fn entry(row: &DeploymentRow) -> Option<DueEntry> {
    row.next_action.map(|next| DueEntry { at: next.at, id: row.deployment.id })
}

impl Store {
    /// All deployments of a tenant, newest first; `None` if there are more than [`MAX_SUMMED_DEPLOYMENTS`]. One Query
    /// of the tenant index for each thousand deployments or each megabyte.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn rows_of_tenant(&self, tenant_id: &TenantId) -> Result<Option<Vec<DeploymentRow>>, StoreError> {
        let (partition, part) = (keys::tenant_partition(tenant_id), |before| newest_before(TENANT_INDEX, before));
        self.whole(&partition, MAX_SUMMED_DEPLOYMENTS, part, items::to_deployment).await
    }

    /// A page of the next steps of a tenant's deployments, by time. It reads all deployments of the tenant; `None` if
    /// there are too many, as for [`Store::rows_of_tenant`].
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

    /// A page of the next steps of all tenants' deployments, by time: one Query for each partition of the due index and
    /// one BatchGetItem. With a filter by action, the page is filled by further reads, or ends early.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn schedule_of_everyone(
        &self,
        filter: ScheduleFilter,
        limit: usize,
        after: Option<DueEntry>,
    ) -> Result<Page<DeploymentRow, DueEntry>, StoreError> {
        let partitions: Vec<String> = (0..self.due_shards).map(keys::due_partition).collect();
        let partitions = &partitions;
        let entries = |after| async move {
            let keys = keys::due_between(after, filter.before);
            self.merged(&Part { index: DUE_INDEX, keys, oldest_first: true }, partitions, limit).await
        };
        // A deployment whose next step has changed since the index was read is left out.
        let read = |_: &DueEntry, item| Ok(Some(items::to_deployment(item)?).filter(|row| filter.wants(row)));
        self.filled(limit, after, filter.action.is_some(), entries, read).await
    }
}
