//! The rules of money over time: what a change of state bills, payments, and the steps of the clock.

use crate::domain::actor::{Actor, Authority};
use crate::domain::aggregate::{Aggregate, Change};
use crate::domain::clock::{Action, Rung, next_action};
use crate::domain::event::{Event, EventKind};
use crate::domain::invoice::{Invoice, InvoiceStatus, MAX_PAYMENTS, Payment, bill_period, bill_rest};
use crate::domain::lifecycle::State;
use crate::domain::money::Currency;
use crate::domain::policy::DunningPolicy;
use crate::domain::subscription::{Subscription, SubscriptionAddon};
use crate::domain::values::{Notes, Reason, SubscriptionAddonId, Timestamp};

use super::{Context, Rejection, subscriptions};

/// Whom the clock's events are attributed to.
const BILLING_ACTOR: &str = "system:billing";

/// A move to another state that has been found to be allowed.
pub(super) struct Moved {
    pub to: State,
    pub reason: Option<Reason>,
    pub notes: Option<Notes>,
    pub resume_at: Option<Timestamp>,
    /// When it counts from, for billing: a scheduled move may be carried out late.
    pub effective_at: Timestamp,
    /// The tenant's policy, if it is to be copied anew.
    pub dunning_policy: Option<DunningPolicy>,
}

/// The events of a move: the change of state, with the subscription following, and the invoices that this opens.
pub(super) fn move_to(context: &Context<'_>, moved: Moved) -> Vec<Event> {
    let Aggregate { deployment, subscription: old, addons, versions: _ } = context.aggregate;
    let Moved { to, reason, notes, resume_at, effective_at, dunning_policy } = moved;
    let policy = dunning_policy.unwrap_or(deployment.dunning_policy);
    let mut subscription = old.clone();
    let mut invoices = Vec::new();
    if let Some(new) = &mut subscription {
        new.follow(deployment.state, to, effective_at);
        let was = old.as_ref();
        if was.is_some_and(|was| was.billed_from != new.billed_from) {
            invoices = bill_period(new, addons, deployment.id, &policy, context.at);
        } else if was.is_some_and(|was| was.is_live() && !new.is_live() && !deployment.state.is_dunning()) {
            invoices = bill_rest(new, deployment.id, &policy, effective_at, context.at);
        }
    }
    let state_changed = Event {
        from_state: Some(deployment.state),
        to_state: Some(to),
        reason,
        notes,
        ..context.event(EventKind::StateChanged { resume_at, subscription, dunning_policy })
    };
    let opened = invoices.into_iter().map(|invoice| context.event(EventKind::InvoiceOpened { invoice }));
    std::iter::once(state_changed).chain(opened).collect()
}

pub(super) fn pay(
    context: &Context<'_>,
    invoice: &Invoice,
    payment: Payment,
    currency: Currency,
) -> Result<Option<Change>, Rejection> {
    if let Some(known) = invoice.payments.iter().find(|known| known.reference == payment.reference) {
        let same = known.amount_cents == payment.amount_cents && currency == invoice.currency;
        return if same { Ok(None) } else { Err(Rejection::PaymentReferenceReused) };
    }
    match invoice.status {
        InvoiceStatus::Open => expect_listed(context, invoice)?,
        InvoiceStatus::Uncollectible => {}
        InvoiceStatus::Paid | InvoiceStatus::Void => {
            return Err(Rejection::InvoiceNotOpen(invoice.status.as_str()));
        }
    }
    if currency != invoice.currency {
        return Err(Rejection::PaymentCurrency(invoice.currency));
    }
    if payment.amount_cents > invoice.due_cents() {
        return Err(Rejection::Overpayment { due_cents: invoice.due_cents() });
    }
    if invoice.payments.len() >= MAX_PAYMENTS {
        return Err(Rejection::TooManyPayments);
    }
    let paid = invoice.pay(Payment { received_at: context.at, ..payment.clone() });
    let payment = Payment { received_at: context.at, ..payment };
    let received = EventKind::PaymentReceived { number: paid.number.clone(), payment, due_cents: paid.due_cents() };
    Ok(Some(settle(context, paid, received)))
}

pub(super) fn void(context: &Context<'_>, invoice: &Invoice) -> Result<Option<Change>, Rejection> {
    match invoice.status {
        InvoiceStatus::Void => return Ok(None),
        InvoiceStatus::Open => expect_listed(context, invoice)?,
        InvoiceStatus::Paid | InvoiceStatus::Uncollectible => {
            return Err(Rejection::InvoiceNotOpen(invoice.status.as_str()));
        }
    }
    if !invoice.payments.is_empty() {
        return Err(Rejection::InvoiceHasPayments);
    }
    let void = invoice.close(InvoiceStatus::Void, context.at);
    let voided = EventKind::InvoiceVoided { number: void.number.clone() };
    Ok(Some(settle(context, void, voided)))
}

/// An invoice is read after its deployment, and can be newer.
fn expect_listed(context: &Context<'_>, invoice: &Invoice) -> Result<(), Rejection> {
    let listed = context.deployment().open_invoices.iter().any(|open| open.number == invoice.number);
    if listed { Ok(()) } else { Err(Rejection::InvoiceJustOpened) }
}

