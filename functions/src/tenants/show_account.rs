//! `GET /tenants/{tenant_id}/account`: all that a tenant has and owes, from its deployments as they are stored.

use arcadia_shared::Error;
use arcadia_shared::domain::TenantId;
use arcadia_shared::http::{AccountView, Answer, Call};
use arcadia_shared::runtime::App;
use serde_json::json;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let tenant_id: TenantId = call.path("tenant_id")?;
    if !call.principal.scope.contains(&tenant_id) {
        return Err(Error::NotFound);
    }
    let rows = app.store.rows_of_tenant(&tenant_id).await?.ok_or(Error::TooManyDeployments)?;
    Ok(Answer::ok(json!({"account": AccountView::new(&tenant_id, &rows, app.clock.now())})))
}
