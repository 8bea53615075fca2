//! The aggregate: a deployment with the records that decisions need, and how events change it. Decisions themselves
//! are in [`super::decide()`].
//!
//! A decision and a replay of the whole history use the same [`Aggregate::apply`], so the two cannot disagree.

use super::balance::BalanceMovement;
use super::coupon::Redemption;
use super::deployment::{Deployment, Template};
use super::event::{Changed, Event, EventKind, Updated};
use super::invoice::{Invoice, Payment};
use super::lifecycle::State;
use super::money::Currency;
use super::policy::DunningPolicy;
use super::resource::Resource;
use super::subscription::{PlanTerms, Subscription, SubscriptionAddon};
use super::tenant_rules::{UnsubscribedFlow, UnsubscribedTime};
use super::values::{DeploymentId, InvoiceNumber, Notes, Reason, ShortCode, SubscriptionAddonId, Timestamp};
use super::versions::Versions;

/// A deployment with its subscription and add-ons, as one Query reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// The deployment itself.
    pub deployment: Deployment,
    /// Its live subscription, or else its last one.
    pub subscription: Option<Subscription>,
    /// The add-ons of that subscription, oldest first.
    pub addons: Vec<SubscriptionAddon>,
    /// The versions of the subscription and of its add-ons.
    pub versions: Versions,
}

/// A change to write in one transaction: the difference between `before` and `after`, and the records that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The aggregate that the decision read; `None` if the change creates the deployment.
    pub before: Option<Aggregate>,
    /// The aggregate after the change.
    pub after: Aggregate,
    /// The events of the change, in order.
    pub events: Vec<Event>,
    /// The cloud resource that the change writes, as it is afterwards.
    pub resource: Option<Resource>,
    /// The version of that resource that the decision read; `None` for a new resource.
    pub resource_read: Option<u64>,
    /// Whether to open the tenant's account if it has none yet.
    pub opens_account: bool,
    /// The plan whose trial the tenant uses with this change; each tenant has one per plan.
    pub trial_of: Option<ShortCode>,
    /// The invoice that the decision read, as it is afterwards. Writes to all other invoices follow from the events.
    pub invoice: Option<Invoice>,
    /// The version of that invoice that the decision read.
    pub invoice_read: Option<u64>,
    /// The movement of balance that no invoice has.
    pub movement: Option<BalanceMovement>,
    /// The grant of a coupon, to be counted.
    pub redeems: Option<Redemption>,
}

impl Change {
    /// Whether it issues an invoice. An invoice uses the tenant's dunning policy.
    #[must_use]
    pub fn issues_invoice(&self) -> bool {
        self.events.iter().any(|event| matches!(event.kind, EventKind::InvoiceOpened { .. }))
    }

    /// The terms that a subscription comes back to, or will change to: it was cancelled with its deployment, or had its
    /// customer's own scheduled cancellation or change. An operation that announces a price change passes over such
    /// subscriptions, so this change must be decided together with the missed one ([`super::decide::Read::successor`]).
    #[must_use]
    pub fn returns_to(&self) -> Option<&PlanTerms> {
        let live = self.after.live_subscription()?;
        let before = self.before.as_ref()?.subscription.as_ref()?;
        let own_change = before.pending_change.as_ref().is_some_and(|pending| !pending.is_announced());
        let gave_it_up = own_change && live.pending_change != before.pending_change;
        let was_out = !before.is_live() || before.cancel_at.is_some() || gave_it_up;
        (was_out && live.cancel_at.is_none() && before.id == live.id).then_some(live.next_terms())
    }

    /// The change with a reason and notes on its first event, unless that has its own.
    #[must_use]
    pub fn because(mut self, reason: Option<&Reason>, notes: Option<&Notes>) -> Self {
        if let Some(event) = self.events.first_mut() {
            event.reason = event.reason.take().or_else(|| reason.cloned());
            event.notes = event.notes.take().or_else(|| notes.cloned());
        }
        self
    }
}

/// Why a list of events is not the history of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// There is no event, or the first is not `created`.
    #[error("a history must begin with `created`")]
    NotCreated,
    /// An event is missing or out of order.
    #[error("event {expected} is missing, found {found}")]
    Gap {
        /// The sequence that was expected.
        expected: u64,
        /// The sequence that was found.
        found: u64,
    },
    /// An event does not follow from the state before it.
    #[error("event {sequence} does not follow from the events before it")]
    Inconsistent {
        /// The event.
        sequence: u64,
    },
}

