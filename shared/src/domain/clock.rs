//! The clock: what happens to a deployment when time passes, and when.

use serde::{Deserialize, Serialize};

use super::aggregate::Aggregate;
use super::lifecycle::State;
use super::subscription::SubscriptionStatus;
use super::values::Timestamp;

/// How long a cancelled deployment can be reactivated, in days.
pub const ARCHIVE_AFTER_DAYS: i64 = 90;

/// A step that the clock takes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The subscription is cancelled as scheduled.
    CancelSubscription,
    /// The trial ends: into billing with a subscription, into cancellation without.
    EndTrial,
    /// The pause ends.
    Resume,
    /// The scheduled change of plan takes place, and the next period begins.
    ChangePlan,
    /// The next period begins.
    Renew,
    /// The cancelled deployment is put away for good.
    Archive,
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
    let archive_at = deployment.state_since.checked_add_signed(chrono::TimeDelta::days(ARCHIVE_AFTER_DAYS));
    let archive_at = archive_at.filter(|_| deployment.live_resources == 0);
    let period_end = billed.map(|s| s.current_period_end);
    let changes = billed.is_some_and(|s| s.pending_change.is_some());
    [
        (Action::CancelSubscription, subscription.and_then(|s| s.cancel_at)),
        (Action::EndTrial, trial_end),
        (Action::Resume, in_state(State::Paused, deployment.resume_at)),
        (Action::ChangePlan, period_end.filter(|_| changes)),
        (Action::Renew, period_end.filter(|_| !changes)),
        (Action::Archive, in_state(State::Cancelled, archive_at)),
    ]
    .into_iter()
    .filter_map(|(action, at)| Some(NextAction { action, at: at? }))
    .min_by_key(|next| (next.at, next.action))
}
