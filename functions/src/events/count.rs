//! `count_figures`: reads the table's stream and adds each commit's changes to the figures of the business.

use arcadia_store::{Difference, StoreError, error_chain, stream};
use serde_json::{Value, json};

use crate::runtime::App;

/// Maximum number of differences added in one transaction: the largest batch that Lambda delivers.
const BATCH: usize = 1_000;

/// Adds up the records of a stream event, which arrive in the order of their stream shard. After a failure Lambda
/// redelivers all of them, and records already added are recognised. An unreadable record is logged and skipped, so
/// that it does not block the records after it.
///
/// # Errors
/// [`StoreError`] if the figures cannot be written.
pub async fn count(app: &App, event: &Value) -> Result<Value, StoreError> {
    let records = event["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut differences: Vec<Difference> = Vec::new();
    for record in records {
        match stream::to_difference(record) {
            Ok(difference) => differences.extend(difference),
            Err(error) => {
                let (error, key) = (error_chain(&error), record.pointer("/dynamodb/Keys").map(Value::to_string));
                tracing::error!(route = "count_figures", error, key, "a record was not counted");
            }
        }
    }
    let mut transactions = 0;
    for batch in differences.chunks(BATCH) {
        transactions += app.store.add_figures(batch, app.clock.now(), &|| app.new_commit_id()).await?;
    }
    Ok(json!({"records": records.len(), "transactions": transactions}))
}
