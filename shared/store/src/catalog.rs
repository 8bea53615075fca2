//! Reads and writes of the catalog: plans, plan versions, add-ons, coupons and their events. A change is one
//! TransactWriteItems with its event, on the condition that the record is still as it was read.

use arcadia_domain::{
    Addon, AnnouncePrice, CatalogEvent, CatalogEventKind, CatalogRecord, Changed, Coupon, DeploymentId, DunningPolicy,
    Operation, Plan, PlanTerms, PlanVersion, Redemption, ShortCode, TenantId,
};
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use super::item::{Item, number, string};
use super::items::{self, ADDON_TYPE, DUNNING_POLICY_TYPE, PLAN_TYPE, PLAN_VERSION_TYPE, TRIAL_CLAIM_TYPE};
use super::keys::{self, CatalogEntry, Key};
use super::pages::{Page, Part};
use super::reread::{Reading, until_whole};
use super::schema::{TABLE, TENANT_INDEX};
use super::transact::{COMMIT_ID, CONDITION, Verdict, is_transient, kept_being_cancelled, written};
use super::{CommitId, IdempotencyRecord, Store, StoreError, idempotency};

/// The plan and add-ons that a tenant wants to buy.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The tenant.
    pub tenant_id: &'a TenantId,
    /// The code of the plan.
    pub plan_code: &'a ShortCode,
    /// The version of the plan; `None` for the newest.
    pub version: Option<u32>,
    /// The codes of the add-ons.
    pub addon_codes: &'a [ShortCode],
    /// Whether to read if the tenant has had its trial of the plan.
    pub with_trial: bool,
}

/// The records that a purchase needs, from one read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// The plan, if the catalog has it.
    pub plan: Option<Plan>,
    /// The requested version, or the newest.
    pub version: Option<PlanVersion>,
    /// The requested add-ons that the catalog has.
    pub addons: Vec<Addon>,
    /// The deployment that used the tenant's trial of the plan, if any.
    pub trial_claimed_by: Option<DeploymentId>,
    /// The tenant's dunning policy, if it has one of its own.
    pub dunning_policy: Option<DunningPolicy>,
}

/// The replacement of a plan version by a new one.
#[derive(Debug, Clone, Copy)]
pub struct Replacement<'a> {
    /// The replaced version, closed.
    pub closed: &'a PlanVersion,
    /// The operation that announces the new price.
    pub operation: &'a Operation,
}

/// The index of the event in the transaction of a change.
const EVENT_INDEX: usize = 0;
/// The index of the record of running operations in the transaction of a replacement.
const RUNNING_INDEX: usize = 5;

