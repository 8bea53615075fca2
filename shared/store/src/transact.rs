//! Sends transactions: again, with the same token, as long as nothing is wrong with them.

use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use uuid::Uuid;

use super::failure::SHORTAGE_CODES;
use super::{Store, StoreError, metrics};

/// How often a commit is sent before the caller is told to come back later.
pub const MAX_ATTEMPTS: u32 = 5;

/// The longest wait before the second attempt; it doubles with each further one.
const FIRST_BACKOFF_MS: u64 = 25;

/// DynamoDB's word for another transaction that is writing the same item.
pub(super) const CONFLICT: &str = "TransactionConflict";

/// Names one attempt to change something: the request token that DynamoDB recognises repeats by, and the mark by
/// which a writer knows its own write again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitId(Uuid);

/// What a cancelled transaction means.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing was wrong with it: send it again. Whoever has done so often enough fails with this.
    Retry(StoreError),
    /// It had been committed before; the answer was lost.
    CommittedBefore,
    /// It must not be committed.
    Refused(StoreError),
}

impl Verdict {
    /// What becomes of a commit whose `attempt`th attempt was cancelled; `None` if it is to be sent again.
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
    /// Takes a UUID made by the caller for this one commit.
    #[must_use]
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// How long to wait before attempt `attempt` (the second is 1): somewhere in a window that doubles, at a place
    /// that differs between commits.
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
    /// Sends a transaction until it is decided: again, with the same token, as long as `judge` finds nothing wrong
    /// with it. It is made anew for each attempt, since hardly any needs a second.
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
            // Of what is no cancellation, the SDK has sent again by itself what makes sense, with the same token.
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

/// The reasons of a cancelled transaction; `None` if the request failed in another way.
fn cancellation_reasons<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}

/// Why a transaction that nothing is wrong with was given up.
pub(super) fn kept_being_cancelled() -> StoreError {
    StoreError::Unavailable("the transaction kept being cancelled".to_owned())
}

/// Whether a transaction was cancelled for nothing that is wrong with it.
pub(super) fn is_transient(reasons: &[CancellationReason]) -> bool {
    reasons.iter().filter_map(CancellationReason::code).all(is_transient_code)
}

pub(super) fn is_transient_code(code: &str) -> bool {
    code == "None" || code == CONFLICT || SHORTAGE_CODES.contains(&code)
}
