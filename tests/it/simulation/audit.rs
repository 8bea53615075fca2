//! The audit: a second account of every deployment, made of its events alone. After every change of the table it checks
//! the invariants, and after every answer that the answer is true.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arcadia_domain::{
    Aggregate, Attention, Deployment, DeploymentId, Event, EventKind, Invoice, InvoiceNumber, InvoiceRow, Payment,
    PaymentReference, ResourceId, ShortCode, State, SubscriptionAddon, SubscriptionAddonId, SubscriptionStatus,
    TenantId, Timestamp, audit, follow_invoices, lifecycle, replay,
};
use arcadia_store::item::Item;
use arcadia_store::items::{self, SlugClaimItem};
use arcadia_store::keys::AttentionEntry;
use arcadia_store::{KEPT_FOR, Present, TenantLimits, item, keys};
use chrono::TimeDelta;
use uuid::Uuid;

use super::DUE_SHARDS;
use super::table::{TOKEN_MEMORY, Table, due_entry, keys_of};
use super::world::{MAX_SKEW_S, Message};

/// The account of a deployment.
struct History {
    events: Vec<Event>,
    aggregate: Aggregate,
    invoices: BTreeMap<InvoiceNumber, Invoice>,
    payments: BTreeMap<PaymentReference, (InvoiceNumber, Payment)>,
    refunds: BTreeSet<PaymentReference>,
    grants: usize,
    resource: Option<ResourceId>,
    /// The resources that were deleted.
    deleted: HashSet<ResourceId>,
    /// Its entry in the due index while a sweep has postponed it.
    postponed: Option<(String, String)>,
}

/// The effect of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Effect {
    id: DeploymentId,
    version: u64,
    at: Timestamp,
}

/// The account of all deployments.
#[derive(Default)]
pub struct Audit {
    histories: BTreeMap<DeploymentId, History>,
    addons: HashMap<SubscriptionAddonId, SubscriptionAddon>,
    trials: HashMap<(TenantId, ShortCode), DeploymentId>,
    /// The number of grants of each coupon.
    discounts: HashMap<ShortCode, u64>,
    /// The effects, by commit.
    effects: HashMap<Uuid, Effect>,
    /// When the effects of a request were decided.
    of_request: HashMap<usize, Vec<Timestamp>>,
    /// The same by idempotency key.
    of_key: HashMap<String, Vec<Timestamp>>,
    keys: HashMap<usize, String>,
    /// Whether it does not check when a step may be taken and a command decided, because a comparison with the real
    /// handlers does.
    pub ignores_time: bool,
}

impl Audit {
    /// All deployments.
    pub fn deployments(&self) -> impl Iterator<Item = DeploymentId> {
        self.histories.keys().copied()
    }

    /// The present state of a deployment.
    pub fn aggregate(&self, id: DeploymentId) -> &Aggregate {
        &self.histories[&id].aggregate
    }

    /// A deployment's invoices.
    pub fn invoices(&self, id: DeploymentId) -> impl Iterator<Item = &Invoice> {
        self.histories[&id].invoices.values()
    }

    /// The newest resource of a deployment.
    pub fn resource(&self, id: DeploymentId) -> Option<ResourceId> {
        self.histories[&id].resource
    }

    /// The resource that a deployment's last event deleted, if it deleted one.
    pub fn just_deleted(&self, id: DeploymentId) -> Option<ResourceId> {
        match self.histories[&id].events.last()?.kind {
            EventKind::ResourceDeleted { resource_id, .. } => Some(resource_id),
            _ => None,
        }
    }

    /// The number of all events.
    pub fn event_count(&self) -> usize {
        self.histories.values().map(|history| history.events.len()).sum()
    }

    /// Records the key of a request.
    pub fn keyed(&mut self, request: usize, key: &str) {
        self.keys.insert(request, key.to_owned());
    }

