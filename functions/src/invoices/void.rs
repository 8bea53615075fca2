//! `POST /deployments/{id}/invoices/{number}/void`: takes back an invoice that should not have been issued. For
//! `platform_admin`.

use arcadia_shared::Error;
use arcadia_shared::domain::Command;
use arcadia_shared::http::{Answer, Call, deployment_view, invoice_view};
use arcadia_shared::runtime::App;
use serde_json::json;

use crate::execute::execute;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    call.optional_fields()?.finish()?;
    let found = app.store.load_with_invoice(&call.principal.scope, id, &number).await?;
    let (aggregate, invoice) = found.ok_or(Error::NotFound)?;
    let done = execute(app, call, aggregate, Command::Void(invoice.clone())).await?;
    let invoice = done.invoice.unwrap_or(invoice);
    let body = json!({"invoice": invoice_view(&invoice), "deployment": deployment_view(&done.after)});
    Ok(Answer::versioned(body, done.version))
}
