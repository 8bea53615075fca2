//! Lists of deployments, events, resources and a deployment's invoices, newest first. Lists of invoices across
//! deployments are in [`super::invoice_list`], schedules in [`super::schedule`].
//!
//! A position is an id or a sequence, never a key. The partition to read follows from the caller's scope, so a position
//! cannot lead out of that scope.

use std::ops::RangeInclusive;

use arcadia_domain::{
    Aggregate, DeploymentId, DeploymentRow, Event, Invoice, InvoiceNumber, Resource, ResourceId, Scope, ShortCode,
    Slug, State, SubscriptionStatus, SubscriptionSummary, TenantId,
};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::future::try_join;

use super::item::{Item, string};
use super::items::{self, SlugClaimItem};
use super::keys::{self, Key, PlanEntry, STATE_SHARDS};
use super::pages::{Page, Part as IndexPart, sifted};
use super::reread::{Reading, until_whole};
use super::schema::{STATE_INDEX, TENANT_INDEX};
use super::{Store, StoreError};

/// The most BatchGetItem requests for keys that DynamoDB leaves unprocessed.
const MAX_BATCH_ATTEMPTS: usize = 5;

/// A filter of deployments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// Only deployments of this tenant. It is ignored in the scope of a tenant.
    pub tenant_id: Option<TenantId>,
    /// Only deployments in this state.
    pub state: Option<State>,
    /// Only deployments with this slug.
    pub slug: Option<Slug>,
    /// Only deployments in this region.
    pub region: Option<ShortCode>,
    /// Only deployments with a live subscription, or only those without one.
    pub subscribed: Option<bool>,
    /// Only deployments on hold, or only those not on hold.
    pub billing_action_suspended: Option<bool>,
    /// Only deployments with a live subscription to this plan, and if given, to this version of it.
    pub plan: Option<(ShortCode, Option<u32>)>,
}

impl DeploymentFilter {
    /// Whether it has a condition that no index of all tenants' deployments covers.
    const fn asks_for_more(&self) -> bool {
        self.region.is_some() || self.subscribed.is_some() || self.billing_action_suspended.is_some()
    }

    pub(super) fn wants(&self, row: &DeploymentRow) -> bool {
        let deployment = &row.deployment;
        let is_live = |summary: &SubscriptionSummary| summary.status != SubscriptionStatus::Cancelled;
        self.state.is_none_or(|state| deployment.state == state)
            && self.region.as_ref().is_none_or(|region| deployment.region == *region)
            && self.billing_action_suspended.is_none_or(|held| deployment.billing_action_suspended == held)
            && self.subscribed.is_none_or(|subscribed| row.subscription.as_ref().is_some_and(is_live) == subscribed)
            && self.plan.as_ref().is_none_or(|(code, version)| {
                row.subscription.as_ref().is_some_and(|plan| {
                    is_live(plan)
                        && plan.plan_code == *code
                        && version.is_none_or(|version| plan.plan_version == version)
                })
            })
    }

    /// Reads a deployment; `None` if the filter leaves it out.
    fn read(&self, item: Item) -> Result<Option<DeploymentRow>, StoreError> {
        Ok(Some(items::to_deployment(item)?).filter(|row| self.wants(row)))
    }
}

/// The range of events to list, and their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventRange {
    /// Whether the oldest event comes first.
    pub oldest_first: bool,
    /// Only events after this sequence.
    pub after: u64,
    /// Only events before this sequence.
    pub before: Option<u64>,
}

/// A range of sort keys in a partition, and its order; a plain range is read from its end.
pub(super) struct Part {
    pub(super) keys: RangeInclusive<String>,
    pub(super) oldest_first: bool,
}

impl From<RangeInclusive<String>> for Part {
    fn from(keys: RangeInclusive<String>) -> Self {
        Self { keys, oldest_first: false }
    }
}

/// The result of a Query of events, in the requested order.
struct FoundEvents {
    /// The events: one more than the limit, if there are that many.
    events: Vec<Event>,
    /// The size of a page.
    limit: usize,
    /// Whether the Query ended before the limit although there may be more.
    more: bool,
    range: EventRange,
}

