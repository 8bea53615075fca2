//! The stored form of every record: how it becomes an item and is read back. A conversion names every field, so a new
//! field breaks the build until it is stored. Keys are in [`super::keys`].

use arcadia_domain::{
    Addon, BalanceMovement, BalanceMovementKind, CatalogEvent, Coupon, Deployment, DeploymentId, DunningPolicy, Event,
    InvoiceNumber, Operation, OperationId, OperationResult, Payment, Plan, PlanTerms, PlanVersion, Resource, ShortCode,
    Subscription, SubscriptionAddon, Tenant, TenantEvent, TenantId,
};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::fold::fold;
use super::item::{Item, from_item, to_item};
use super::keys::{self, Key, PlanEntry};

pub use super::deployment_item::{DeploymentItem, to_deployment};
pub use super::invoice_item::{from_invoice, to_invoice};

/// A tenant's claim on a slug. It is never deleted.
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
    /// The deployment that has the slug.
    pub deployment_id: DeploymentId,
}

/// A record with its key and its entries, if any, in the indexes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RecordItem<T> {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "GSI1PK", default, skip_serializing_if = "Option::is_none")]
    gsi1_pk: Option<String>,
    #[serde(rename = "GSI1SK", default, skip_serializing_if = "Option::is_none")]
    gsi1_sk: Option<String>,
    #[serde(rename = "GSI2PK", default, skip_serializing_if = "Option::is_none")]
    gsi2_pk: Option<String>,
    #[serde(rename = "GSI2SK", default, skip_serializing_if = "Option::is_none")]
    gsi2_sk: Option<String>,
    #[serde(rename = "GSI3PK", default, skip_serializing_if = "Option::is_none")]
    gsi3_pk: Option<String>,
    #[serde(rename = "GSI3SK", default, skip_serializing_if = "Option::is_none")]
    gsi3_sk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(flatten)]
    record: T,
}

/// A part of a deployment's present state, with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The sequence of the event that last changed it.
    pub version: u64,
    /// The part.
    pub record: T,
}

/// The records that are stored unchanged. The name of a variant is the item's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "record", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one is made at a time, to be written or taken apart at once")]
enum Record {
    Event(StoredEvent),
    Resource(Resource),
    Subscription(Subscription),
    SubscriptionAddon(SubscriptionAddon),
    TrialClaim { deployment_id: DeploymentId },
    Plan(Plan),
    PlanVersion(PlanVersion),
    Addon(Addon),
    Coupon(Coupon),
    CatalogEvent { event: CatalogEvent },
    Payment { number: InvoiceNumber, payment: Payment },
    DunningPolicy(DunningPolicy),
    Account(Tenant),
    TenantEvent { event: TenantEvent },
    Operation(Operation),
    OperationIds { ids: Vec<DeploymentId> },
    OperationResult(OperationResult),
    BalanceMovement(BalanceMovement),
}

/// The stored form of an event. The deployment's id is in the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredEvent {
    tenant_id: TenantId,
    event: Event,
}

/// An event with its deployment and tenant, for a consumer of the table's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// The tenant of the deployment.
    pub tenant_id: TenantId,
    /// The event.
    pub event: Event,
}

/// An event of a tenant, for a consumer of the table's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantEventRecord {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The event.
    pub event: TenantEvent,
}

/// An event of any history, for a consumer of the table's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one is made at a time, to be published at once")]
pub enum AnyEventRecord {
    /// An event of a deployment.
    OfDeployment(EventRecord),
    /// An event of a tenant.
    OfTenant(TenantEventRecord),
    /// An event of the catalog.
    OfCatalog(CatalogEvent),
}

/// The `type` of a slug claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SlugClaimTag {
    #[serde(rename = "slug_claim")]
    Tag,
}

/// The `type` of a stored deployment.
pub const DEPLOYMENT_TYPE: &str = "deployment";
/// The `type` of a stored subscription.
pub const SUBSCRIPTION_TYPE: &str = "subscription";
/// The `type` of a stored add-on of a subscription.
pub const SUBSCRIPTION_ADDON_TYPE: &str = "subscription_addon";
/// The `type` of a stored plan.
pub const PLAN_TYPE: &str = "plan";
/// The `type` of a stored plan version.
pub const PLAN_VERSION_TYPE: &str = "plan_version";
/// The `type` of a stored add-on of the catalog.
pub const ADDON_TYPE: &str = "addon";
/// The `type` of a stored event of the catalog.
const CATALOG_EVENT_TYPE: &str = "catalog_event";
/// The `type` of a stored account: the fields of a tenant, and its entry in the list of tenants.
pub const ACCOUNT_TYPE: &str = "account";
/// The `type` of a stored dunning policy.
pub const DUNNING_POLICY_TYPE: &str = "dunning_policy";
/// The `type` of the claim on a tenant's trial of a plan.
pub const TRIAL_CLAIM_TYPE: &str = "trial_claim";

