//! `GET /deployments/{id}/invoices/{number}`: shows an invoice with its lines and payments.

use arcadia_api::InvoiceView;
use arcadia_api::answer::InvoiceAnswer;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let found = app.store.load_invoice(&call.principal.scope, id, &number).await?;
    let invoice = found.ok_or(Error::NotFound("invoice"))?;
    Ok(Answer::ok(json!(InvoiceAnswer { invoice: InvoiceView::from(&invoice) })))
}
