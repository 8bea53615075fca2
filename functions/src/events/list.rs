//! `GET /deployments/{id}/events`: a deployment's history, newest first or oldest first.

use arcadia_store::EventRange;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, Order, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let page = PageRequest::<u64>::from_call(call)?;
    let position = page.position;
    let after = call.number("after")?.unwrap_or(0);
    let range = match call.parsed_parameter("order")?.unwrap_or(Order::Descending) {
        Order::Ascending => EventRange { oldest_first: true, after: position.unwrap_or(0).max(after), before: None },
        Order::Descending => EventRange { oldest_first: false, after, before: position },
    };
    let found = app.store.list_events(&call.principal.scope, id, page.limit, range).await?;
    let events = found.ok_or(Error::NotFound)?;
    Ok(Answer::ok(json!({"events": events.items, "next_cursor": page.cursor(events.next)})))
}
