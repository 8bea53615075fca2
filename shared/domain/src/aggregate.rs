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
use super::subscription::{Subscription, SubscriptionAddon};
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
        let overdue_since = self.deployment.oldest_due_at().filter(|due_at| *due_at <= event.occurred_at);
        self.apply_kind(event).ok_or(ReplayError::Inconsistent { sequence: event.sequence })?;
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
        self.deployment.version = event.sequence;
        self.deployment.updated_at = event.occurred_at;
        Ok(())
    }

    /// Returns `None` if the event contradicts the state.
    fn apply_kind(&mut self, event: &Event) -> Option<()> {
        let deployment = &mut self.deployment;
        match &event.kind {
            EventKind::Created { .. } => return None,
            EventKind::StateChanged { resume_at, paused_by, subscription } => {
                if event.from_state != Some(deployment.state) {
                    return None;
                }
                deployment.state = event.to_state?;
                deployment.state_since = event.occurred_at;
                (deployment.resume_at, deployment.released_at) = (*resume_at, None);
                deployment.paused_by = *paused_by;
                self.subscription.clone_from(subscription);
            }
            EventKind::Updated(updated) => apply_update(deployment, updated, event.occurred_at),
            EventKind::ResourceAdded { .. } => deployment.live_resources = deployment.live_resources.checked_add(1)?,
            EventKind::ResourceDeleted { .. } => {
                deployment.live_resources = deployment.live_resources.checked_sub(1)?
            }
            EventKind::Subscribed { subscription, addons, dunning_policy } => {
                deployment.dunning_policy = *dunning_policy;
                self.subscription = Some(subscription.clone());
                self.addons.clone_from(addons);
            }
            EventKind::AddonAttached { addon, subscription } => {
                self.addons.push(addon.clone());
                self.subscription = Some(subscription.clone());
            }
            EventKind::AddonDetached { addon, subscription } => {
                self.remove_addon(addon.id)?;
                self.subscription = Some(subscription.clone());
            }
            EventKind::PlanChanged { dropped_addons, subscription, .. } => {
                for id in dropped_addons {
                    self.remove_addon(*id)?;
                }
                self.subscription = Some(subscription.clone());
            }
            EventKind::TrialExtended { ends_at, subscription } => {
                if deployment.state == State::Trial {
                    deployment.trial_ends_at = Some(ends_at.to);
                }
                self.subscription.clone_from(subscription);
            }
            EventKind::InvoiceOpened { invoice, dunning_policy } => {
                deployment.dunning_policy = dunning_policy.unwrap_or(deployment.dunning_policy);
                deployment.add_balance(invoice.currency, -invoice.balance_cents)?;
                deployment.open_invoices.extend(invoice.as_open());
            }
            EventKind::PaymentReceived { number, payment, due_cents } => {
                receive_payment(deployment, number, payment, *due_cents)?;
            }
            EventKind::InvoiceVoided { number, subscription } => {
                deployment.drop_owed(number);
                self.keep(subscription);
            }
            EventKind::InvoiceWrittenOff { number, amount_cents: _, subscription } => {
                deployment.drop_owed(number);
                self.keep(subscription);
            }
            EventKind::WriteOffWithdrawn { number: _, status, owed, subscription } => {
                deployment.owe(*status, owed)?;
                self.keep(subscription);
            }
            EventKind::PaymentReversed { status, owed, .. } => deployment.owe(*status, owed)?,
            EventKind::InvoiceDueDateChanged { number, due_at } => {
                let mut open = deployment.open_invoices.iter_mut();
                open.find(|open| open.number == *number)?.due_at = due_at.to;
            }
            EventKind::CreditNoteIssued { number: _, subscription } => self.keep(subscription),
            EventKind::CreditGranted { .. }
            | EventKind::Refunded { .. }
            | EventKind::BalanceApplied { .. }
            | EventKind::DiscountEnded { .. } => {}
            EventKind::InvoicesUncollectible { numbers } => {
                for number in numbers {
                    let index = deployment.open_invoices.iter().position(|open| open.number == *number)?;
                    let given_up = deployment.open_invoices.remove(index);
                    deployment.uncollectible_invoices.push(given_up);
                }
            }
            EventKind::Renewed { subscription }
            | EventKind::ChargeAdded { subscription }
            | EventKind::TrialEnded { subscription }
            | EventKind::PriceChangeAnnounced { subscription, .. }
            | EventKind::PlanChangeScheduled { subscription }
            | EventKind::PlanChangeWithdrawn { subscription }
            | EventKind::CancellationScheduled { subscription }
            | EventKind::CancellationWithdrawn { subscription }
            | EventKind::DiscountGranted { subscription }
            | EventKind::DiscountRemoved { coupon: _, subscription }
            | EventKind::SubscriptionCancelled { subscription } => self.subscription = Some(subscription.clone()),
        }
        Some(())
    }

    /// Replaces the subscription, if an event has one.
    fn keep(&mut self, subscription: &Option<Subscription>) {
        if subscription.is_some() {
            self.subscription.clone_from(subscription);
        }
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
    let EventKind::Created {
        tenant_id,
        slug,
        display_name,
        region,
        llm_mode,
        template_code,
        template_version,
        trial_ends_at,
        tenant_rules,
    } = event.kind.clone()
    else {
        return Err(ReplayError::NotCreated);
    };
    if event.sequence != 1 {
        return Err(ReplayError::Gap { expected: 1, found: event.sequence });
    }
    let deployment = Deployment {
        id,
        tenant_id,
        slug,
        display_name,
        region,
        state: event.to_state.ok_or(ReplayError::NotCreated)?,
        state_since: event.occurred_at,
        llm_mode,
        billing_action_suspended: false,
        held_since: None,
        template: template_code.zip(template_version).map(|(code, version)| Template { code, version }),
        trial_ends_at,
        paused_by: None,
        tenant_rules,
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
