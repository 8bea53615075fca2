//! `GET /deployments/{id}/events`: a deployment's history, newest first or oldest first.

use arcadia_api::answer::EventList;
use serde_json::json;

use super::range;
use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let page = PageRequest::<u64>::from_call(call)?;
    let range = range(call, page.position)?;
    let found = app.store.list_events(&call.principal.scope, id, page.limit, range).await?;
    let events = found.ok_or(Error::NotFound("deployment"))?;
    Ok(Answer::ok(json!(EventList { events: events.items, next_cursor: page.cursor(events.next) })))
}
