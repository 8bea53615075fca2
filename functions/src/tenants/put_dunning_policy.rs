//! `PUT /tenants/{tenant_id}/dunning-policy`: sets a tenant's dunning policy. Deadlines that already run do not move.
//! For `platform_admin`. Setting the present policy writes nothing.

use arcadia_api::answer::DunningPolicyAnswer;
use arcadia_api::body::PutDunningPolicyRequest;
use arcadia_domain::{DunningPolicy, Rejection, TenantId, set_dunning_policy};
use serde_json::json;

use super::rules::carry_out;
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
    call.check_if_match(Some(tenant.version))?;
    let now = app.clock.now();
    let change = set_dunning_policy(&tenant, (present, policy), &call.principal.actor, now);
    let change = change.map(|change| change.because(body.reason, body.notes));
    let version = change.as_ref().map_or(tenant.version, |change| change.after.version);
    let answer = Answer::versioned(json!(DunningPolicyAnswer { dunning_policy: policy }), version);
    carry_out(app, call, &tenant_id, (change, None), (answer, tenant.version)).await
}
