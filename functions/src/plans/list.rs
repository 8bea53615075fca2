//! `GET /plans`: lists plans by code, each with its newest version.

use arcadia_api::answer::PlanList;
use arcadia_domain::ShortCode;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let page: PageRequest<ShortCode> = PageRequest::from_call(call)?;
    let found = app.store.list_plans(page.limit, page.position.as_ref()).await?;
    Ok(Answer::ok(json!(PlanList { plans: found.items, next_cursor: page.cursor(found.next) })))
}
