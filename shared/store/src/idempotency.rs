//! Idempotency records: what a request that had an `Idempotency-Key` was answered with, stored together with what it
//! did, so that its repetition does nothing and is answered the same.

use arcadia_domain::Timestamp;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::item::{Item, number, to_item};
use super::{Store, StoreError, keys};

/// How long a record counts. DynamoDB deletes it some time later.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// Holds if there is no record yet, or one that does not count any more.
const FREE: &str = "attribute_not_exists(PK) OR expires_at <= :now";

/// What a request was answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// The caller and the key, as one digest.
    pub id: String,
    /// A digest of the request, by which another request under the same key is found out.
    pub fingerprint: String,
    /// The answer's status.
    pub status: u16,
    /// The answer's body, to the byte.
    pub body: String,
    /// The version that the answer's `ETag` names.
    pub version: Option<u64>,
    /// The answer's `Location`.
    pub location: Option<String>,
    /// When it stops counting, in seconds since 1970.
    pub expires_at: i64,
}

/// A record under its key.
#[derive(Debug, Serialize, Deserialize)]
struct RecordItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    record: IdempotencyRecord,
}

impl IdempotencyRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the item is none.
    pub fn from_item(item: Item) -> Result<Self, StoreError> {
        super::item::from_item::<RecordItem>(item).map(|item| item.record)
    }

    fn to_item(&self) -> Result<Item, StoreError> {
        let keys::Key { pk, sk } = keys::idempotency(&self.id);
        to_item(&RecordItem { pk, sk, kind: "idempotency".to_owned(), record: self.clone() })
    }

    /// When it was made, in seconds since 1970.
    const fn made_at(&self) -> i64 {
        self.expires_at - KEPT_FOR.num_seconds()
    }
}

impl Store {
    /// Reads the record under an id, unless it has expired by `now`: one GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_idempotency_record(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        let record = self.get(keys::idempotency(id)).await?.map(IdempotencyRecord::from_item).transpose()?;
        Ok(record.filter(|record| record.expires_at > now.timestamp()))
    }

    /// Writes a record by itself, for a request that nothing had to be done for: one PutItem.
    ///
    /// # Errors
    /// [`StoreError::Answered`] if the key has been used.
    pub async fn put_idempotency_record(&self, record: &IdempotencyRecord) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(record.to_item()?))
            .condition_expression(FREE)
            .expression_attribute_values(":now", number(record.made_at()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                Err(answered(failed.item().cloned().unwrap_or_default()))
            }
            _ => Err(error.into()),
        }
    }

    /// The same write as part of a transaction.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the record cannot be expressed.
    pub fn idempotency_write(&self, record: &IdempotencyRecord) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(record.to_item()?))
            .condition_expression(FREE)
            .expression_attribute_values(":now", number(record.made_at()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// What it means that the record found stands where another was to be written.
pub(super) fn answered(found: Item) -> StoreError {
    match IdempotencyRecord::from_item(found) {
        Ok(record) => StoreError::Answered(Box::new(record)),
        Err(error) => error,
    }
}
