//! `DELETE /deployments/{id}/subscription/change`: withdraws a scheduled plan change.

use arcadia_api::body::RemarksRequest;
use arcadia_domain::Command;

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let RemarksRequest { reason, notes } = call.optional_json()?;
    let current = Current::load(app, call, id).await?.because(reason, notes);
    execute(app, call, current, Command::WithdrawPlanChange, |done| done.show_subscription()).await
}
