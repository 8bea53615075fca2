//! `GET /deployments/{id}/invoices`: a deployment's invoices, newest first.

use arcadia_api::InvoiceView;
use arcadia_api::answer::InvoiceList;
use arcadia_domain::InvoiceNumber;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let page: PageRequest<InvoiceNumber> = PageRequest::from_call(call)?;
    let position = page.position.as_ref();
    let found = app.store.list_invoices(&call.principal.scope, id, page.limit, position).await?;
    let invoices = found.ok_or(Error::NotFound("deployment"))?;
    let next_cursor = page.cursor(invoices.next);
    let invoices = invoices.items.iter().map(InvoiceView::from).collect();
    Ok(Answer::ok(json!(InvoiceList { invoices, next_cursor })))
}
