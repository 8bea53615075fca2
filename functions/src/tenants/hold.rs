//! `PUT /tenants/{tenant_id}/hold`: holds a tenant. Its active deployments are paused and none is created until it is
//! released. Repeating it for the same reason writes nothing. For `platform_admin`.

use arcadia_api::body::HoldTenantRequest;
use arcadia_domain::{HoldTenant, TenantId, hold_tenant};

use super::rules::change_hold;
use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let tenant_id: TenantId = call.path("tenant_id")?;
    let HoldTenantRequest { reason, notes } = call.json()?;
    let (command, actor) = (HoldTenant { reason, notes }, &call.principal.actor);
    let decide = |tenant: &_, operation_id, now| hold_tenant(tenant, command, operation_id, actor, now);
    change_hold(app, call, &tenant_id, (None, None), decide).await
}
