//! The scope of a caller: the tenants whose records it can see. How a token becomes a scope is in
//! `arcadia_functions::auth`.

use super::values::TenantId;

/// The tenants whose records a caller may read. The store's reads of a deployment take one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All tenants.
    All,
    /// This tenant only.
    Tenant(TenantId),
}

impl Scope {
    /// Whether the records of a tenant may be read.
    #[must_use]
    pub fn contains(&self, tenant_id: &TenantId) -> bool {
        match self {
            Self::All => true,
            Self::Tenant(own) => own == tenant_id,
        }
    }
}
