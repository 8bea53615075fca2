//! Actors and their authority. Which tenants a caller can see is not here: [`super::scope`] has the rule, and
//! `arcadia_functions::auth` applies it to a token.

use serde::{Deserialize, Serialize};

/// The role of a caller; it decides what the caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Authority {
    /// An operator of the platform: sees all tenants and may make every move of the lifecycle map.
    PlatformAdmin,
    /// A payment provider's callback: only records payments.
    PaymentProvider,
    /// The system that runs deployments: only records their cloud resources.
    DataPlane,
    /// A user of a tenant.
    TenantUser,
    /// The scheduled billing functions.
    Billing,
}

impl Authority {
    /// Every authority, in the order of declaration.
    pub const ALL: [Self; 5] =
        [Self::PlatformAdmin, Self::PaymentProvider, Self::DataPlane, Self::TenantUser, Self::Billing];

    /// The name in tokens and responses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform_admin",
            Self::PaymentProvider => "payment_provider",
            Self::DataPlane => "data_plane",
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
    /// The actor's role.
    pub authority: Authority,
}

/// Whether a role may use a power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Always.
    Always,
    /// Only under the condition that this text states.
    Limited(&'static str),
    /// Never.
    Never,
}
