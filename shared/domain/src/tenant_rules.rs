//! The rules of a tenant that each of its deployments follows by a copy of its own.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::values::Timestamp;

const SECONDS_A_DAY: i64 = 86_400;
/// The number of billed days that clear a full count of at most as many days.
const DAYS_A_MONTH: i64 = 30;

/// The rules of a tenant that its deployments follow. They are copied to each deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct TenantRules {
    /// The sequence of the tenant's event that last changed them; 0 if none did.
    pub version: u64,
    /// Whether the tenant is held.
    pub held: bool,
    /// When deployments without a subscription are paused; left out for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribed: Option<UnsubscribedRule>,
    /// The tax rate of invoices, in basis points: 1900 is 19 percent; left out for none.
    #[serde(skip_serializing_if = "is_none")]
    pub tax_rate_basis_points: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_none(rate_basis_points: &u32) -> bool {
    *rate_basis_points == 0
}

/// The rule that pauses active deployments without a live subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct UnsubscribedRule {
    /// The limit, in days.
    pub after_days: u32,
    /// When the rule was set. Days count from then at the earliest.
    pub since: Timestamp,
}

/// The time that a deployment has used of the limit without a subscription. It grows while the deployment runs without
/// one, stays while it does not run, and shrinks while a subscription is billed: thirty billed days clear it. So
/// subscribing and cancelling at once, or a pause, does not reset it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct UnsubscribedTime {
    /// The time used at the moment `at`, in seconds.
    pub seconds: i64,
    /// When it last began to grow, to shrink or to stay.
    pub at: Timestamp,
}

/// The change of the time without a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsubscribedFlow {
    /// It grows.
    Grows,
    /// It stays.
    Stands,
    /// It shrinks.
    Shrinks,
}

impl UnsubscribedRule {
    fn most_seconds(self) -> i64 {
        i64::from(self.after_days) * SECONDS_A_DAY
    }

    /// When the time is over, if it grows from now on.
    #[must_use]
    pub fn until(self, used: UnsubscribedTime) -> Timestamp {
        let left = TimeDelta::try_seconds(self.most_seconds() - used.seconds);
        left.and_then(|left| used.at.checked_add_signed(left)).unwrap_or(Timestamp::MAX_UTC)
    }

    /// The time used at `at`, after a flow since it was last recorded.
    #[must_use]
    pub fn after(self, used: UnsubscribedTime, flow: UnsubscribedFlow, at: Timestamp) -> UnsubscribedTime {
        // A subscription can end before the deployment runs again. Time that was recorded is not counted again.
        let at = at.max(used.at);
        let passed = at.signed_duration_since(used.at).num_seconds();
        let seconds = match flow {
            UnsubscribedFlow::Grows => used.seconds.saturating_add(passed),
            UnsubscribedFlow::Stands => used.seconds,
            // Less than a month never clears all of it.
            UnsubscribedFlow::Shrinks => {
                let days = i64::from(self.after_days).min(DAYS_A_MONTH);
                used.seconds.saturating_sub(passed.saturating_mul(days) / DAYS_A_MONTH)
            }
        };
        UnsubscribedTime { seconds: seconds.clamp(0, self.most_seconds()), at }
    }
}

impl TenantRules {
    /// Whether no rule was ever set.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
