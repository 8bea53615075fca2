//! `PUT /plans/{code}`: creates, renames, retires or reactivates a plan. For `platform_admin`.

use arcadia_api::answer::PlanAnswer;
use arcadia_api::body::PutPlanRequest;
use arcadia_domain::{CatalogEvent, Plan, ShortCode};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let PutPlanRequest { name, status } = call.json()?;
    let now = app.clock.now();
    let old = app.store.load_plan(&code).await?;
    call.check_if_match(old.as_ref().map(|plan| plan.revision))?;
    let Some(old) = old else {
        let status = status.unwrap_or_default();
        let plan = Plan { code, name, status, newest_version: None, revision: 1, created_at: now, updated_at: now };
        let event = CatalogEvent::of_plan(None, plan.clone(), &call.principal.actor);
        app.store.put_plan(&plan, &event, app.new_commit_id()).await?;
        return Ok(Answer::created(
            json!(PlanAnswer { plan: &plan }),
            plan.revision,
            format!("/api/v1/plans/{}", plan.code),
        ));
    };
    let mut plan = Plan { name, status: status.unwrap_or(old.status), ..old.clone() };
    if plan != old {
        plan = Plan { revision: old.revision + 1, updated_at: now.max(old.updated_at), ..plan };
        let event = CatalogEvent::of_plan(Some(old), plan.clone(), &call.principal.actor);
        app.store.put_plan(&plan, &event, app.new_commit_id()).await?;
    }
    Ok(Answer::versioned(json!(PlanAnswer { plan: &plan }), plan.revision))
}
