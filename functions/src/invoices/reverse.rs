//! `POST /deployments/{id}/invoices/{number}/payments/{reference}/reversal`: takes a payment back, so that the invoice is
//! owed again. Repeating it has no further effect. For `platform_admin` and `payment_provider`.

use arcadia_domain::{Correction, PaymentReference};

use crate::Error;
use crate::corrections::Remarks;
use crate::execute::{Current, execute};
use crate::http::fields::text;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let reference: PaymentReference = call.path("reference")?;
    let mut fields = call.fields()?;
    let kind = fields.required("kind", text);
    let remarks = Remarks::read(&mut fields);
    fields.finish()?;
    let current = Current::load(app, call, id).await?;
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound)?;
    let correction = Correction::ReversePayment(invoice.clone(), reference, kind?);
    execute(app, call, current, remarks.of(correction), |done| done.show_invoice(&invoice)).await
}
