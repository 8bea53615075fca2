//! `GET /plans/{code}`: shows a plan with its published versions, newest first.

use arcadia_shared::Error;
use arcadia_shared::domain::ShortCode;
use arcadia_shared::http::{Answer, Call, PageRequest};
use arcadia_shared::runtime::App;
use serde_json::json;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let page = PageRequest::from_call(call)?;
    let plan = app.store.load_plan(&code).await?.ok_or(Error::NotFound)?;
    let versions = app.store.list_plan_versions(&plan, page.limit, page.position).await?;
    let body = json!({"plan": plan, "versions": versions.items, "next_cursor": page.cursor(versions.next)});
    Ok(Answer::versioned(body, plan.revision))
}