    /// Records an executed write, and checks all that it touched.
    pub fn written(&mut self, table: &Table, message: &Message, now: Timestamp) {
        let touched = keys_of(&message.writes).filter(|(_, sk)| *sk == "#DEPLOYMENT");
        for id in touched.filter_map(|(pk, _)| keys::deployment_id(pk)) {
            self.check(table, id, message);
            if let Some(commit) = message.commit {
                let version = self.aggregate(id).deployment.version;
                let before = self.effects.insert(commit.id, Effect { id, version, at: now });
                assert_eq!(before, None, "a commit took effect twice");
            }
        }
        for (pk, _) in keys_of(&message.writes).filter(|(_, sk)| *sk == "#COUPON") {
            let code: ShortCode = pk.trim_start_matches("COUPON#").parse().expect("a code");
            let coupon = table.get(&keys::coupon(&code)).expect("a coupon");
            let coupon = items::to_coupon(coupon.clone()).expect("a coupon");
            assert_eq!(self.discounts.get(&code), Some(&coupon.redemptions), "a grant of {code} was not counted once");
            assert!(
                coupon.max_redemptions.is_none_or(|most| coupon.redemptions <= most),
                "{code} was granted too often"
            );
        }
        if let Some(commit) = message.commit
            && let Some(request) = commit.request
        {
            self.of_request.entry(request).or_default().push(commit.decided_at);
            if let Some(key) = self.keys.get(&request) {
                let earlier = self.of_key.entry(key.clone()).or_default();
                let twice = earlier.iter().find(|at| (commit.decided_at - **at).abs() < certain());
                assert_eq!(twice, None, "what was sent under a key took effect twice");
                earlier.push(commit.decided_at);
            }
        }
    }

    /// Checks the answer that a commit was made.
    pub fn acknowledged(&self, commit: Uuid) {
        assert!(self.effects.contains_key(&commit), "a commit was acknowledged and is not there");
    }

    /// Checks the answer that nothing was done. The protocol has one limit: a commit whose answer was lost, and which
    /// other commits followed, is not recognised once DynamoDB has forgotten its token, ten minutes later. No function
    /// sends for so long.
    pub fn refused(&self, commit: Uuid, now: Timestamp) {
        let is_forgotten = |effect: &Effect| {
            now - effect.at >= TOKEN_MEMORY && self.aggregate(effect.id).deployment.version > effect.version
        };
        let effect = self.effects.get(&commit).filter(|effect| !is_forgotten(effect));
        assert_eq!(effect, None, "a commit was refused and took effect");
    }

    /// Checks the answer that nothing was done, while its key is valid and none of its handlings is in progress.
    pub fn refused_for_good(&self, request: usize, now: Timestamp) {
        let effects = self.of_request.get(&request);
        let counts = effects.and_then(|effects| effects.iter().find(|at| now - **at < certain()));
        assert_eq!(counts, None, "a request that was refused under its key took effect");
    }

    fn check(&mut self, table: &Table, id: DeploymentId, message: &Message) {
        let stored: Vec<Item> =
            table.query(&keys::partition(id), keys::PRESENT).map(|(_, item)| item.clone()).collect();
        let entry = due_entry(table.get(&keys::deployment(id)).expect("the deployment"));
        let Present::Whole(aggregate) = Present::of(stored).expect("readable items") else {
            panic!("{id} is stored in parts of different versions")
        };
        let mut history = self.histories.remove(&id).unwrap_or_else(|| History::new(aggregate.clone()));
        let known = history.events.len();
        for (_, sk) in keys_of(&message.writes) {
            let sequence = sk.strip_prefix("EVENT#").map(|sequence| sequence.parse::<usize>().expect("a sequence"));
            assert!(sequence.is_none_or(|sequence| sequence > known), "history was rewritten at {sk}");
        }
        while let Some(item) = table.get(&keys::event(id, history.events.len() as u64 + 1)) {
            history.events.push(items::to_event(item.clone()).expect("an event"));
        }
        let count = |prefix: &str| table.query(&keys::partition(id), prefix).count();
        assert_eq!(count("EVENT#"), history.events.len(), "a gap in the events of {id}");
        assert_eq!(replay(id, &history.events).as_ref(), Ok(&aggregate), "the events tell another story");
        let before = std::mem::replace(&mut history.aggregate, aggregate);
        if known == 0 {
            self.check_creation(table, id, &history.aggregate);
        }
        for event in &history.events[known..] {
            if let EventKind::DiscountGranted { subscription } = &event.kind {
                let discount = subscription.discount.as_ref().expect("a discount");
                *self.discounts.entry(discount.coupon.clone()).or_default() += 1;
            }
        }
        history.check_due(&entry, message);
        if !self.ignores_time {
            history.check_clock(&before, known, message);
            history.events[known..].iter().for_each(|event| check_rung(&before, event));
        }
        history.enter(&before, known);
        self.check_purchases(id, &history, &before, known);
        history.check_money(table, id, message);
        history.check_attention(table);
        assert_eq!((count("INVOICE#"), count("PAYMENT#")), (history.invoices.len(), history.payments.len()));
        assert_eq!((count("REFUND#"), count("GRANT#")), (history.refunds.len(), history.grants));
        self.histories.insert(id, history);
    }

