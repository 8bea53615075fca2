//! The reasons for which a deployment needs a person. `arcadia_store` stores their traces.

use super::deployment::Deployment;
use super::lifecycle::State;
use super::values::Timestamp;

named! {
    /// Why a deployment needs a person.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum Attention("invalid_kind") {
        /// A hold is on it: no scheduled step changes its state.
        Held = "held",
        /// It is cancelled and still has live cloud resources.
        CancelledWithResources = "cancelled_with_resources",
        /// A scheduled step failed, and the sweep skips the deployment for an hour.
        Postponed = "postponed",
        /// One of its events could not be published.
        NotPublished = "not_published",
    }
}

impl Attention {
    /// The reasons that follow from a deployment's own record. The others are left by a failed function.
    pub const OF_STATE: [Self; 2] = [Self::Held, Self::CancelledWithResources];

    /// When this reason began to apply to a deployment. `None` if it does not apply, or does not follow from the
    /// deployment's own record.
    #[must_use]
    pub fn since(self, deployment: &Deployment) -> Option<Timestamp> {
        let Deployment { state, state_since, live_resources, held_since, .. } = deployment;
        match self {
            Self::Held => held_since.filter(|_| *state != State::Archived),
            Self::CancelledWithResources => (*state == State::Cancelled && *live_resources > 0).then_some(*state_since),
            Self::Postponed | Self::NotPublished => None,
        }
    }
}
