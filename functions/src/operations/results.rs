//! `GET /operations/{operation_id}/results`: lists the results of an operation, by deployment, as JSON or CSV. For
//! `platform_admin`.

use arcadia_api::OperationResultView;
use arcadia_api::answer::OperationResultList;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest, operation_results_as_csv};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("operation_id")?;
    let outcome = call.parsed_parameter("outcome")?;
    let page = PageRequest::from_call(call)?;
    let found = app.store.list_operation_results(id, outcome, page.limit, page.position).await?;
    if found.items.is_empty() && app.store.load_operation(id).await?.is_none() {
        return Err(Error::NotFound("operation"));
    }
    let next_cursor = page.cursor(found.next);
    let csv = operation_results_as_csv(call, &found.items, next_cursor.as_deref())?;
    let results = found.items.iter().map(OperationResultView::new).collect();
    Ok(Answer::ok(json!(OperationResultList { results, next_cursor })).with_csv(csv))
}