/// The claim of a deployment on its slug, as stored.
#[must_use]
pub fn slug_claim(deployment: &Deployment) -> SlugClaimItem {
    let Key { pk, sk } = keys::slug_claim(&deployment.tenant_id, &deployment.slug);
    let Key { pk: gsi1_pk, sk: gsi1_sk } = keys::slug_index(&deployment.slug, deployment.id);
    SlugClaimItem { pk, sk, gsi1_pk, gsi1_sk, kind: SlugClaimTag::Tag, deployment_id: deployment.id }
}

/// Converts a record to an item, with an entry in the tenant index if `index` is given.
fn record(key: Key, index: Option<Key>, record: Record) -> Result<Item, StoreError> {
    let Key { pk, sk } = key;
    let (gsi1_pk, gsi1_sk) = index.map(|key| (key.pk, key.sk)).unzip();
    let (gsi2_pk, gsi2_sk, gsi3_pk, gsi3_sk) = (None, None, None, None);
    to_item(&RecordItem { pk, sk, gsi1_pk, gsi1_sk, gsi2_pk, gsi2_sk, gsi3_pk, gsi3_sk, version: None, record })
}

/// Converts a part of a deployment's present state to an item, with its entries, if any, in the state index and in the due
/// index.
fn part(key: Key, version: u64, entries: [Option<Key>; 2], record: Record) -> Result<Item, StoreError> {
    let Key { pk, sk } = key;
    let [(gsi2_pk, gsi2_sk), (gsi3_pk, gsi3_sk)] = entries.map(|entry| entry.map(|key| (key.pk, key.sk)).unzip());
    let (gsi1_pk, gsi1_sk, version) = (None, None, Some(version));
    to_item(&RecordItem { pk, sk, gsi1_pk, gsi1_sk, gsi2_pk, gsi2_sk, gsi3_pk, gsi3_sk, version, record })
}

fn with_folded_lists(mut item: Item) -> Item {
    item.values_mut().for_each(fold);
    item
}

/// Converts an event of `deployment` to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_event(deployment: &Deployment, event: &Event) -> Result<Item, StoreError> {
    let Deployment { id: deployment_id, tenant_id, .. } = deployment.clone();
    let event = event.clone();
    let key = keys::event(deployment_id, event.sequence);
    record(key, None, Record::Event(StoredEvent { tenant_id, event })).map(with_folded_lists)
}

/// Converts the fields of a tenant to an item, with its entry in the list of tenants.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_tenant(tenant_id: &TenantId, tenant: &Tenant) -> Result<Item, StoreError> {
    let index = Some(keys::account_index(tenant_id));
    record(keys::account(tenant_id), index, Record::Account(tenant.clone()))
}

/// Converts an event of a tenant to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_tenant_event(tenant_id: &TenantId, event: &TenantEvent) -> Result<Item, StoreError> {
    record(keys::tenant_event(tenant_id, event.sequence), None, Record::TenantEvent { event: event.clone() })
}

/// Converts a resource to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_resource(resource: &Resource) -> Result<Item, StoreError> {
    record(keys::resource(resource.deployment_id, resource.id), None, Record::Resource(resource.clone()))
}

/// Converts a subscription, last changed by the event `version`, to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_subscription(id: DeploymentId, subscription: &Subscription, version: u64) -> Result<Item, StoreError> {
    let entry_of = |terms: &PlanTerms| PlanEntry { version: terms.plan_version, id };
    let live = Some(subscription).filter(|subscription| subscription.is_live());
    let present = live.map(|live| keys::subscription_of_plan(&live.terms.plan_code, entry_of(&live.terms)));
    let pending = live.and_then(|live| live.pending_change.as_ref());
    let next = pending.map(|next| keys::change_to_plan(&next.terms.plan_code, entry_of(&next.terms)));
    let record = Record::Subscription(subscription.clone());
    part(keys::subscription(id), version, [present, next], record).map(with_folded_lists)
}

/// Converts an add-on of a subscription, last changed by the event `version`, to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_subscription_addon(id: DeploymentId, addon: &SubscriptionAddon, version: u64) -> Result<Item, StoreError> {
    part(keys::subscription_addon(id, addon.id), version, [None, None], Record::SubscriptionAddon(addon.clone()))
}

