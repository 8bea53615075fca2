//! The rules of billing: the invoices of a change of state, payments, voiding, the end of dunning, and scheduled steps.
//! When a step is due is in [`crate::clock`].

use super::books::{Books, require_room};
use super::{Context, Overpayment, Pay, Rejection, invalid};
use crate::actor::{Actor, Authority};
use crate::aggregate::{Aggregate, Change};
use crate::clock::{Action, Rung, next_action, unsubscribed_until};
use crate::deployment::{Deployment, PausedBy};
use crate::event::{Event, EventKind};
use crate::invoice::{Invoice, InvoiceStatus, MAX_PAYMENTS, MAX_SETTLING_PAYMENTS, Payment};
use crate::lifecycle::State;
use crate::money::Currency;
use crate::policy::{DunningPolicy, days_after};
use crate::subscription::{Subscription, SubscriptionAddon, SubscriptionStatus};
use crate::values::{InvoiceNumber, Notes, Reason, SubscriptionAddonId, Timestamp};

/// The actor of scheduled steps.
const BILLING_ACTOR: &str = "system:billing";
/// The most open invoices of a deployment for scheduled steps.
pub const MAX_OPEN_INVOICES_BY_CLOCK: usize = 200;
/// The most invoices that one commit gives up. A store that counts figures adds two writes for each month that one was due in.
pub const MAX_GIVEN_UP_AT_ONCE: usize = 25;
/// The most uncollectible invoices of a deployment.
pub const MAX_UNCOLLECTIBLE_INVOICES: usize = 200;

/// A permitted move to another state.
#[derive(Clone)]
pub(super) struct Moved {
    pub to: State,
    pub reason: Option<Reason>,
    pub notes: Option<Notes>,
    pub resume_at: Option<Timestamp>,
    pub paused_by: Option<PausedBy>,
    /// The time from which it counts for billing; a scheduled move can be taken late.
    pub effective_at: Timestamp,
}

impl Moved {
    /// A move that follows from a rule.
    pub(super) fn by_rule(to: State, reason: &str, effective_at: Timestamp) -> Self {
        Self { to, reason: reason.parse().ok(), notes: None, resume_at: None, paused_by: None, effective_at }
    }
}

/// The events of a move: the change of state, with the change of the subscription, and the invoices that it issues.
pub(super) fn move_to(context: &Context<'_>, moved: Moved) -> Vec<Event> {
    let Aggregate { deployment, subscription: old, addons, .. } = context.aggregate;
    let Moved { to, reason, notes, resume_at, paused_by, effective_at } = moved;
    let mut books = Books::of_move(context, to);
    let mut events = Vec::new();
    let mut subscription = old.clone();
    if let (Some(old), Some(new)) = (old, &mut subscription) {
        let mut kept = addons.clone();
        let runs = to != State::Active || !deployment.tenant_rules.held;
        let mut opens = new.follow(deployment.state, to, runs, effective_at, context.at);
        // A change of plan scheduled for the end of the trial, or that the platform scheduled before a cancellation, comes
        // first: the period that begins has the new terms. A pause outlasts no boundary: the change has its own step.
        let has_step = old.status == SubscriptionStatus::Paused && !old.in_trial();
        if opens && !has_step {
            let mut tried = old.clone();
            if let Some(changed) = take_pending(&mut tried, &mut kept, effective_at) {
                events.push(context.event(changed));
                *new = tried;
                opens = new.follow(deployment.state, to, runs, effective_at, context.at);
            }
        }
        if opens {
            books.bill_period(new, &kept);
        } else if old.is_live() && old.status != new.status && new.status != SubscriptionStatus::Active {
            // It ended or is paused: the next invoice, which charges wait for, may never come.
            books.bill_waiting(new, effective_at, |_| true);
        }
    }
    let state_changed = Event {
        from_state: Some(deployment.state),
        to_state: Some(to),
        reason,
        notes,
        ..context.event(EventKind::StateChanged { resume_at, paused_by, subscription })
    };
    events.extend(books.finish(state_changed));
    events
}

