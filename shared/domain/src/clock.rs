//! The schedule: the steps that a deployment takes as time passes, and when each is due. What a step does is in
//! [`super::decide::step`]; the source of time is the caller's.

use serde::{Deserialize, Serialize};

use super::aggregate::Aggregate;
use super::deployment::Deployment;
use super::lifecycle::State;
use super::policy::{DunningPolicy, days_after};
use super::subscription::{Subscription, SubscriptionStatus};
use super::values::Timestamp;

named! {
    /// A scheduled step.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum Action("invalid_action") {
        /// The subscription is cancelled as scheduled.
        CancelSubscription = "cancel_subscription",
        /// The trial ends: billing begins with a subscription; without one, the deployment is cancelled.
        EndTrial = "end_trial",
        /// The deployment had no subscription for too long: it is paused.
        PauseUnsubscribed = "pause_unsubscribed",
        /// Balance settles open invoices that were too many for an earlier commit.
        ApplyBalance = "apply_balance",
        /// An invoice is overdue: the deployment becomes past due.
        MarkPastDue = "mark_past_due",
        /// The invoice is still unpaid: the deployment is suspended.
        Suspend = "suspend",
        /// The invoice is still unpaid: the deployment is cancelled.
        CancelUnpaid = "cancel_unpaid",
        /// The scheduled change of plan takes effect, and the next period begins.
        ChangePlan = "change_plan",
        /// The pause ends. It comes after a change of plan at the same moment, so that the period that it opens has the new
        /// terms.
        Resume = "resume",
        /// The next period begins.
        Renew = "renew",
        /// Unpaid invoices of a cancelled deployment are given up.
        GiveUp = "give_up",
        /// The cancelled deployment is archived. This is final.
        Archive = "archive",
    }
}

impl Action {
    /// Whether it is a rung of the dunning ladder. A sweep takes at most one rung of a deployment.
    #[must_use]
    pub fn is_dunning(self) -> bool {
        LADDER.iter().any(|rung| rung.action == self)
    }
}

/// A rung of the dunning ladder: a step for a deployment whose oldest open invoice stays unpaid.
#[derive(Debug, Clone, Copy)]
pub struct Rung {
    /// The step.
    pub action: Action,
    /// The state it leaves.
    pub from: State,
    /// The state it enters.
    pub to: State,
    /// The reason in its event.
    pub reason: &'static str,
    /// When it is due, in days after the invoice's due date.
    pub days_after_due: fn(&DunningPolicy) -> u32,
    /// When the rung before was due, in days after the same date; `None` if no rung leads to this one's state.
    pub previous_days: Option<fn(&DunningPolicy) -> u32>,
}

/// The dunning ladder, as data.
pub const LADDER: &[Rung] = &[
    Rung {
        action: Action::MarkPastDue,
        from: State::Active,
        to: State::PastDue,
        reason: "invoice_overdue",
        days_after_due: |policy| policy.past_due_after_days,
        previous_days: None,
    },
    Rung {
        action: Action::Suspend,
        from: State::PastDue,
        to: State::Suspended,
        reason: "invoice_unpaid",
        days_after_due: |policy| policy.suspended_after_days,
        previous_days: Some(|policy| policy.past_due_after_days),
    },
    Rung {
        action: Action::CancelUnpaid,
        from: State::Suspended,
        to: State::Cancelled,
        reason: "invoice_unpaid",
        days_after_due: |policy| policy.cancelled_after_days,
        previous_days: Some(|policy| policy.suspended_after_days),
    },
    Rung {
        action: Action::CancelUnpaid,
        from: State::Paused,
        to: State::Cancelled,
        reason: "invoice_unpaid",
        days_after_due: |policy| policy.cancelled_after_days,
        previous_days: None,
    },
];

