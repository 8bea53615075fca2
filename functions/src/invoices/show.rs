//! `GET /deployments/{id}/invoices/{number}`: shows an invoice with its lines and payments.

use arcadia_shared::Error;
use arcadia_shared::http::{Answer, Call, invoice_view};
use arcadia_shared::runtime::App;
use serde_json::json;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let found = app.store.load_invoice(&call.principal.scope, id, &number).await?;
    let invoice = found.ok_or(Error::NotFound)?;
    Ok(Answer::ok(json!({"invoice": invoice_view(&invoice)})))
}