/// Ends a subscription at `at`: credits the unused part of its charges and invoices the waiting ones.
pub(super) fn end(context: &Context<'_>, mut subscription: Subscription, at: Timestamp) -> Vec<Event> {
    let mut books = Books::new(context);
    books.credit(&mut subscription, at, |_| true);
    books.bill_waiting(&mut subscription, at, |_| true);
    subscription.cancel(at, context.at);
    books.finish(context.event(EventKind::SubscriptionCancelled { subscription }))
}

pub(super) fn pay(context: &Context<'_>, command: Pay) -> Result<Option<Change>, Rejection> {
    let Pay { invoice, payment, currency, overpayment } = command;
    if let Some(known) = invoice.payments.iter().find(|known| known.reference == payment.reference) {
        if known.reversal.is_some() {
            return Err(Rejection::PaymentReversed);
        }
        let same = known.amount_cents == payment.amount_cents && currency == invoice.currency;
        return if same { Ok(None) } else { Err(Rejection::PaymentReferenceReused) };
    }
    // Somewhere on Earth it is tomorrow already.
    let tomorrow = context.at.date_naive().succ_opt();
    if payment.value_date > tomorrow {
        return Err(invalid("value_date", "in_future", "must not be in the future"));
    }
    match (invoice.status, overpayment) {
        (InvoiceStatus::Open | InvoiceStatus::Uncollectible, _) => expect_listed(context, &invoice)?,
        (InvoiceStatus::Paid, Overpayment::Balance) => {}
        (InvoiceStatus::Paid, Overpayment::Refuse) => {
            return Err(Rejection::InvoiceNotOpen { status: invoice.status.as_str(), verb: "paid again" });
        }
        (InvoiceStatus::Void | InvoiceStatus::WrittenOff, _) => {
            return Err(Rejection::InvoiceNotOpen { status: invoice.status.as_str(), verb: "paid" });
        }
    }
    if currency != invoice.currency {
        return Err(Rejection::PaymentCurrency(invoice.currency));
    }
    let due_cents = invoice.due_cents();
    let excess_cents = (payment.amount_cents - due_cents).max(0);
    match overpayment {
        Overpayment::Refuse if excess_cents > 0 => return Err(Rejection::Overpayment { due_cents }),
        Overpayment::Balance if excess_cents > 0 => require_room(context, excess_cents, currency)?,
        Overpayment::Refuse | Overpayment::Balance => {}
    }
    let due_cents = due_cents - (payment.amount_cents - excess_cents);
    // Many small payments must not keep an invoice from being paid.
    let settles = invoice.is_owed() && due_cents == 0;
    let most = if settles { MAX_SETTLING_PAYMENTS } else { MAX_PAYMENTS };
    if invoice.payments.len() >= most {
        return Err(Rejection::TooManyPayments);
    }
    let payment = Payment { received_at: context.at, excess_cents, ..payment };
    let mut books = Books::new(context);
    books.pay(&invoice, excess_cents);
    let number = invoice.number.clone();
    let events = books.finish(context.event(EventKind::PaymentReceived { number, payment, due_cents }));
    let (invoice_read, invoice) = (Some(invoice.version), Some(invoice));
    Ok(Some(Change { invoice, invoice_read, ..context.change(events) }))
}

