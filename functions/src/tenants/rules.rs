//! A change of the rules that a tenant's deployments follow, together with the operation that copies them: both are one
//! transaction, so no crash leaves the rules without the operation.

use arcadia_api::TenantRecordView;
use arcadia_domain::{
    DEFAULT_OPERATION_RATE, Notes, Operation, OperationCommand, OperationFilter, OperationId, Reason, Rejection,
    StartOperation, Tenant, TenantChange, TenantId, Timestamp,
};
use lambda_http::http::StatusCode;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

/// The reason and the notes of the operation.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    pub reason: Option<Reason>,
    pub notes: Option<Notes>,
}

/// Decides a change of a tenant's rules, and commits it with the operation that copies them.
///
/// # Errors
/// [`Error::PreconditionFailed`], [`Error::Rejected`], and [`Error::Store`] if another request changed the tenant or too
/// many operations run.
pub(super) async fn change_rules(
    app: &App,
    call: &Call,
    tenant_id: &TenantId,
    remarks: Remarks,
    decide: impl FnOnce(&Tenant, OperationId, Timestamp) -> Result<Option<TenantChange>, Rejection>,
) -> Result<Answer, Error> {
    let (tenant, live_deployments) = app.store.load_tenant(tenant_id).await?;
    call.check_if_match(Some(tenant.version))?;
    let answer = |tenant: &Tenant| {
        let view = TenantRecordView { tenant_id, tenant, live_deployments };
        Answer::versioned(json!({"tenant": view}), tenant.version)
    };
    let now = app.clock.now();
    let id = OperationId::new(app.new_id(now));
    let Some(change) = decide(&tenant, id, now)? else { return Ok(answer(&tenant)) };
    let filter = OperationFilter { tenant_id: Some(tenant_id.clone()), ..OperationFilter::default() };
    let matching = app.store.count_matching(&filter).await?;
    let Remarks { reason, notes } = remarks;
    let command = OperationCommand::CopyTenantRules;
    let request = StartOperation { filter, command, reason, notes, rate_per_second: DEFAULT_OPERATION_RATE };
    let operation = Operation::start(id, request, matching, call.principal.actor.id.clone(), now);
    app.store.commit_tenant(tenant_id, &change, None, Some(&operation), app.new_commit_id()).await?;
    let location = Some(format!("/api/v1/operations/{id}"));
    Ok(Answer { status: StatusCode::ACCEPTED, location, ..answer(&change.after) })
}