/// The claim of a deployment on its tenant's one trial of a plan, as an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn trial_claim(deployment: &Deployment, plan_code: &ShortCode) -> Result<Item, StoreError> {
    let key = keys::trial_claim(&deployment.tenant_id, plan_code);
    record(key, None, Record::TrialClaim { deployment_id: deployment.id })
}

/// Converts a plan to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_plan(plan: &Plan) -> Result<Item, StoreError> {
    record(keys::plan(&plan.code), Some(keys::plan_index(&plan.code)), Record::Plan(plan.clone()))
}

/// Converts a plan version to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_plan_version(version: &PlanVersion) -> Result<Item, StoreError> {
    record(keys::plan_version(&version.plan_code, version.version), None, Record::PlanVersion(version.clone()))
}

/// Converts an add-on of the catalog to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_addon(addon: &Addon) -> Result<Item, StoreError> {
    record(keys::addon(&addon.code), Some(keys::addon_index(&addon.code)), Record::Addon(addon.clone()))
}

/// Converts a coupon to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_coupon(coupon: &Coupon) -> Result<Item, StoreError> {
    record(keys::coupon(&coupon.code), Some(keys::coupon_index(&coupon.code)), Record::Coupon(coupon.clone()))
}

/// Converts an event of the catalog to an item, with its entry in the list of all of them.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_catalog_event(event: &CatalogEvent) -> Result<Item, StoreError> {
    let key = keys::catalog_event(&event.record(), event.revision);
    record(key, Some(keys::catalog_event_index(event)), Record::CatalogEvent { event: event.clone() })
}

/// Converts a recorded payment of an invoice to an item, which claims the payment's reference.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_payment(id: DeploymentId, number: &InvoiceNumber, payment: &Payment) -> Result<Item, StoreError> {
    let key = keys::payment(id, &payment.reference);
    record(key, None, Record::Payment { number: number.clone(), payment: payment.clone() })
}

/// Converts a movement of balance, made by the event `sequence`, to an item. That of a refund claims its reference.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_movement(deployment: &Deployment, sequence: u64, movement: &BalanceMovement) -> Result<Item, StoreError> {
    let Deployment { id, tenant_id, .. } = deployment;
    let key = match &movement.kind {
        BalanceMovementKind::Granted => keys::grant(*id, sequence),
        BalanceMovementKind::PaidBack(reference) => keys::refund(*id, reference),
    };
    let index = keys::movement_of_tenant(tenant_id, movement.at, *id, sequence);
    record(key, Some(index), Record::BalanceMovement(movement.clone()))
}

/// Converts a tenant's dunning policy, set by the tenant's event `version`, to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_dunning_policy(tenant_id: &TenantId, policy: &DunningPolicy, version: u64) -> Result<Item, StoreError> {
    part(keys::dunning_policy(tenant_id), version, [None, None], Record::DunningPolicy(*policy))
}

/// Converts an operation to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_operation(operation: &Operation) -> Result<Item, StoreError> {
    let index = keys::operation_index(operation.id);
    record(keys::operation(operation.id), Some(index), Record::Operation(operation.clone()))
}

/// Converts the ids of the deployments that an operation names to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_operation_ids(id: OperationId, ids: &[DeploymentId]) -> Result<Item, StoreError> {
    record(keys::operation_ids(id), None, Record::OperationIds { ids: ids.to_vec() })
}

/// Converts the result of an operation for a deployment to an item.
///
/// # Errors
/// [`StoreError::Damaged`] if the record cannot be expressed.
pub fn from_operation_result(id: OperationId, result: &OperationResult) -> Result<Item, StoreError> {
    record(keys::operation_result(id, result.deployment_id), None, Record::OperationResult(result.clone()))
}

/// Declares a function that reads a record of one kind.
macro_rules! reader {
    ($name:ident, $pattern:pat => $value:expr, $type:ty, $what:literal) => {
        #[doc = concat!("Reads ", $what, ".\n\n# Errors\n[`StoreError::Damaged`] if the item is not ", $what, ".")]
        pub fn $name(item: Item) -> Result<$type, StoreError> {
            match from_item(item)? {
                RecordItem { record: $pattern, .. } => Ok($value),
                RecordItem { pk, sk, .. } => Err(StoreError::Damaged(format!("{pk} {sk} is not {}", $what).into())),
            }
        }
    };
}

