//! Who does something, and with what authority. Which tenant they may see is [`crate::auth`]'s concern.

use serde::{Deserialize, Serialize};

/// What a caller may do, whoever they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Authority {
    /// An operator: sees all tenants, makes every move of the lifecycle map.
    PlatformAdmin,
    /// A payment provider's callback: reports payments and nothing else.
    PaymentProvider,
    /// One of a tenant's own users.
    TenantUser,
    /// The scheduled billing functions.
    Billing,
}

impl Authority {
    /// Every authority, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::PlatformAdmin, Self::PaymentProvider, Self::TenantUser, Self::Billing];

    /// The name in tokens and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform_admin",
            Self::PaymentProvider => "payment_provider",
            Self::TenantUser => "tenant_user",
            Self::Billing => "billing",
        }
    }
}

/// The person or system that an event is attributed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The token's subject, or `system:billing`.
    pub id: String,
    /// What they may do.
    pub authority: Authority,
}
