//! Sends messages to a FIFO queue of SQS. Messages of a group are handled one at a time; SQS deduplicates a tick that is
//! delivered twice within a minute.

use arcadia_domain::Timestamp;
use arcadia_store::{StoreError, error_chain};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

/// Maximum number of messages in one SQS batch.
const MAX_BATCH: usize = 10;

/// Error of a dispatch. Lambda retries it, and the next tick covers it too.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The table could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS rejected messages.
    #[error("SQS rejected the messages: {0}")]
    Queue(String),
    /// A message could not be built.
    #[error(transparent)]
    Message(#[from] BuildError),
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its group.
    pub group: String,
    /// Its text.
    pub body: String,
}

/// Sends at most one message of each group for the minute of `now`.
///
/// # Errors
/// [`DispatchError`] if SQS does not respond. Some messages may have been sent by then.
pub async fn send(queue: &Client, url: &str, messages: &[Message], now: Timestamp) -> Result<(), DispatchError> {
    let minute = now.format("%Y%m%d%H%M");
    for batch in messages.chunks(MAX_BATCH) {
        let entries = batch.iter().map(|Message { group, body }| {
            SendMessageBatchRequestEntry::builder()
                .id(group)
                .message_body(body)
                .message_group_id(group)
                .message_deduplication_id(format!("{minute}-{group}"))
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let sent = queue.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        let sent = sent.map_err(|error| DispatchError::Queue(error_chain(&error)))?;
        if let Some(failed) = sent.failed().first() {
            return Err(DispatchError::Queue(failed.message().unwrap_or_else(|| failed.code()).to_owned()));
        }
    }
    Ok(())
}