/// Applies a deployment's whole history, oldest event first, and returns its present state.
///
/// # Errors
/// [`ReplayError`] if the events are not numbered 1 to n, or contradict each other.
pub fn replay(id: DeploymentId, events: &[Event]) -> Result<Aggregate, ReplayError> {
    let (first, rest) = events.split_first().ok_or(ReplayError::NotCreated)?;
    let mut aggregate = created(id, first)?;
    for event in rest {
        aggregate.apply(event)?;
    }
    Ok(aggregate)
}

/// Months in a year.
const MONTHS: i64 = 12;

impl Aggregate {
    /// Its recurring revenue, in minor units per year: the prices of plan and add-ons for one interval after the discount
    /// that runs, times the intervals of a year. `None` unless it is active or past due with a live subscription outside
    /// its trial.
    #[must_use]
    pub fn recurring(&self) -> Option<(Currency, i64)> {
        let pays = matches!(self.deployment.state, State::Active | State::PastDue);
        let live = self.live_subscription().filter(|live| pays && !live.in_trial())?;
        let cents = live.recurring_cents(&self.addons)?;
        let times = MONTHS / i64::from(live.terms.interval.months());
        Some((live.terms.currency, cents.checked_mul(times)?))
    }

    /// The time without a subscription that it has used, if its tenant's rules limit that. A deployment that an earlier
    /// build wrote has no record of it: it counts from the latest of the rule, its state and the end of its subscription.
    #[must_use]
    pub fn unsubscribed(&self) -> Option<UnsubscribedTime> {
        let rule = self.deployment.tenant_rules.unsubscribed?;
        let ended_at = self.subscription.as_ref().and_then(|last| last.ended_at);
        let since = rule.since.max(self.deployment.state_since);
        let unrecorded = || UnsubscribedTime { seconds: 0, at: ended_at.map_or(since, |ended_at| since.max(ended_at)) };
        Some(self.deployment.unsubscribed.unwrap_or_else(unrecorded))
    }

    fn unsubscribed_flow(&self) -> UnsubscribedFlow {
        match (self.deployment.state, self.live_subscription()) {
            (State::Active | State::PastDue, None) => UnsubscribedFlow::Grows,
            (State::Active | State::PastDue, Some(live)) if !live.in_trial() => UnsubscribedFlow::Shrinks,
            _ => UnsubscribedFlow::Stands,
        }
    }

    /// When an event changed the flow of the time without a subscription: a late sweep ends a subscription at its end.
    fn flow_changed_at(&self, before: Option<&Subscription>, occurred_at: Timestamp) -> Timestamp {
        let has_ended = before.is_some_and(Subscription::is_live) && self.live_subscription().is_none();
        let ended_at = self.subscription.as_ref().and_then(|last| last.ended_at).filter(|_| has_ended);
        ended_at.map_or(occurred_at, |ended_at| ended_at.min(occurred_at))
    }

    /// Its subscription, if that is live.
    #[must_use]
    pub fn live_subscription(&self) -> Option<&Subscription> {
        self.subscription.as_ref().filter(|s| s.is_live())
    }

    /// Applies `event`, the next one of the history.
    ///
    /// # Errors
    /// [`ReplayError`] if the event is not the next one, or contradicts the state.
    pub(super) fn apply(&mut self, event: &Event) -> Result<(), ReplayError> {
        let expected = self.deployment.version + 1;
        if event.sequence != expected {
            return Err(ReplayError::Gap { expected, found: event.sequence });
        }
        let (subscription, addons) = (self.subscription.clone(), self.addons.clone());
        let (rule, used) = (self.deployment.tenant_rules.unsubscribed, self.unsubscribed());
        let flow = self.unsubscribed_flow();
        let overdue_since = self.deployment.oldest_due_at().filter(|due_at| *due_at <= event.occurred_at);
        self.apply_kind(event).ok_or(ReplayError::Inconsistent { sequence: event.sequence })?;
        if let Some(changed) = event.kind.subscription() {
            let kept = self.subscription.take().map(|kept| kept.charges).unwrap_or_default();
            let charges = event.charges.as_ref().map_or_else(|| changed.charges.clone(), |changes| changes.apply(kept));
            self.subscription = Some(Subscription { charges, ..changed.clone() });
        }
        for entry in &event.entries {
            self.deployment.enter(entry).ok_or(ReplayError::Inconsistent { sequence: event.sequence })?;
        }
        // An invoice that becomes overdue later must not hide that this one was.
        if let Some(since) = overdue_since
            && self.deployment.oldest_due_at().is_none_or(|due_at| due_at > since)
        {
            self.deployment.release(event.occurred_at);
        }
        // Sorted by id, as the table returns them: ids made within one millisecond, or by a clock that runs behind, do
        // not sort in the order of creation.
        self.addons.sort_unstable_by_key(|addon| addon.id);
        let old = (subscription.as_ref(), addons.as_slice());
        self.versions.record(event.sequence, old, (self.subscription.as_ref(), &self.addons));
        self.deployment.has_had_revenue |= self.recurring().is_some();
        let present = self.deployment.tenant_rules.unsubscribed;
        if rule != present {
            self.deployment.unsubscribed = None;
            self.deployment.unsubscribed = self.unsubscribed();
        } else if let Some((rule, used)) = rule.zip(used).filter(|_| flow != self.unsubscribed_flow()) {
            let at = self.flow_changed_at(subscription.as_ref(), event.occurred_at);
            self.deployment.unsubscribed = Some(rule.after(used, flow, at));
        }
        self.deployment.version = event.sequence;
        self.deployment.updated_at = event.occurred_at;
        Ok(())
    }

