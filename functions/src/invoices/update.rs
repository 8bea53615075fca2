//! `PATCH /deployments/{id}/invoices/{number}`: moves the due date of an open invoice to a later time. For
//! `platform_admin`.

use arcadia_api::body::UpdateInvoiceRequest;
use arcadia_domain::Correction;

use crate::Error;
use crate::corrections::correct;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let UpdateInvoiceRequest { due_at, reason, notes } = call.json()?;
    let current = Current::load(app, call, id).await?;
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound("invoice"))?;
    let command = correct(Correction::MoveDueDate(invoice.clone(), due_at), reason, notes);
    execute(app, call, current, command, |done| done.show_invoice(&invoice)).await
}
