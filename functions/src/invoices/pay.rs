//! `POST /deployments/{id}/invoices/{number}/payments`: records a payment. Repeating it with the same reference has no
//! further effect. For `platform_admin` and `payment_provider`.

use arcadia_domain::{Command, Overpayment, Pay, Payment};

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::fields::{date, integer, text};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let mut fields = call.fields()?;
    let reference = fields.required("reference", text);
    let amount_cents = fields.required("amount_cents", integer(1, i64::MAX));
    let currency = fields.required("currency", text);
    let value_date = fields.optional("value_date", date);
    let overpayment = fields.settable("overpayment", text).unwrap_or(Overpayment::Refuse);
    fields.finish()?;
    let current = Current::load(app, call, id).await?;
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound)?;
    let payment = Payment { value_date, ..Payment::new(reference?, amount_cents?, app.clock.now()) };
    let command = Command::Pay(Pay { invoice: invoice.clone(), payment, currency: currency?, overpayment });
    execute(app, call, current, command, |done| done.show_invoice(&invoice)).await
}
