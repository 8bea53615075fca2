//! `POST /deployments/{id}/invoices/{number}/payments`: records a payment. Repeating it with the same reference has no
//! further effect. For `platform_admin` and `payment_provider`.

use arcadia_api::body::RecordPaymentRequest;
use arcadia_domain::{Command, Overpayment, Pay, Payment};
use arcadia_store::StoreError;

use crate::Error;
use crate::execute::{Current, Mode, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let RecordPaymentRequest { reference, amount_cents, currency, value_date, overpayment, reason, notes } =
        call.json()?;
    let overpayment = overpayment.unwrap_or(Overpayment::Refuse);
    let current = Current::load(app, call, id).await?.because(reason, notes);
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound("invoice"))?;
    if current.mode == Mode::DryRun && app.store.is_reference_taken(id, &reference, &number).await? {
        return Err(StoreError::ReferenceTaken.into());
    }
    let payment = Payment { value_date, ..Payment::new(reference, amount_cents, app.clock.now()) };
    let command = Command::Pay(Pay { invoice: invoice.clone(), payment, currency, overpayment });
    execute(app, call, current, command, |done| done.show_invoice(&invoice)).await
}
