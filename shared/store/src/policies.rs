//! Reads and writes of tenants' dunning policies. When a deployment copies its tenant's policy is a rule of
//! [`arcadia_domain`].

use arcadia_domain::{DunningPolicy, TenantId};

use super::{Store, StoreError, items, keys};

impl Store {
    /// Reads a tenant's dunning policy, or the default if it has none of its own: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_dunning_policy(&self, tenant_id: &TenantId) -> Result<DunningPolicy, StoreError> {
        let item = self.get(keys::dunning_policy(tenant_id)).await?;
        Ok(item.map(items::to_dunning_policy).transpose()?.unwrap_or_default())
    }

    /// Writes a tenant's dunning policy: one PutItem. The last write wins.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer.
    pub async fn put_dunning_policy(&self, tenant_id: &TenantId, policy: &DunningPolicy) -> Result<(), StoreError> {
        let item = items::from_dunning_policy(tenant_id, policy)?;
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }
}
