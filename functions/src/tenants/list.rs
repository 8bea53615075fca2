//! `GET /tenants`: lists tenants by id, each with the number of its deployments and the amounts it owes.

use arcadia_api::TenantView;
use arcadia_api::answer::TenantList;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

/// Number of tenants processed concurrently.
const CONCURRENCY: usize = 16;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let page = PageRequest::from_call(call)?;
    let found = app.store.list_tenants(page.limit, page.position.clone()).await?;
    let now = app.clock.now();
    let views = stream::iter(found.items).map(async |(tenant_id, name)| -> Result<_, Error> {
        let rows = app.store.rows_of_tenant(&tenant_id).await?;
        Ok(TenantView::new(tenant_id, name, rows.as_deref(), now))
    });
    let tenants = views.buffered(CONCURRENCY).try_collect().await?;
    Ok(Answer::ok(json!(TenantList { tenants, next_cursor: page.cursor(found.next) })))
}
