//! Commits: the only code that writes a deployment, except for postponing it. One TransactWriteItems writes the new
//! state, its events and the records that go with them, on the condition that the deployment is still as it was read.

use arcadia_domain::{
    Aggregate, Change, Deployment, EventKind, Figures, Invoice, InvoiceNumber, InvoiceRow, OperationId,
    OperationResult, Payment, Redemption, Versions,
};
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{CancellationReason, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem};

use super::figures::FIGURES;
use super::item::{self, Item, number, string, to_item};
use super::items::{self, DeploymentItem};
use super::keys::{self, Key};
use super::limits::{LIMITS_TYPE, LiveChange, TenantLimits};
use super::transact::{
    COMMIT_ID, CONDITION, CONFLICT, CommitId, Verdict, is_transient, is_transient_code, kept_being_cancelled,
};
use super::{IdempotencyRecord, Store, StoreError, idempotency};
use crate::metrics;

/// The index of the deployment in the transaction.
const DEPLOYMENT_INDEX: usize = 0;

/// The index of a change's claim in the transaction: on the slug of a new deployment, on the tenant's trial of a plan,
/// or on the reference of a payment or a refund; or its grant of a coupon.
const CLAIM_INDEX: usize = 1;

/// A record that is written in the transaction of a change, behind the change's own records, once and never again.
#[derive(Debug, Clone, Copy)]
pub enum Companion<'a> {
    /// The response to the request, under its idempotency key.
    Answer(&'a IdempotencyRecord),
    /// The result of an operation for the deployment.
    Result(OperationId, &'a OperationResult),
}

impl Store {
    /// Commits a change, with its companion if it has one, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::VersionConflict`], [`StoreError::CatalogConflict`], [`StoreError::SlugTaken`],
    /// [`StoreError::TrialTaken`] or [`StoreError::ReferenceTaken`] if another writer was first,
    /// [`StoreError::CouponExhausted`] if the coupon was granted as often as it can be, [`StoreError::QuotaExceeded`] if
    /// the tenant has no place for a new deployment, [`StoreError::TenantHeld`] or [`StoreError::TenantConflict`] if the
    /// tenant was held or its rules were changed since they were read, [`StoreError::Answered`] or
    /// [`StoreError::ResultTaken`] if the companion exists:
    /// nothing was written. [`StoreError::Unavailable`] if DynamoDB did not accept it within [`super::MAX_ATTEMPTS`].
    pub async fn commit(
        &self,
        change: &Change,
        commit_id: CommitId,
        companion: Option<Companion<'_>>,
    ) -> Result<(), StoreError> {
        let writes = || self.writes(change, commit_id, companion);
        let done = self.transact(writes, commit_id, |reasons| judge(reasons, change, commit_id, companion)).await;
        metrics::committed(change, &done);
        done
    }

    /// The transaction that commits a change: first the deployment, then its claim if it has one, and last the
    /// companion if there is one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a record cannot be expressed.
    pub fn writes(
        &self,
        change: &Change,
        commit_id: CommitId,
        companion: Option<Companion<'_>>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let Change {
            before,
            after,
            events,
            resource,
            resource_read,
            opens_account,
            trial_of,
            invoice,
            invoice_read,
            movement,
            redeems,
        } = change;
        let Aggregate { deployment, subscription, addons, versions } = after;
        let id = deployment.id;
        let item = to_item(&DeploymentItem::new(after, self.due_shards, commit_id))?;
        let invoice_item =
            |invoice: &Invoice| items::from_invoice(&InvoiceRow::new(deployment, invoice.clone()), self.due_shards);
        let mut puts = Vec::with_capacity(3 + events.len());
        if let Some(before) = before {
            puts.push(self.put_over(item, &before.deployment));
        } else {
            puts.push(self.put_new(item));
            puts.push(self.put_new(to_item(&items::slug_claim(deployment))?));
        }
        if let Some(plan_code) = trial_of {
            puts.push(self.put_new(items::trial_claim(deployment, plan_code)?));
        }
        if let Some((number, payment)) = payment_of(change) {
            puts.push(self.put_new(items::from_payment(id, number, payment)?));
        }
        if let Some(movement) = movement {
            puts.push(self.put_new(items::from_movement(deployment, deployment.version, movement)?));
        }
        let mut given_up: &[InvoiceNumber] = &[];
        let figures = Figures::of_change(before.as_ref(), after);
        for event in events {
            let mut item = items::from_event(deployment, event)?;
            item.insert(COMMIT_ID.to_owned(), string(commit_id.to_string()));
            if event.sequence == event.commit_last && !figures.is_empty() {
                item.insert(FIGURES.to_owned(), Self::figures_attribute(&figures));
            }
            puts.push(self.put_new(item));
            if let EventKind::InvoiceOpened { invoice, .. } = &event.kind {
                // The number follows from the period, so this write fails if the period was billed before.
                puts.push(self.put_new(invoice_item(invoice)?));
            } else if let EventKind::InvoicesUncollectible { numbers } = &event.kind {
                given_up = numbers;
            }
        }
        if let Some(invoice) = invoice {
            puts.push(self.put_version(invoice_item(invoice)?, *invoice_read));
        }
        if let Some(resource) = resource {
            puts.push(self.put_version(items::from_resource(resource)?, *resource_read));
        }
        // Only parts whose version changed are written.
        let none = Versions::default();
        let old = before.as_ref().map_or(&none, |before| &before.versions);
        if let Some((subscription, version)) = subscription.as_ref().zip(versions.subscription)
            && versions.subscription != old.subscription
        {
            puts.push(self.put(items::from_subscription(id, subscription, version)?));
        }
        for addon in addons {
            let (was, is) = (old.addons.get(&addon.id), versions.addons.get(&addon.id));
            if let Some(version) = is.filter(|_| is != was) {
                let item = items::from_subscription_addon(id, addon, *version)?;
                puts.push(if was.is_some() { self.put(item) } else { self.put_new(item) });
            }
        }
        let mut writes = Vec::with_capacity(puts.len());
        for put in puts {
            let put = put.build()?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        if let Some(redemption) = redeems {
            writes.insert(CLAIM_INDEX, self.redeem(redemption)?);
        }
        writes.extend(self.invoice_updates(change, given_up)?);
        for addon_id in old.addons.keys().filter(|id| !versions.addons.contains_key(id)) {
            writes.push(self.delete(keys::subscription_addon(id, *addon_id))?);
        }
        if *opens_account {
            writes.push(self.open_account(deployment)?);
        }
        if let Some(change) = LiveChange::between(before.as_ref().map(|b| b.deployment.state), deployment.state) {
            writes.push(self.count_one(deployment, change)?);
        }
        writes.extend(self.attention_writes(before.as_ref(), after)?);
        writes.extend(self.count_with(deployment.updated_at, &figures)?);
        writes.extend(companion.map(|companion| self.companion_write(companion)).transpose()?);
        Ok(writes)
    }

    fn companion_write(&self, companion: Companion<'_>) -> Result<TransactWriteItem, StoreError> {
        match companion {
            Companion::Answer(record) => self.idempotency_write(record),
            Companion::Result(id, result) => {
                let put = self.put_new(items::from_operation_result(id, result)?).build()?;
                Ok(TransactWriteItem::builder().put(put).build())
            }
        }
    }

    /// Replaces the deployment that was read, if it has not changed.
    fn put_over(&self, item: Item, read: &Deployment) -> PutBuilder {
        self.put(item)
            .condition_expression("version = :version AND #state = :state")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":version", number(read.version))
            .expression_attribute_values(":state", string(read.state.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn delete(&self, key: Key) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("PK", string(key.pk))
            .key("SK", string(key.sk))
            .condition_expression("attribute_exists(PK)")
            .build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Replaces a record of the deployment if it still has the version that was read, or creates it if none was read.
    fn put_version(&self, item: Item, read: Option<u64>) -> PutBuilder {
        match read {
            None => self.put_new(item),
            Some(version) => self
                .put(item)
                .condition_expression("#record.version = :version")
                .expression_attribute_names("#record", "record")
                .expression_attribute_values(":version", number(version)),
        }
    }

    fn put_new(&self, item: Item) -> PutBuilder {
        self.put(item)
            .condition_expression("attribute_not_exists(PK)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// The payment that a change records.
fn payment_of(change: &Change) -> Option<(&InvoiceNumber, &Payment)> {
    change.events.iter().find_map(|event| match &event.kind {
        EventKind::PaymentReceived { number, payment, .. } => Some((number, payment)),
        _ => None,
    })
}

/// Decides the meaning of a cancelled transaction of [`Store::writes`] with a companion or without one. If a condition failed because this commit was already made, the commit succeeded and its response was lost.
#[must_use]
pub fn judge(
    reasons: &[CancellationReason],
    change: &Change,
    commit_id: CommitId,
    companion: Option<Companion<'_>>,
) -> Verdict {
    let failed = |reason: &&CancellationReason| reason.code() == Some(CONDITION);
    // The deployment has the id of its last commit only, and can have changed since; each event has its own commit's.
    let is_ours = |item: &Item| item.get(COMMIT_ID) == Some(&string(commit_id.to_string()));
    if reasons.iter().filter(failed).filter_map(CancellationReason::item).any(is_ours) {
        return Verdict::CommittedBefore;
    }
    let last = reasons.last().zip(companion);
    if let Some((found, companion)) = last.filter(|(reason, _)| failed(reason)) {
        return Verdict::Refused(match companion {
            Companion::Answer(_) => idempotency::answered(found.item().cloned().unwrap_or_default()),
            Companion::Result(..) => StoreError::ResultTaken,
        });
    }
    if reasons.get(DEPLOYMENT_INDEX).is_some_and(|reason| failed(&reason)) {
        return Verdict::Refused(StoreError::VersionConflict);
    }
    // While another transaction holds the deployment, its commit id is not returned, and the other failed conditions
    // may come from this same commit. A retry tells.
    if reasons.get(DEPLOYMENT_INDEX).and_then(CancellationReason::code) == Some(CONFLICT) {
        return Verdict::Retry(given_up(last));
    }
    if reasons.get(CLAIM_INDEX).is_some_and(|reason| failed(&reason)) {
        if change.before.is_none() {
            return Verdict::Refused(StoreError::SlugTaken);
        }
        if change.trial_of.is_some() {
            return Verdict::Refused(StoreError::TrialTaken);
        }
        if let Some(redemption) = &change.redeems {
            let coupon = reasons.get(CLAIM_INDEX).and_then(CancellationReason::item);
            return Verdict::Refused(not_redeemed(redemption, coupon.cloned().unwrap_or_default()));
        }
        if payment_of(change).is_some() || change.movement.is_some() {
            return Verdict::Refused(StoreError::ReferenceTaken);
        }
    }
    let has_limits = |item: &&Item| item::is(item, LIMITS_TYPE);
    if let Some(limits) = reasons.iter().filter(failed).filter_map(CancellationReason::item).find(has_limits) {
        let limits = item::from_item::<TenantLimits>(limits.clone());
        return Verdict::Refused(limits.map_or_else(|damaged| damaged, |limits| limits.refusal(change)));
    }
    let codes: Vec<&str> = reasons.iter().filter_map(CancellationReason::code).collect();
    if is_transient(reasons) {
        Verdict::Retry(given_up(last))
    } else if codes.iter().all(|code| is_transient_code(code) || *code == CONDITION) {
        // A record beside the deployment does not match its version, for example an invoice of the same second.
        tracing::warn!(deployment_id = %change.after.deployment.id, ?codes, "a commit met what should not be there");
        Verdict::Refused(StoreError::VersionConflict)
    } else {
        let mut codes: Vec<&str> = codes.into_iter().filter(|code| *code != "None").collect();
        codes.sort_unstable();
        codes.dedup();
        Verdict::Refused(StoreError::Refused(format!("the transaction was cancelled with {codes:?}").into()))
    }
}

/// The error of a grant whose coupon does not allow it any more: it was granted as often as it can be, or was changed.
fn not_redeemed(redemption: &Redemption, coupon: Item) -> StoreError {
    match items::to_coupon(coupon) {
        Ok(coupon) if coupon.revision == redemption.revision => StoreError::CouponExhausted,
        Ok(_) => StoreError::CatalogConflict,
        Err(error) => error,
    }
}

/// The error of a commit that was cancelled too often: another request holds its idempotency record, or another item.
fn given_up(last: Option<(&CancellationReason, Companion<'_>)>) -> StoreError {
    match last {
        Some((reason, Companion::Answer(_))) if reason.code() == Some(CONFLICT) => StoreError::KeyInUse,
        Some((_, Companion::Answer(_) | Companion::Result(..))) | None => kept_being_cancelled(),
    }
}
