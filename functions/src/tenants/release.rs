//! `DELETE /tenants/{tenant_id}/hold`: releases a tenant from its hold. The deployments that the hold paused resume.
//! Repeating it writes nothing. For `platform_admin`.

use arcadia_api::body::RemarksRequest;
use arcadia_domain::{TenantId, release_tenant};

use super::rules::change_hold;
use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let tenant_id: TenantId = call.path("tenant_id")?;
    let RemarksRequest { reason, notes } = call.optional_json()?;
    let actor = &call.principal.actor;
    let decide = |tenant: &_, operation_id, now| release_tenant(tenant, operation_id, actor, now);
    change_hold(app, call, &tenant_id, (reason, notes), decide).await
}
