//! Cloud resources: what a deployment is made of.

use serde::{Deserialize, Serialize};

use super::values::{DeploymentId, ProviderReference, ResourceId, ShortCode, Timestamp};

/// One thing that a cloud provider runs for a deployment, such as a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Resource {
    /// Its identity here.
    pub id: ResourceId,
    /// The deployment it is part of.
    pub deployment_id: DeploymentId,
    /// What it is, such as `database`.
    pub kind: ShortCode,
    /// What the provider calls it.
    pub provider_reference: ProviderReference,
    /// Where it runs.
    pub region: ShortCode,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it was deleted; until then it is live.
    pub deleted_at: Option<Timestamp>,
    /// The sequence of the event that changed it last.
    pub version: u64,
}
