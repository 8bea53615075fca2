//! `POST /deployments/{id}/invoices/{number}/void`: takes back an invoice that should not have been issued. For
//! `platform_admin`.

use arcadia_shared::Error;
use arcadia_shared::domain::Command;
use arcadia_shared::http::{Answer, Call};
use arcadia_shared::runtime::App;

use crate::execute::{Current, execute};

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    call.optional_fields()?.finish()?;
    let current = Current::load(app, call, id).await?;
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound)?;
    execute(app, call, current, Command::Void(invoice.clone()), |done| done.show_invoice(&invoice)).await
}
