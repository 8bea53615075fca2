//! `POST /deployments/{id}/subscription/cancellation`: cancels the subscription at the end of its period, or now.

use arcadia_shared::Error;
use arcadia_shared::domain::{Command, Effective};
use arcadia_shared::http::fields::text;
use arcadia_shared::http::{Answer, Call, subscription_view};
use arcadia_shared::runtime::App;
use serde_json::json;

use crate::execute::execute;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let mut fields = call.optional_fields()?;
    let effective = fields.optional("effective", text).unwrap_or(Effective::PeriodEnd);
    fields.finish()?;
    let aggregate = app.store.load(&call.principal.scope, id).await?.ok_or(Error::NotFound)?;
    let done = execute(app, call, aggregate, Command::CancelSubscription(effective)).await?;
    Ok(Answer::versioned(json!({"subscription": subscription_view(&done.after)}), done.version))
}
