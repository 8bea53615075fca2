//! `PUT /tenants/{tenant_id}/dunning-policy`: sets a tenant's dunning policy. Deadlines that already run do not move.
//! For `platform_admin`. Setting the present policy writes nothing.

use arcadia_api::answer::DunningPolicyAnswer;
use arcadia_api::body::PutDunningPolicyRequest;
use arcadia_domain::{DunningPolicy, Rejection, TenantId, set_dunning_policy};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let tenant_id: TenantId = call.path("tenant_id")?;
    let body: PutDunningPolicyRequest = call.json()?;
    let policy = DunningPolicy {
        payment_terms_days: body.payment_terms_days,
        past_due_after_days: body.past_due_after_days,
        suspended_after_days: body.suspended_after_days,
        cancelled_after_days: body.cancelled_after_days,
        archived_after_days: body.archived_after_days,
    };
    if !policy.is_ordered() {
        return Err(Rejection::InvalidField {
            field: "suspended_after_days",
            code: "out_of_order",
            detail: "must be greater than past_due_after_days and less than cancelled_after_days",
        }
        .into());
    }
    let (tenant, present) = app.store.load_tenant_and_policy(&tenant_id).await?;
    let now = app.clock.now();
    if let Some(change) = set_dunning_policy(&tenant, (present, policy), &call.principal.actor, now) {
        app.store.commit_tenant(&tenant_id, &change, None, None, app.new_commit_id()).await?;
    }
    Ok(Answer::ok(json!(DunningPolicyAnswer { dunning_policy: policy })))
}
