//! `GET /operations/{operation_id}`: shows an operation with its progress. For `platform_admin`.

use arcadia_api::OperationView;
use arcadia_api::answer::OperationAnswer;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("operation_id")?;
    let operation = app.store.load_operation(id).await?.ok_or(Error::NotFound("operation"))?;
    Ok(Answer::ok(json!(OperationAnswer { operation: OperationView::new(&operation) })))
}