impl FoundEvents {
    /// The sequence of the newest event of a list with the newest first; 0 if it is empty.
    fn newest(&self) -> u64 {
        self.events.first().map_or(0, |event| event.sequence)
    }

    /// For a list with the oldest first: whether it begins with the first event of its range, and ends with the last
    /// event of a commit unless there is more.
    fn begins_oldest_and_ends_well(&self) -> bool {
        let is_all = !self.more && self.events.len() <= self.limit;
        self.events.first().is_some_and(|event| event.sequence == self.range.after + 1)
            && self.events.last().is_none_or(|event| !is_all || event.sequence == event.commit_last)
    }

    /// Whether the newest event is the last of its commit.
    fn ends_with_its_commit(&self) -> bool {
        self.events.first().is_none_or(|event| event.sequence == event.commit_last)
    }

    /// Whether no event is missing: none between two others, and none at the older end unless there is more.
    fn is_unbroken(&self) -> bool {
        if self.range.oldest_first {
            return self.events.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1);
        }
        let reaches_oldest = !self.more && self.events.len() <= self.limit;
        self.events.windows(2).all(|pair| pair[0].sequence == pair[1].sequence + 1)
            && self.events.last().is_none_or(|oldest| oldest.sequence == self.range.after + 1 || !reaches_oldest)
    }

    fn into_page(self) -> Page<Event, u64> {
        Page::cut(self.events, self.limit, self.more, |event: &Event| event.sequence)
    }
}

