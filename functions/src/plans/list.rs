//! `GET /plans`: lists plans by code, each with its newest version.

use arcadia_shared::Error;
use arcadia_shared::domain::ShortCode;
use arcadia_shared::http::{Answer, Call, PageRequest};
use arcadia_shared::runtime::App;
use serde_json::json;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let page: PageRequest<ShortCode> = PageRequest::from_call(call)?;
    let found = app.store.list_plans(page.limit, page.position.as_ref()).await?;
    Ok(Answer::ok(json!({"plans": found.items, "next_cursor": page.cursor(found.next)})))
}