    /// Returns `None` if the event contradicts the state.
    fn apply_kind(&mut self, event: &Event) -> Option<()> {
        let deployment = &mut self.deployment;
        match &event.kind {
            EventKind::Created(_) => return None,
            EventKind::StateChanged { resume_at, paused_by, .. } => {
                if event.from_state != Some(deployment.state) {
                    return None;
                }
                deployment.state = event.to_state?;
                deployment.state_since = event.occurred_at;
                deployment.state_set_by_hand =
                    deployment.state.is_dunning() && !deployment.is_overdue(event.occurred_at);
                (deployment.resume_at, deployment.released_at) = (*resume_at, None);
                deployment.paused_by = *paused_by;
            }
            EventKind::Updated(updated) => apply_update(deployment, updated, event.occurred_at),
            EventKind::ResourceAdded { .. } => deployment.live_resources = deployment.live_resources.checked_add(1)?,
            EventKind::ResourceDeleted { .. } => {
                deployment.live_resources = deployment.live_resources.checked_sub(1)?
            }
            EventKind::Subscribed { addons, dunning_policy, .. } => {
                deployment.dunning_policy = *dunning_policy;
                self.addons.clone_from(addons);
            }
            EventKind::AddonAttached { addon, .. } => self.addons.push(addon.clone()),
            EventKind::AddonDetached { addon, .. } => self.remove_addon(addon.id)?,
            EventKind::PlanChanged { dropped_addons, .. } => {
                for id in dropped_addons {
                    self.remove_addon(*id)?;
                }
            }
            EventKind::TrialExtended { ends_at, .. } if deployment.state == State::Trial => {
                deployment.trial_ends_at = Some(ends_at.to);
            }
            EventKind::InvoiceOpened { invoice, dunning_policy } => {
                deployment.dunning_policy = dunning_policy.unwrap_or(deployment.dunning_policy);
                deployment.add_balance(invoice.currency, -invoice.balance_cents)?;
                deployment.open_invoices.extend(invoice.as_open());
            }
            EventKind::PaymentReceived { number, payment, due_cents } => {
                receive_payment(deployment, number, payment, *due_cents)?;
            }
            EventKind::InvoiceVoided { number, .. } | EventKind::InvoiceWrittenOff { number, .. } => {
                deployment.drop_owed(number);
            }
            EventKind::WriteOffWithdrawn { status, owed, .. } => deployment.owe(*status, owed)?,
            EventKind::PaymentReversed { status, owed, .. } => deployment.owe(*status, owed)?,
            EventKind::InvoiceDueDateChanged { number, due_at } => {
                let mut open = deployment.open_invoices.iter_mut();
                open.find(|open| open.number == *number)?.due_at = due_at.to;
            }
            EventKind::InvoicesUncollectible { numbers } => {
                for number in numbers {
                    let index = deployment.open_invoices.iter().position(|open| open.number == *number)?;
                    let given_up = deployment.open_invoices.remove(index);
                    deployment.uncollectible_invoices.push(given_up);
                }
            }
            EventKind::CreditNoteIssued { .. }
            | EventKind::CreditGranted { .. }
            | EventKind::Refunded { .. }
            | EventKind::BalanceApplied { .. }
            | EventKind::DiscountEnded { .. }
            | EventKind::TrialExtended { .. }
            | EventKind::Renewed { .. }
            | EventKind::ChargeAdded { .. }
            | EventKind::TrialEnded { .. }
            | EventKind::PriceChangeAnnounced { .. }
            | EventKind::PlanChangeScheduled { .. }
            | EventKind::PlanChangeWithdrawn { .. }
            | EventKind::CancellationScheduled { .. }
            | EventKind::CancellationWithdrawn { .. }
            | EventKind::DiscountGranted { .. }
            | EventKind::DiscountRemoved { .. }
            | EventKind::SubscriptionCancelled { .. } => {}
        }
        Some(())
    }

