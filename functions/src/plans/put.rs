//! `PUT /plans/{code}`: creates, renames, retires or reactivates a plan. For `platform_admin`.

use std::borrow::Cow;

use arcadia_api::answer::PlanAnswer;
use arcadia_api::body::PutPlanRequest;
use arcadia_domain::{Plan, ShortCode};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::put_record::put;
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let PutPlanRequest { name, status, reason, notes } = call.json()?;
    let (old, now) = (app.store.load_plan(&code).await?, app.clock.now());
    let wanted = match old.clone() {
        Some(old) => Plan { name, status: status.unwrap_or(old.status), ..old },
        None => {
            let status = status.unwrap_or_default();
            Plan { code, name, status, newest_version: None, revision: 1, created_at: now, updated_at: now }
        }
    };
    put(app, call, (old, wanted), (reason, notes), |plan| json!(PlanAnswer { plan: Cow::Borrowed(plan) })).await
}