impl Rung {
    /// The rung that leaves a state, if there is one.
    #[must_use]
    pub fn from(state: State) -> Option<&'static Self> {
        LADDER.iter().find(|rung| rung.from == state)
    }

    /// When it is due: the policy's days after the invoice's due date, or after it was owed again. If the rung before
    /// was taken late, this one still keeps the policy's distance from it.
    fn at(&self, policy: &DunningPolicy, dunned_from: Timestamp, state_since: Timestamp) -> Timestamp {
        let days = (self.days_after_due)(policy);
        let by_due_date = days_after(dunned_from, days);
        let apart = self.previous_days.map(|previous| days.saturating_sub(previous(policy)));
        apart.map_or(by_due_date, |days| by_due_date.max(days_after(state_since, days)))
    }
}

/// A scheduled step and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct NextAction {
    /// The step.
    pub action: Action,
    /// When it is due.
    pub at: Timestamp,
}

impl Aggregate {
    /// Its next scheduled step.
    #[must_use]
    pub fn next_action(&self) -> Option<NextAction> {
        next_action(self)
    }

    /// All its scheduled steps, the earliest first.
    #[must_use]
    pub fn upcoming(&self) -> Vec<NextAction> {
        upcoming(self)
    }
}

/// The earliest scheduled step; of steps due at the same moment, the first in the order of [`Action`].
#[must_use]
pub fn next_action(aggregate: &Aggregate) -> Option<NextAction> {
    candidates(aggregate).min_by_key(|next| (next.at, next.action))
}

/// All scheduled steps, the earliest first, if nothing else changes the deployment. They include every rung of the
/// dunning ladder from the next one on.
#[must_use]
pub fn upcoming(aggregate: &Aggregate) -> Vec<NextAction> {
    let Deployment { state, state_since, dunning_policy: policy, billing_action_suspended, .. } = &aggregate.deployment;
    let mut steps: Vec<NextAction> = candidates(aggregate).filter(|next| !next.action.is_dunning()).collect();
    let dunned_from = aggregate.deployment.dunned_from().filter(|_| !billing_action_suspended);
    let (mut state, mut since) = (*state, *state_since);
    while let Some((rung, dunned_from)) = Rung::from(state).zip(dunned_from) {
        let is_next = state == aggregate.deployment.state;
        since = if is_next { rung_at(aggregate, rung, dunned_from) } else { rung.at(policy, dunned_from, since) };
        state = rung.to;
        steps.push(NextAction { action: rung.action, at: since });
    }
    if let Some(subscription) = aggregate.subscription.as_ref().filter(|s| s.is_live()) {
        if let Some(change_at) = subscription.change_at().filter(|_| subscription.in_trial()) {
            // The change takes effect at the end of the trial, or later if it was announced for a later day.
            let trial_end = trial_end(&aggregate.deployment, Some(subscription));
            steps.extend(trial_end.map(|end| NextAction { action: Action::ChangePlan, at: end.max(change_at) }));
        }
        // A subscription takes no step after its end.
        let of_subscription = |action| match action {
            Action::Renew | Action::ChangePlan => true,
            Action::EndTrial => aggregate.deployment.state != State::Trial,
            _ => false,
        };
        steps.retain(|next| !of_subscription(next.action) || subscription.cancel_at.is_none_or(|end| next.at < end));
    }
    steps.sort_unstable_by_key(|next| (next.at, next.action));
    steps
}

