//! Operations on many deployments: their records, their results, and the deployments that they select. Their progress is
//! decided by [`arcadia_domain::Operation`]; the work on a page is in `arcadia_functions`.

use arcadia_domain::{
    DeploymentId, MAX_RUNNING_OPERATIONS, Matching, Operation, OperationCommand, OperationFilter, OperationId,
    OperationOutcome, OperationPage, OperationResult, Precision, ShortCode, TenantId,
};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem, Update,
};
use futures_util::future::{try_join, try_join_all};
use serde::Deserialize;

use super::item::{Item, number, string};
use super::keys::{self, Key, PlanEntry, STATE_SHARDS};
use super::pages::{Page, Part, key_of, sifted};
use super::queries::{newest_before, state_partitions};
use super::schema::{DUE_INDEX, STATE_INDEX, TABLE, TENANT_INDEX};
use super::transact::{CONDITION, Verdict, is_transient, kept_being_cancelled};
use super::{CommitId, IdempotencyRecord, Store, StoreError, idempotency, items};

/// The `type` of the record of the operations that run.
const RUNNING_TYPE: &str = "running_operations";
/// The attribute with the ids of the operations that run.
const RUNNING_IDS: &str = "ids";
/// The index of the operation in its transactions.
const OPERATION_INDEX: usize = 0;
/// The index of the record of running operations in those that write it.
const RUNNING_INDEX: usize = 1;
/// The most Query requests for each partition that counts matching deployments. Each reads 1 MB.
const MAX_COUNTING: usize = 10;
/// The page size of the Query that counts a tenant's deployments.
const COUNTED_ROWS: usize = 1_000;

/// The beginning of a position in the second list of a price change.
const CHANGES: &str = "changes";

/// The stored form of the record of running operations. DynamoDB has no empty set, so it can lack the ids.
#[derive(Debug, Deserialize)]
struct RunningItem {
    #[serde(default)]
    ids: Vec<OperationId>,
}

/// What a write does to the record of running operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    Enters,
    Leaves,
}

impl Store {
    /// Stores a new operation with the deployments that it names by id, and the idempotency record of its request if it
    /// has one: one TransactWriteItems.
    ///
    /// # Errors
    /// [`StoreError::TooManyOperations`], [`StoreError::Answered`] if the key has been used, or another [`StoreError`]
    /// if DynamoDB does not answer.
    pub async fn start_operation(
        &self,
        operation: &Operation,
        ids: Option<&[DeploymentId]>,
        commit_id: CommitId,
        record: Option<&IdempotencyRecord>,
    ) -> Result<(), StoreError> {
        let item = items::from_operation(operation)?;
        let mut writes = Vec::from(self.start_writes(operation)?);
        if let Some(ids) = ids {
            let put = Put::builder().table_name(&self.table);
            let put = put.set_item(Some(items::from_operation_ids(operation.id, ids)?)).build()?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        writes.extend(record.map(|record| self.idempotency_write(record)).transpose()?);
        let judge = |reasons: &[CancellationReason]| judge(reasons, &item, record.is_some());
        self.transact(|| Ok(writes.clone()), commit_id, judge).await
    }

    /// Stores the next revision of an operation, over the one before it: one PutItem; one TransactWriteItems if it has
    /// ended, or with an idempotency record.
    ///
    /// # Errors
    /// [`StoreError::VersionConflict`] if another writer was first, [`StoreError::Answered`] if the key has been used,
    /// or another [`StoreError`] if DynamoDB does not answer.
    pub async fn save_operation(
        &self,
        operation: &Operation,
        commit_id: CommitId,
        record: Option<&IdempotencyRecord>,
    ) -> Result<(), StoreError> {
        let item = items::from_operation(operation)?;
        let read = operation.revision - 1;
        if operation.status.has_work() && record.is_none() {
            return self.put_revision_of_operation(item, read).await;
        }
        let mut writes = vec![self.put_operation(item.clone(), read)?];
        if !operation.status.has_work() {
            writes.push(self.running(operation.id, Running::Leaves)?);
        }
        writes.extend(record.map(|record| self.idempotency_write(record)).transpose()?);
        let judge = |reasons: &[CancellationReason]| judge(reasons, &item, record.is_some());
        self.transact(|| Ok(writes.clone()), commit_id, judge).await
    }

    /// Reads an operation: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError> {
        self.get(keys::operation(id)).await?.map(items::to_operation).transpose()
    }

