//! Reads of tenants' dunning policies. They are written in [`super::tenants`]. When a deployment copies its tenant's policy
//! is a rule of [`arcadia_domain`].

use arcadia_domain::{DunningPolicy, TenantId};

use super::{Store, StoreError, items, keys};

impl Store {
    /// Reads a tenant's dunning policy, or the default if it has none of its own: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_dunning_policy(&self, tenant_id: &TenantId) -> Result<DunningPolicy, StoreError> {
        let item = self.get(keys::dunning_policy(tenant_id)).await?;
        Ok(item.map(items::to_dunning_policy).transpose()?.map(|policy| policy.record).unwrap_or_default())
    }
}
