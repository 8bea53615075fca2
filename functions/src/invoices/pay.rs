//! `POST /deployments/{id}/invoices/{number}/payments`: records a payment. Repeating it with the same reference has no
//! further effect. For `platform_admin` and `payment_provider`.

use arcadia_domain::{Command, Payment};

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::fields::{integer, text};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let mut fields = call.fields()?;
    let reference = fields.required("reference", text);
    let amount_cents = fields.required("amount_cents", integer(1, i64::MAX));
    let currency = fields.required("currency", text);
    fields.finish()?;
    let current = Current::load(app, call, id).await?;
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound)?;
    let payment = Payment { reference: reference?, amount_cents: amount_cents?, received_at: app.clock.now() };
    let command = Command::Pay(invoice.clone(), payment, currency?);
    execute(app, call, current, command, |done| done.show_invoice(&invoice)).await
}
