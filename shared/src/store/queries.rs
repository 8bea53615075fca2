//! Lists: pages of deployments, events and resources, newest first.
//!
//! A position is an id or a sequence, never a key: the partition that is read always follows from the caller's
//! scope, so that no position leads out of it.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures_util::future::{try_join, try_join_all};

use super::items::{self, DeploymentRow, Item, SlugClaimItem, SubscriptionSummary, string};
use super::keys::{self, Key, STATE_SHARDS};
use super::reread::{Reading, until_whole};
use super::schema::{STATE_INDEX, TENANT_INDEX};
use super::{Store, StoreError};
use crate::auth::Scope;
use crate::domain::{
    Aggregate, DeploymentId, Event, Invoice, InvoiceNumber, Resource, ResourceId, Slug, State, TenantId,
};

/// How many of a tenant's deployments one Query looks at when it filters by state.
const FILTERED_QUERY_LIMIT: usize = 1000;

/// How many Queries one filtered page may take; a page that needs more ends early, with a cursor.
const MAX_FILTERED_QUERIES: usize = 10;

/// How often keys that DynamoDB left unread are asked for again.
const MAX_BATCH_ATTEMPTS: usize = 5;

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, P> {
    /// The records, newest first.
    pub items: Vec<T>,
    /// Where the rest begins, if there may be more.
    pub next: Option<P>,
}

/// Which deployments to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// Only this tenant's; a tenant scope already says which.
    pub tenant_id: Option<TenantId>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those of this slug.
    pub slug: Option<Slug>,
}

/// Which events to list, and from which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventRange {
    /// Whether the oldest come first.
    pub oldest_first: bool,
    /// Only those after this sequence.
    pub after: u64,
    /// Only those before this sequence.
    pub before: Option<u64>,
}

/// A part of a partition, and from which end it is read; from the last, if nothing else is said.
pub(super) struct Part {
    keys: RangeInclusive<String>,
    oldest_first: bool,
}

impl From<RangeInclusive<String>> for Part {
    fn from(keys: RangeInclusive<String>) -> Self {
        Self { keys, oldest_first: false }
    }
}

/// What a Query of events found, in the order that was asked for.
struct FoundEvents {
    /// One more than the limit, if there is one.
    events: Vec<Event>,
    /// How many make a page.
    limit: usize,
    /// Whether the Query ended before the limit, though there may be more.
    more: bool,
    range: EventRange,
}

impl FoundEvents {
    /// The sequence of the newest of a list that has the newest first; 0 if there is none.
    fn newest(&self) -> u64 {
        self.events.first().map_or(0, |event| event.sequence)
    }

    /// Whether it begins at its range's older end, and ends with a commit unless there is more.
    fn begins_oldest_and_ends_well(&self) -> bool {
        let is_all = !self.more && self.events.len() <= self.limit;
        self.events.first().is_some_and(|event| event.sequence == self.range.after + 1)
            && self.events.last().is_none_or(|event| !is_all || event.sequence == event.commit_last)
    }

    /// Whether the newest is the last of its commit.
    fn ends_with_its_commit(&self) -> bool {
        self.events.first().is_none_or(|event| event.sequence == event.commit_last)
    }