    /// Checks that each deployment has one claim on its slug, that there are no other claims, and that it was created under
    /// the tenant's present rules.
    fn check_creation(&self, table: &Table, id: DeploymentId, aggregate: &Aggregate) {
        let tenant_id = &aggregate.deployment.tenant_id;
        let claim = table.get(&keys::slug_claim(tenant_id, &aggregate.deployment.slug)).expect("a claim");
        let claim: SlugClaimItem = item::from_item(claim.clone()).expect("a claim");
        assert_eq!(claim.deployment_id, id);
        let others: Vec<&Aggregate> = self
            .histories
            .values()
            .map(|history| &history.aggregate)
            .filter(|other| other.deployment.tenant_id == *tenant_id)
            .collect();
        assert!(others.iter().all(|other| other.deployment.slug != aggregate.deployment.slug), "two of one slug");
        assert_eq!(table.query(&keys::tenant_partition(tenant_id), "SLUG#").count(), others.len() + 1);
        let limits = table.get(&keys::tenant_limits(tenant_id)).expect("limits");
        let limits: TenantLimits = item::from_item(limits.clone()).expect("limits");
        assert_eq!(aggregate.deployment.tenant_rules, limits.rules(), "created under other rules");
        assert!(!limits.rules().held, "created for a held tenant");
    }

    /// Checks that a tenant has one trial of each plan, and that add-ons keep their prices.
    fn check_purchases(&mut self, id: DeploymentId, history: &History, before: &Aggregate, known: usize) {
        let Aggregate { deployment, subscription, addons, versions: _ } = &history.aggregate;
        for event in &history.events[known..] {
            if let EventKind::Subscribed { subscription, .. } = &event.kind
                && subscription.trial_ends_at.is_some()
            {
                let trial = (deployment.tenant_id.clone(), subscription.terms.plan_code.clone());
                let earlier = self.trials.insert(trial, id);
                let continues = earlier == Some(id) && before.deployment.state == State::Trial;
                assert!(earlier.is_none() || continues, "a second trial of {}", subscription.terms.plan_code);
            }
        }
        for addon in addons {
            let first = self.addons.entry(addon.id).or_insert_with(|| addon.clone());
            assert_eq!(first, addon, "an add-on was repriced");
        }
        if let Some(subscription) = subscription {
            let follows = SubscriptionStatus::of(deployment.state);
            assert!(subscription.status == follows || subscription.status == SubscriptionStatus::Cancelled);
        }
    }
}

impl History {
    fn new(aggregate: Aggregate) -> Self {
        Self {
            events: Vec::new(),
            aggregate,
            invoices: BTreeMap::new(),
            payments: BTreeMap::new(),
            refunds: BTreeSet::new(),
            grants: 0,
            resource: None,
            deleted: HashSet::new(),
            postponed: None,
        }
    }

    /// Checks that the due index has the next step, unless a sweep has postponed the deployment.
    fn check_due(&mut self, entry: &Option<(String, String)>, message: &Message) {
        if message.commit.is_none() {
            self.postponed.clone_from(entry);
            return;
        }
        self.postponed = None;
        let id = self.aggregate.deployment.id;
        let next = self.aggregate.next_action().map(|next| keys::due_index(next, id, 1)).map(|key| (key.pk, key.sk));
        assert_eq!(*entry, next, "the due index");
    }

    /// Checks that no command was decided on a deployment with a due step.
    fn check_clock(&self, before: &Aggregate, known: usize, message: &Message) {
        let is_command = message.commit.is_some_and(|commit| commit.request.is_some());
        let Some(first) = self.events.get(known).filter(|_| is_command && known > 0) else { return };
        let due = before.next_action().filter(|next| next.at <= first.occurred_at);
        assert_eq!(due, None, "a command on a late clock, at {}", first.occurred_at);
    }

    /// Enters the events after the first `known`, which one transaction has written.
    fn enter(&mut self, before: &Aggregate, known: usize) {
        let events: Vec<Event> = self.events[known..].to_vec();
        let mut last_at = self.events[..known].last().map(|event| event.occurred_at);
        for event in &events {
            assert!(last_at.is_none_or(|last_at| last_at <= event.occurred_at), "time runs backwards");
            last_at = Some(event.occurred_at);
            match (event.from_state, event.to_state) {
                (None, None) => {}
                (Some(from), Some(to)) => assert!(from.move_to(to).is_some(), "{from} -> {to} is not in the map"),
                (None, Some(to)) => assert!(event.sequence == 1 && lifecycle::INITIAL_STATES.contains(&to)),
                (Some(from), None) => panic!("left {from} for nowhere"),
            }
            follow_invoices(&mut self.invoices, event).expect("what an event names was issued");
            match &event.kind {
                EventKind::PaymentReceived { number, payment, .. } => {
                    let mark = (number.clone(), payment.clone());
                    let twice = self.payments.insert(payment.reference.clone(), mark);
                    assert_eq!(twice, None, "a reference was paid twice");
                }
                EventKind::Refunded { refund } => {
                    assert!(self.refunds.insert(refund.reference.clone()), "a reference was refunded twice");
                }
                EventKind::CreditGranted { .. } => self.grants += 1,
                EventKind::ResourceAdded { resource_id, .. } => self.resource = Some(*resource_id),
                EventKind::ResourceDeleted { resource_id, .. } => {
                    assert!(self.deleted.insert(*resource_id), "a resource was deleted twice");
                }
                _ => {}
            }
        }
        self.check_dunning(before);
    }

