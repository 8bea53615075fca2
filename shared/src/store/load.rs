//! Reading one deployment.

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{self, DEPLOYMENT_TYPE, SUBSCRIPTION_ADDON_TYPE, SUBSCRIPTION_TYPE, string};
use super::{Store, StoreError, keys};
use crate::auth::Scope;
use crate::domain::{Aggregate, DeploymentId, Resource, ResourceId};

impl Store {
    /// Reads everything that decisions about a deployment rest on: one consistent Query. `None` if there is no such
    /// deployment within `scope`, whoever else may have it.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn load(&self, scope: &Scope, id: DeploymentId) -> Result<Option<Aggregate>, StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND begins_with(SK, :present)")
            .expression_attribute_values(":pk", string(keys::partition(id)))
            .expression_attribute_values(":present", string(keys::PRESENT))
            .send()
            .await?;
        let mut deployment = None;
        let mut subscription = None;
        let mut addons = Vec::new();
        for item in output.items.unwrap_or_default() {
            match item.get("type").and_then(|v| AttributeValue::as_s(v).ok()).map(String::as_str) {
                Some(DEPLOYMENT_TYPE) => deployment = Some(items::to_deployment(item)?.deployment),
                Some(SUBSCRIPTION_TYPE) => subscription = Some(items::to_subscription(item)?),
                Some(SUBSCRIPTION_ADDON_TYPE) => addons.push(items::to_subscription_addon(item)?),
                unknown => return Err(StoreError::Damaged(format!("{id} holds an item of type {unknown:?}"))),
            }
        }
        let deployment = deployment.filter(|d| scope.contains(&d.tenant_id));
        Ok(deployment.map(|deployment| Aggregate { deployment, subscription, addons }))
    }

    /// Reads one resource of a deployment that the caller has loaded: one consistent GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_resource(
        &self,
        aggregate: &Aggregate,
        resource_id: ResourceId,
    ) -> Result<Option<Resource>, StoreError> {
        self.get(keys::resource(aggregate.deployment.id, resource_id)).await?.map(items::to_resource).transpose()
    }
}
