//! `POST /deployments/{id}/invoices/{number}/void`: voids an invoice that should not have been issued. For
//! `platform_admin`.

use arcadia_api::body::RemarksRequest;
use arcadia_domain::Command;

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let RemarksRequest { reason, notes } = call.optional_json()?;
    let current = Current::load(app, call, id).await?.because(reason, notes);
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound("invoice"))?;
    execute(app, call, current, Command::Void(invoice.clone()), |done| done.show_invoice(&invoice)).await
}
