//! The clock: what happens to a deployment when time passes, and when.

use serde::{Deserialize, Serialize};

use super::aggregate::Aggregate;
use super::lifecycle::State;
use super::policy::{DunningPolicy, days_after};
use super::subscription::SubscriptionStatus;
use super::values::Timestamp;

/// A step that the clock takes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Action {
    /// The subscription is cancelled as scheduled.
    CancelSubscription,
    /// The trial ends: into billing with a subscription, into cancellation without.
    EndTrial,
    /// The pause ends.
    Resume,
    /// An invoice is overdue: the deployment becomes past due.
    MarkPastDue,
    /// It stayed unpaid: the deployment is suspended.
    Suspend,
    /// It stayed unpaid still: the deployment is cancelled and its open invoices are given up.
    CancelUnpaid,
    /// The scheduled change of plan takes place, and the next period begins.
    ChangePlan,
    /// The next period begins.
    Renew,
    /// The cancelled deployment is put away for good.
    Archive,
}

impl Action {
    /// Whether it is a step of the dunning ladder, of which the clock takes at most one a sweep.
    #[must_use]
    pub fn is_dunning(self) -> bool {
        LADDER.iter().any(|rung| rung.action == self)
    }

    /// Whether it goes by the tenant's policy as it is now, which it copies. All others go by the copy.
    #[must_use]
    pub const fn copies_policy(self) -> bool {
        match self {
            Self::MarkPastDue | Self::Renew => true,
            Self::CancelSubscription
            | Self::EndTrial
            | Self::Resume
            | Self::Suspend
            | Self::CancelUnpaid
            | Self::ChangePlan
            | Self::Archive => false,
        }
    }
}

/// A step of the dunning ladder: what happens to a deployment whose oldest open invoice stays unpaid.
#[derive(Debug, Clone, Copy)]
pub struct Rung {
    /// The step.
    pub action: Action,
    /// The state it leaves.
    pub from: State,
    /// The state it enters.
    pub to: State,
    /// What its event says.
    pub reason: &'static str,
    /// How many days after the invoice's due date.
    pub days_after_due: fn(&DunningPolicy) -> u32,
}

/// The dunning ladder, as data.
pub const LADDER: &[Rung] = &[
    Rung {
        action: Action::MarkPastDue,
        from: State::Active,
        to: State::PastDue,
        reason: "invoice_overdue",
        days_after_due: |policy| policy.past_due_after_days,
    },
    Rung {
        action: Action::Suspend,
        from: State::PastDue,
        to: State::Suspended,
        reason: "invoice_unpaid",
        days_after_due: |policy| policy.suspended_after_days,
    },
    Rung {
        action: Action::CancelUnpaid,
        from: State::Suspended,
        to: State::Cancelled,
        reason: "invoice_unpaid",
        days_after_due: |policy| policy.cancelled_after_days,
    },
];

impl Rung {
    /// The step that leaves a state, if one does.
    #[must_use]
    pub fn from(state: State) -> Option<&'static Self> {
        LADDER.iter().find(|rung| rung.from == state)
    }
}

/// What the clock will do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextAction {
    /// The step.
    pub action: Action,
    /// When it is due.
    pub at: Timestamp,
}

/// The earliest step that lies ahead; of those due at the same moment, the first in the order of [`Action`].
#[must_use]
pub fn next_action(aggregate: &Aggregate) -> Option<NextAction> {
    let Aggregate { deployment, subscription, .. } = aggregate;
    let subscription = subscription.as_ref().filter(|s| s.is_live());
    let billed = subscription.filter(|s| s.status == SubscriptionStatus::Active && !s.in_trial());
    // Whoever suspends billing actions stops the clock from changing the state, and from nothing else.
    let moves = !deployment.billing_action_suspended;
    let in_state = |state: State, at: Option<Timestamp>| at.filter(|_| moves && deployment.state == state);
    // A trial of the deployment itself ends by a change of its state; one of the subscription alone does not.
    let trial_end = match deployment.state {
        State::Trial => in_state(State::Trial, deployment.trial_ends_at),
        State::Active | State::PastDue => subscription.filter(|s| s.in_trial()).and_then(|s| s.trial_ends_at),
        State::Paused | State::Suspended | State::Cancelled | State::Archived => None,
    };
    let policy = &deployment.dunning_policy;
    let archived_at =
        Some(days_after(deployment.state_since, policy.archived_after_days)).filter(|_| deployment.live_resources == 0);
    let oldest_due_at = deployment.open_invoices.iter().map(|open| open.due_at).min().filter(|_| moves);
    let rung = Rung::from(deployment.state).zip(oldest_due_at);
    let rung = rung.map(|(rung, due_at)| (rung.action, Some(days_after(due_at, (rung.days_after_due)(policy)))));
    let period_end = billed.map(|s| s.current_period_end);
    let changes = billed.is_some_and(|s| s.pending_change.is_some());
    [
        (Action::CancelSubscription, subscription.and_then(|s| s.cancel_at)),
        (Action::EndTrial, trial_end),
        (Action::Resume, in_state(State::Paused, deployment.resume_at)),
        (Action::ChangePlan, period_end.filter(|_| changes)),
        (Action::Renew, period_end.filter(|_| !changes)),
        (Action::Archive, in_state(State::Cancelled, archived_at)),
    ]
    .into_iter()
    .chain(rung)
    .filter_map(|(action, at)| Some(NextAction { action, at: at? }))
    .min_by_key(|next| (next.at, next.action))
}
