//! `GET /tenants/{tenant_id}/dunning-policy`: shows a tenant's dunning policy, or the default if none is set.

use arcadia_api::answer::DunningPolicyAnswer;
use arcadia_domain::TenantId;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let tenant_id: TenantId = call.path("tenant_id")?;
    if !call.principal.scope.contains(&tenant_id) {
        return Err(Error::NotFound("tenant"));
    }
    let (tenant, dunning_policy) = app.store.load_tenant_and_policy(&tenant_id).await?;
    Ok(Answer::versioned(json!(DunningPolicyAnswer { dunning_policy }), tenant.version))
}
