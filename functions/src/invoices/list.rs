//! `GET /deployments/{id}/invoices`: a deployment's invoices, newest first.

use arcadia_api::invoice_view;
use arcadia_domain::InvoiceNumber;
use serde_json::{Value, json};

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let page: PageRequest<InvoiceNumber> = PageRequest::from_call(call)?;
    let position = page.position.as_ref();
    let found = app.store.list_invoices(&call.principal.scope, id, page.limit, position).await?;
    let invoices = found.ok_or(Error::NotFound)?;
    let views: Vec<Value> = invoices.items.iter().map(invoice_view).collect();
    Ok(Answer::ok(json!({"invoices": views, "next_cursor": page.cursor(invoices.next)})))
}
