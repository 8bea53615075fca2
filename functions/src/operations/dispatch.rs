//! `operations_dispatch`: sends one queue message for each operation that runs. The messages of an operation share a
//! message group, so that only one worker at a time works on it. A worker that died is replaced at the next tick.

use arcadia_domain::OperationId;
use arcadia_store::StoreError;
use aws_sdk_sqs::Client;
use serde_json::{Value, json};

use crate::queue::{DispatchError, Message, send};
use crate::runtime::App;

/// Dispatches one tick and returns the operations that run.
///
/// # Errors
/// `DispatchError` if DynamoDB or SQS does not respond. Some operations may have been dispatched by then.
pub async fn dispatch(app: &App, queue: &Client, queue_url: &str) -> Result<Value, DispatchError> {
    let running = app.store.running_operations().await?;
    let message = |id: &OperationId| Message { group: id.to_string(), body: json!({"operation_id": id}).to_string() };
    let messages: Vec<Message> = running.iter().map(message).collect();
    send(queue, queue_url, &messages, app.clock.now()).await?;
    tracing::info!(operations = running.len(), "dispatched");
    Ok(json!({"operations": running}))
}

/// The operation of a message.
///
/// # Errors
/// [`StoreError::BadMessage`] if it is not of the form that [`dispatch`] sends.
pub fn operation_of(body: &str) -> Result<OperationId, StoreError> {
    let bad = || StoreError::BadMessage("it has no operation id".into());
    let body: Value = serde_json::from_str(body).map_err(|_| bad())?;
    body.get("operation_id").and_then(Value::as_str).and_then(|id| id.parse().ok()).ok_or_else(bad)
}
