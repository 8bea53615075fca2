//! `POST /deployments/{id}/subscription/cancellation`: cancels the subscription at the end of its period or
//! immediately.

use arcadia_api::body::CancelSubscriptionRequest;
use arcadia_domain::{Command, Effective};

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let CancelSubscriptionRequest { effective, reason, notes } = call.optional_json()?;
    let effective = effective.unwrap_or(Effective::PeriodEnd);
    let current = Current::load(app, call, id).await?.because(reason, notes);
    execute(app, call, current, Command::CancelSubscription(effective), |done| done.show_subscription()).await
}
