//! Reads of one deployment, with the records that a decision about it needs. Lists are in [`super::queries`].

use arcadia_domain::{Aggregate, DeploymentId, Invoice, InvoiceNumber, Resource, ResourceId, Scope};

use super::item::string;
use super::reread::{Reading, until_whole};
use super::{Present, Store, StoreError, items, keys};

impl Store {
    /// Reads the aggregate of a deployment, all of one version: one consistent Query, repeated if it mixes versions.
    /// `None` if there is no such deployment in `scope`; another tenant's deployment looks like a missing one.
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
            // The tenant of a deployment never changes, so a torn read of another tenant's is not repeated.
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
    /// The deployment must be read first. If the invoice is newer than the deployment, the commit fails because the
    /// deployment has changed. If it were older, the commit could overwrite a payment that came in between.
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
