//! `publish_events`: turns records of the table's stream into CloudEvents, for the pipe that puts them on the event
//! bus. `template.yaml` defines the pipe's filter.

use arcadia_domain::{CatalogEvent, DeploymentId, Event, TenantEvent, TenantId, Timestamp};
use arcadia_store::items::{AnyEventRecord, EventRecord, TenantEventRecord};
use arcadia_store::{StoreError, error_chain, keys, metrics, stream};
use serde::Serialize;
use serde_json::Value;

use crate::runtime::App;

/// The `source` of CloudEvents and EventBridge events.
pub const SOURCE: &str = "cloud.arcadia";
/// Prefix of the CloudEvent's `type` for an event of a deployment; the event's own type follows.
pub const TYPE_PREFIX: &str = "cloud.arcadia.deployment.";
/// Name of its schema, docs/event-schema.json. An incompatible change gets a new name.
pub const SCHEMA: &str = "urn:arcadia:event:1";
/// As [`TYPE_PREFIX`], for an event of a tenant.
pub const TENANT_TYPE_PREFIX: &str = "cloud.arcadia.tenant.";
/// As [`SCHEMA`], for an event of a tenant: docs/tenant-event-schema.json.
pub const TENANT_SCHEMA: &str = "urn:arcadia:tenant-event:1";
/// As [`TYPE_PREFIX`], for an event of the catalog.
pub const CATALOG_TYPE_PREFIX: &str = "cloud.arcadia.catalog.";
/// As [`SCHEMA`], for an event of the catalog: docs/catalog-event-schema.json.
pub const CATALOG_SCHEMA: &str = "urn:arcadia:catalog-event:1";

/// The `tenantid` of an event of the catalog, which is every tenant's. The pipe's `InputTemplate` needs a value.
pub const NO_TENANT: &str = "*";

/// A record's event as the pipe receives it: the CloudEvent, and the id by which the pipe knows the record. If the bus
/// accepts a part of a batch only, the pipe repeats the other records, which it finds by this id. The pipe's
/// `InputTemplate` leaves it out of the event on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The stream's id of the record; absent if the record had none.
    #[serde(rename = "eventID", skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(flatten)]
    event: CloudEvent,
}

/// An event in the structured form of CloudEvents 1.0, with the extensions `sequence` and `tenantid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CloudEvent {
    specversion: &'static str,
    /// The deployment's id and the event's sequence; or `tenant`, the tenant's id and the event's sequence; or `plan`,
    /// `addon` or `coupon`, the record's code and the event's revision. It is the same for every delivery of an event.
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: String,
    /// The deployment's or tenant's id, or the code of the catalog's record.
    subject: String,
    time: Timestamp,
    dataschema: &'static str,
    datacontenttype: &'static str,
    /// The event's sequence or revision, padded to ten digits so that it sorts as text.
    sequence: String,
    /// The tenant, or the deployment's tenant, or [`NO_TENANT`].
    tenantid: String,
    data: Data,
}

/// The event in the API's form, and its deployment and tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "one is made at a time, to be written at once")]
enum Data {
    Deployment {
        deployment_id: DeploymentId,
        tenant_id: TenantId,
        #[serde(flatten)]
        event: Event,
    },
    Tenant {
        tenant_id: TenantId,
        #[serde(flatten)]
        event: TenantEvent,
    },
    Catalog(CatalogEvent),
}

/// Error of publishing. It fails the whole batch, so that the pipe splits the batch and retries.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The pipe sent something other than a list.
    #[error("the input is not a list of records")]
    NoList,
    /// A record contains no readable event.
    #[error("the record {sequence_number} of {key} cannot be published: {}", error_chain(reason))]
    Record {
        /// The record's sequence number in the stream.
        sequence_number: String,
        /// The item's key.
        key: String,
        /// The reason.
        reason: StoreError,
        /// Its deployment and the time of the write, if readable.
        of: Option<(DeploymentId, Timestamp)>,
    },
}

/// Converts a batch of records into CloudEvents, one per record and in the same order.
///
/// # Errors
/// [`PublishError`] for the first unreadable record.
pub fn publish(records: &Value) -> Result<Vec<Published>, PublishError> {
    records.as_array().ok_or(PublishError::NoList)?.iter().map(to_published).collect()
}

/// [`publish`] for the pipe; counts the events. A failure leaves a trace in the table, because the pipe keeps no readable reason.
///
/// # Errors
/// As [`publish`].
pub async fn handle(app: &App, records: &Value) -> Result<Vec<Published>, PublishError> {
    let published = publish(records);
    if let Ok(events) = &published {
        metrics::add(metrics::PUBLISHED, events.len() as u64);
    }
    if let Err(PublishError::Record { of: Some((id, at)), .. }) = &published
        && let Err(error) = app.store.trace_not_published(*id, *at).await
    {
        let error = error_chain(&error);
        tracing::error!(route = "publish_events", deployment_id = %id, error, "an unpublished event left no trace");
    }
    published
}

