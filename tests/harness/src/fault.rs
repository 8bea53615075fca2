//! The ways in which a request to DynamoDB can fail. The proxy makes them happen.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::tears::Stale;

/// What shall go wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// DynamoDB does it, but the connection breaks in the middle of its answer.
    BreakOff,
    /// DynamoDB does it, but its answer arrives as a 500.
    ServerError,
    /// DynamoDB does not receive it, and this is answered instead.
    Answer(StatusCode, Value),
    /// DynamoDB does not know the request token again, as after ten minutes.
    ForgetToken,
    /// The request waits until as many as the barrier is for are there, so that they go on side by side.
    Gather(Arc<Barrier>),
    /// The request takes this much longer.
    Delay(Duration),
    /// The connection is reset, but DynamoDB receives the request this much later.
    Late(Duration),
    /// DynamoDB does it, but never answers.
    Unanswered,
    /// The connection is reset, and DynamoDB does not receive it.
    ResetBefore,
    /// DynamoDB does it, but the connection is reset.
    ResetAfter,
    /// DynamoDB reads half of the keys and names the others as unprocessed.
    Unprocessed,
    /// DynamoDB reads some items as they were before a transaction. Only a request that asks for one of them is torn.
    Torn(Vec<Stale>),
}

impl Fault {
    /// What DynamoDB answers to a transaction that it cancelled, with a code for each item.
    pub fn cancelled(codes: &[&str]) -> Self {
        let reasons: Vec<Value> = codes.iter().map(|code| json!({"Code": code, "Message": code})).collect();
        let message =
            format!("Transaction cancelled, please refer cancellation reasons for specific reasons {codes:?}");
        Self::error("TransactionCanceledException", &json!({"Message": message, "CancellationReasons": reasons}))
    }

    /// An error that DynamoDB answers with, by its name.
    pub fn named(name: &str) -> Self {
        Self::error(name, &json!({"message": name}))
    }

    /// What DynamoDB answers to a request that breaks one of its rules: it quotes all of it.
    pub fn invalid(request: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value '[{request}]' at 'transactItems' failed to satisfy constraint: Member must \
             have length less than or equal to 100"
        );
        Self::error("ValidationException", &json!({"message": message}))
    }

    /// Whether the sender treats the request as failed.
    pub fn fails(&self) -> bool {
        !matches!(self, Self::Gather(_) | Self::Delay(_) | Self::ForgetToken | Self::Unprocessed | Self::Torn(_))
    }

    fn error(name: &str, body: &Value) -> Self {
        let mut body = body.clone();
        body["__type"] = format!("com.amazonaws.dynamodb.v20120810#{name}").into();
        Self::Answer(StatusCode::BAD_REQUEST, body)
    }
}
