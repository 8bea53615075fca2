//! `GET /deployments`: lists deployments, newest first; with a plan code, by plan version and then newest first.

use arcadia_api::DeploymentRowView;
use arcadia_api::answer::DeploymentList;
use arcadia_domain::{DeploymentRow, ShortCode};
use arcadia_store::DeploymentFilter;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let plan_code: Option<ShortCode> = call.parsed_parameter("plan_code")?;
    let plan_version = call.number("plan_version")?;
    if plan_version.is_some() && plan_code.is_none() {
        return Err(Error::malformed("plan_code_required", "the parameter plan_version requires plan_code"));
    }
    // A version beyond `u32` matches no plan, and neither does `u32::MAX`.
    let plan_version = plan_version.map(|version| u32::try_from(version).unwrap_or(u32::MAX));
    let with_amounts = match call.parameter("include") {
        None => false,
        Some("amounts") => true,
        Some(_) => return Err(Error::malformed("invalid_include", "the parameter include must be amounts")),
    };
    let filter = DeploymentFilter {
        tenant_id: call.principal.tenant_or(call.parsed_parameter("tenant_id")?)?,
        state: call.parsed_parameter("state")?,
        slug: call.parsed_parameter("slug")?,
        region: call.parsed_parameter("region")?,
        subscribed: call.boolean("subscribed")?,
        billing_action_suspended: call.boolean("billing_action_suspended")?,
        plan: plan_code.map(|code| (code, plan_version)),
    };
    let (rows, next_cursor): (Vec<DeploymentRow>, _) = match &filter {
        DeploymentFilter { tenant_id: None, slug: None, plan: Some((code, _)), .. } => {
            let page = PageRequest::from_call(call)?;
            let found = app.store.list_of_plan(code, &filter, page.limit, page.position).await?;
            (found.items, page.cursor(found.next))
        }
        _ => {
            let page = PageRequest::from_call(call)?;
            let scope = &call.principal.scope;
            let found = app.store.list_deployments(scope, &filter, page.limit, page.position).await?;
            (found.items, page.cursor(found.next))
        }
    };
    let now = app.clock.now();
    let deployments = rows.iter().map(|row| DeploymentRowView::of(row, with_amounts.then_some(now))).collect();
    Ok(Answer::ok(json!(DeploymentList { deployments, next_cursor })))
}
