//! `GET /tenants/{tenant_id}/events`: a tenant's history, newest first or oldest first.

use arcadia_api::answer::TenantEventList;
use arcadia_domain::TenantId;
use serde_json::json;

use crate::Error;
use crate::events::range;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let tenant_id: TenantId = call.path("tenant_id")?;
    let page = PageRequest::<u64>::from_call(call)?;
    let range = range(call, page.position)?;
    if !call.principal.scope.contains(&tenant_id) {
        return Err(Error::NotFound("tenant"));
    }
    let events = app.store.list_tenant_events(&tenant_id, page.limit, range).await?;
    Ok(Answer::ok(json!(TenantEventList { events: events.items, next_cursor: page.cursor(events.next) })))
}