impl Store {
    /// Reads the records that a purchase needs: one consistent BatchGetItem. It is repeated if the plan and its version
    /// are not of the same publication; other records can be of different moments.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn load_offer(&self, wanted: Wanted<'_>) -> Result<Offer, StoreError> {
        until_whole("an offer", || self.read_offer(wanted)).await
    }

    async fn read_offer(&self, wanted: Wanted<'_>) -> Result<Reading<Offer>, StoreError> {
        let Wanted { tenant_id, plan_code, version, addon_codes, with_trial } = wanted;
        let mut wanted: Vec<Key> = vec![keys::dunning_policy(tenant_id), keys::plan(plan_code)];
        wanted.extend(with_trial.then(|| keys::trial_claim(tenant_id, plan_code)));
        wanted.extend(version.map(|version| keys::plan_version(plan_code, version)));
        for (index, code) in addon_codes.iter().enumerate() {
            // BatchGetItem refuses duplicate keys.
            if !addon_codes.iter().take(index).any(|earlier| earlier == code) {
                wanted.push(keys::addon(code));
            }
        }
        let mut offer = Offer::default();
        for item in self.get_items(wanted, true).await? {
            if super::item::is(&item, PLAN_TYPE) {
                offer.plan = Some(items::to_plan(item)?);
            } else if super::item::is(&item, PLAN_VERSION_TYPE) {
                offer.version = Some(items::to_plan_version(item)?);
            } else if super::item::is(&item, TRIAL_CLAIM_TYPE) {
                offer.trial_claimed_by = Some(items::to_trial_claim(item)?);
            } else if super::item::is(&item, DUNNING_POLICY_TYPE) {
                offer.dunning_policy = Some(items::to_dunning_policy(item)?.record);
            } else if super::item::is(&item, ADDON_TYPE) {
                offer.addons.push(items::to_addon(item)?);
            }
        }
        Ok(match version_of(offer.plan.as_ref(), version, offer.version.take()) {
            Reading::Whole(version) => Reading::Whole(Offer { version, ..offer }),
            Reading::Torn => Reading::Torn,
        })
    }

    /// Reads a plan: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_plan(&self, code: &ShortCode) -> Result<Option<Plan>, StoreError> {
        self.get(keys::plan(code)).await?.map(items::to_plan).transpose()
    }

    /// Reads a plan version: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_plan_version(&self, code: &ShortCode, version: u32) -> Result<Option<PlanVersion>, StoreError> {
        self.get(keys::plan_version(code, version)).await?.map(items::to_plan_version).transpose()
    }

    /// Reads the price change that a subscription with these terms missed, if their plan version was replaced: one
    /// consistent GetItem, and one more for each version that replaced another. It is a change to the newest version,
    /// from
    /// the day on which its price applies.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn load_successor(&self, terms: &PlanTerms) -> Result<Option<AnnouncePrice>, StoreError> {
        let PlanTerms { plan_code, plan_version: replaces, .. } = terms;
        let (mut version, mut from) = (*replaces, None);
        while let Some(found) = self.load_plan_version(plan_code, version).await? {
            let Some((next, effective_from)) = found.replaced_by.zip(found.effective_from) else {
                let terms = PlanTerms::from(&found);
                return Ok(from.map(|effective_from| AnnouncePrice { terms, replaces: *replaces, effective_from }));
            };
            (version, from) = (next, from.max(Some(effective_from)));
        }
        Ok(None)
    }

    /// Reads an add-on of the catalog: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_addon(&self, code: &ShortCode) -> Result<Option<Addon>, StoreError> {
        self.get(keys::addon(code)).await?.map(items::to_addon).transpose()
    }

    /// Reads a coupon: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_coupon(&self, code: &ShortCode) -> Result<Option<Coupon>, StoreError> {
        self.get(keys::coupon(code)).await?.map(items::to_coupon).transpose()
    }

    /// Writes the record of a plan, an add-on or a coupon as an event has it, with the event. A coupon is refused if it
    /// was
    /// granted since it was read, because its record also counts the grants.
    ///
    /// # Errors
    /// [`StoreError::CatalogConflict`] if another writer was first, or another [`StoreError`] if DynamoDB does not
    /// answer.
    pub async fn put_record(&self, event: &CatalogEvent, commit_id: CommitId) -> Result<(), StoreError> {
        let (item, redemptions) = match &event.kind {
            CatalogEventKind::PlanCreated { plan } | CatalogEventKind::PlanUpdated(Changed { to: plan, .. }) => {
                (items::from_plan(plan)?, None)
            }
            CatalogEventKind::AddonCreated { addon } | CatalogEventKind::AddonUpdated(Changed { to: addon, .. }) => {
                (items::from_addon(addon)?, None)
            }
            CatalogEventKind::CouponCreated { coupon }
            | CatalogEventKind::CouponUpdated(Changed { to: coupon, .. }) => {
                (items::from_coupon(coupon)?, Some(coupon.redemptions))
            }
            CatalogEventKind::PlanVersionPublished { .. } => {
                unreachable!("a publication is written with its plan version, by Store::publish")
            }
        };
        let put = self.put_next(item, event.revision, redemptions);
        let writes = vec![self.catalog_event_write(event, commit_id)?, written(put)?];
        self.transact(|| Ok(writes.clone()), commit_id, |reasons| judge(reasons, commit_id)).await
    }

    /// The write that counts a grant of a coupon, if the coupon is as it was read and can still be granted.
    pub(super) fn redeem(&self, redemption: &Redemption) -> Result<TransactWriteItem, StoreError> {
        let Redemption { coupon, revision, max_redemptions } = redemption;
        let key = keys::coupon(coupon);
        let update = Update::builder()
            .table_name(&self.table)
            .key("PK", string(key.pk))
            .key("SK", string(key.sk))
            .update_expression("SET #record.redemptions = #record.redemptions + :one")
            .expression_attribute_names("#record", "record")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":revision", number(revision))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = match max_redemptions {
            None => update.condition_expression("#record.revision = :revision"),
            Some(max) => update
                .condition_expression("#record.revision = :revision AND #record.redemptions < :max")
                .expression_attribute_values(":max", number(max)),
        };
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }

    /// Writes a plan with its new version and the event, the version that it replaces with the operation that announces
    /// this, and the idempotency record of the request if it has one: one TransactWriteItems. Of two publications at the
    /// same moment, only one succeeds.
    ///
    /// # Errors
    /// [`StoreError::CatalogConflict`] if another writer was first, [`StoreError::TooManyOperations`],
    /// [`StoreError::Answered`] if the key has been used, or another [`StoreError`] if DynamoDB does not answer.
    pub async fn publish(
        &self,
        plan: &Plan,
        version: &PlanVersion,
        event: &CatalogEvent,
        replacement: Option<Replacement<'_>>,
        commit_id: CommitId,
        record: Option<&IdempotencyRecord>,
    ) -> Result<(), StoreError> {
        let put_version = self.put(items::from_plan_version(version)?).condition_expression("attribute_not_exists(PK)");
        let mut writes = vec![
            self.catalog_event_write(event, commit_id)?,
            written(self.put_next(items::from_plan(plan)?, plan.revision, None))?,
            written(put_version)?,
        ];
        if let Some(Replacement { closed, operation }) = replacement {
            let put_closed = self
                .put(items::from_plan_version(closed)?)
                .condition_expression("attribute_exists(PK) AND attribute_not_exists(#record.replaced_by)")
                .expression_attribute_names("#record", "record");
            writes.push(written(put_closed)?);
            writes.extend(self.start_writes(operation)?);
        }
        let own = writes.len();
        writes.extend(record.map(|record| self.idempotency_write(record)).transpose()?);
        let judge = |reasons: &[CancellationReason]| {
            let failed = reasons.iter().take(own).position(|reason| reason.code() == Some(CONDITION));
            match (judge(reasons, commit_id), reasons.get(own).and_then(CancellationReason::item)) {
                (Verdict::Refused(_), Some(used)) => Verdict::Refused(idempotency::answered(used.clone())),
                (Verdict::Refused(_), None) if failed == Some(RUNNING_INDEX) => {
                    Verdict::Refused(StoreError::TooManyOperations)
                }
                (verdict, _) => verdict,
            }
        };
        self.transact(|| Ok(writes.clone()), commit_id, judge).await
    }

    /// A page of the catalog's events, newest first, or of those of one record: one Query. Events of the same millisecond
    /// are in no particular order; those of one record never are.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_catalog_events(
        &self,
        record: Option<&CatalogRecord>,
        limit: usize,
        before: Option<&CatalogEntry>,
    ) -> Result<Page<CatalogEvent, CatalogEntry>, StoreError> {
        let (index, partition, keys) = match record {
            None => (TENANT_INDEX, keys::CATALOG_EVENTS.to_owned(), keys::catalog_events_before(before)),
            Some(record) => {
                let before = before.map(CatalogEntry::revision);
                (TABLE, keys::catalog_partition(record), keys::events_between(0, before))
            }
        };
        let part = Part { index, keys, oldest_first: false };
        let (items, read_to) = self.index_page::<String>(&part, &partition, limit + 1).await?;
        let events = items.into_iter().map(items::to_catalog_event).collect::<Result<Vec<_>, _>>()?;
        let more = read_to.is_some() && events.len() <= limit;
        Ok(Page::cut(events, limit, more, CatalogEntry::of))
    }

    /// A page of all plans, by code: one Query.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_plans(
        &self,
        limit: usize,
        after: Option<&ShortCode>,
    ) -> Result<Page<Plan, ShortCode>, StoreError> {
        let (items, more) = self.catalog_page(keys::PLANS, limit, after).await?;
        let plans = items.into_iter().map(items::to_plan).collect::<Result<_, _>>()?;
        Ok(Page::cut(plans, limit, more, |plan: &Plan| plan.code.clone()))
    }

    /// A page of all add-ons, by code: one Query.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_addons(
        &self,
        limit: usize,
        after: Option<&ShortCode>,
    ) -> Result<Page<Addon, ShortCode>, StoreError> {
        let (items, more) = self.catalog_page(keys::ADDONS, limit, after).await?;
        let addons = items.into_iter().map(items::to_addon).collect::<Result<_, _>>()?;
        Ok(Page::cut(addons, limit, more, |addon: &Addon| addon.code.clone()))
    }

    /// A page of all coupons, by code: one Query.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_coupons(
        &self,
        limit: usize,
        after: Option<&ShortCode>,
    ) -> Result<Page<Coupon, ShortCode>, StoreError> {
        let (items, more) = self.catalog_page(keys::COUPONS, limit, after).await?;
        let coupons = items.into_iter().map(items::to_coupon).collect::<Result<_, _>>()?;
        Ok(Page::cut(coupons, limit, more, |coupon: &Coupon| coupon.code.clone()))
    }

    /// A page of a plan's versions, newest first, up to the newest version of `plan`: one Query. It is repeated if that
    /// version, which was published together with `plan`, is missing.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_plan_versions(
        &self,
        plan: &Plan,
        limit: usize,
        before: Option<u32>,
    ) -> Result<Page<PlanVersion, u32>, StoreError> {
        let newest = before.map_or(u32::MAX, |before| before.saturating_sub(1)).min(newest_version(Some(plan)));
        let read = || async {
            let range = keys::plan_versions_before(Some(newest + 1));
            let (items, more) = self.partition_page(keys::plan_partition(&plan.code), range, limit).await?;
            let versions = items.into_iter().map(items::to_plan_version).collect::<Result<Vec<_>, _>>()?;
            if versions.first().map_or(0, |version| version.version) != newest {
                return Ok(Reading::Torn);
            }
            Ok(Reading::Whole(Page::cut(versions, limit, more, |version: &PlanVersion| version.version)))
        };
        until_whole("a page of a plan's versions", read).await
    }

    async fn catalog_page(
        &self,
        partition: &str,
        limit: usize,
        after: Option<&ShortCode>,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(TENANT_INDEX)
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
            .key_condition_expression("GSI1PK = :pk AND GSI1SK > :after")
            .expression_attribute_values(":pk", string(partition))
            // A space sorts before every code, so it means the beginning.
            .expression_attribute_values(":after", string(after.map_or(" ", |code| code.as_str())))
            .send()
            .await?;
        let items = output.items.unwrap_or_default();
        let more = output.last_evaluated_key.is_some() && items.len() <= limit;
        Ok((items, more))
    }

    /// The write of a record's next revision, or of its first.
    fn put_next(&self, item: Item, revision: u64, redemptions: Option<u64>) -> PutBuilder {
        let put = self.put(item);
        if revision == 1 {
            return put.condition_expression("attribute_not_exists(PK)");
        }
        let put = match redemptions {
            None => put.condition_expression("#record.revision = :revision"),
            Some(redemptions) => put
                .condition_expression("#record.revision = :revision AND #record.redemptions = :redemptions")
                .expression_attribute_values(":redemptions", number(redemptions)),
        };
        put.expression_attribute_names("#record", "record")
            .expression_attribute_values(":revision", number(revision - 1))
    }

    /// The write of an event, with the mark that lets its writer recognise it.
    fn catalog_event_write(&self, event: &CatalogEvent, commit_id: CommitId) -> Result<TransactWriteItem, StoreError> {
        let mut item = items::from_catalog_event(event)?;
        item.insert(COMMIT_ID.to_owned(), string(commit_id.to_string()));
        let put = self
            .put(item)
            .condition_expression("attribute_not_exists(PK)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        written(put)
    }

    pub(super) async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        Ok(request.key("PK", string(key.pk)).key("SK", string(key.sk)).send().await?.item)
    }
}