    /// Whether no event is missing between two, nor at the older end unless there is more.
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

impl<T, P> Page<T, P> {
    /// Cuts what was read down to `limit` records; what is left over shows that there is more.
    pub(super) fn cut(mut items: Vec<T>, limit: usize, more_unread: bool, position: impl Fn(&T) -> P) -> Self {
        let more = more_unread || items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(position);
        Self { items, next }
    }
}

impl Store {
    /// Lists deployments within `scope`: one Query for a tenant; for all tenants one for each partition of the state
    /// index, and one BatchGetItem.
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
                let wanted = |row: &DeploymentRow| {
                    let found = &row.deployment;
                    filter.state.is_none_or(|state| found.state == state)
                        && before.is_none_or(|before| found.id < before)
                };
                Ok(Page { items: found.into_iter().filter(wanted).collect(), next: None })
            }
            (Some(tenant_id), None) => self.list_of_tenant(tenant_id, filter.state, limit, before).await,
            (None, slug) => {
                let partitions = slug.as_ref().map_or_else(
                    || state_partitions(filter.state),
                    |slug| vec![(TENANT_INDEX, keys::slug_partition(slug))],
                );
                self.list_of_everyone(partitions, filter.state, limit, before).await
            }
        }
    }

    /// Reads a deployment with its newest events, in two requests at once. Both are of one version: what was committed
    /// between the two is left out, and what is missing is read again. `None` as for [`Store::load`].
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
        let (aggregate, found) = try_join(self.load(scope, id), self.query_events(scope, id, limit, newest)).await?;
        let Some(aggregate) = aggregate else { return Ok(None) };
        let version = aggregate.deployment.version;
        if found.newest() == version && found.is_unbroken() {
            return Ok(Some((aggregate, found.into_page())));
        }
        let read = || async {
            let range = EventRange { before: Some(version + 1), ..newest };
            let found = self.query_events(scope, id, limit, range).await?;
            let is_whole = found.newest() == version && found.is_unbroken();
            Ok(if is_whole { Reading::Whole(found.into_page()) } else { Reading::Torn })
        };
        Ok(Some((aggregate, until_whole("a page of events", read).await?)))
    }

    /// A page of a deployment's events, without a gap and never with half of a commit at its newest end: one Query, since
    /// every event says whose it is. Only if it finds none, or not what it should, a GetItem tells whether there is such a
    /// deployment and in which version: beyond the last of them, and alike for what is not there and what is another
    /// tenant's. `None` as for [`Store::load`].
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
        until_whole("a page of events", || self.read_events(scope, id, limit, range)).await
    }

    async fn read_events(
        &self,
        scope: &Scope,
        id: DeploymentId,
        limit: usize,
        range: EventRange,
    ) -> Result<Reading<Option<Page<Event, u64>>>, StoreError> {
        let found = self.query_events(scope, id, limit, range).await?;
        let newest = found.newest();
        let begins_well = match range.before {
            _ if range.oldest_first && newest > 0 => found.begins_oldest_and_ends_well(),
            Some(before) if newest + 1 == before && newest > 0 => true,
            None if newest > 0 => found.ends_with_its_commit(),
            // Nothing, or less than there should be before the position, unless that lies beyond the newest event.
            None | Some(_) => {
                let row = self.get(keys::deployment(id)).await?.map(items::to_deployment).transpose()?;
                let Some(row) = row.filter(|row| scope.contains(&row.deployment.tenant_id)) else {
                    return Ok(Reading::Whole(None));
                };
                let version = row.deployment.version;
                let expected = range.before.map_or(version, |before| version.min(before.saturating_sub(1)));
                newest == if expected > range.after { expected } else { 0 }
            }
        };
        let is_whole = begins_well && found.is_unbroken();
        Ok(if is_whole { Reading::Whole(Some(found.into_page())) } else { Reading::Torn })
    }

    /// Queries events. DynamoDB leaves those of other tenants out.
    async fn query_events(
        &self,
        scope: &Scope,
        id: DeploymentId,
        limit: usize,
        range: EventRange,
    ) -> Result<FoundEvents, StoreError> {
        let page = Part { keys: keys::events_between(range.after, range.before), oldest_first: range.oldest_first };
        let (items, more) = self.partition_page(keys::partition(id), page, limit, scope).await?;
        let records = items.into_iter().map(items::to_event_record).collect::<Result<Vec<_>, _>>()?;
        let events = records.into_iter().map(|record| record.event).collect();
        Ok(FoundEvents { events, limit, more, range })
    }

    /// Whether there is such a deployment within the scope: one consistent GetItem.
    async fn is_within(&self, scope: &Scope, id: DeploymentId) -> Result<bool, StoreError> {
        let row = self.get(keys::deployment(id)).await?.map(items::to_deployment).transpose()?;
        Ok(row.is_some_and(|row| scope.contains(&row.deployment.tenant_id)))
    }

    /// A page of a deployment's resources, in two requests at once. `None` as for [`Store::load`].
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
        let history = self.partition_page(keys::partition(id), keys::resources_before(before), limit, &Scope::All);
        let (is_within, (items, more)) = try_join(self.is_within(scope, id), history).await?;
        if !is_within {
            return Ok(None);
        }
        let resources = items.into_iter().map(items::to_resource).collect::<Result<_, _>>()?;
        Ok(Some(Page::cut(resources, limit, more, |resource: &Resource| resource.id)))
    }

    /// A page of a deployment's invoices, in two requests at once. `None` as for [`Store::load`].
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
        let history = self.partition_page(keys::partition(id), keys::invoices_before(before), limit, &Scope::All);
        let (is_within, (items, more)) = try_join(self.is_within(scope, id), history).await?;
        if !is_within {
            return Ok(None);
        }
        let invoices = items.into_iter().map(items::to_invoice).collect::<Result<_, _>>()?;
        Ok(Some(Page::cut(invoices, limit, more, |invoice: &Invoice| invoice.number.clone())))
    }

    /// Reads one invoice of a deployment to show it: one BatchGetItem of both. `None` as for [`Store::load`], and if there
    /// is no such invoice. What is to be changed is read by [`Store::load_invoice_of`].
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
            if items::is(&item, items::DEPLOYMENT_TYPE) {
                is_within = scope.contains(&items::to_deployment(item)?.deployment.tenant_id);
            } else {
                invoice = Some(items::to_invoice(item)?);
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
        let claim: SlugClaimItem = items::from_item(item)?;
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
        state: Option<State>,
        limit: usize,
        before: Option<DeploymentId>,
    ) -> Result<Page<DeploymentRow, DeploymentId>, StoreError> {
        let query_limit = if state.is_some() { FILTERED_QUERY_LIMIT } else { limit + 1 };
        let partition = keys::tenant_partition(tenant_id);
        let mut deployments = Vec::new();
        let mut position = before;
        for _ in 0..MAX_FILTERED_QUERIES {
            let (items, read_to) = self.index_page(TENANT_INDEX, &partition, position, query_limit, state).await?;
            for item in items {
                deployments.push(items::to_deployment(item)?);
            }
            position = read_to;
            if position.is_none() || deployments.len() >= limit {
                break;
            }
        }
        let mut page = Page::cut(deployments, limit, position.is_some(), |row: &DeploymentRow| row.deployment.id);
        if page.items.len() < limit {
            page.next = position;
        }
        Ok(page)
    }

    async fn list_of_everyone(
        &self,
        partitions: Vec<(&str, String)>,
        state: Option<State>,
        limit: usize,
        before: Option<DeploymentId>,
    ) -> Result<Page<DeploymentRow, DeploymentId>, StoreError> {
        let pages =
            partitions.iter().map(|(index, partition)| self.index_page(index, partition, before, limit + 1, None));
        let mut ids = Vec::new();
        for (items, _) in try_join_all(pages).await? {
            for item in items {
                ids.push(indexed_id(&item)?);
            }
        }
        // An id can stand in two partitions while the index follows a change of state.
        ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
        ids.dedup();
        let Page { items: ids, next } = Page::cut(ids, limit, false, |id| *id);
        let mut deployments = self.get_deployments(&ids).await?;
        deployments.retain(|row| state.is_none_or(|state| row.deployment.state == state));
        deployments.sort_unstable_by_key(|row| std::cmp::Reverse(row.deployment.id));
        Ok(Page { items: deployments, next })
    }

    /// One Query of an index, newest first: the items, and the id up to which it read if it did not reach the end.
    pub(super) async fn index_page(
        &self,
        index: &str,
        partition: &str,
        before: Option<DeploymentId>,
        limit: usize,
        state: Option<State>,
    ) -> Result<(Vec<Item>, Option<DeploymentId>), StoreError> {
        let (first, last) = keys::deployments_before(before).into_inner();
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index)
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .key_condition_expression(format!("{index}PK = :pk AND {index}SK BETWEEN :first AND :last"))
            .expression_attribute_values(":pk", string(partition))
            .expression_attribute_values(":first", string(first))
            .expression_attribute_values(":last", string(last))
            .set_filter_expression(state.map(|_| "#state = :state".to_owned()))
            .set_expression_attribute_names(state.map(|_| HashMap::from([("#state".to_owned(), "state".to_owned())])));
        let output = match state {
            Some(state) => output.expression_attribute_values(":state", string(state.as_str())),
            None => output,
        };
        let output = output.send().await?;
        let read_to = output.last_evaluated_key.as_ref().map(indexed_id).transpose()?;
        Ok((output.items.unwrap_or_default(), read_to))
    }

    async fn get_deployments(&self, ids: &[DeploymentId]) -> Result<Vec<DeploymentRow>, StoreError> {
        let items = self.get_items(ids.iter().map(|id| keys::deployment(*id)), false).await?;
        items.into_iter().map(items::to_deployment).collect()
    }

    /// Reads the items under at most 100 keys: one BatchGetItem, and more only for what DynamoDB leaves unread.
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
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(consistent)
                .build()
                .map_err(|error| StoreError::Damaged(error.to_string()))?;
            let output = self.client.batch_get_item().request_items(&self.table, keys).send().await?;
            found.extend(output.responses.and_then(|mut r| r.remove(&self.table)).unwrap_or_default());
            let unread = output.unprocessed_keys.and_then(|mut keys| keys.remove(&self.table));
            wanted = unread.map(|keys| keys.keys).unwrap_or_default();
        }
        if wanted.is_empty() { Ok(found) } else { Err(StoreError::Unavailable("keys stayed unprocessed".to_owned())) }
    }

    /// One consistent Query of part of a partition, with one item more than `limit`. What does not say whose it
    /// is has to be asked for with [`Scope::All`], and the caller must drop it unless its deployment is within the scope.
    pub(super) async fn partition_page(
        &self,
        partition: String,
        part: impl Into<Part>,
        limit: usize,
        scope: &Scope,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let Part { keys, oldest_first } = part.into();
        let (first, last) = keys.into_inner();
        let query = self.client.query().table_name(&self.table).consistent_read(true).scan_index_forward(oldest_first);
        let query = match scope {
            Scope::All => query,
            Scope::Tenant(tenant_id) => query
                .filter_expression("#record.tenant_id = :tenant_id")
                .expression_attribute_names("#record", "record")
                .expression_attribute_values(":tenant_id", string(tenant_id.as_str())),
        };
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

fn state_partitions(state: Option<State>) -> Vec<(&'static str, String)> {
    let states = state.map_or_else(|| State::ALL.to_vec(), |state| vec![state]);
    states
        .into_iter()
        .flat_map(|state| (0..STATE_SHARDS).map(move |shard| (STATE_INDEX, keys::state_partition(state, shard))))
        .collect()
}

/// The id of the deployment that an index entry stands for: by its key, or by the claim it is.
fn indexed_id(item: &Item) -> Result<DeploymentId, StoreError> {
    let text = |name: &str| item.get(name).and_then(|v| AttributeValue::as_s(v).ok());
    text("PK")
        .and_then(|pk| keys::deployment_id(pk))
        .or_else(|| text("GSI1SK")?.parse().ok())
        .ok_or_else(|| StoreError::Damaged("an index entry that stands for no deployment".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_next_only_when_there_is_more() {
        let cut = |n: u64, more| Page::cut((0..n).collect(), 3, more, |i: &u64| *i);
        assert_eq!(cut(3, false), Page { items: vec![0, 1, 2], next: None });
        assert_eq!(cut(4, false), Page { items: vec![0, 1, 2], next: Some(2) });
        assert_eq!(cut(2, true), Page { items: vec![0, 1], next: Some(1) });
        assert_eq!(cut(0, false), Page { items: vec![], next: None });
    }

    #[test]
    fn all_states_means_every_partition_once() {
        let mut partitions = state_partitions(None);
        assert_eq!(partitions.len(), State::ALL.len() * usize::from(STATE_SHARDS));
        partitions.dedup();
        assert_eq!(partitions.len(), 28);
    }
}
