//! `GET /deployments/{id}/resources`: lists a deployment's cloud resources, including deleted ones, newest first.

use arcadia_api::answer::ResourceList;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let page = PageRequest::from_call(call)?;
    let found = app.store.list_resources(&call.principal.scope, id, page.limit, page.position).await?;
    let resources = found.ok_or(Error::NotFound("deployment"))?;
    Ok(Answer::ok(json!(ResourceList { resources: resources.items, next_cursor: page.cursor(resources.next) })))
}
