//! How patient a tenant's invoices are: payment terms and the dunning ladder, in days.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::values::Timestamp;

/// The most days that any step can take.
pub const MAX_POLICY_DAYS: i64 = 365;

/// When an invoice is due, and what happens when it is not paid. Days count from the invoice's due date, but for the
/// last, which counts from the cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct DunningPolicy {
    /// From issue to due date.
    pub payment_terms_days: u32,
    /// To `past_due`.
    pub past_due_after_days: u32,
    /// To `suspended`.
    pub suspended_after_days: u32,
    /// To `cancelled`.
    pub cancelled_after_days: u32,
    /// From `cancelled` to `archived`.
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
    /// Whether each step of the ladder comes at least a day after the one before.
    #[must_use]
    pub const fn is_ordered(&self) -> bool {
        self.past_due_after_days < self.suspended_after_days
            && self.suspended_after_days < self.cancelled_after_days
            && self.archived_after_days > 0
    }

    /// When an invoice issued at `at` has to be paid.
    #[must_use]
    pub fn due_at(&self, at: Timestamp) -> Timestamp {
        days_after(at, self.payment_terms_days)
    }
}

/// So many days later.
pub(super) fn days_after(at: Timestamp, days: u32) -> Timestamp {
    // Beyond the last day a calendar can express, time stands still.
    at.checked_add_signed(TimeDelta::days(i64::from(days))).unwrap_or(at)
}
