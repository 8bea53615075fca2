//! `GET /plans/{code}`: shows a plan with its published versions, newest first.

use std::borrow::Cow;

use arcadia_api::answer::PlanDetails;
use arcadia_domain::ShortCode;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let page = PageRequest::from_call(call)?;
    let plan = app.store.load_plan(&code).await?.ok_or(Error::NotFound("plan"))?;
    let versions = app.store.list_plan_versions(&plan, page.limit, page.position).await?;
    let body = json!(PlanDetails {
        plan: Cow::Borrowed(&plan),
        versions: versions.items,
        next_cursor: page.cursor(versions.next)
    });
    Ok(Answer::versioned(body, plan.revision))
}
