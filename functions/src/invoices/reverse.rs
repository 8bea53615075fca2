//! `POST /deployments/{id}/invoices/{number}/payments/{reference}/reversal`: takes a payment back, so that the invoice is
//! owed again. Repeating it has no further effect. For `platform_admin` and `payment_provider`.

use arcadia_api::body::ReversePaymentRequest;
use arcadia_domain::{Correction, PaymentReference};

use crate::Error;
use crate::corrections::correct;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let reference: PaymentReference = call.path("reference")?;
    let ReversePaymentRequest { kind, reason, notes } = call.json()?;
    let current = Current::load(app, call, id).await?;
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound("invoice"))?;
    let command = correct(Correction::ReversePayment(invoice.clone(), reference, kind), reason, notes);
    execute(app, call, current, command, |done| done.show_invoice(&invoice)).await
}