/// The steps that follow from the present state, with their times.
fn candidates(aggregate: &Aggregate) -> impl Iterator<Item = NextAction> {
    let Aggregate { deployment, subscription, .. } = aggregate;
    let subscription = subscription.as_ref().filter(|s| s.is_live());
    // A subscription whose agreed end came before the deployment runs again only ends: the time between is not billed.
    let goes_on = subscription.filter(|s| !s.is_to_end_by(deployment.state_since));
    let begun = goes_on.filter(|s| !s.in_trial());
    // A hold stops scheduled changes of state and give-ups; renewals and invoices continue.
    let moves = !deployment.billing_action_suspended;
    let policy = &deployment.dunning_policy;
    let is = |state| moves && deployment.state == state;
    let dunned_from = deployment.dunned_from();
    let rung = Rung::from(deployment.state).filter(|_| moves).zip(dunned_from);
    let rung = rung.map(|(rung, from)| (rung.action, Some(rung_at(aggregate, rung, from))));
    let give_up_at = dunned_from.filter(|_| is(State::Cancelled)).map(|at| days_after(at, policy.cancelled_after_days));
    let archives = is(State::Cancelled) && deployment.live_resources == 0 && deployment.open_invoices.is_empty();
    let archived_at = archives.then(|| days_after(deployment.state_since, policy.archived_after_days));
    // A scheduled change of plan takes effect on its day also while paused, but then opens no period. The periods before
    // the day of an announced price change are renewed as usual.
    let period_end = |s: &Subscription| s.current_period_end;
    let change_at = begun.and_then(Subscription::change_at);
    let renews =
        |s: &&Subscription| s.status == SubscriptionStatus::Active && s.change_at() != Some(s.current_period_end);
    [
        (Action::CancelSubscription, subscription.and_then(|s| s.cancel_at)),
        (Action::EndTrial, trial_end(deployment, goes_on)),
        (Action::Resume, resume_at(deployment).filter(|_| is(State::Paused) && !deployment.tenant_rules.held)),
        (Action::PauseUnsubscribed, unsubscribed_until(aggregate).filter(|_| is(State::Active))),
        (Action::ApplyBalance, deployment.balance_waits().then_some(deployment.updated_at)),
        (Action::ChangePlan, change_at),
        (Action::Renew, begun.filter(renews).map(period_end)),
        (Action::GiveUp, give_up_at),
        (Action::Archive, archived_at),
    ]
    .into_iter()
    .chain(rung)
    .filter_map(|(action, at)| Some(NextAction { action, at: at? }))
}

/// When the trial ends. The end of a deployment's own trial changes its state; the end of a subscription's trial does
/// not. Under a hold, a deployment's own trial still ends for billing.
fn trial_end(deployment: &Deployment, subscription: Option<&Subscription>) -> Option<Timestamp> {
    let of_subscription = subscription.filter(|s| s.in_trial()).and_then(|s| s.trial_ends_at);
    match deployment.state {
        State::Trial if !deployment.billing_action_suspended => deployment.trial_ends_at,
        State::Trial | State::Active | State::PastDue => of_subscription,
        State::Paused | State::Suspended | State::Cancelled | State::Archived => None,
    }
}

/// When the next rung is due. What is past due without a subscription is suspended once its time without one is over: it
/// cannot be paused, and must not run on by small debts.
fn rung_at(aggregate: &Aggregate, rung: &Rung, dunned_from: Timestamp) -> Timestamp {
    let Deployment { state, state_since, dunning_policy, .. } = &aggregate.deployment;
    let at = rung.at(dunning_policy, dunned_from, *state_since);
    let over = unsubscribed_until(aggregate).filter(|_| *state == State::PastDue);
    over.map_or(at, |over| at.min(over))
}

/// When the time without a live subscription is over that its tenant's rules give a deployment that runs.
pub(crate) fn unsubscribed_until(aggregate: &Aggregate) -> Option<Timestamp> {
    let rules = aggregate.deployment.tenant_rules;
    let rule = rules.unsubscribed.filter(|_| aggregate.live_subscription().is_none())?;
    Some(rule.until(aggregate.unsubscribed()?))
}

/// When a pause ends automatically, unless a hold delays it: not while an invoice is overdue, and not before the last
/// obstacle to it ended ([`Deployment::released_at`]).
fn resume_at(deployment: &Deployment) -> Option<Timestamp> {
    let resume_at = deployment.resume_at?;
    let at = deployment.released_at.map_or(resume_at, |released_at| resume_at.max(released_at));
    deployment.oldest_due_at().is_none_or(|due_at| due_at > at).then_some(at)
}
