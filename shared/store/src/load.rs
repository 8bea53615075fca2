//! Reading one deployment.

use arcadia_domain::{Aggregate, DeploymentId, Invoice, InvoiceNumber, Resource, ResourceId, Scope};

use super::item::string;
use super::reread::{Reading, until_whole};
use super::{Present, Store, StoreError, items, keys};

impl Store {
    /// Reads everything that decisions about a deployment rest on, all of one version: one consistent Query, and another
    /// one each time that it mixes versions. `None` if there is no such deployment within `scope`, whoever else may have
    /// it.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn load(&self, scope: &Scope, id: DeploymentId) -> Result<Option<Aggregate>, StoreError> {
        until_whole("the present state", || self.read_present(scope, id)).await
    }

    async fn read_present(&self, scope: &Scope, id: DeploymentId) -> Result<Reading<Option<Aggregate>>, StoreError> {
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
        let is_within = |aggregate: &Aggregate| scope.contains(&aggregate.deployment.tenant_id);
        Ok(match Present::of(output.items.unwrap_or_default())? {
            Present::Absent => Reading::Whole(None),
            Present::Whole(aggregate) => Reading::Whole(Some(aggregate).filter(is_within)),
            // Whose it is never changes, and another tenant is told nothing of it.
            Present::Torn(Some(aggregate)) if !is_within(&aggregate) => Reading::Whole(None),
            Present::Torn(_) => Reading::Torn,
        })
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

    /// Reads an invoice of a deployment that the caller has loaded, to change it: one consistent GetItem.
    ///
    /// The order matters: an invoice that is newer than its deployment cannot be written over, since the commit finds
    /// the deployment changed. One that is older could, and with it a payment that came in between.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_invoice_of(
        &self,
        aggregate: &Aggregate,
        number: &InvoiceNumber,
    ) -> Result<Option<Invoice>, StoreError> {
        let item = self.get(keys::invoice(aggregate.deployment.id, number)).await?;
        Ok(item.map(items::to_invoice).transpose()?.map(|row| row.invoice))
    }
}
