//! Which tenants a caller sees.

use super::values::TenantId;

/// Which tenants' records may be read. Every read of the store asks for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every tenant's.
    All,
    /// This tenant's alone.
    Tenant(TenantId),
}

impl Scope {
    /// Whether a tenant's records may be read.
    #[must_use]
    pub fn contains(&self, tenant_id: &TenantId) -> bool {
        match self {
            Self::All => true,
            Self::Tenant(own) => own == tenant_id,
        }
    }
}
