//! The events of this run, in place of the table's stream, the pipe and the bus: stores recent events of the program's
//! commits, readable from any position. `arcadia_functions::events::publish` defines their form.
//!
//! The events of a deployment or tenant are in the order of their sequence, although responses to transactions can arrive in
//! another order: see `Order`.
//!
//! The embedded engine has a stream too, but it never deletes records and reads all of them again for each new one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arcadia_domain::{Scope, TenantId};
use arcadia_functions::events::publish::CloudEvent;
use arcadia_functions::runtime::{Clock as _, RealClock};
use arcadia_store::item::Item;
use arcadia_store::items::{AnyEventRecord, to_any_event_record};
use arcadia_store::keys::{EVENT_PREFIX, catalog_partition};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use tokio::sync::watch;

/// Maximum size of stored events, in bytes of JSON. The oldest events are dropped first.
pub const MAX_KEPT_LEN: usize = 16 * 1024 * 1024;
/// Maximum number of events examined for one page.
pub const PAGE: usize = 100;

/// The events of this run.
#[derive(Debug)]
pub struct Feed {
    kept: Mutex<Kept>,
    order: Mutex<Order>,
    state: watch::Sender<State>,
}

/// State of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Position of the newest event.
    pub last: u64,
    /// Whether the program is stopping.
    pub closed: bool,
}

/// An event and its position in the feed.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Position: greater than that of every earlier event, including events of earlier runs.
    pub position: u64,
    /// The CloudEvent.
    pub json: Arc<str>,
    /// Its tenant; `None` for an event of the catalog.
    tenant_id: Option<TenantId>,
}

/// A page of events after a position.
#[derive(Debug)]
pub struct Page {
    /// The events, oldest first.
    pub entries: Vec<Entry>,
    /// Position where the next page begins.
    pub position: u64,
    /// Whether some events after the position are no longer stored.
    pub gap: bool,
}

#[derive(Debug)]
struct Kept {
    /// Entries with consecutive positions.
    entries: VecDeque<Entry>,
    len: usize,
    max_len: usize,
    last: u64,
}

/// Orders events. A writer of a deployment's next events has seen the earlier ones, so the earlier transaction was sent
/// before, but its response may arrive later. An event waits until no transaction with earlier events is in progress.
#[derive(Debug, Default)]
struct Order {
    under_way: Vec<Begun>,
    waiting: Vec<AnyEventRecord>,
    begun: u64,
}

/// A transaction in progress.
#[derive(Debug)]
struct Begun {
    number: u64,
    /// The deployment, tenant or record of the catalog whose events it writes.
    subject: String,
    /// Sequence of its first event.
    first: u64,
}

/// An interceptor that sees a client's commits.
#[derive(Debug)]
struct Tap(Arc<Feed>);

/// A transaction in progress with its events. Dropping it ends it, whatever its outcome.
#[derive(Debug)]
struct UnderWay {
    feed: Arc<Feed>,
    number: u64,
    records: Vec<AnyEventRecord>,
}

impl Storable for UnderWay {
    type Storer = StoreReplace<Self>;
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.feed.end(self.number, Vec::new());
    }
}

impl Order {
    fn begin(&mut self, first: &AnyEventRecord) -> u64 {
        self.begun += 1;
        let (subject, first) = place(first);
        self.under_way.push(Begun { number: self.begun, subject, first });
        self.begun
    }

    /// Ends a transaction that committed `records`, and returns the events that can be published now.
    fn end(&mut self, number: u64, records: Vec<AnyEventRecord>) -> Vec<AnyEventRecord> {
        self.under_way.retain(|begun| begun.number != number);
        self.waiting.extend(records);
        let is_early = |record: &mut AnyEventRecord| {
            let (subject, sequence) = place(record);
            let precedes = |begun: &Begun| begun.subject == subject && begun.first < sequence;
            !self.under_way.iter().any(precedes)
        };
        let mut ready: Vec<AnyEventRecord> = self.waiting.extract_if(.., is_early).collect();
        ready.sort_by_key(|record| place(record).1);
        ready
    }
}

impl Feed {
    /// Creates a feed that stores up to `max_len` bytes.
    #[must_use]
    pub fn new(max_len: usize) -> Arc<Self> {
        // A later run starts at a higher position than an earlier one reached, unless that had more than a thousand
        // events per millisecond.
        let last = u64::try_from(RealClock.now().timestamp_micros()).unwrap_or_default();
        let kept = Mutex::new(Kept { entries: VecDeque::new(), len: 0, max_len, last });
        Arc::new(Self { kept, order: Mutex::default(), state: watch::Sender::new(State { last, closed: false }) })
    }

