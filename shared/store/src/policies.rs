//! Tenants' dunning policies.

use arcadia_domain::{DunningPolicy, TenantId};

use super::{Store, StoreError, items, keys};

impl Store {
    /// Reads a tenant's dunning policy, or the default if it has none of its own: one GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_dunning_policy(&self, tenant_id: &TenantId) -> Result<DunningPolicy, StoreError> {
        let item = self.get(keys::dunning_policy(tenant_id)).await?;
        Ok(item.map(items::to_dunning_policy).transpose()?.unwrap_or_default())
    }

    /// Sets a tenant's dunning policy: one PutItem. The last one counts.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer.
    pub async fn put_dunning_policy(&self, tenant_id: &TenantId, policy: &DunningPolicy) -> Result<(), StoreError> {
        let item = items::from_dunning_policy(tenant_id, policy)?;
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }
}