impl Store {
    /// A page of deployments in `scope`: one Query for a tenant; for all tenants one Query for each partition of the
    /// state index, and one BatchGetItem. A filter can need more of them to fill the page.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_deployments(
        &self,
        scope: &Scope,
        filter: &DeploymentFilter,
        limit: usize,
        before: Option<DeploymentId>,
    ) -> Result<Page<DeploymentRow, DeploymentId>, StoreError> {
        let tenant_id = match scope {
            Scope::Tenant(own) => Some(own),
            Scope::All => filter.tenant_id.as_ref(),
        };
        match (tenant_id, &filter.slug) {
            (Some(tenant_id), Some(slug)) => {
                let found = self.find_by_slug(scope, tenant_id, slug).await?;
                let wanted =
                    |row: &DeploymentRow| filter.wants(row) && before.is_none_or(|before| row.deployment.id < before);
                Ok(Page { items: found.into_iter().filter(wanted).collect(), next: None })
            }
            (Some(tenant_id), None) => self.list_of_tenant(tenant_id, filter, limit, before).await,
            (None, Some(slug)) => {
                let partition = [keys::slug_partition(slug)];
                self.list_of_everyone(TENANT_INDEX, &partition, filter, limit, before).await
            }
            (None, None) => {
                let partitions = state_partitions(filter.state);
                self.list_of_everyone(STATE_INDEX, &partitions, filter, limit, before).await
            }
        }
    }

    /// A page of all tenants' deployments of a plan, the newest version first and in it the newest deployment first:
    /// one Query for each partition of the plan's live subscriptions, and one BatchGetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_of_plan(
        &self,
        code: &ShortCode,
        filter: &DeploymentFilter,
        limit: usize,
        before: Option<PlanEntry>,
    ) -> Result<Page<DeploymentRow, PlanEntry>, StoreError> {
        let version = filter.plan.as_ref().and_then(|(_, version)| *version);
        let partitions: Vec<String> =
            (0..STATE_SHARDS).map(|shard| keys::plan_subscriptions_partition(code, shard)).collect();
        let partitions = &partitions;
        let entries = |before| async move {
            let part = IndexPart { index: STATE_INDEX, keys: keys::plan_entries(version, before), oldest_first: false };
            let Page { items, next } = self.merged(&part, partitions, limit).await?;
            // The index entry belongs to the subscription, the row to its deployment.
            let items =
                items.into_iter().map(|(entry, _): (PlanEntry, Key)| (entry, keys::deployment(entry.id))).collect();
            Ok(Page { items, next })
        };
        let is_sifted = filter.asks_for_more() || filter.state.is_some();
        self.filled(limit, before, is_sifted, entries, |_, item| filter.read(item)).await
    }

    /// Reads a deployment with its newest events, in two parallel requests. The events end at the version of the
    /// deployment: later ones are left out, and missing ones are read again. `None` as for [`Store::load`].
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn load_with_events(
        &self,
        scope: &Scope,
        id: DeploymentId,
        limit: usize,
    ) -> Result<Option<(Aggregate, Page<Event, u64>)>, StoreError> {
        let newest = EventRange::default();
        let (load, events) = (self.load(scope, id), self.query_events(id, limit, newest));
        let (aggregate, found) = match scope {
            Scope::All => {
                let (Some(aggregate), found) = try_join(load, events).await? else { return Ok(None) };
                (aggregate, found)
            }
            // No event of another tenant is read.
            Scope::Tenant(_) => {
                let Some(aggregate) = load.await? else { return Ok(None) };
                (aggregate, events.await?)
            }
        };
        let version = aggregate.deployment.version;
        if found.newest() == version && found.is_unbroken() {
            return Ok(Some((aggregate, found.into_page())));
        }
        let read = || async {
            let range = EventRange { before: Some(version + 1), ..newest };
            let found = self.query_events(id, limit, range).await?;
            let is_whole = found.newest() == version && found.is_unbroken();
            Ok(if is_whole { Reading::Whole(found.into_page()) } else { Reading::Torn })
        };
        Ok(Some((aggregate, until_whole("a page of events", read).await?)))
    }

    /// A page of a deployment's events, without a gap and never with half of a commit at its newest end. One Query; for
    /// a tenant, first one GetItem that shows who owns the deployment. If the Query finds no event, or not those
    /// expected, one GetItem checks the deployment and its version. `None` as for [`Store::load`]: a missing deployment
    /// and another tenant's take the same request.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_events(
        &self,
        scope: &Scope,
        id: DeploymentId,
        limit: usize,
        range: EventRange,
    ) -> Result<Option<Page<Event, u64>>, StoreError> {
        if !self.is_in_scope(scope, id).await? {
            return Ok(None);
        }
        until_whole("a page of events", || self.read_events(id, limit, range)).await
    }

    /// Whether a deployment is in the scope. For the platform always true, without a read. Of another tenant's
    /// deployment only the owner is read, so it takes no longer than a missing one.
    async fn is_in_scope(&self, scope: &Scope, id: DeploymentId) -> Result<bool, StoreError> {
        let Scope::Tenant(tenant_id) = scope else { return Ok(true) };
        let Key { pk, sk } = keys::deployment(id);
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.key("PK", string(pk)).key("SK", string(sk)).projection_expression("GSI1PK");
        let item = request.send().await?.item;
        Ok(item.is_some_and(|item| item.get("GSI1PK") == Some(&string(keys::tenant_partition(tenant_id)))))
    }

    async fn read_events(
        &self,
        id: DeploymentId,
        limit: usize,
        range: EventRange,
    ) -> Result<Reading<Option<Page<Event, u64>>>, StoreError> {
        let found = self.query_events(id, limit, range).await?;
        let newest = found.newest();
        let begins_well = match range.before {
            _ if range.oldest_first && newest > 0 => found.begins_oldest_and_ends_well(),
            Some(before) if newest + 1 == before && newest > 0 => true,
            None if newest > 0 => found.ends_with_its_commit(),
            // No events, or a gap before the position; or the position is beyond the newest event.
            None | Some(_) => {
                let Some(row) = self.deployment_row(&Scope::All, id).await? else { return Ok(Reading::Whole(None)) };
                let version = row.deployment.version;
                let expected = range.before.map_or(version, |before| version.min(before.saturating_sub(1)));
                newest == if expected > range.after { expected } else { 0 }
            }
        };
        let is_whole = begins_well && found.is_unbroken();
        Ok(if is_whole { Reading::Whole(Some(found.into_page())) } else { Reading::Torn })
    }

    /// One Query of events.
    async fn query_events(&self, id: DeploymentId, limit: usize, range: EventRange) -> Result<FoundEvents, StoreError> {
        let page = Part { keys: keys::events_between(range.after, range.before), oldest_first: range.oldest_first };
        let (items, more) = self.partition_page(keys::partition(id), page, limit).await?;
        let records = items.into_iter().map(items::to_event_record).collect::<Result<Vec<_>, _>>()?;
        let events = records.into_iter().map(|record| record.event).collect();
        Ok(FoundEvents { events, limit, more, range })
    }

    /// Reads a deployment's row: one consistent GetItem. `None` as for [`Store::load`].
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn deployment_row(&self, scope: &Scope, id: DeploymentId) -> Result<Option<DeploymentRow>, StoreError> {
        let row = self.get(keys::deployment(id)).await?.map(items::to_deployment).transpose()?;
        Ok(row.filter(|row| scope.contains(&row.deployment.tenant_id)))
    }

    /// A page of a deployment's resources, in two parallel requests. `None` as for [`Store::load`].
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_resources(
        &self,
        scope: &Scope,
        id: DeploymentId,
        limit: usize,
        before: Option<ResourceId>,
    ) -> Result<Option<Page<Resource, ResourceId>>, StoreError> {
        let history = self.partition_page(keys::partition(id), keys::resources_before(before), limit);
        let (deployment, (items, more)) = try_join(self.deployment_row(scope, id), history).await?;
        if deployment.is_none() {
            return Ok(None);
        }
        let resources = items.into_iter().map(items::to_resource).collect::<Result<_, _>>()?;
        Ok(Some(Page::cut(resources, limit, more, |resource: &Resource| resource.id)))
    }

    /// A page of a deployment's invoices, in two parallel requests. `None` as for [`Store::load`].
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_invoices(
        &self,
        scope: &Scope,
        id: DeploymentId,
        limit: usize,
        before: Option<&InvoiceNumber>,
    ) -> Result<Option<Page<Invoice, InvoiceNumber>>, StoreError> {
        let history = self.partition_page(keys::partition(id), keys::invoices_before(before), limit);
        let (deployment, (items, more)) = try_join(self.deployment_row(scope, id), history).await?;
        if deployment.is_none() {
            return Ok(None);
        }
        let invoices = items.into_iter().map(|item| Ok(items::to_invoice(item)?.invoice));
        let invoices = invoices.collect::<Result<_, StoreError>>()?;
        Ok(Some(Page::cut(invoices, limit, more, |invoice: &Invoice| invoice.number.clone())))
    }

    /// Reads one invoice of a deployment to show it: one consistent BatchGetItem of both. `None` as for
    /// [`Store::load`], or if there is no such invoice. A decision reads the invoice with [`Store::load_invoice_of`].
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn load_invoice(
        &self,
        scope: &Scope,
        id: DeploymentId,
        number: &InvoiceNumber,
    ) -> Result<Option<Invoice>, StoreError> {
        let (mut is_within, mut invoice) = (false, None);
        for item in self.get_items([keys::deployment(id), keys::invoice(id, number)], true).await? {
            if super::item::is(&item, items::DEPLOYMENT_TYPE) {
                is_within = scope.contains(&items::to_deployment(item)?.deployment.tenant_id);
            } else {
                invoice = Some(items::to_invoice(item)?.invoice);
            }
        }
        Ok(invoice.filter(|_| is_within))
    }

    async fn find_by_slug(
        &self,
        scope: &Scope,
        tenant_id: &TenantId,
        slug: &Slug,
    ) -> Result<Option<DeploymentRow>, StoreError> {
        let Some(item) = self.get(keys::slug_claim(tenant_id, slug)).await? else { return Ok(None) };
        let claim: SlugClaimItem = super::item::from_item(item)?;
        let found = self.load(scope, claim.deployment_id).await?;
        Ok(found.map(|aggregate| DeploymentRow {
            subscription: aggregate.subscription.as_ref().map(|s| SubscriptionSummary::new(s, &aggregate.addons)),
            next_action: aggregate.next_action(),
            deployment: aggregate.deployment,
        }))
    }

    async fn list_of_tenant(
        &self,
        tenant_id: &TenantId,
        filter: &DeploymentFilter,
        limit: usize,
        before: Option<DeploymentId>,
    ) -> Result<Page<DeploymentRow, DeploymentId>, StoreError> {
        let partition = &keys::tenant_partition(tenant_id);
        let query =
            |before, size| async move { self.index_page(&newest_before(TENANT_INDEX, before), partition, size).await };
        sifted(limit, before, query, |item| filter.read(item), |row| row.deployment.id).await
    }

    /// A page of all tenants' deployments, newest first, from an index with their ids as sort keys.
    async fn list_of_everyone(
        &self,
        index: &'static str,
        partitions: &[String],
        filter: &DeploymentFilter,
        limit: usize,
        before: Option<DeploymentId>,
    ) -> Result<Page<DeploymentRow, DeploymentId>, StoreError> {
        let entries = |before| async move {
            let Page { items, next } = self.merged(&newest_before(index, before), partitions, limit).await?;
            // The index entry belongs to the slug's claim, so its key is not the deployment's.
            let items = items.into_iter().map(|(id, _)| (id, keys::deployment(id))).collect();
            Ok(Page { items, next })
        };
        let is_sifted =
            filter.asks_for_more() || filter.slug.is_some() && (filter.state.is_some() || filter.plan.is_some());
        self.filled(limit, before, is_sifted, entries, |_, item| filter.read(item)).await
    }

    /// Reads the items of at most 100 keys: one BatchGetItem, and more only for keys that DynamoDB leaves unprocessed.
    pub(super) async fn get_items(
        &self,
        keys: impl IntoIterator<Item = Key>,
        consistent: bool,
    ) -> Result<Vec<Item>, StoreError> {
        let attributes = |key: Key| Item::from([("PK".to_owned(), string(key.pk)), ("SK".to_owned(), string(key.sk))]);
        let mut wanted: Vec<Item> = keys.into_iter().map(attributes).collect();
        let mut found = Vec::with_capacity(wanted.len());
        for _ in 0..MAX_BATCH_ATTEMPTS {
            if wanted.is_empty() {
                return Ok(found);
            }
            let keys = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(consistent).build()?;
            let output = self.client.batch_get_item().request_items(&self.table, keys).send().await?;
            found.extend(output.responses.and_then(|mut r| r.remove(&self.table)).unwrap_or_default());
            let unread = output.unprocessed_keys.and_then(|mut keys| keys.remove(&self.table));
            wanted = unread.map(|keys| keys.keys).unwrap_or_default();
        }
        if wanted.is_empty() {
            Ok(found)
        } else {
            Err(StoreError::Unavailable("DynamoDB left keys unprocessed".into()))
        }
    }

    /// One consistent Query of a part of a partition, for up to one item more than `limit`; also returns whether there
    /// may be more. The caller must check that the deployment is in the scope.
    pub(super) async fn partition_page(
        &self,
        partition: String,
        part: impl Into<Part>,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let Part { keys, oldest_first } = part.into();
        let (first, last) = keys.into_inner();
        let query = self.client.query().table_name(&self.table).consistent_read(true).scan_index_forward(oldest_first);
        let output = query
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
            .key_condition_expression("PK = :pk AND SK BETWEEN :first AND :last")
            .expression_attribute_values(":pk", string(partition))
            .expression_attribute_values(":first", string(first))
            .expression_attribute_values(":last", string(last))
            .send()
            .await?;
        // A page of large items can end before the limit.
        let items = output.items.unwrap_or_default();
        let more = output.last_evaluated_key.is_some() && items.len() <= limit;
        Ok((items, more))
    }
}

/// The part of an index of deployments before one of them, or all of it.
pub(super) fn newest_before(index: &'static str, before: Option<DeploymentId>) -> IndexPart {
    IndexPart { index, keys: keys::deployments_before(before), oldest_first: false }
}

pub(super) fn state_partitions(state: Option<State>) -> Vec<String> {
    let states = state.map_or_else(|| State::ALL.to_vec(), |state| vec![state]);
    let shards = |state| (0..STATE_SHARDS).map(move |shard| keys::state_partition(state, shard));
    states.into_iter().flat_map(shards).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_states_means_every_partition_once() {
        let mut partitions = state_partitions(None);
        assert_eq!(partitions.len(), State::ALL.len() * usize::from(STATE_SHARDS));
        partitions.dedup();
        assert_eq!(partitions.len(), 28);
    }
}
