//! Tenants' accounts. A tenant's first deployment opens its account, which puts the tenant on the list of tenants.
//! Users and tokens are not here.

use arcadia_domain::{Deployment, TenantId};
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};

use super::item::string;
use super::keys::{self, STATE_SHARDS};
use super::pages::{Page, Part};
use super::schema::TENANT_INDEX;
use super::{Store, StoreError};

/// The `type` of a stored account.
const ACCOUNT_TYPE: &str = "account";

impl Store {
    /// Whether a tenant has an account: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer.
    pub async fn has_account(&self, tenant_id: &TenantId) -> Result<bool, StoreError> {
        Ok(self.get(keys::account(tenant_id)).await?.is_some())
    }

    /// A page of all tenants, by id: one Query for each partition of the list.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_tenants(
        &self,
        limit: usize,
        after: Option<TenantId>,
    ) -> Result<Page<TenantId, TenantId>, StoreError> {
        let part = Part { index: TENANT_INDEX, keys: keys::tenants_after(after.as_ref()), oldest_first: true };
        let partitions: Vec<String> = (0..STATE_SHARDS).map(keys::tenants_partition).collect();
        let Page { items, next } = self.merged(&part, &partitions, limit).await?;
        Ok(Page { items: items.into_iter().map(|(tenant_id, _)| tenant_id).collect(), next })
    }

    /// The write that opens the account of a deployment's tenant. Repeating it changes nothing, so it has no condition.
    pub(super) fn open_account(&self, deployment: &Deployment) -> Result<TransactWriteItem, StoreError> {
        let (key, index) = (keys::account(&deployment.tenant_id), keys::account_index(&deployment.tenant_id));
        let update = Update::builder()
            .table_name(&self.table)
            .key("PK", string(key.pk))
            .key("SK", string(key.sk))
            .update_expression("SET #type = :type, GSI1PK = :pk, GSI1SK = :sk")
            .expression_attribute_names("#type", "type")
            .expression_attribute_values(":type", string(ACCOUNT_TYPE))
            .expression_attribute_values(":pk", string(index.pk))
            .expression_attribute_values(":sk", string(index.sk))
            .build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}
