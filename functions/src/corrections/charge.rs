//! `POST /deployments/{id}/charges`: charges an amount once. For `platform_admin`.

use arcadia_api::DeploymentView;
use arcadia_api::answer::ChargeAnswer;
use arcadia_api::body::AddChargeRequest;
use arcadia_domain::{Correction, Invoiced, OneOff};
use serde_json::json;

use super::correct;
use crate::Error;
use crate::execute::{Current, Executed, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let AddChargeRequest { description, amount_cents, currency, when, reason, notes } = call.json()?;
    let when = when.unwrap_or(Invoiced::NextInvoice);
    let one_off = OneOff { description, amount_cents, currency, when };
    let current = Current::load(app, call, id).await?;
    let answer = |done: &Executed<'_>| {
        let (deployment, invoice) = (DeploymentView::of(done.after), done.opened_invoice());
        Answer::versioned(json!(ChargeAnswer { deployment, lines: done.lines(), invoice }), done.version)
    };
    execute(app, call, current, correct(Correction::Charge(one_off), reason, notes), answer).await
}
