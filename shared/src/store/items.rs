//! The stored form of every record. Conversions name every field, so a new one breaks the build until it has a place.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keys::{self, Key};
use super::{CommitId, StoreError};
use crate::domain::{
    Deployment, DeploymentId, DisplayName, Event, Resource, ShortCode, Slug, State, Template, TemplateVersion,
    TenantId, Timestamp,
};

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// A stored deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "GSI1PK")]
    gsi1_pk: String,
    #[serde(rename = "GSI1SK")]
    gsi1_sk: String,
    #[serde(rename = "GSI2PK")]
    gsi2_pk: String,
    #[serde(rename = "GSI2SK")]
    gsi2_sk: String,
    #[serde(rename = "type")]
    kind: DeploymentTag,
    id: DeploymentId,
    tenant_id: TenantId,
    slug: Slug,
    display_name: DisplayName,
    region: ShortCode,
    state: State,
    state_since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    llm_mode: Option<ShortCode>,
    billing_action_suspended: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template_code: Option<ShortCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template_version: Option<TemplateVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trial_ends_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume_at: Option<Timestamp>,
    live_resources: u32,
    open_invoices: u32,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// The commit that wrote this item, by which a writer whose answer was lost knows its own write again.
    last_commit_id: String,
}

/// A tenant's claim on a slug, held for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlugClaimItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "GSI1PK")]
    gsi1_pk: String,
    #[serde(rename = "GSI1SK")]
    gsi1_sk: String,
    #[serde(rename = "type")]
    kind: SlugClaimTag,
    /// The deployment that has it.
    pub deployment_id: DeploymentId,
}

/// A stored event. It carries what a consumer of the table's stream needs beside the event itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct EventItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "type")]
    kind: EventTag,
    deployment_id: DeploymentId,
    tenant_id: TenantId,
    event: Event,
}

/// A stored cloud resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ResourceItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "type")]
    kind: ResourceTag,
    resource: Resource,
}

/// Declares the one value that the `type` attribute of an entity has, so that reading another entity fails.
macro_rules! tag {
    ($name:ident, $text:literal) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        enum $name {
            #[serde(rename = $text)]
            Tag,
        }
    };
}

tag!(DeploymentTag, "deployment");
tag!(SlugClaimTag, "slug_claim");
tag!(EventTag, "event");
tag!(ResourceTag, "resource");

/// The `type` of a stored deployment.
pub const DEPLOYMENT_TYPE: &str = "deployment";

impl DeploymentItem {
    /// The stored form of `deployment`, as written by `commit_id`.
    #[must_use]
    pub fn new(deployment: &Deployment, commit_id: CommitId) -> Self {
        let Deployment {
            id,
            tenant_id,
            slug,
            display_name,
            region,
            state,
            state_since,
            llm_mode,
            billing_action_suspended,
            template,
            trial_ends_at,
            resume_at,
            live_resources,
            open_invoices,
            version,
            created_at,
            updated_at,
        } = deployment.clone();
        let Key { pk, sk } = keys::deployment(id);
        let Key { pk: gsi1_pk, sk: gsi1_sk } = keys::tenant_index(&tenant_id, id);
        let Key { pk: gsi2_pk, sk: gsi2_sk } = keys::state_index(state, id);
        let (template_code, template_version) = template.map(|t| (t.code, t.version)).unzip();
        Self {
            pk,
            sk,
            gsi1_pk,
            gsi1_sk,
            gsi2_pk,
            gsi2_sk,
            kind: DeploymentTag::Tag,
            id,
            tenant_id,
            slug,
            display_name,
            region,
            state,
            state_since,
            llm_mode,
            billing_action_suspended,
            template_code,
            template_version,
            trial_ends_at,
            resume_at,
            live_resources,
            open_invoices,
            version,
            created_at,
            updated_at,
            last_commit_id: commit_id.to_string(),
        }
    }
}

impl From<DeploymentItem> for Deployment {
    fn from(item: DeploymentItem) -> Self {
        let DeploymentItem {
            pk: _,
            sk: _,
            gsi1_pk: _,
            gsi1_sk: _,
            gsi2_pk: _,
            gsi2_sk: _,
            kind: DeploymentTag::Tag,
            id,
            tenant_id,
            slug,
            display_name,
            region,
            state,
            state_since,
            llm_mode,
            billing_action_suspended,
            template_code,
            template_version,
            trial_ends_at,
            resume_at,
            live_resources,
            open_invoices,
            version,
            created_at,
            updated_at,
            last_commit_id: _,
        } = item;
        Self {
            id,
            tenant_id,
            slug,
            display_name,
            region,
            state,
            state_since,
            llm_mode,
            billing_action_suspended,
            template: template_code.zip(template_version).map(|(code, version)| Template { code, version }),
            trial_ends_at,
            resume_at,
            live_resources,
            open_invoices,
            version,
            created_at,
            updated_at,
        }
    }
}

/// The stored form of a deployment's claim on its slug.
#[must_use]
pub fn slug_claim(deployment: &Deployment) -> SlugClaimItem {
    let Key { pk, sk } = keys::slug_claim(&deployment.tenant_id, &deployment.slug);
    let Key { pk: gsi1_pk, sk: gsi1_sk } = keys::slug_index(&deployment.slug, deployment.id);
    SlugClaimItem { pk, sk, gsi1_pk, gsi1_sk, kind: SlugClaimTag::Tag, deployment_id: deployment.id }
}

/// Turns an event of `deployment` into an item.
///
/// # Errors
/// [`StoreError::Damaged`] if it cannot be expressed.
pub fn from_event(deployment: &Deployment, event: &Event) -> Result<Item, StoreError> {
    let Key { pk, sk } = keys::event(deployment.id, event.sequence);
    to_item(&EventItem {
        pk,
        sk,
        kind: EventTag::Tag,
        deployment_id: deployment.id,
        tenant_id: deployment.tenant_id.clone(),
        event: event.clone(),
    })
}

/// Reads an event.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is no event.
pub fn to_event(item: Item) -> Result<Event, StoreError> {
    from_item::<EventItem>(item).map(|item| item.event)
}

/// Turns a resource into an item.
///
/// # Errors
/// [`StoreError::Damaged`] if it cannot be expressed.
pub fn from_resource(resource: &Resource) -> Result<Item, StoreError> {
    let Key { pk, sk } = keys::resource(resource.deployment_id, resource.id);
    to_item(&ResourceItem { pk, sk, kind: ResourceTag::Tag, resource: resource.clone() })
}

/// Reads a resource.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is no resource.
pub fn to_resource(item: Item) -> Result<Resource, StoreError> {
    from_item::<ResourceItem>(item).map(|item| item.resource)
}

/// Reads a deployment.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is no deployment.
pub fn to_deployment(item: Item) -> Result<Deployment, StoreError> {
    from_item::<DeploymentItem>(item).map(Deployment::from)
}

/// Turns any of the stored forms into an item.
///
/// # Errors
/// [`StoreError::Damaged`] if it cannot be expressed.
pub fn to_item<T: Serialize>(record: &T) -> Result<Item, StoreError> {
    serde_dynamo::to_item(record).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Reads any of the stored forms.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is not one; the message names its key.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let name = |attribute| item.get(attribute).and_then(|v| v.as_s().ok()).cloned().unwrap_or_default();
    let key = format!("{} {}", name("PK"), name("SK"));
    serde_dynamo::from_item(item).map_err(|error| StoreError::Damaged(format!("{key}: {error}")))
}

/// A string attribute.
#[must_use]
pub fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
#[must_use]
pub fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
