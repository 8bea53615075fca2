//! A change of the rules that a tenant's deployments follow starts the operation that copies them: both are one
//! transaction, so no crash leaves the rules without the operation.

use std::borrow::Cow;

use arcadia_api::TenantRecordView;
use arcadia_api::answer::TenantAnswer;
use arcadia_domain::{
    DEFAULT_OPERATION_RATE, Notes, Operation, OperationCommand, OperationFilter, OperationId, Reason, Rejection,
    StartOperation, Tenant, TenantChange, TenantEvent, TenantId, Timestamp,
};
use arcadia_store::NewQuota;
use lambda_http::http::StatusCode;
use serde_json::json;

use crate::Error;
use crate::execute::Mode;
use crate::http::{Answer, Call};
use crate::runtime::App;

/// An id for the operation of a change at this moment.
pub(super) fn new_operation_id(app: &App) -> (OperationId, Timestamp) {
    let now = app.clock.now();
    (OperationId::new(app.new_id(now)), now)
}

/// The response with a tenant.
pub(super) fn show(tenant_id: &TenantId, tenant: &Tenant, live_deployments: Option<u32>) -> Answer {
    let view =
        TenantRecordView { tenant_id: Cow::Borrowed(tenant_id), tenant: Cow::Borrowed(tenant), live_deployments };
    Answer::versioned(json!(TenantAnswer { tenant: view }), tenant.version)
}

/// Commits a change with the operation that copies it, if it is of the rules, or responds with what would follow. `answer`
/// is the response without an operation; `version` the stored version.
///
/// # Errors
/// [`Error::Store`] if another request changed the tenant or too many operations run.
pub(super) async fn carry_out(
    app: &App,
    call: &Call,
    tenant_id: &TenantId,
    (change, quota): (Option<TenantChange>, Option<NewQuota>),
    (answer, version): (Answer, u64),
) -> Result<Answer, Error> {
    let operation = match &change {
        Some(change) => copying(app, call, tenant_id, change).await?,
        None => None,
    };
    if Mode::asked(call, false)? == Mode::DryRun {
        if operation.is_some() {
            app.store.expect_room_for_operation().await?;
        }
        let events: Vec<&TenantEvent> = change.iter().map(|change| &change.event).collect();
        let mut answer = answer.dry_run(Some(version), &events);
        answer.body["matching"] = json!(operation.map(|operation| operation.matching));
        return Ok(answer);
    }
    let Some(change) = change else { return Ok(answer) };
    app.store.commit_tenant(tenant_id, &change, quota, operation.as_ref(), app.new_commit_id()).await?;
    let Some(operation) = operation else { return Ok(answer) };
    let location = Some(format!("/api/v1/operations/{}", operation.id));
    Ok(Answer { status: StatusCode::ACCEPTED, location, ..answer })
}

/// The operation that copies the rules of a tenant to its deployments; `None` if the change leaves the rules alone.
async fn copying(
    app: &App,
    call: &Call,
    tenant_id: &TenantId,
    change: &TenantChange,
) -> Result<Option<Operation>, Error> {
    let TenantChange { before, after, event, .. } = change;
    let Some(id) = after.operation_id.filter(|_| before.rules() != after.rules()) else { return Ok(None) };
    let filter = OperationFilter { tenant_id: Some(tenant_id.clone()), ..OperationFilter::default() };
    let matching = app.store.count_matching(&filter).await?;
    let (reason, notes, command) = (event.reason.clone(), event.notes.clone(), OperationCommand::CopyTenantRules);
    let request = StartOperation { filter, command, reason, notes, rate_per_second: DEFAULT_OPERATION_RATE };
    let by = call.principal.actor.id.clone();
    Ok(Some(Operation::start(id, request, matching, by, event.occurred_at)))
}

/// Decides a change of a tenant's hold, and carries it out.
///
/// # Errors
/// [`Error::PreconditionFailed`], [`Error::Rejected`], and as [`carry_out`].
pub(super) async fn change_hold(
    app: &App,
    call: &Call,
    tenant_id: &TenantId,
    (reason, notes): (Option<Reason>, Option<Notes>),
    decide: impl FnOnce(&Tenant, OperationId, Timestamp) -> Result<Option<TenantChange>, Rejection>,
) -> Result<Answer, Error> {
    let (tenant, live_deployments) = app.store.load_tenant(tenant_id).await?;
    call.check_if_match(Some(tenant.version))?;
    let (id, now) = new_operation_id(app);
    let change = decide(&tenant, id, now)?.map(|change| change.because(reason, notes));
    let after = change.as_ref().map_or(&tenant, |change| &change.after);
    let answer = show(tenant_id, after, live_deployments);
    carry_out(app, call, tenant_id, (change, None), (answer, tenant.version)).await
}
