//! The rules of a tenant that each of its deployments follows by a copy of its own.

use serde::{Deserialize, Serialize};

use super::values::Timestamp;

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
    /// After how many days.
    pub after_days: u32,
    /// When the rule was set. Days count from then at the earliest.
    pub since: Timestamp,
}

impl TenantRules {
    /// Whether none was ever set.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