/// What happens to an invoice; and if with it nothing is open any more, the deployment runs again.
fn settle(context: &Context<'_>, invoice: Invoice, kind: EventKind) -> Change {
    let deployment = context.deployment();
    let closed = invoice.as_open().is_none();
    let was_open = deployment.open_invoices.iter().any(|open| open.number == invoice.number);
    let last = closed && was_open && deployment.open_invoices.len() == 1;
    let mut events = vec![context.event(kind)];
    if last && deployment.state.is_dunning() {
        events.extend(move_to(
            context,
            Moved {
                to: State::Active,
                reason: "settled".parse().ok(),
                notes: None,
                resume_at: None,
                effective_at: context.at,
                dunning_policy: None,
            },
        ));
    }
    Change { invoice: Some(invoice), ..context.change(events) }
}

/// Takes the next step of the clock, if one is due at `now`. `policy` is the tenant's as it is now.
#[must_use]
pub fn step(aggregate: &Aggregate, policy: DunningPolicy, now: Timestamp) -> Option<Change> {
    let next = next_action(aggregate).filter(|next| next.at <= now)?;
    let actor = Actor { id: BILLING_ACTOR.to_owned(), authority: Authority::Billing };
    let at = now.max(aggregate.deployment.updated_at);
    let context = Context { aggregate, actor: &actor, at };
    let go = |to, reason: &str, dunning_policy| {
        let reason = reason.parse().ok();
        let effective_at = next.at;
        move_to(&context, Moved { to, reason, notes: None, resume_at: None, effective_at, dunning_policy })
    };
    let subscription = aggregate.live_subscription();
    let events = match next.action {
        Action::CancelSubscription => numbered(&context, subscriptions::end(&context, subscription?.clone(), next.at)),
        Action::EndTrial if aggregate.deployment.state == State::Trial => {
            let to = if subscription.is_some() { State::Active } else { State::Cancelled };
            go(to, "trial_ended", None)
        }
        Action::EndTrial => numbered(&context, end_trial(&context, subscription?.clone(), next.at)),
        Action::Resume => go(State::Active, "resumed", None),
        Action::MarkPastDue | Action::Suspend | Action::CancelUnpaid => {
            let rung = Rung::from(aggregate.deployment.state)?;
            // Deadlines that run from here on are those of the policy as it is now, whatever becomes of it.
            let entered = (rung.to == State::PastDue).then_some(policy);
            let mut events = go(rung.to, rung.reason, entered);
            if rung.to == State::Cancelled {
                let numbers = aggregate.deployment.open_invoices.iter().map(|open| open.number.clone()).collect();
                events.push(context.event(EventKind::InvoicesUncollectible { numbers }));
            }
            events
        }
        Action::ChangePlan => numbered(&context, change_plan(&context, subscription?.clone())),
        Action::Renew => numbered(&context, renew(&context, subscription?.clone(), policy)),
        Action::Archive => go(State::Archived, "retention_ended", None),
    };
    Some(context.change(events))
}

fn numbered(context: &Context<'_>, kinds: Vec<EventKind>) -> Vec<Event> {
    kinds.into_iter().map(|kind| context.event(kind)).collect()
}

fn end_trial(context: &Context<'_>, mut subscription: Subscription, at: Timestamp) -> Vec<EventKind> {
    subscription.begin_billing(at);
    let policy = context.deployment().dunning_policy;
    let invoices = opened(context, &mut subscription, &context.aggregate.addons, policy);
    std::iter::once(EventKind::TrialEnded { subscription }).chain(invoices).collect()
}

fn renew(context: &Context<'_>, mut subscription: Subscription, policy: DunningPolicy) -> Vec<EventKind> {
    // Whoever is on the dunning ladder climbs it by the policy that they entered it with.
    let copied = (!context.deployment().state.is_dunning()).then_some(policy);
    subscription.renew();
    let policy = copied.unwrap_or(context.deployment().dunning_policy);
    let invoices = opened(context, &mut subscription, &context.aggregate.addons, policy);
    std::iter::once(EventKind::Renewed { subscription, dunning_policy: copied }).chain(invoices).collect()
}

/// The end of a period after which another plan counts.
fn change_plan(context: &Context<'_>, old: Subscription) -> Vec<EventKind> {
    let mut new = old.clone();
    let Some(pending) = new.pending_change.take() else { return Vec::new() };
    let same_interval = pending.terms.interval == old.terms.interval;
    new.terms = pending.terms;
    if same_interval {
        new.renew()
    } else {
        new.begin_billing(old.current_period_end)
    }
    let fits = |addon: &&SubscriptionAddon| addon.currency == new.terms.currency;
    let addons = &context.aggregate.addons;
    let kept: Vec<SubscriptionAddon> = addons.iter().filter(fits).cloned().collect();
    let dropped: Vec<SubscriptionAddonId> = addons.iter().filter(|addon| !fits(addon)).map(|addon| addon.id).collect();
    let invoices = opened(context, &mut new, &kept, context.deployment().dunning_policy);
    let changed = EventKind::PlanChanged {
        from: old.terms,
        to: new.terms.clone(),
        lines: Vec::new(),
        dropped_addons: dropped,
        subscription: new,
    };
    std::iter::once(changed).chain(invoices).collect()
}

fn opened(
    context: &Context<'_>,
    subscription: &mut Subscription,
    addons: &[SubscriptionAddon],
    policy: DunningPolicy,
) -> Vec<EventKind> {
    let invoices = bill_period(subscription, addons, context.deployment().id, &policy, context.at);
    invoices.into_iter().map(|invoice| EventKind::InvoiceOpened { invoice }).collect()
}