/// Declares a function that reads a part of one kind.
macro_rules! part_reader {
    ($name:ident, $kind:ident, $type:ty, $what:literal) => {
        #[doc = concat!("Reads ", $what, ".\n\n# Errors\n[`StoreError::Damaged`] if the item is not ", $what, ".")]
        pub fn $name(item: Item) -> Result<Versioned<$type>, StoreError> {
            match from_item(item)? {
                RecordItem { version: Some(version), record: Record::$kind(record), .. } => {
                    Ok(Versioned { version, record })
                }
                RecordItem { pk, sk, .. } => Err(StoreError::Damaged(format!("{pk} {sk} is not {}", $what).into())),
            }
        }
    };
}

reader!(to_event, Record::Event(record) => record.event, Event, "an event");
reader!(to_resource, Record::Resource(resource) => resource, Resource, "a resource");
reader!(to_trial_claim, Record::TrialClaim { deployment_id } => deployment_id, DeploymentId, "a trial claim");
reader!(to_plan, Record::Plan(plan) => plan, Plan, "a plan");
reader!(to_plan_version, Record::PlanVersion(version) => version, PlanVersion, "a plan version");
reader!(to_addon, Record::Addon(addon) => addon, Addon, "an add-on of the catalog");
reader!(to_coupon, Record::Coupon(coupon) => coupon, Coupon, "a coupon");
reader!(to_tenant_event, Record::TenantEvent { event } => event, TenantEvent, "an event of a tenant");
reader!(to_paid_invoice, Record::Payment { number, .. } => number, InvoiceNumber, "a recorded payment");
reader!(to_catalog_event, Record::CatalogEvent { event } => event, CatalogEvent, "an event of the catalog");
reader!(to_operation, Record::Operation(operation) => operation, Operation, "an operation");
reader!(to_operation_ids, Record::OperationIds { ids } => ids, Vec<DeploymentId>, "the ids of an operation");
reader!(to_operation_result, Record::OperationResult(result) => result, OperationResult, "a result of an operation");
reader!(
    to_movement,
    Record::BalanceMovement(movement) => movement,
    BalanceMovement,
    "a granted credit or a refund"
);
part_reader!(to_subscription, Subscription, Subscription, "a subscription");
part_reader!(to_subscription_addon, SubscriptionAddon, SubscriptionAddon, "a subscription's add-on");

/// Reads a dunning policy. One that was stored without a version has version 0.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is not a dunning policy.
pub fn to_dunning_policy(item: Item) -> Result<Versioned<DunningPolicy>, StoreError> {
    match from_item(item)? {
        RecordItem { version, record: Record::DunningPolicy(record), .. } => {
            Ok(Versioned { version: version.unwrap_or_default(), record })
        }
        RecordItem { pk, sk, .. } => Err(StoreError::Damaged(format!("{pk} {sk} is not a dunning policy").into())),
    }
}

/// Reads the fields of a tenant from its account. An account that a tenant's first deployment opened has none yet.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is not an account.
pub fn to_tenant(item: Item) -> Result<Tenant, StoreError> {
    if super::item::is(&item, ACCOUNT_TYPE) && !item.contains_key("record") {
        return Ok(Tenant::default());
    }
    match from_item(item)? {
        RecordItem { record: Record::Account(tenant), .. } => Ok(tenant),
        RecordItem { pk, sk, .. } => Err(StoreError::Damaged(format!("{pk} {sk} is not an account").into())),
    }
}

/// Reads an event of any history, with its deployment or tenant.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is not an event.
pub fn to_any_event_record(item: Item) -> Result<AnyEventRecord, StoreError> {
    if super::item::is(&item, CATALOG_EVENT_TYPE) {
        return Ok(AnyEventRecord::OfCatalog(to_catalog_event(item)?));
    }
    let tenant_id = item.get("PK").and_then(|pk| keys::tenant_of(pk.as_s().ok()?));
    Ok(match tenant_id {
        Some(tenant_id) => AnyEventRecord::OfTenant(TenantEventRecord { tenant_id, event: to_tenant_event(item)? }),
        None => AnyEventRecord::OfDeployment(to_event_record(item)?),
    })
}

/// Reads an event with its deployment and tenant.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is not an event.
pub fn to_event_record(item: Item) -> Result<EventRecord, StoreError> {
    let RecordItem { pk, sk, record, .. } = from_item(item)?;
    match (record, keys::deployment_id(&pk)) {
        (Record::Event(StoredEvent { tenant_id, event }), Some(deployment_id)) => {
            Ok(EventRecord { deployment_id, tenant_id, event })
        }
        _ => Err(StoreError::Damaged(format!("{pk} {sk} is not an event").into())),
    }
}
