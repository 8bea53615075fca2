//! `count_figures`: reads the table's stream and adds up what each commit says that it changes of the figures of the business.

use arcadia_store::{Difference, StoreError, error_chain, stream};
use serde_json::{Value, json};

use crate::runtime::App;

/// How many differences one transaction adds: what Lambda hands over at most.
const BATCH: usize = 1_000;

/// Adds up the records of an event of the stream, which come in the order of one of its shards. When it fails, Lambda sends all
/// of them again, and those that were added are known. A record that cannot be read is told in the log and left out: it must
/// not hold up all that come after it.
///
/// # Errors
/// [`StoreError`] if DynamoDB does not take it.
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
