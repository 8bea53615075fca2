//! `POST /deployments/{id}/charges`: charges an amount once. For `platform_admin`.

use arcadia_api::deployment_view;
use arcadia_domain::{Correction, Invoiced, OneOff};
use serde_json::json;

use super::Remarks;
use crate::Error;
use crate::execute::{Current, Executed, execute};
use crate::http::fields::{amount, text};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let mut fields = call.fields()?;
    let description = fields.required("description", text);
    let amount_cents = fields.required("amount_cents", amount);
    let currency = fields.required("currency", text);
    let when = fields.settable("when", text).unwrap_or(Invoiced::NextInvoice);
    let remarks = Remarks::read(&mut fields);
    fields.finish()?;
    let one_off = OneOff { description: description?, amount_cents: amount_cents?, currency: currency?, when };
    let current = Current::load(app, call, id).await?;
    let answer = |done: &Executed<'_>| {
        let (deployment, invoice) = (deployment_view(done.after), done.opened_invoice());
        let body = json!({"deployment": deployment, "lines": done.lines(), "invoice": invoice});
        Answer::versioned(body, done.version)
    };
    execute(app, call, current, remarks.of(Correction::Charge(one_off)), answer).await
}
