//! `POST /deployments/{id}/invoices/{number}/credit-notes`: credits charges of an invoice. For `platform_admin`.

use arcadia_api::body::{CreditNoteLine, IssueCreditNoteRequest};
use arcadia_domain::{Correction, CreditNote, Extent, PayBack};

use crate::Error;
use crate::corrections::correct;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let IssueCreditNoteRequest { lines, refund: _, reference, reason, notes } = call.optional_json()?;
    let current = Current::load(app, call, id).await?;
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound("invoice"))?;
    let pay_back = match reference {
        Some(reference) => {
            let known = app.store.load_refund(id, &reference).await?;
            Some(PayBack { reference, known })
        }
        None => None,
    };
    let of_line = |CreditNoteLine { charge, amount_cents }| (charge, amount_cents);
    let extent = lines.map_or(Extent::Whole, |lines| Extent::Lines(lines.into_iter().map(of_line).collect()));
    let note = CreditNote { invoice: invoice.clone(), extent, pay_back };
    let command = correct(Correction::CreditNote(note), reason, notes);
    execute(app, call, current, command, |done| done.show_invoice(&invoice)).await
}
