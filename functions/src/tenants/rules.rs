//! A change of the rules that a tenant's deployments follow starts the operation that copies them: both are one
//! transaction, so no crash leaves the rules without the operation.

use arcadia_api::TenantRecordView;
use arcadia_api::answer::TenantAnswer;
use arcadia_domain::{
    DEFAULT_OPERATION_RATE, Notes, Operation, OperationCommand, OperationFilter, OperationId, Reason, Rejection,
    StartOperation, Tenant, TenantChange, TenantEventKind, TenantId, Timestamp,
};
use lambda_http::http::StatusCode;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

/// The operation that copies the rules of a tenant to its deployments.
pub(super) struct Copying {
    pub operation: Operation,
}

/// An id for the operation of a change at this moment.
pub(super) fn new_operation_id(app: &App) -> (OperationId, Timestamp) {
    let now = app.clock.now();
    (OperationId::new(app.new_id(now)), now)
}

impl Copying {
    /// The operation of a change; `None` if the change leaves the rules alone.
    ///
    /// # Errors
    /// [`Error::Store`] if DynamoDB does not answer.
    pub async fn of(
        app: &App,
        call: &Call,
        tenant_id: &TenantId,
        change: &TenantChange,
    ) -> Result<Option<Self>, Error> {
        let TenantChange { before, after, event, .. } = change;
        let Some(id) = after.operation_id.filter(|_| before.rules() != after.rules()) else { return Ok(None) };
        let filter = OperationFilter { tenant_id: Some(tenant_id.clone()), ..OperationFilter::default() };
        let matching = app.store.count_matching(&filter).await?;
        let (reason, notes) = remarks(&event.kind);
        let command = OperationCommand::CopyTenantRules;
        let request = StartOperation { filter, command, reason, notes, rate_per_second: DEFAULT_OPERATION_RATE };
        let by = call.principal.actor.id.clone();
        Ok(Some(Self { operation: Operation::start(id, request, matching, by, event.occurred_at) }))
    }

    /// The answer to the change, with the address of the operation.
    pub fn accepted(&self, answer: Answer) -> Answer {
        let location = Some(format!("/api/v1/operations/{}", self.operation.id));
        Answer { status: StatusCode::ACCEPTED, location, ..answer }
    }
}

/// The reason and the notes of the events that the operation makes.
fn remarks(kind: &TenantEventKind) -> (Option<Reason>, Option<Notes>) {
    match kind {
        TenantEventKind::Held { hold, notes, operation_id: _ } => (Some(hold.reason.clone()), notes.clone()),
        TenantEventKind::Released { .. } | TenantEventKind::Updated(_) | TenantEventKind::DunningPolicyChanged(_) => {
            (None, None)
        }
    }
}

/// Decides a change of a tenant's hold, and commits it with the operation that copies it.
///
/// # Errors
/// [`Error::PreconditionFailed`], [`Error::Rejected`], and [`Error::Store`] if another request changed the tenant or too
/// many operations run.
pub(super) async fn change_hold(
    app: &App,
    call: &Call,
    tenant_id: &TenantId,
    decide: impl FnOnce(&Tenant, OperationId, Timestamp) -> Result<Option<TenantChange>, Rejection>,
) -> Result<Answer, Error> {
    let (tenant, live_deployments) = app.store.load_tenant(tenant_id).await?;
    call.check_if_match(Some(tenant.version))?;
    let answer = |tenant: &Tenant| {
        let view = TenantRecordView { tenant_id, tenant, live_deployments };
        Answer::versioned(json!(TenantAnswer { tenant: view }), tenant.version)
    };
    let (id, now) = new_operation_id(app);
    let Some(change) = decide(&tenant, id, now)? else { return Ok(answer(&tenant)) };
    let copying = Copying::of(app, call, tenant_id, &change).await?;
    let operation = copying.as_ref().map(|copying| &copying.operation);
    app.store.commit_tenant(tenant_id, &change, None, operation, app.new_commit_id()).await?;
    let done = answer(&change.after);
    Ok(match copying {
        Some(copying) => copying.accepted(done),
        None => done,
    })
}