    /// Reads the deployments that an operation names by id: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is missing or damaged.
    pub async fn load_operation_ids(&self, id: OperationId) -> Result<Vec<DeploymentId>, StoreError> {
        let item = self.get(keys::operation_ids(id)).await?;
        items::to_operation_ids(item.ok_or_else(|| StoreError::Damaged(format!("operation {id} has no ids").into()))?)
    }

    /// Reads which operations run, the oldest first: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn running_operations(&self) -> Result<Vec<OperationId>, StoreError> {
        let Some(item) = self.get(keys::running_operations()).await? else { return Ok(Vec::new()) };
        let RunningItem { mut ids } = super::item::from_item(item)?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Reads the operations that run: one consistent GetItem, and one BatchGetItem if there are any.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn load_running_operations(&self) -> Result<Vec<Operation>, StoreError> {
        let running = self.running_operations().await?;
        let items = self.get_items(running.into_iter().map(keys::operation), true).await?;
        items.into_iter().map(items::to_operation).collect()
    }

    /// Checks whether another operation can start: one consistent BatchGetItem, which the functions that start
    /// operations
    /// may send. A start finds out by its condition; only a dry run needs the check.
    ///
    /// # Errors
    /// [`StoreError::TooManyOperations`] if none can, or another [`StoreError`] if DynamoDB does not answer.
    pub async fn expect_room_for_operation(&self) -> Result<(), StoreError> {
        let found = self.get_items([keys::running_operations()], true).await?.pop();
        let running =
            found.map(super::item::from_item::<RunningItem>).transpose()?.map_or(0, |running| running.ids.len());
        if running < MAX_RUNNING_OPERATIONS { Ok(()) } else { Err(StoreError::TooManyOperations) }
    }