    /// Returns the client with an interceptor that adds its commits to the feed.
    #[must_use]
    pub fn tap(self: &Arc<Self>, client: &Client) -> Client {
        Client::from_conf(client.config().to_builder().interceptor(Tap(Arc::clone(self))).build())
    }

    /// A channel that changes when there is more to read.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Tells the readers to stop.
    pub fn close(&self) {
        self.state.send_modify(|state| state.closed = true);
    }

    /// The events after a position that a caller may see; position 0 is before all events.
    #[must_use]
    pub fn after(&self, position: u64, scope: &Scope) -> Page {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.last + 1 - kept.entries.len() as u64;
        let gap = position != 0 && position + 1 < first;
        let skipped = usize::try_from((position + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let looked_at: Vec<&Entry> = kept.entries.iter().skip(skipped).take(PAGE).collect();
        let position = looked_at.last().map_or(kept.last, |entry| entry.position);
        let is_visible =
            |entry: &&Entry| entry.tenant_id.as_ref().map_or(*scope == Scope::All, |id| scope.contains(id));
        let entries = looked_at.into_iter().filter(is_visible).cloned().collect();
        Page { entries, position, gap }
    }

    fn begin(self: &Arc<Self>, records: Vec<AnyEventRecord>) -> Option<UnderWay> {
        let number = self.order.lock().unwrap_or_else(PoisonError::into_inner).begin(records.first()?);
        Some(UnderWay { feed: Arc::clone(self), number, records })
    }

    fn end(&self, number: u64, records: Vec<AnyEventRecord>) {
        // Publish under the lock, so that no later event overtakes.
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.end(number, records).into_iter().for_each(|record| self.push(record));
    }

    fn push(&self, record: AnyEventRecord) {
        let tenant_id = match &record {
            AnyEventRecord::OfDeployment(record) => Some(record.tenant_id.clone()),
            AnyEventRecord::OfTenant(record) => Some(record.tenant_id.clone()),
            AnyEventRecord::OfCatalog(_) => None,
        };
        let json = match serde_json::to_string(&CloudEvent::from(record)) {
            Ok(json) => json.into(),
            Err(error) => return tracing::error!(%error, "an event cannot be written"),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.push(tenant_id, json);
        // Update under the lock, so that the position never decreases.
        self.state.send_modify(|state| state.last = last);
    }
}

impl Kept {
    fn push(&mut self, tenant_id: Option<TenantId>, json: Arc<str>) -> u64 {
        self.last += 1;
        self.len += json.len();
        self.entries.push_back(Entry { position: self.last, json, tenant_id });
        while self.len > self.max_len {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.len -= oldest.json.len();
        }
        self.last
    }
}

impl Intercept for Tap {
    fn name(&self) -> &'static str {
        "EventFeed"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(input) = context.input().downcast_ref::<TransactWriteItemsInput>()
            && let Some(under_way) = self.0.begin(events(input))
        {
            config.interceptor_state().store_put(under_way);
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(UnderWay { number, records, .. }) = config.load::<UnderWay>() {
            let is_committed = context.output_or_error().is_some_and(|outcome| outcome.is_ok());
            self.0.end(*number, if is_committed { records.clone() } else { Vec::new() });
        }
        Ok(())
    }
}

/// The deployment, tenant or record of an event, and the event's sequence.
fn place(record: &AnyEventRecord) -> (String, u64) {
    match record {
        AnyEventRecord::OfDeployment(record) => (record.deployment_id.to_string(), record.event.sequence),
        AnyEventRecord::OfTenant(record) => (record.tenant_id.to_string(), record.event.sequence),
        AnyEventRecord::OfCatalog(event) => (catalog_partition(&event.record()), event.revision),
    }
}

/// Extracts the events that a transaction writes.
fn events(input: &TransactWriteItemsInput) -> Vec<AnyEventRecord> {
    let items = input.transact_items().iter().filter_map(|write| write.put()).map(|put| put.item());
    let is_event =
        |item: &&Item| item.get("SK").and_then(|key| key.as_s().ok()).is_some_and(|key| key.starts_with(EVENT_PREFIX));
    let records = items.filter(is_event).map(|item| to_any_event_record(item.clone()));
    records
        .filter_map(|record| record.inspect_err(|error| tracing::error!(%error, "an event cannot be read")).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use arcadia_store::items::EventRecord;

    use super::*;

    fn kept(feed: &Feed, position: u64, scope: &Scope) -> (Vec<String>, u64, bool) {
        let Page { entries, position, gap } = feed.after(position, scope);
        (entries.iter().map(|entry| entry.json.to_string()).collect(), position, gap)
    }

    fn fill(feed: &Feed, tenants: &[&str]) {
        for (n, tenant) in tenants.iter().enumerate() {
            feed.kept.lock().unwrap().push(tenant.parse().ok(), format!("{n:010}").into());
        }
    }

    #[test]
    fn a_feed_keeps_the_newest_and_says_what_is_missing() {
        let feed = Feed::new(30);
        let before = feed.watch().borrow().last;
        assert_eq!(kept(&feed, 0, &Scope::All), (vec![], before, false));
        fill(&feed, &["acme"; 5]);
        let newest = vec!["0000000002".to_owned(), "0000000003".to_owned(), "0000000004".to_owned()];
        assert_eq!(kept(&feed, 0, &Scope::All), (newest.clone(), before + 5, false));
        assert_eq!(kept(&feed, before, &Scope::All), (newest.clone(), before + 5, true));
        assert_eq!(kept(&feed, before + 1, &Scope::All), (newest.clone(), before + 5, true));
        assert_eq!(kept(&feed, before + 2, &Scope::All), (newest, before + 5, false));
        assert_eq!(kept(&feed, before + 4, &Scope::All), (vec!["0000000004".to_owned()], before + 5, false));
        for position in [before + 5, before + 6, u64::MAX - 1] {
            assert_eq!(kept(&feed, position, &Scope::All), (vec![], before + 5, false));
        }
    }

    /// The event of a sequence, as a transaction has it.
    fn record(slug: &str, sequence: u64) -> AnyEventRecord {
        let deployment_id = format!("0192f0c1-2345-7abc-8def-00000000000{}", slug.len()).parse().unwrap();
        let event = serde_json::json!({
            "sequence": sequence, "commit_last": sequence, "type": "updated", "data": {}, "entries": [],
            "actor": "bob", "occurred_at": "2027-01-15T10:00:00Z",
        });
        let (tenant_id, event) = ("acme".parse().unwrap(), serde_json::from_value(event).unwrap());
        AnyEventRecord::OfDeployment(EventRecord { deployment_id, tenant_id, event })
    }

    fn told(feed: &Feed) -> Vec<String> {
        let entries = feed.after(0, &Scope::All).entries;
        let id = |entry: &Entry| serde_json::from_str::<serde_json::Value>(&entry.json).unwrap()["id"].clone();
        entries.iter().map(|entry| id(entry).as_str().unwrap()[35..].to_owned()).collect()
    }

    #[test]
    fn events_are_told_by_their_sequence_whichever_transaction_is_answered_first() {
        let feed = Feed::new(MAX_KEPT_LEN);
        let commit = |under_way: UnderWay| feed.end(under_way.number, under_way.records.clone());
        let second = feed.begin(vec![record("a", 2)]).unwrap();
        let beaten = feed.begin(vec![record("a", 2)]).unwrap();
        let third = feed.begin(vec![record("a", 3), record("a", 4)]).unwrap();
        let other = feed.begin(vec![record("bb", 1)]).unwrap();
        commit(third);
        commit(other);
        assert_eq!(told(&feed), ["2/1"], "another deployment's need not wait");
        commit(second);
        assert_eq!(told(&feed), ["2/1", "1/2"]);
        // A transaction that lost the race or was aborted does not block others any longer.
        drop(beaten);
        assert_eq!(told(&feed), ["2/1", "1/2", "1/3", "1/4"]);
    }

    #[test]
    fn a_tenant_sees_its_own_and_moves_on_over_those_of_others() {
        let feed = Feed::new(MAX_KEPT_LEN);
        fill(&feed, &["acme", "other", "acme"]);
        let before = feed.kept.lock().unwrap().last - 3;
        let scope = Scope::Tenant("acme".parse().unwrap());
        assert_eq!(kept(&feed, 0, &scope), (vec!["0000000000".to_owned(), "0000000002".to_owned()], before + 3, false));
        let nobody = Scope::Tenant("nobody".parse().unwrap());
        assert_eq!(kept(&feed, before, &nobody), (vec![], before + 3, false));
    }
}
