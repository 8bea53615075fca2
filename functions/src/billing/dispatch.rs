//! `billing_dispatch`: puts one message for each shard in which something is due into the queue. A shard's messages form
//! one group, so that one sweep at a time works on it.

use arcadia_store::{StoreError, error_chain};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::runtime::App;

/// How many messages SQS takes at once.
const MAX_BATCH: usize = 10;

/// Why a tick could not be dispatched. It is dispatched again, or with the next one.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The due index could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS did not take the messages.
    #[error("SQS did not take the messages: {0}")]
    Queue(String),
    /// A message could not be made.
    #[error(transparent)]
    Message(#[from] BuildError),
}

/// Dispatches one tick and tells which shards are due.
///
/// # Errors
/// [`DispatchError`] if DynamoDB or SQS does not answer; some shards may have been dispatched by then.
pub async fn dispatch(app: &App, queue: &Client, queue_url: &str) -> Result<Value, DispatchError> {
    let now = app.clock.now();
    let looks = (0..app.store.due_shards()).map(|shard| async move {
        let page = app.store.due(shard, now, None, 1).await?;
        Ok::<_, StoreError>((!page.rows.is_empty()).then_some(shard))
    });
    let due: Vec<u8> = try_join_all(looks).await?.into_iter().flatten().collect();
    // Within a minute a tick that is delivered twice is sent once.
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
