//! `GET /deployments/{id}/events`: a deployment's history, newest first.

use arcadia_shared::Error;
use arcadia_shared::http::{Answer, Call, PageRequest, cursor};
use arcadia_shared::runtime::App;
use serde_json::json;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let page = PageRequest::from_call(call)?;
    let found = app.store.list_events(&call.principal.scope, id, page.limit, page.position).await?;
    let events = found.ok_or(Error::NotFound)?;
    Ok(Answer::ok(json!({"events": events.items, "next_cursor": events.next.map(cursor)})))
}
