//! The reasons for which a deployment needs a person. The traces of them are stored by `arcadia_store`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::deployment::Deployment;
use super::invalid::InvalidValue;
use super::lifecycle::State;
use super::values::Timestamp;

/// Why a deployment needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Attention {
    /// A hold is on it: no scheduled step changes its state.
    Held,
    /// It is cancelled and still has live cloud resources.
    CancelledWithResources,
    /// A scheduled step failed, and the sweep leaves the deployment alone for an hour.
    Postponed,
    /// One of its events could not be published.
    NotPublished,
}

impl Attention {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Held, Self::CancelledWithResources, Self::Postponed, Self::NotPublished];

    /// The reasons that follow from a deployment's own record. The others are left by a failed function.
    pub const OF_STATE: [Self; 2] = [Self::Held, Self::CancelledWithResources];

    /// The name on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::CancelledWithResources => "cancelled_with_resources",
            Self::Postponed => "postponed",
            Self::NotPublished => "not_published",
        }
    }

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

impl fmt::Display for Attention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Attention {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(InvalidValue {
            code: "invalid_kind",
            detail: "must be one of held, cancelled_with_resources, postponed, not_published",
        })
    }
}
