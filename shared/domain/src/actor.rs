//! Who does something, and with what authority. Which tenant they may see is [`arcadia_functions::auth`]'s concern.

use serde::{Deserialize, Serialize};

/// What a caller may do, whoever they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Authority {
    /// An operator: sees all tenants, makes every move of the lifecycle map.
    PlatformAdmin,
    /// A payment provider's callback: records payments and nothing else.
    PaymentProvider,
    /// What runs the deployments: records their cloud resources and nothing else.
    DataPlane,
    /// One of a tenant's own users.
    TenantUser,
    /// The scheduled billing functions.
    Billing,
}

impl Authority {
    /// Every authority, in the order of declaration.
    pub const ALL: [Self; 5] =
        [Self::PlatformAdmin, Self::PaymentProvider, Self::DataPlane, Self::TenantUser, Self::Billing];

    /// The name in tokens and answers.
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
    /// What they may do.
    pub authority: Authority,
}

/// How far a role may use a power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Always.
    Always,
    /// Only so far as these words say.
    Limited(&'static str),
    /// Never.
    Never,
}
