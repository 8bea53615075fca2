//! Idempotency records: the response to a request with an `Idempotency-Key`, stored in the transaction of its change. A
//! repeated request changes nothing and gets the same response. How an id and a fingerprint are made is in
//! `arcadia_functions::http`.

use arcadia_domain::Timestamp;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::item::{Item, number, to_item};
use super::{Store, StoreError, keys};

/// How long a record is valid. DynamoDB deletes it some time later.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// The condition that there is no valid record.
const FREE: &str = "attribute_not_exists(PK) OR expires_at <= :now";

/// The stored response to a request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// The digest of the caller and the key.
    pub id: String,
    /// The digest of the request; it detects another request with the same key.
    pub fingerprint: String,
    /// The response's status.
    pub status: u16,
    /// The response's body, byte for byte.
    pub body: String,
    /// The version in the response's `ETag`.
    pub version: Option<u64>,
    /// The response's `Location`.
    pub location: Option<String>,
    /// When it expires, in seconds since 1970.
    pub expires_at: i64,
}

/// The stored form of a record.
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
    /// [`StoreError::Damaged`] if the item is not an idempotency record.
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
    /// Reads the record with an id, unless it has expired at `now`: one consistent GetItem.
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

    /// Writes a record alone, for a request that changed nothing: one PutItem.
    ///
    /// # Errors
    /// [`StoreError::Answered`] if the key has been used, or another [`StoreError`] if DynamoDB does not answer.
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

    /// The same write, for a transaction.
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
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// The error of a write that found another record under its key.
pub(super) fn answered(found: Item) -> StoreError {
    match IdempotencyRecord::from_item(found) {
        Ok(record) => StoreError::Answered(Box::new(record)),
        Err(error) => error,
    }
}
