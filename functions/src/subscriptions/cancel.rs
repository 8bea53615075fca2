//! `POST /deployments/{id}/subscription/cancellation`: cancels the subscription at the end of its period or
//! immediately.

use arcadia_domain::{Command, Effective};

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::fields::text;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let mut fields = call.optional_fields()?;
    let effective = fields.optional("effective", text).unwrap_or(Effective::PeriodEnd);
    fields.finish()?;
    let current = Current::load(app, call, id).await?;
    execute(app, call, current, Command::CancelSubscription(effective), |done| done.show_subscription()).await
}
