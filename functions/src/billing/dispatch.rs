//! `billing_dispatch`: sends one queue message for each shard with due deployments. The messages of a shard share a
//! message group, so that only one sweep at a time works on it.

use arcadia_store::StoreError;
use aws_sdk_sqs::Client;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::queue::{DispatchError, Message, send};
use crate::runtime::App;

/// Dispatches one tick and returns the due shards.
///
/// # Errors
/// `DispatchError` if DynamoDB or SQS does not respond. Some shards may have been dispatched by then.
pub async fn dispatch(app: &App, queue: &Client, queue_url: &str) -> Result<Value, DispatchError> {
    let now = app.clock.now();
    let looks = (0..app.store.due_shards()).map(|shard| async move {
        let page = app.store.due(shard, now, None, 1).await?;
        Ok::<_, StoreError>((!page.rows.is_empty()).then_some(shard))
    });
    let due: Vec<u8> = try_join_all(looks).await?.into_iter().flatten().collect();
    let message = |shard: &u8| Message { group: shard.to_string(), body: json!({"shard": shard}).to_string() };
    let messages: Vec<Message> = due.iter().map(message).collect();
    send(queue, queue_url, &messages, now).await?;
    tracing::info!(due_shards = due.len(), "dispatched");
    Ok(json!({"due_shards": due}))
}