pub(super) fn void(context: &Context<'_>, invoice: Invoice) -> Result<Option<Change>, Rejection> {
    match invoice.status {
        InvoiceStatus::Void => return Ok(None),
        InvoiceStatus::Open | InvoiceStatus::Uncollectible => expect_listed(context, &invoice)?,
        InvoiceStatus::Paid | InvoiceStatus::WrittenOff => {}
    }
    // Balance from a reversed payment may have been used elsewhere.
    if invoice.standing_payments().next().is_some() {
        return Err(Rejection::InvoiceHasPayments);
    }
    if invoice.balance_held_cents() < 0 {
        return Err(Rejection::InvoiceBalanceUsed);
    }
    let mut books = Books::new(context);
    books.void(&invoice);
    // The charges of a voided invoice no longer exist: they cannot be credited.
    let is_on_it = |number: &Option<InvoiceNumber>| number.as_ref() == Some(&invoice.number);
    let mut subscription = context.aggregate.subscription.clone();
    subscription = subscription.filter(|s| s.charges.iter().any(|charge| is_on_it(&charge.invoice)));
    if let Some(subscription) = &mut subscription {
        subscription.charges.retain(|charge| !is_on_it(&charge.invoice));
    }
    let voided = EventKind::InvoiceVoided { number: invoice.number.clone(), subscription };
    let change = context.change(books.finish(context.event(voided)));
    let (invoice_read, invoice) = (Some(invoice.version), Some(invoice));
    Ok(Some(Change { invoice, invoice_read, ..change }))
}

/// Refuses an invoice that does not match its deployment's lists: it is read after the deployment, and can be newer.
pub(super) fn expect_listed(context: &Context<'_>, invoice: &Invoice) -> Result<(), Rejection> {
    let deployment = context.deployment();
    let mut owed = deployment.open_invoices.iter().chain(&deployment.uncollectible_invoices);
    if owed.any(|owed| *owed == invoice.as_owed()) { Ok(()) } else { Err(Rejection::InvoiceJustOpened) }
}

/// Ends dunning: returns a deployment to `active` after a change that leaves no invoice overdue, if one was. A state that
/// was set by hand while nothing was overdue lasts, also if an invoice became overdue since.
pub(super) fn end_dunning(context: &Context<'_>, change: Change) -> Change {
    let Aggregate { deployment, .. } = &change.after;
    let was_overdue = context.deployment().is_overdue(context.at);
    let is_dunned = deployment.state.is_dunning() && !deployment.state_set_by_hand;
    if !was_overdue || !is_dunned || deployment.is_overdue(context.at) {
        return change;
    }
    change.then(context, |after| move_to(after, Moved::by_rule(State::Active, "settled", context.at)))
}

/// Follows the rules of the tenant after a change: pauses a deployment that is active under a hold, resumes one that it
/// paused once the tenant is released, and pauses one whose time without a subscription is over.
pub(super) fn follow_rules(context: &Context<'_>, change: Change) -> Change {
    let Deployment { state, paused_by, tenant_rules, billing_action_suspended, .. } = change.after.deployment;
    let is_over = || unsubscribed_until(&change.after).is_some_and(|until| until <= context.at);
    let moved = if tenant_rules.held && state == State::Active {
        let paused_by = Some(PausedBy::TenantHold);
        Moved { paused_by, ..Moved::by_rule(State::Paused, "tenant_held", context.at) }
    } else if !tenant_rules.held && paused_by == Some(PausedBy::TenantHold) {
        Moved::by_rule(State::Active, "tenant_released", context.at)
    } else if state == State::Active && !billing_action_suspended && is_over() {
        let paused_by = Some(PausedBy::Unsubscribed);
        Moved { paused_by, ..Moved::by_rule(State::Paused, "unsubscribed", context.at) }
    } else {
        return change;
    };
    change.then(context, |after| move_to(after, moved))
}

/// Takes the next scheduled step, if it is due at `now`; `None` if no step is due. `policy` is the tenant's dunning
/// policy, if it was read.
///
/// # Errors
/// A [`Rejection`] if a limit forbids the step.
pub fn step(aggregate: &Aggregate, policy: Option<DunningPolicy>, now: Timestamp) -> Result<Option<Change>, Rejection> {
    let Some(next) = next_action(aggregate).filter(|next| next.at <= now) else { return Ok(None) };
    let actor = Actor { id: BILLING_ACTOR.to_owned(), authority: Authority::Billing };
    let at = now.max(aggregate.deployment.updated_at);
    let context = Context { aggregate, actor: &actor, policy, successor: None, at };
    let Some(events) = events_of(&context, next.action, next.at)? else { return Ok(None) };
    let change = follow_rules(&context, end_dunning(&context, context.change(events)));
    let open = change.after.deployment.open_invoices.len();
    if open > MAX_OPEN_INVOICES_BY_CLOCK && open > aggregate.deployment.open_invoices.len() {
        return Err(Rejection::TooManyOpenInvoices);
    }
    Ok(Some(change))
}

