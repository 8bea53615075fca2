//! `POST /deployments/{id}/invoices/{number}/write-off`: forgives the amount due on an invoice. Repeating
//! it has no further effect. For `platform_admin`.

use arcadia_domain::Correction;

use crate::Error;
use crate::corrections::Remarks;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let mut fields = call.optional_fields()?;
    let remarks = Remarks::read(&mut fields);
    fields.finish()?;
    let current = Current::load(app, call, id).await?;
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound)?;
    let command = remarks.of(Correction::WriteOff(invoice.clone()));
    execute(app, call, current, command, |done| done.show_invoice(&invoice)).await
}
