//! Reads and commits of a tenant's own records: its fields, its dunning policy and its history. A commit is one
//! TransactWriteItems on the condition that the tenant is still as it was read. Rules are in [`arcadia_domain`].

use arcadia_domain::{DunningPolicy, Operation, Tenant, TenantChange, TenantEvent, TenantId};
use aws_sdk_dynamodb::types::{CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem};

use super::item::{from_item, is, number, string};
use super::items::{self, ACCOUNT_TYPE, Versioned};
use super::keys;
use super::limits::{LIMITS_TYPE, NewQuota, TenantLimits};
use super::pages::Page;
use super::queries::{EventRange, Part};
use super::reread::{Reading, until_whole};
use super::transact::{COMMIT_ID, CONDITION, CommitId, Verdict, is_transient, kept_being_cancelled, written};
use super::{Store, StoreError};

/// The index of the event in the transaction.
const EVENT_INDEX: usize = 1;

impl Store {
    /// Reads a tenant with the number of its live deployments, if it has a quota: one consistent BatchGetItem, repeated
    /// if it meets a change of the quota or the hold. A tenant that nothing is stored of has no fields.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn load_tenant(&self, tenant_id: &TenantId) -> Result<(Tenant, Option<u32>), StoreError> {
        let read = || async {
            let (mut tenant, mut limits) = (Tenant::default(), TenantLimits::default());
            for item in self.get_items([keys::account(tenant_id), keys::tenant_limits(tenant_id)], true).await? {
                if is(&item, LIMITS_TYPE) {
                    limits = from_item(item)?;
                } else {
                    tenant = items::to_tenant(item)?;
                }
            }
            let is_whole = limits.quota() == tenant.deployment_quota && limits.rules() == tenant.rules();
            Ok(if is_whole { Reading::Whole((tenant, limits.live())) } else { Reading::Torn })
        };
        until_whole("a tenant", read).await
    }

    /// Reads a tenant with its dunning policy, or the default if it has none of its own: one consistent BatchGetItem,
    /// repeated if it meets a change of the policy.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn load_tenant_and_policy(&self, tenant_id: &TenantId) -> Result<(Tenant, DunningPolicy), StoreError> {
        let read = || async {
            let mut tenant = Tenant::default();
            let mut policy = Versioned { version: 0, record: DunningPolicy::default() };
            for item in self.get_items([keys::account(tenant_id), keys::dunning_policy(tenant_id)], true).await? {
                if is(&item, ACCOUNT_TYPE) {
                    tenant = items::to_tenant(item)?;
                } else {
                    policy = items::to_dunning_policy(item)?;
                }
            }
            let is_whole = tenant.policy_version == policy.version;
            Ok(if is_whole { Reading::Whole((tenant, policy.record)) } else { Reading::Torn })
        };
        until_whole("a tenant and its dunning policy", read).await
    }

    /// Commits a change of a tenant; `quota` is its new quota, if the change is of the quota. `operation` copies the new
    /// rules to its deployments, if the change is of the rules: it starts in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::TenantConflict`] if another writer was first, also one that created or archived a deployment since
    /// it was counted. [`StoreError::TooManyOperations`] if no other operation can start. [`StoreError::Unavailable`] if
    /// DynamoDB did not accept it within [`super::MAX_ATTEMPTS`].
    pub async fn commit_tenant(
        &self,
        tenant_id: &TenantId,
        change: &TenantChange,
        quota: Option<NewQuota>,
        operation: Option<&Operation>,
        commit_id: CommitId,
    ) -> Result<(), StoreError> {
        let writes = || self.tenant_writes(tenant_id, change, quota, operation, commit_id);
        self.transact(writes, commit_id, |reasons| judge(reasons, operation.is_some(), commit_id)).await
    }

    fn tenant_writes(
        &self,
        tenant_id: &TenantId,
        change: &TenantChange,
        quota: Option<NewQuota>,
        operation: Option<&Operation>,
        commit_id: CommitId,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let TenantChange { before, after, event, dunning_policy } = change;
        let account = self.put(items::from_tenant(tenant_id, after)?);
        // A tenant's first deployment opens its account without fields.
        let account = if before.version == 0 {
            account.condition_expression("attribute_not_exists(#record)")
        } else {
            let unchanged = account.condition_expression("#record.version = :version");
            unchanged.expression_attribute_values(":version", number(before.version))
        };
        let account = account.expression_attribute_names("#record", "record");
        let mut item = items::from_tenant_event(tenant_id, event)?;
        item.insert(COMMIT_ID.to_owned(), string(commit_id.to_string()));
        let event = self
            .put(item)
            .condition_expression("attribute_not_exists(PK)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut writes = vec![written(account)?, written(event)?];
        if let Some(policy) = dunning_policy {
            writes.push(written(self.put(items::from_dunning_policy(tenant_id, policy, after.version)?))?);
        }
        let rules = Some(after.rules()).filter(|rules| *rules != before.rules());
        writes.extend(self.set_limits(tenant_id, quota, rules)?);
        if let Some(operation) = operation {
            writes.extend(self.start_writes(operation)?);
        }
        Ok(writes)
    }

    /// A page of a tenant's events, without a gap: one Query.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_tenant_events(
        &self,
        tenant_id: &TenantId,
        limit: usize,
        range: EventRange,
    ) -> Result<Page<TenantEvent, u64>, StoreError> {
        let read = || async {
            let part = Part { keys: keys::events_between(range.after, range.before), oldest_first: range.oldest_first };
            let (found, more) = self.partition_page(keys::tenant_partition(tenant_id), part, limit).await?;
            let events = found.into_iter().map(items::to_tenant_event).collect::<Result<Vec<_>, _>>()?;
            // A Query is not atomic: it can pass a place before an event is committed there, and then meet the next one.
            let is_unbroken = events.windows(2).all(|pair| pair[0].sequence.abs_diff(pair[1].sequence) == 1)
                && events.first().is_none_or(|first| !range.oldest_first || first.sequence == range.after + 1);
            let page = Page::cut(events, limit, more, |event: &TenantEvent| event.sequence);
            Ok(if is_unbroken { Reading::Whole(page) } else { Reading::Torn })
        };
        until_whole("a page of a tenant's events", read).await
    }
}

/// Decides the meaning of a cancelled commit, whose last write starts an operation if `starts`.
fn judge(reasons: &[CancellationReason], starts: bool, commit_id: CommitId) -> Verdict {
    let failed = |reason: &&CancellationReason| reason.code() == Some(CONDITION);
    let ours = string(commit_id.to_string());
    let event = reasons.get(EVENT_INDEX).and_then(CancellationReason::item);
    if event.is_some_and(|item| item.get(COMMIT_ID) == Some(&ours)) {
        Verdict::CommittedBefore
    } else if is_transient(reasons) {
        Verdict::Retry(kept_being_cancelled())
    } else if starts && reasons.iter().filter(failed).count() == 1 && reasons.last().is_some_and(|last| failed(&last)) {
        Verdict::Refused(StoreError::TooManyOperations)
    } else {
        Verdict::Refused(StoreError::TenantConflict)
    }
}
