//! Cloud resources of a deployment, as recorded by the data plane. Nothing here creates or deletes one in a cloud.

use serde::{Deserialize, Serialize};

use super::values::{DeploymentId, ProviderReference, ResourceId, ShortCode, Timestamp};

/// A cloud resource that a provider runs for a deployment, such as a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Resource {
    /// Its unique id in this product.
    pub id: ResourceId,
    /// The id of its deployment.
    pub deployment_id: DeploymentId,
    /// The kind of resource, such as `database`.
    pub kind: ShortCode,
    /// The provider's identifier of it, such as an ARN.
    pub provider_reference: ProviderReference,
    /// The region where it runs.
    pub region: ShortCode,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it was recorded as deleted; null while it is live.
    pub deleted_at: Option<Timestamp>,
    /// The sequence of the event that last changed it.
    pub version: u64,
}
