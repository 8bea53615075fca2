//! `GET /tenants/{tenant_id}`: shows what is known of a tenant. A tenant that nothing is known of has no fields.

use arcadia_api::TenantRecordView;
use arcadia_api::answer::TenantAnswer;
use arcadia_domain::TenantId;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let tenant_id: TenantId = call.path("tenant_id")?;
    if !call.principal.scope.contains(&tenant_id) {
        return Err(Error::NotFound);
    }
    let (tenant, live_deployments) = app.store.load_tenant(&tenant_id).await?;
    let view = TenantRecordView { tenant_id: &tenant_id, tenant: &tenant, live_deployments };
    Ok(Answer::versioned(json!(TenantAnswer { tenant: view }), tenant.version))
}
