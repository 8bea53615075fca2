//! `DELETE /deployments/{id}/subscription/change`: takes a scheduled change of plan back.

use arcadia_shared::Error;
use arcadia_shared::domain::Command;
use arcadia_shared::http::{Answer, Call};
use arcadia_shared::runtime::App;

use crate::execute::{Current, execute};

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let current = Current::load(app, call, id).await?;
    execute(app, call, current, Command::WithdrawPlanChange, |done| done.show_subscription()).await
}
