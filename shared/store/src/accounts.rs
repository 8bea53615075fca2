//! The list of tenants. A tenant's first deployment opens its account, which puts the tenant on the list. Its fields are
//! in [`super::tenants`].

use arcadia_domain::{Deployment, DisplayName, TenantId};
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use futures_util::future::try_join_all;

use super::item::string;
use super::items::{self, ACCOUNT_TYPE};
use super::keys::{self, STATE_SHARDS};
use super::pages::{Page, Part, position};
use super::schema::TENANT_INDEX;
use super::{Store, StoreError};

impl Store {
    /// A page of all tenants, by id, each with its name: one Query for each partition of the list.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn list_tenants(
        &self,
        limit: usize,
        after: Option<TenantId>,
    ) -> Result<Page<(TenantId, Option<DisplayName>), TenantId>, StoreError> {
        let part = Part { index: TENANT_INDEX, keys: keys::tenants_after(after.as_ref()), oldest_first: true };
        let partitions: Vec<String> = (0..STATE_SHARDS).map(keys::tenants_partition).collect();
        let pages = partitions.iter().map(|partition| self.index_page::<TenantId>(&part, partition, limit + 1));
        let mut tenants: Vec<(TenantId, Option<DisplayName>)> = Vec::new();
        for item in try_join_all(pages).await?.into_iter().flat_map(|(items, _)| items) {
            tenants.push((position(part.index, &item)?, items::to_tenant(item)?.name));
        }
        tenants.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Page::cut(tenants, limit, false, |(tenant_id, _)| tenant_id.clone()))
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
