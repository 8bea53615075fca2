//! `PUT /tenants/{tenant_id}`: sets fields of a tenant. Its own users may set the addresses of its invoices.

use arcadia_api::body::PutTenantRequest;
use arcadia_domain::{TenantChange, TenantId, UpdateTenant, update_tenant};
use arcadia_store::{NewQuota, StoreError};

use super::rules::{carry_out, new_operation_id, show};
use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

/// How many times the live deployments are counted while others are created or archived.
const MAX_COUNTS: usize = 3;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let tenant_id: TenantId = call.path("tenant_id")?;
    let body: PutTenantRequest = call.json()?;
    let command = UpdateTenant {
        name: body.name,
        billing_address: body.billing_address,
        email: body.email,
        tax_id: body.tax_id,
        tax_rate_basis_points: body.tax_rate_basis_points,
        deployment_quota: body.deployment_quota,
        unsubscribed_after_days: body.unsubscribed_after_days,
    };
    if !call.principal.scope.contains(&tenant_id) {
        return Err(Error::NotFound("tenant"));
    }
    let mut counts = 0;
    loop {
        let (tenant, live) = app.store.load_tenant(&tenant_id).await?;
        call.check_if_match(Some(tenant.version))?;
        let (id, now) = new_operation_id(app);
        let change = update_tenant(&tenant, command.clone(), id, &call.principal.actor, now)?;
        let change = change.map(|change| change.because(body.reason.clone(), body.notes.clone()));
        let quota = match &change {
            Some(change) => new_quota(app, &tenant_id, change).await?,
            None => None,
        };
        counts += 1;
        let live = match quota {
            None => live,
            Some(NewQuota::Unlimited) => None,
            Some(NewQuota::Of(_, count)) => Some(count.live),
        };
        let answer = show(&tenant_id, change.as_ref().map_or(&tenant, |change| &change.after), live);
        match carry_out(app, call, &tenant_id, (change, quota), (answer, tenant.version)).await {
            // Perhaps a deployment was created or archived since they were counted.
            Err(Error::Store(StoreError::TenantConflict)) if quota.is_some() && counts < MAX_COUNTS => {}
            done => return done,
        }
    }
}

/// The quota that a change sets, with the count of live deployments that it needs; `None` if it keeps the quota.
async fn new_quota(app: &App, tenant_id: &TenantId, change: &TenantChange) -> Result<Option<NewQuota>, Error> {
    let TenantChange { before, after, .. } = change;
    if before.deployment_quota == after.deployment_quota {
        return Ok(None);
    }
    let Some(quota) = after.deployment_quota else { return Ok(Some(NewQuota::Unlimited)) };
    let count = app.store.count_live(tenant_id).await?.ok_or(Error::TooManyDeployments)?;
    Ok(Some(NewQuota::Of(quota, count)))
}
