//! `DELETE /deployments/{id}/subscription/cancellation`: takes a scheduled cancellation back.

use arcadia_shared::Error;
use arcadia_shared::domain::Command;
use arcadia_shared::http::{Answer, Call, subscription_view};
use arcadia_shared::runtime::App;
use serde_json::json;

use crate::execute::execute;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let aggregate = app.store.load(&call.principal.scope, id).await?.ok_or(Error::NotFound)?;
    let done = execute(app, call, aggregate, Command::WithdrawCancellation).await?;
    Ok(Answer::versioned(json!({"subscription": subscription_view(&done.after)}), done.version))
}
