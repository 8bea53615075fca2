//! `PATCH /deployments/{id}/invoices/{number}`: moves the due date of an open invoice to a later time. For
//! `platform_admin`.

use arcadia_domain::Correction;

use crate::Error;
use crate::corrections::Remarks;
use crate::execute::{Current, execute};
use crate::http::fields::timestamp;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let mut fields = call.fields()?;
    let due_at = fields.required("due_at", timestamp);
    let remarks = Remarks::read(&mut fields);
    fields.finish()?;
    let current = Current::load(app, call, id).await?;
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound)?;
    let command = remarks.of(Correction::MoveDueDate(invoice.clone(), due_at?));
    execute(app, call, current, command, |done| done.show_invoice(&invoice)).await
}
