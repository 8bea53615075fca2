//! `GET /deployments/{id}/resources`: a deployment's cloud resources, deleted ones included, newest first.

use arcadia_shared::Error;
use arcadia_shared::http::{Answer, Call, PageRequest};
use arcadia_shared::runtime::App;
use serde_json::json;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let page = PageRequest::from_call(call)?;
    let found = app.store.list_resources(&call.principal.scope, id, page.limit, page.position).await?;
    let resources = found.ok_or(Error::NotFound)?;
    Ok(Answer::ok(json!({"resources": resources.items, "next_cursor": page.cursor(resources.next)})))
}