    /// A page of all operations, the newest first: one Query.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_operations(
        &self,
        limit: usize,
        before: Option<OperationId>,
    ) -> Result<Page<Operation, OperationId>, StoreError> {
        let part = Part { index: TENANT_INDEX, keys: keys::operations_before(before), oldest_first: false };
        let (items, read_to) = self.index_page::<OperationId>(&part, keys::OPERATIONS, limit + 1).await?;
        let operations = items.into_iter().map(items::to_operation).collect::<Result<Vec<_>, _>>()?;
        let more = read_to.is_some() && operations.len() <= limit;
        Ok(Page::cut(operations, limit, more, |operation: &Operation| operation.id))
    }

    /// A page of the results of an operation, by deployment: one Query; filtered more of them to fill the page.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_operation_results(
        &self,
        id: OperationId,
        outcome: Option<OperationOutcome>,
        limit: usize,
        after: Option<DeploymentId>,
    ) -> Result<Page<OperationResult, DeploymentId>, StoreError> {
        let partition = &keys::operation_partition(id);
        let query = |after, size| async move {
            let part = Part { index: TABLE, keys: keys::operation_results_after(after), oldest_first: true };
            self.index_page(&part, partition, size).await
        };
        let read = |item| {
            let result = items::to_operation_result(item)?;
            Ok(Some(result).filter(|result| outcome.is_none_or(|outcome| result.outcome == outcome)))
        };
        sifted(limit, after, query, read, |result: &OperationResult| result.deployment_id).await
    }

    /// Reads the results of an operation for some deployments, at most 100: one consistent BatchGetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn operation_results_of(
        &self,
        id: OperationId,
        deployments: &[DeploymentId],
    ) -> Result<Vec<OperationResult>, StoreError> {
        let keys = deployments.iter().map(|deployment_id| keys::operation_result(id, *deployment_id));
        let items = self.get_items(keys, true).await?;
        items.into_iter().map(items::to_operation_result).collect()
    }

    /// Writes the result of an operation for a deployment that the command did not change: one PutItem.
    ///
    /// # Errors
    /// [`StoreError::ResultTaken`] if there is another result, or another [`StoreError`] if DynamoDB does not answer.
    pub async fn put_operation_result(&self, id: OperationId, result: &OperationResult) -> Result<(), StoreError> {
        let item = items::from_operation_result(id, result)?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(PK)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(()) };
        match error.as_service_error() {
            // The stored result is this one: an earlier attempt succeeded, but its response was lost.
            Some(PutItemError::ConditionalCheckFailedException(failed)) if failed.item() == Some(&item) => Ok(()),
            Some(PutItemError::ConditionalCheckFailedException(_)) => Err(StoreError::ResultTaken),
            _ => Err(error.into()),
        }
    }

    /// The next page of the deployments of an operation. It costs one Query for a tenant, one for each partition of a
    /// plan or a state, and none for `ids`, the deployments that it names. A price change has two lists, one after the
    /// other: the subscriptions of the replaced version, and those that will change to it.
    ///
    /// An index can be a moment behind, so the page can lack a deployment, or have one that does not match any more.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an entry is damaged.
    pub async fn operation_page(
        &self,
        operation: &Operation,
        ids: &[DeploymentId],
    ) -> Result<OperationPage, StoreError> {
        let (size, after) = (operation.page_size(), operation.progress.position.as_deref());
        if let OperationCommand::AnnouncePrice { terms, replaces, .. } = &operation.command {
            return self.operation_page_of_price(&terms.plan_code, *replaces, size, after).await;
        }
        let OperationFilter { tenant_id, state, plan_code, plan_version, ids: named } = &operation.filter;
        if named.is_some() {
            let begin = position::<usize>(after)?.unwrap_or_default().min(ids.len());
            let end = (begin + size).min(ids.len());
            let position = (end < ids.len()).then(|| end.to_string());
            return Ok(OperationPage { ids: ids[begin..end].to_vec(), position });
        }
        match (tenant_id, plan_code, state) {
            (Some(tenant_id), ..) => self.operation_page_of_tenant(tenant_id, &operation.filter, size, after).await,
            (None, Some(code), _) => {
                let entries = keys::plan_entries(*plan_version, position(after)?);
                let part = Part { index: STATE_INDEX, keys: entries, oldest_first: false };
                let page = self.merged::<PlanEntry>(&part, &plan_partitions(code), size).await?;
                Ok(page_of(page, |entry| entry.id))
            }
            (None, None, Some(state)) => {
                let part = newest_before(STATE_INDEX, position(after)?);
                let page = self.merged::<DeploymentId>(&part, &state_partitions(Some(*state)), size).await?;
                Ok(page_of(page, |id| *id))
            }
            (None, None, None) => Ok(OperationPage::default()),
        }
    }

    async fn operation_page_of_price(
        &self,
        code: &ShortCode,
        version: u32,
        size: usize,
        after: Option<&str>,
    ) -> Result<OperationPage, StoreError> {
        let (in_changes, entry) = match after.map(|after| after.strip_prefix(CHANGES).ok_or(after)) {
            None => (false, None),
            Some(Err(entry)) => (false, Some(entry)),
            Some(Ok("")) => (true, None),
            Some(Ok(entry)) => (true, Some(entry)),
        };
        let keys = keys::plan_entries(Some(version), position(entry)?);
        let index = if in_changes { DUE_INDEX } else { STATE_INDEX };
        let partitions = if in_changes { changes_partitions(code) } else { plan_partitions(code) };
        let page = self.merged::<PlanEntry>(&Part { index, keys, oldest_first: false }, &partitions, size).await?;
        let OperationPage { ids, position } = page_of(page, |entry| entry.id);
        let position = if in_changes {
            position.map(|position| format!("{CHANGES}{position}"))
        } else {
            Some(position.unwrap_or_else(|| CHANGES.to_owned()))
        };
        Ok(OperationPage { ids, position })
    }

    async fn operation_page_of_tenant(
        &self,
        tenant_id: &TenantId,
        filter: &OperationFilter,
        size: usize,
        after: Option<&str>,
    ) -> Result<OperationPage, StoreError> {
        let part = newest_before(TENANT_INDEX, position(after)?);
        let partition = keys::tenant_partition(tenant_id);
        let (items, read_to) = self.index_page::<DeploymentId>(&part, &partition, size).await?;
        let mut ids = Vec::new();
        for item in items {
            let id = id_of(&item)?;
            ids.extend(may_match(item, filter).then_some(id));
        }
        Ok(OperationPage { ids, position: read_to.map(|id| id.to_string()) })
    }

    /// Counts the deployments that a filter without ids selects, as the indexes have them: at most ten Query of 1 MB for
    /// each partition.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn count_matching(&self, filter: &OperationFilter) -> Result<Matching, StoreError> {
        let OperationFilter { tenant_id, state, plan_code, plan_version, ids: _ } = filter;
        match (tenant_id, plan_code, state) {
            (Some(tenant_id), ..) => self.count_of_tenant(tenant_id, filter).await,
            (None, Some(code), state) => {
                let (first, last) = keys::plan_entries(*plan_version, None).into_inner();
                let (count, more) = self.count_entries(STATE_INDEX, &plan_partitions(code), (&first, &last)).await?;
                let sifted = if state.is_some() { Precision::AtMost } else { Precision::Exact };
                Ok(Matching { count, is: if more { Precision::AtLeast } else { sifted } })
            }
            (None, None, Some(state)) => {
                let (first, last) = keys::deployments_before(None).into_inner();
                let partitions = state_partitions(Some(*state));
                let (count, more) = self.count_entries(STATE_INDEX, &partitions, (&first, &last)).await?;
                Ok(Matching { count, is: if more { Precision::AtLeast } else { Precision::Exact } })
            }
            (None, None, None) => Ok(Matching::default()),
        }
    }

    /// Counts the subscriptions of a plan version and those that will change to it, as the indexes have them: at most ten
    /// Query of 1 MB for each partition.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn count_price_change(&self, code: &ShortCode, version: u32) -> Result<Matching, StoreError> {
        let (first, last) = keys::plan_entries(Some(version), None).into_inner();
        let range = (first.as_str(), last.as_str());
        let (present, next) = (plan_partitions(code), changes_partitions(code));
        let counts =
            try_join(self.count_entries(STATE_INDEX, &present, range), self.count_entries(DUE_INDEX, &next, range));
        let ((present, more), (next, more_next)) = counts.await?;
        let is = if more || more_next { Precision::AtLeast } else { Precision::Exact };
        Ok(Matching { count: present + next, is })
    }

    async fn count_of_tenant(&self, tenant_id: &TenantId, filter: &OperationFilter) -> Result<Matching, StoreError> {
        let partition = keys::tenant_partition(tenant_id);
        let (mut count, mut before) = (0, None);
        for _ in 0..MAX_COUNTING {
            let part = newest_before(TENANT_INDEX, before);
            let (items, read_to) = self.index_page::<DeploymentId>(&part, &partition, COUNTED_ROWS).await?;
            count += items.into_iter().filter(|item| may_match(item.clone(), filter)).count() as u64;
            before = read_to;
            if before.is_none() {
                return Ok(Matching { count, is: Precision::Exact });
            }
        }
        Ok(Matching { count, is: Precision::AtLeast })
    }

    /// The number of entries of partitions of an index, and whether there are more.
    async fn count_entries(
        &self,
        index: &str,
        partitions: &[String],
        range: (&str, &str),
    ) -> Result<(u64, bool), StoreError> {
        let counts = partitions.iter().map(|partition| self.count_partition(index, partition, range));
        let counts = try_join_all(counts).await?;
        Ok((counts.iter().map(|(count, _)| count).sum(), counts.iter().any(|(_, more)| *more)))
    }

    async fn count_partition(
        &self,
        index: &str,
        partition: &str,
        (first, last): (&str, &str),
    ) -> Result<(u64, bool), StoreError> {
        let (mut count, mut start) = (0, None);
        for _ in 0..MAX_COUNTING {
            let output = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(index)
                .select(Select::Count)
                .key_condition_expression(format!("{index}PK = :pk AND {index}SK BETWEEN :first AND :last"))
                .expression_attribute_values(":pk", string(partition))
                .expression_attribute_values(":first", string(first))
                .expression_attribute_values(":last", string(last))
                .set_exclusive_start_key(start)
                .send()
                .await?;
            count += u64::try_from(output.count).unwrap_or_default();
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok((count, false));
            }
        }
        Ok((count, true))
    }

    /// The writes that start an operation: its record, and its entry in the record of those that run, if there is room.
    pub(super) fn start_writes(&self, operation: &Operation) -> Result<[TransactWriteItem; 2], StoreError> {
        let item = items::from_operation(operation)?;
        Ok([self.put_operation(item, 0)?, self.running(operation.id, Running::Enters)?])
    }

    /// The write of an operation over the revision that was read; 0 for a new operation.
    fn put_operation(&self, item: Item, read: u64) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = if read == 0 {
            put.condition_expression("attribute_not_exists(PK)")
        } else {
            put.condition_expression("#record.revision = :read")
                .expression_attribute_names("#record", "record")
                .expression_attribute_values(":read", number(read))
        };
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld).build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    async fn put_revision_of_operation(&self, item: Item, read: u64) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .condition_expression("#record.revision = :read")
            .expression_attribute_names("#record", "record")
            .expression_attribute_values(":read", number(read))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(()) };
        match error.as_service_error() {
            // The stored item is the one to write: an earlier attempt succeeded, but its response was lost.
            Some(PutItemError::ConditionalCheckFailedException(failed)) if failed.item() == Some(&item) => Ok(()),
            Some(PutItemError::ConditionalCheckFailedException(_)) => Err(StoreError::VersionConflict),
            _ => Err(error.into()),
        }
    }

    /// The write that adds an operation to those that run, if there is room, or removes it.
    fn running(&self, id: OperationId, running: Running) -> Result<TransactWriteItem, StoreError> {
        let Key { pk, sk } = keys::running_operations();
        let ids = AttributeValue::Ss(vec![id.to_string()]);
        let update = Update::builder()
            .table_name(&self.table)
            .key("PK", string(pk))
            .key("SK", string(sk))
            .expression_attribute_names("#type", "type")
            .expression_attribute_values(":type", string(RUNNING_TYPE))
            .expression_attribute_names("#ids", RUNNING_IDS)
            .expression_attribute_values(":id", ids);
        let update = match running {
            Running::Enters => update
                .update_expression("SET #type = :type ADD #ids :id")
                .condition_expression("attribute_not_exists(#ids) OR size(#ids) < :most")
                .expression_attribute_values(":most", number(MAX_RUNNING_OPERATIONS)),
            Running::Leaves => update.update_expression("SET #type = :type DELETE #ids :id"),
        };
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }
}