/// Returns a record's deployment and the time of the write according to the stream.
fn written(record: &Value) -> Option<(DeploymentId, Timestamp)> {
    let id = keys::deployment_id(record.pointer("/dynamodb/Keys/PK/S")?.as_str()?)?;
    // A number of seconds; some senders use decimals.
    let seconds = record.pointer("/dynamodb/ApproximateCreationDateTime")?.to_string();
    let seconds = seconds.split('.').next()?.parse().ok()?;
    Some((id, Timestamp::from_timestamp(seconds, 0)?))
}

fn to_published(record: &Value) -> Result<Published, PublishError> {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
    let event = stream::to_event(record).map_err(|reason| PublishError::Record {
        sequence_number: text("/dynamodb/SequenceNumber"),
        key: format!("{} {}", text("/dynamodb/Keys/PK/S"), text("/dynamodb/Keys/SK/S")),
        reason,
        of: written(record),
    })?;
    let event_id = record["eventID"].as_str().map(str::to_owned);
    Ok(Published { event_id, event: event.into() })
}

impl From<EventRecord> for CloudEvent {
    fn from(EventRecord { deployment_id, tenant_id, event }: EventRecord) -> Self {
        Self {
            specversion: "1.0",
            id: format!("{deployment_id}/{}", event.sequence),
            source: SOURCE,
            kind: format!("{TYPE_PREFIX}{}", event.kind.name()),
            subject: deployment_id.to_string(),
            time: event.occurred_at,
            dataschema: SCHEMA,
            datacontenttype: "application/json",
            sequence: format!("{:010}", event.sequence),
            tenantid: tenant_id.to_string(),
            data: Data::Deployment { deployment_id, tenant_id, event },
        }
    }
}

impl From<TenantEventRecord> for CloudEvent {
    fn from(TenantEventRecord { tenant_id, event }: TenantEventRecord) -> Self {
        Self {
            specversion: "1.0",
            id: format!("tenant/{tenant_id}/{}", event.sequence),
            source: SOURCE,
            kind: format!("{TENANT_TYPE_PREFIX}{}", event.kind.name()),
            subject: tenant_id.to_string(),
            time: event.occurred_at,
            dataschema: TENANT_SCHEMA,
            datacontenttype: "application/json",
            sequence: format!("{:010}", event.sequence),
            tenantid: tenant_id.to_string(),
            data: Data::Tenant { tenant_id, event },
        }
    }
}

impl From<CatalogEvent> for CloudEvent {
    fn from(event: CatalogEvent) -> Self {
        let record = event.record();
        Self {
            specversion: "1.0",
            id: format!("{}/{}/{}", record.kind(), record.code(), event.revision),
            source: SOURCE,
            kind: format!("{CATALOG_TYPE_PREFIX}{}", event.kind.name()),
            subject: record.code().to_string(),
            time: event.occurred_at,
            dataschema: CATALOG_SCHEMA,
            datacontenttype: "application/json",
            sequence: format!("{:010}", event.revision),
            tenantid: NO_TENANT.to_owned(),
            data: Data::Catalog(event),
        }
    }
}

impl From<AnyEventRecord> for CloudEvent {
    fn from(record: AnyEventRecord) -> Self {
        match record {
            AnyEventRecord::OfDeployment(record) => record.into(),
            AnyEventRecord::OfTenant(record) => record.into(),
            AnyEventRecord::OfCatalog(event) => event.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unreadable_record_is_named_and_nothing_is_dropped() {
        let keys = json!({"PK": {"S": "DEPLOYMENT#x"}, "SK": {"S": "EVENT#0000000001"}});
        let image = json!({"PK": {"S": "DEPLOYMENT#x"}, "SK": {"S": "EVENT#0000000001"}, "type": {"S": "event"}});
        for (dynamodb, reason) in [
            (json!({"Keys": keys, "SequenceNumber": "111"}), "without a new image"),
            (
                json!({"Keys": keys, "SequenceNumber": "111", "NewImage": {"a": {"SS": ["b"]}}}),
                "of a type that no item has",
            ),
            (json!({"Keys": keys, "SequenceNumber": "111", "NewImage": image}), "DEPLOYMENT#x EVENT#0000000001: "),
        ] {
            let error = error_chain(&publish(&json!([{"eventName": "INSERT", "dynamodb": dynamodb}])).unwrap_err());
            assert!(
                error.starts_with("the record 111 of DEPLOYMENT#x EVENT#0000000001 cannot be published: "),
                "{error}"
            );
            assert!(error.contains(reason), "{error}");
        }
        assert_eq!(publish(&json!([{}])).unwrap_err().to_string().split(" cannot").next(), Some("the record ? of ? ?"));
        assert!(matches!(publish(&json!({})), Err(PublishError::NoList)));
        assert_eq!(publish(&json!([])).unwrap(), []);
    }
}