/// The most scheduled steps that are taken to find the next invoice.
const MAX_STEPS_AHEAD: usize = 24;

/// The invoices that scheduled steps issue next, and when, if the open ones are paid in time and nothing else happens.
/// They are several if charges of more than one currency fall due together.
///
/// # Errors
/// A [`Rejection`] if a limit forbids a step on the way.
pub fn next_invoices(aggregate: &Aggregate) -> Result<Option<(Timestamp, Vec<Invoice>)>, Rejection> {
    let mut ahead = aggregate.clone();
    ahead.deployment.open_invoices.clear();
    for _ in 0..MAX_STEPS_AHEAD {
        let Some(next) = next_action(&ahead) else { break };
        let Some(change) = step(&ahead, None, next.at)? else { break };
        let issued = change.events.iter().filter_map(|event| match &event.kind {
            EventKind::InvoiceOpened { invoice, .. } => Some(invoice.clone()),
            _ => None,
        });
        let issued: Vec<Invoice> = issued.collect();
        if !issued.is_empty() {
            return Ok(Some((next.at, issued)));
        }
        ahead = change.after;
    }
    Ok(None)
}

/// The events of a step that was due at `due_at`.
fn events_of(context: &Context<'_>, action: Action, due_at: Timestamp) -> Result<Option<Vec<Event>>, Rejection> {
    let Aggregate { deployment, .. } = context.aggregate;
    let go = |to, reason: &str| move_to(context, Moved::by_rule(to, reason, due_at));
    let live = context.aggregate.live_subscription().cloned();
    let ends_own_trial = deployment.state == State::Trial && !deployment.billing_action_suspended;
    Ok(match action {
        Action::CancelSubscription => live.map(|live| end(context, live, due_at)),
        Action::EndTrial if ends_own_trial => {
            Some(go(if live.is_some() { State::Active } else { State::Cancelled }, "trial_ended"))
        }
        Action::EndTrial => live.map(|live| end_trial(context, live, due_at)),
        Action::Resume => Some(go(State::Active, "resumed")),
        Action::PauseUnsubscribed => {
            let paused_by = Some(PausedBy::Unsubscribed);
            Some(move_to(context, Moved { paused_by, ..Moved::by_rule(State::Paused, "unsubscribed", due_at) }))
        }
        Action::ApplyBalance => Some(apply_balance(context)),
        Action::MarkPastDue | Action::Suspend | Action::CancelUnpaid => {
            // What a hold delayed counts from its end.
            let at = deployment.released_at.map_or(due_at, |released_at| due_at.max(released_at));
            let is_over = action == Action::Suspend && unsubscribed_until(context.aggregate) == Some(due_at);
            Rung::from(deployment.state).map(|rung| {
                let reason = if is_over { "unsubscribed" } else { rung.reason };
                move_to(context, Moved::by_rule(rung.to, reason, at))
            })
        }
        Action::ChangePlan => live.map(|live| change_plan(context, live)),
        Action::Renew => live.map(|live| renew(context, live)),
        Action::GiveUp => Some(give_up(context)?),
        Action::Archive => Some(go(State::Archived, "retention_ended")),
    })
}

fn apply_balance(context: &Context<'_>) -> Vec<Event> {
    let mut books = Books::new(context);
    books.settle();
    let numbers = books.settled();
    books.finish(context.event(EventKind::BalanceApplied { numbers }))
}

