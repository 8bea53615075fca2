//! The dunning policy: a tenant's payment terms and the days of its dunning ladder. The rungs are in [`super::clock`].

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::values::Timestamp;

/// The largest value of each field of a policy, in days.
pub const MAX_POLICY_DAYS: i64 = 365;

/// A tenant's dunning policy: payment terms and the dunning ladder. The days of the ladder count from the invoice's due
/// date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct DunningPolicy {
    /// Days from the issue of an invoice to its due date.
    pub payment_terms_days: u32,
    /// Days from the due date to `past_due`.
    pub past_due_after_days: u32,
    /// Days from the due date to `suspended`.
    pub suspended_after_days: u32,
    /// Days from the due date to `cancelled`; for a cancelled deployment, to giving the invoice up.
    pub cancelled_after_days: u32,
    /// Days from `cancelled` to `archived`.
    pub archived_after_days: u32,
}

impl Default for DunningPolicy {
    fn default() -> Self {
        Self {
            payment_terms_days: 7,
            past_due_after_days: 0,
            suspended_after_days: 14,
            cancelled_after_days: 30,
            archived_after_days: 90,
        }
    }
}

impl DunningPolicy {
    /// Whether each rung of the ladder, and archiving, comes at least a day after the step before.
    #[must_use]
    pub const fn is_ordered(&self) -> bool {
        self.past_due_after_days < self.suspended_after_days
            && self.suspended_after_days < self.cancelled_after_days
            && self.archived_after_days > 0
    }

    /// The due date of an invoice issued at `at`.
    #[must_use]
    pub fn due_at(&self, at: Timestamp) -> Timestamp {
        days_after(at, self.payment_terms_days)
    }
}

/// `at` plus `days`.
pub(super) fn days_after(at: Timestamp, days: u32) -> Timestamp {
    // A date out of range stays the same.
    at.checked_add_signed(TimeDelta::days(i64::from(days))).unwrap_or(at)
}
