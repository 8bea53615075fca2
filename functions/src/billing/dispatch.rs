//! `billing_dispatch`: sends one queue message for each shard with due deployments. The messages of a shard share a
//! message group, so that only one sweep at a time works on it.

use arcadia_store::{StoreError, error_chain};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::runtime::App;

/// Maximum number of messages in one SQS batch.
const MAX_BATCH: usize = 10;

/// Error of a dispatch. Lambda retries it, and the next tick covers it too.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The due index could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS rejected messages.
    #[error("SQS rejected the messages: {0}")]
    Queue(String),
    /// A message could not be built.
    #[error(transparent)]
    Message(#[from] BuildError),
}

/// Dispatches one tick and returns the due shards.
///
/// # Errors
/// [`DispatchError`] if DynamoDB or SQS does not respond. Some shards may have been dispatched by then.
pub async fn dispatch(app: &App, queue: &Client, queue_url: &str) -> Result<Value, DispatchError> {
    let now = app.clock.now();
    let looks = (0..app.store.due_shards()).map(|shard| async move {
        let page = app.store.due(shard, now, None, 1).await?;
        Ok::<_, StoreError>((!page.rows.is_empty()).then_some(shard))
    });
    let due: Vec<u8> = try_join_all(looks).await?.into_iter().flatten().collect();
    // SQS deduplicates a tick that is delivered twice within a minute.
    let minute = now.format("%Y%m%d%H%M");
    for shards in due.chunks(MAX_BATCH) {
        let entries = shards.iter().map(|shard| {
            SendMessageBatchRequestEntry::builder()
                .id(shard.to_string())
                .message_body(json!({"shard": shard}).to_string())
                .message_group_id(shard.to_string())
                .message_deduplication_id(format!("{minute}-{shard}"))
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let sent = queue.send_message_batch().queue_url(queue_url).set_entries(Some(entries)).send().await;
        let sent = sent.map_err(|error| DispatchError::Queue(error_chain(&error)))?;
        if let Some(failed) = sent.failed().first() {
            return Err(DispatchError::Queue(failed.message().unwrap_or_else(|| failed.code()).to_owned()));
        }
    }
    tracing::info!(due_shards = due.len(), "dispatched");
    Ok(json!({"due_shards": due}))
}
