//! `GET /schedule`: what the clock will do first with each deployment, by time.

use arcadia_shared::Error;
use arcadia_shared::http::{Answer, Call, PageRequest, ScheduleEntryView, cursor};
use arcadia_shared::runtime::App;
use arcadia_shared::store::{Page, ScheduleFilter};
use serde_json::json;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let PageRequest { limit, position } = PageRequest::from_call(call)?;
    let filter = ScheduleFilter { action: call.parsed_parameter("action")?, before: call.time("before")? };
    let tenant_id = call.principal.tenant_or(call.parsed_parameter("tenant_id")?)?;
    let Page { items, next } = match tenant_id {
        Some(tenant_id) => {
            let page = app.store.schedule_of_tenant(&tenant_id, filter, limit, position).await?;
            page.ok_or(Error::TooManyDeployments)?
        }
        None => app.store.schedule_of_everyone(filter, limit, position).await?,
    };
    let entries: Vec<_> = items.iter().filter_map(ScheduleEntryView::new).collect();
    Ok(Answer::ok(json!({"schedule": entries, "next_cursor": next.map(cursor)})))
}
