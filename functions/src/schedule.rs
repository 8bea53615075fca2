//! `GET /schedule`: lists the next scheduled step of each deployment, by time.

use arcadia_api::ScheduleEntryView;
use arcadia_api::answer::ScheduleList;
use arcadia_store::{Page, ScheduleFilter};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let page = PageRequest::from_call(call)?;
    let filter = ScheduleFilter { action: call.parsed_parameter("action")?, before: call.time("before")? };
    let tenant_id = call.principal.tenant_or(call.parsed_parameter("tenant_id")?)?;
    let Page { items, next } = match tenant_id {
        Some(tenant_id) => {
            let found = app.store.schedule_of_tenant(&tenant_id, filter, page.limit, page.position).await?;
            found.ok_or(Error::TooManyDeployments)?
        }
        None => app.store.schedule_of_everyone(filter, page.limit, page.position).await?,
    };
    let schedule = items.iter().filter_map(ScheduleEntryView::new).collect();
    Ok(Answer::ok(json!(ScheduleList { schedule, next_cursor: page.cursor(next) })))
}