    /// Checks that a deployment leaves the dunning states as soon as nothing is overdue.
    fn check_dunning(&self, before: &Aggregate) {
        let Aggregate { deployment, .. } = &self.aggregate;
        let is_dunned = before.deployment.state.is_dunning() && !before.deployment.state_set_by_hand;
        let was_overdue = is_dunned && before.deployment.is_overdue(deployment.updated_at);
        let is_overdue = deployment.is_overdue(deployment.updated_at);
        assert!(!was_overdue || is_overdue || !deployment.state.is_dunning(), "nothing is overdue");
    }

    /// Checks that a deployment has a trace in the attention list exactly if it needs a person.
    fn check_attention(&self, table: &Table) {
        let Deployment { id, .. } = self.aggregate.deployment;
        for kind in Attention::OF_STATE {
            let traces = keys::attention_partitions(kind).flat_map(|pk| {
                let found = table.query(&pk, "").map(|(sk, _)| sk.parse::<AttentionEntry>().expect("a trace").due);
                found.filter(|due| due.id == id).map(|due| due.at).collect::<Vec<_>>()
            });
            let expected = kind.since(&self.aggregate.deployment);
            assert_eq!(traces.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>(), "{kind}");
        }
    }

    /// Checks that invoices and payments are stored as the events have them.
    fn check_money(&self, table: &Table, id: DeploymentId, message: &Message) {
        for (pk, sk) in keys_of(&message.writes) {
            if let Some(number) = sk.strip_prefix("INVOICE#") {
                let number: InvoiceNumber = number.parse().expect("a number");
                // With its index keys, whether its writer had read it or not.
                let invoice = self.invoices.get(&number).expect("an invoice that events tell of");
                let row = InvoiceRow::new(&self.aggregate.deployment, invoice.clone());
                let expected = items::from_invoice(&row, DUE_SHARDS).expect("an item");
                assert_eq!(table.get(&keys::invoice(id, &number)), Some(&expected), "{pk} {sk}");
            } else if let Some(reference) = sk.strip_prefix("PAYMENT#") {
                let reference = reference.parse().expect("a reference");
                let (number, payment) = self.payments.get(&reference).expect("a payment");
                let expected = items::from_payment(id, number, payment).expect("a mark");
                assert_eq!(table.get(&keys::payment(id, &reference)), Some(&expected));
            }
        }
        let audited = audit(id, &self.events).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(audited.invoices, self.invoices);
    }
}

/// Checks that no rung of the ladder is taken before its days after the due date, nor too soon after the previous rung.
fn check_rung(before: &Aggregate, event: &Event) {
    let is_rung = event.reason.as_ref().is_some_and(|reason| reason.as_str().starts_with("invoice_"));
    if !is_rung || event.actor != "system:billing" {
        return;
    }
    let Deployment { dunning_policy: policy, state_since, .. } = &before.deployment;
    let [past_due, suspended, cancelled] =
        [policy.past_due_after_days, policy.suspended_after_days, policy.cancelled_after_days].map(i64::from);
    let (days, apart) = match (event.from_state, event.to_state) {
        (Some(State::Active), Some(State::PastDue)) => (past_due, 0),
        (Some(State::PastDue), Some(State::Suspended)) => (suspended, suspended - past_due),
        (Some(State::Suspended), Some(State::Cancelled)) => (cancelled, cancelled - suspended),
        (Some(State::Paused), Some(State::Cancelled)) => (cancelled, 0),
        rung => panic!("{rung:?} is no rung"),
    };
    let dunned_from = before.deployment.dunned_from().expect("an open invoice");
    let earliest = (dunned_from + TimeDelta::days(days)).max(*state_since + TimeDelta::days(apart));
    assert!(event.occurred_at >= earliest, "a rung taken early: {event:?}");
}

/// How long a key is valid at least, by any clock.
pub fn certain() -> TimeDelta {
    KEPT_FOR - TimeDelta::seconds(2 * MAX_SKEW_S + 1)
}