/// Decides the meaning of a cancelled transaction that writes an operation; `keyed` says whether an idempotency record
/// is its last write.
fn judge(reasons: &[CancellationReason], item: &Item, keyed: bool) -> Verdict {
    let failed = |index: usize| reasons.get(index).filter(|reason| reason.code() == Some(CONDITION));
    if failed(OPERATION_INDEX).is_some_and(|reason| reason.item() == Some(item)) {
        return Verdict::CommittedBefore;
    }
    let record = reasons.len().checked_sub(1).filter(|_| keyed);
    if let Some(used) = record.and_then(failed) {
        return Verdict::Refused(idempotency::answered(used.item().cloned().unwrap_or_default()));
    }
    if is_transient(reasons) {
        Verdict::Retry(kept_being_cancelled())
    } else if failed(OPERATION_INDEX).is_some() {
        Verdict::Refused(StoreError::VersionConflict)
    } else if failed(RUNNING_INDEX).is_some() {
        Verdict::Refused(StoreError::TooManyOperations)
    } else {
        Verdict::Refused(StoreError::Refused("DynamoDB cancelled the write of an operation".into()))
    }
}

/// Whether the stored row of a deployment matches, or cannot be read: then the work on it says why.
fn may_match(item: Item, filter: &OperationFilter) -> bool {
    let OperationFilter { tenant_id: _, state, plan_code, plan_version, ids: _ } = filter;
    let filter = super::DeploymentFilter {
        state: *state,
        plan: plan_code.clone().map(|code| (code, *plan_version)),
        ..super::DeploymentFilter::default()
    };
    items::to_deployment(item).map_or(true, |row| filter.wants(&row))
}

fn id_of(item: &Item) -> Result<DeploymentId, StoreError> {
    let Key { pk, sk } = key_of(item)?;
    keys::deployment_id(&pk).ok_or_else(|| StoreError::Damaged(format!("{pk} {sk} is not a deployment").into()))
}

fn plan_partitions(code: &ShortCode) -> Vec<String> {
    (0..STATE_SHARDS).map(|shard| keys::plan_subscriptions_partition(code, shard)).collect()
}

fn changes_partitions(code: &ShortCode) -> Vec<String> {
    (0..STATE_SHARDS).map(|shard| keys::plan_changes_partition(code, shard)).collect()
}

/// Reads a stored position.
fn position<P: std::str::FromStr>(text: Option<&str>) -> Result<Option<P>, StoreError> {
    let damaged = || StoreError::Damaged("the position of an operation".into());
    text.map(|text| text.parse().map_err(|_| damaged())).transpose()
}

fn page_of<P: ToString>(page: Page<(P, Key), P>, id: impl Fn(&P) -> DeploymentId) -> OperationPage {
    let Page { items, next } = page;
    OperationPage { ids: items.iter().map(|(entry, _)| id(entry)).collect(), position: next.map(|p| p.to_string()) }
}
