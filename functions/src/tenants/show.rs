//! `GET /tenants/{tenant_id}`: shows the fields of a tenant. A tenant without a stored record has none.

use arcadia_domain::TenantId;

use super::rules;
use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let tenant_id: TenantId = call.path("tenant_id")?;
    if !call.principal.scope.contains(&tenant_id) {
        return Err(Error::NotFound("tenant"));
    }
    let (tenant, live_deployments) = app.store.load_tenant(&tenant_id).await?;
    Ok(rules::show(&tenant_id, &tenant, live_deployments))
}
