//! Sends transactions, and repeats them with the same token while they are cancelled for a transient reason. The caller
//! decides what a transaction writes and what its cancellation means.

use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{CancellationReason, Put, TransactWriteItem};
use uuid::Uuid;

use super::failure::SHORTAGE_CODES;
use super::item::Item;
use super::{Store, StoreError, metrics};

/// The most attempts of a transaction before it fails as unavailable.
pub const MAX_ATTEMPTS: u32 = 5;

/// The shortest wait before the second attempt, in milliseconds; it doubles with each further attempt.
const FIRST_BACKOFF_MS: u64 = 25;

/// The attribute that lets a writer whose response was lost recognise its own write.
pub(super) const COMMIT_ID: &str = "last_commit_id";

/// DynamoDB's code for a failed condition.
pub(super) const CONDITION: &str = "ConditionalCheckFailed";

/// DynamoDB's code for a conflict with another transaction on the same item.
pub(super) const CONFLICT: &str = "TransactionConflict";

/// The id of one commit: DynamoDB's request token for repeats, and the mark that lets a writer recognise its own write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitId(Uuid);

/// The meaning of a cancelled transaction.
#[derive(Debug)]
pub enum Verdict {
    /// The reason is transient: send it again. After the last attempt, fail with this error.
    Retry(StoreError),
    /// It was committed before, and its response was lost.
    CommittedBefore,
    /// It must not be committed; fail with this error.
    Refused(StoreError),
}

impl Verdict {
    /// The outcome of a commit whose `attempt`th attempt (from 1) was cancelled; `None` to send it again.
    #[must_use]
    pub fn after(self, attempt: u32) -> Option<Result<(), StoreError>> {
        match self {
            Self::CommittedBefore => Some(Ok(())),
            Self::Refused(refusal) => Some(Err(refusal)),
            Self::Retry(failure) => (attempt >= MAX_ATTEMPTS).then_some(Err(failure)),
        }
    }
}

impl CommitId {
    /// A commit id from a UUID that the caller generated for this commit.
    #[must_use]
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The wait after the `attempt`th attempt, from 1: in the upper half of a window that doubles with each attempt, at
    /// a point that differs between commits.
    const fn backoff(self, attempt: u32) -> Duration {
        let window_ms = FIRST_BACKOFF_MS << attempt;
        let (_, random) = self.0.as_u64_pair();
        Duration::from_millis(window_ms / 2 + random.rotate_right(attempt * 8) % (window_ms / 2))
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Store {
    /// A write of an item, to which the caller adds its condition.
    pub(super) fn put(&self, item: Item) -> PutBuilder {
        Put::builder().table_name(&self.table).set_item(Some(item))
    }

    /// Sends a transaction until it is decided, with the same token for each attempt. `judge` decides the meaning of a
    /// cancellation. `writes` builds the transaction anew for each attempt, because few need a second one.
    pub(super) async fn transact(
        &self,
        writes: impl Fn() -> Result<Vec<TransactWriteItem>, StoreError>,
        commit_id: CommitId,
        judge: impl Fn(&[CancellationReason]) -> Verdict,
    ) -> Result<(), StoreError> {
        let mut attempt = 0;
        loop {
            let sent = self
                .client
                .transact_write_items()
                .client_request_token(commit_id.to_string())
                .set_transact_items(Some(writes()?))
                .send()
                .await;
            let Err(error) = sent else { return Ok(()) };
            // The SDK has already repeated errors other than cancellations, where that makes sense, with the same
            // token.
            let Some(reasons) = cancellation_reasons(&error) else { return Err(error.into()) };
            attempt += 1;
            if let Some(outcome) = judge(reasons).after(attempt) {
                return outcome;
            }
            tracing::info!(attempt, %commit_id, "a transaction is sent again");
            metrics::count(metrics::RETRIES);
            tokio::time::sleep(commit_id.backoff(attempt)).await;
        }
    }
}

/// A put as a write of a transaction.
pub(super) fn written(put: PutBuilder) -> Result<TransactWriteItem, StoreError> {
    Ok(TransactWriteItem::builder().put(put.build()?).build())
}

/// The cancellation reasons of a transaction; `None` if the request failed in another way.
fn cancellation_reasons<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}

/// The error of a transaction that was cancelled for a transient reason in every attempt.
pub(super) fn kept_being_cancelled() -> StoreError {
    StoreError::Unavailable("the transaction was cancelled repeatedly".into())
}

/// Whether a transaction was cancelled for transient reasons only.
pub(super) fn is_transient(reasons: &[CancellationReason]) -> bool {
    reasons.iter().filter_map(CancellationReason::code).all(is_transient_code)
}

pub(super) fn is_transient_code(code: &str) -> bool {
    code == "None" || code == CONFLICT || SHORTAGE_CODES.contains(&code)
}