    fn remove_addon(&mut self, id: SubscriptionAddonId) -> Option<()> {
        let index = self.addons.iter().position(|addon| addon.id == id)?;
        self.addons.remove(index);
        Some(())
    }
}

/// Sets the amount due of an open or uncollectible invoice. Another invoice can only have a payment that became balance.
fn receive_payment(
    deployment: &mut Deployment,
    number: &InvoiceNumber,
    payment: &Payment,
    due_cents: i64,
) -> Option<()> {
    let Deployment { open_invoices, uncollectible_invoices, .. } = deployment;
    let mut owed = open_invoices.iter_mut().chain(uncollectible_invoices.iter_mut());
    match owed.find(|owed| owed.number == *number) {
        Some(owed) => owed.due_cents = due_cents,
        None if payment.excess_cents == payment.amount_cents => {}
        None => return None,
    }
    deployment.drop_settled();
    Some(())
}

fn created(id: DeploymentId, event: &Event) -> Result<Aggregate, ReplayError> {
    let EventKind::Created(created) = event.kind.clone() else { return Err(ReplayError::NotCreated) };
    if event.sequence != 1 {
        return Err(ReplayError::Gap { expected: 1, found: event.sequence });
    }
    let deployment = Deployment {
        id,
        tenant_id: created.tenant_id,
        slug: created.slug,
        display_name: created.display_name,
        region: created.region,
        state: event.to_state.ok_or(ReplayError::NotCreated)?,
        state_since: event.occurred_at,
        state_set_by_hand: false,
        llm_mode: created.llm_mode,
        billing_action_suspended: false,
        held_since: None,
        template: created.template_code.zip(created.template_version).map(|(code, version)| Template { code, version }),
        trial_ends_at: created.trial_ends_at,
        paused_by: None,
        unsubscribed: created.tenant_rules.unsubscribed.map(|_| UnsubscribedTime { seconds: 0, at: event.occurred_at }),
        tenant_rules: created.tenant_rules,
        resume_at: None,
        released_at: None,
        live_resources: 0,
        open_invoices: Vec::new(),
        uncollectible_invoices: Vec::new(),
        balances: Vec::new(),
        dunning_policy: DunningPolicy::default(),
        has_had_revenue: false,
        version: 1,
        created_at: event.occurred_at,
        updated_at: event.occurred_at,
    };
    Ok(Aggregate { deployment, subscription: None, addons: Vec::new(), versions: Versions::default() })
}

fn apply_update(deployment: &mut Deployment, updated: &Updated, at: Timestamp) {
    let Updated {
        display_name,
        region,
        llm_mode,
        template_code,
        template_version,
        billing_action_suspended,
        resume_at,
        tenant_rules,
    } = updated.clone();
    set(&mut deployment.display_name, display_name);
    set(&mut deployment.region, region);
    set(&mut deployment.llm_mode, llm_mode);
    let tenant_was_held = deployment.tenant_rules.held;
    set(&mut deployment.tenant_rules, tenant_rules);
    if tenant_was_held && !deployment.tenant_rules.held {
        deployment.release(at);
    }
    let was_held = deployment.billing_action_suspended;
    set(&mut deployment.billing_action_suspended, billing_action_suspended);
    set(&mut deployment.resume_at, resume_at);
    match (was_held, deployment.billing_action_suspended) {
        (false, true) => deployment.held_since = Some(at),
        (true, false) => {
            deployment.held_since = None;
            deployment.release(at);
        }
        (false, false) | (true, true) => {}
    }
    let (mut code, mut version) = deployment.template.take().map(|t| (t.code, t.version)).unzip();
    set(&mut code, template_code);
    set(&mut version, template_version);
    deployment.template = code.zip(version).map(|(code, version)| Template { code, version });
}

fn set<T>(field: &mut T, changed: Option<Changed<T>>) {
    if let Some(changed) = changed {
        *field = changed.to;
    }
}