/// Gives up the open invoices that are overdue for `cancelled_after_days`, those with the earliest due date first.
fn give_up(context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let deployment = context.deployment();
    let days = deployment.dunning_policy.cancelled_after_days;
    let mut overdue: Vec<_> =
        deployment.open_invoices.iter().filter(|open| days_after(open.dunned_from(), days) <= context.at).collect();
    overdue.sort_by_key(|open| open.dunned_from());
    let numbers: Vec<InvoiceNumber> =
        overdue.into_iter().take(MAX_GIVEN_UP_AT_ONCE).map(|open| open.number.clone()).collect();
    if deployment.uncollectible_invoices.len() + numbers.len() > MAX_UNCOLLECTIBLE_INVOICES {
        return Err(Rejection::TooManyOpenInvoices);
    }
    Ok(vec![context.event(EventKind::InvoicesUncollectible { numbers })])
}

fn end_trial(context: &Context<'_>, mut subscription: Subscription, at: Timestamp) -> Vec<Event> {
    let mut addons = context.aggregate.addons.clone();
    let changed = take_pending(&mut subscription, &mut addons, at);
    subscription.begin_billing(at);
    let mut books = Books::new(context);
    books.bill_period(&mut subscription, &addons);
    let ended = books.finish(context.event(EventKind::TrialEnded { subscription }));
    changed.map(|changed| context.event(changed)).into_iter().chain(ended).collect()
}

fn renew(context: &Context<'_>, mut subscription: Subscription) -> Vec<Event> {
    subscription.renew();
    let mut books = Books::new(context);
    books.bill_period(&mut subscription, &context.aggregate.addons);
    books.finish(context.event(EventKind::Renewed { subscription }))
}

/// Takes a scheduled change of plan at the end of a period. While the subscription is paused, no period opens.
fn change_plan(context: &Context<'_>, old: Subscription) -> Vec<Event> {
    let mut addons = context.aggregate.addons.clone();
    let mut new = old.clone();
    let Some(pending) = new.pending_change.take() else { return Vec::new() };
    let dropped_addons = drop_unfit(&mut addons, pending.terms.currency);
    let mut books = Books::new(context);
    match old.status {
        SubscriptionStatus::Active => {
            let same_interval = pending.terms.interval == old.terms.interval;
            new.terms = pending.terms;
            if same_interval {
                new.renew()
            } else {
                new.begin_billing(old.current_period_end)
            }
            books.bill_period(&mut new, &addons);
        }
        SubscriptionStatus::Paused | SubscriptionStatus::Cancelled => {
            new.change_terms_paused(pending.terms);
            books.fit_discount(&mut new);
        }
    }
    let (from, to) = (old.terms, new.terms.clone());
    let ended_announcement = None;
    books.finish(context.event(EventKind::PlanChanged {
        from,
        to,
        dropped_addons,
        ended_announcement,
        subscription: new,
    }))
}

/// Applies the scheduled change of plan, if there is one for this boundary, and drops the add-ons of another currency.
fn take_pending(
    subscription: &mut Subscription,
    addons: &mut Vec<SubscriptionAddon>,
    boundary: Timestamp,
) -> Option<EventKind> {
    let pending = subscription.pending_change.take_if(|pending| pending.is_due_at(boundary))?;
    let from = std::mem::replace(&mut subscription.terms, pending.terms);
    let dropped_addons = drop_unfit(addons, subscription.terms.currency);
    let (to, subscription) = (subscription.terms.clone(), subscription.clone());
    Some(EventKind::PlanChanged { from, to, dropped_addons, ended_announcement: None, subscription })
}

/// Drops the add-ons of another currency, and returns their ids.
fn drop_unfit(addons: &mut Vec<SubscriptionAddon>, currency: Currency) -> Vec<SubscriptionAddonId> {
    let (fit, unfit): (Vec<_>, Vec<_>) =
        std::mem::take(addons).into_iter().partition(|addon| addon.currency == currency);
    *addons = fit;
    unfit.into_iter().map(|addon| addon.id).collect()
}