/// Decides the meaning of a cancelled change.
fn judge(reasons: &[CancellationReason], commit_id: CommitId) -> Verdict {
    let ours = string(commit_id.to_string());
    let event = reasons.get(EVENT_INDEX).and_then(CancellationReason::item);
    if event.is_some_and(|item| item.get(COMMIT_ID) == Some(&ours)) {
        Verdict::CommittedBefore
    } else if is_transient(reasons) {
        Verdict::Retry(kept_being_cancelled())
    } else {
        Verdict::Refused(StoreError::CatalogConflict)
    }
}

/// The newest version of a plan; 0 if it has none.
fn newest_version(plan: Option<&Plan>) -> u32 {
    plan.and_then(|plan| plan.newest_version.as_ref()).map_or(0, |version| version.version)
}

/// The requested version: the newest, or the one that is `named`, which was read as `found`. A plan and its versions
/// are published together, and versions are never deleted. So a version exists if and only if it is not newer than the
/// plan's newest; otherwise the read is torn.
fn version_of(plan: Option<&Plan>, named: Option<u32>, found: Option<PlanVersion>) -> Reading<Option<PlanVersion>> {
    match named {
        None => Reading::Whole(plan.and_then(|plan| plan.newest_version.clone())),
        Some(named) if found.is_some() == (named <= newest_version(plan)) => Reading::Whole(found),
        Some(_) => Reading::Torn,
    }
}
