//! Actors and their authority. Which tenants a caller can see is not here: [`super::scope`] has the rule, and
//! `arcadia_functions::auth` applies it to a token.

named! {
    /// The role of a caller; it decides what the caller may do.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum Authority("invalid_role") {
        /// An operator of the platform: sees all tenants and may make every move of the lifecycle map.
        PlatformAdmin = "platform_admin",
        /// A payment provider: only records payments and their reversal.
        PaymentProvider = "payment_provider",
        /// The system that runs deployments: only records their cloud resources.
        DataPlane = "data_plane",
        /// A user of a tenant.
        TenantUser = "tenant_user",
        /// The scheduled billing functions.
        Billing = "billing",
    }
}

impl Authority {
    /// The roles that a token can have: all but that of the scheduled functions.
    pub const OF_TOKENS: [Self; 4] = [Self::PlatformAdmin, Self::TenantUser, Self::PaymentProvider, Self::DataPlane];
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
