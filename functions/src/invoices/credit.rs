//! `POST /deployments/{id}/invoices/{number}/credit-notes`: credits charges of an invoice. For `platform_admin`.

use arcadia_domain::{ChargeId, Correction, CreditNote, Extent, InvalidValue, PayBack, PaymentReference};
use serde_json::Value;

use crate::Error;
use crate::corrections::Remarks;
use crate::execute::{Current, execute};
use crate::http::fields::{amount, boolean, list, text};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let number = call.path("number")?;
    let mut fields = call.optional_fields()?;
    let lines = fields.optional("lines", list(line));
    let refund = fields.optional("refund", boolean).unwrap_or_default();
    let reference: Option<PaymentReference> = fields.optional("reference", text);
    let remarks = Remarks::read(&mut fields);
    match (refund, &reference) {
        (true, None) => fields.miss("reference"),
        (false, Some(_)) => fields.fail("reference", ONLY_WITH_REFUND),
        (true, Some(_)) | (false, None) => {}
    }
    fields.finish()?;
    let current = Current::load(app, call, id).await?;
    let invoice = app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound)?;
    let pay_back = match reference {
        Some(reference) => {
            let known = app.store.load_refund(id, &reference).await?;
            Some(PayBack { reference, known })
        }
        None => None,
    };
    let extent = lines.map_or(Extent::Whole, Extent::Lines);
    let note = CreditNote { invoice: invoice.clone(), extent, pay_back };
    execute(app, call, current, remarks.of(Correction::CreditNote(note)), |done| done.show_invoice(&invoice)).await
}

const ONLY_WITH_REFUND: InvalidValue = InvalidValue { code: "not_allowed", detail: "is only for a refund" };

/// Reads a line: a charge and the amount that is credited of it.
fn line(value: &Value) -> Result<(ChargeId, i64), InvalidValue> {
    const INVALID: InvalidValue = InvalidValue {
        code: "invalid_line",
        detail: "must have objects with a charge and an amount_cents, such as {\"charge\": \"12-0\", \"amount_cents\": 500}",
    };
    let members = value.as_object().filter(|members| members.len() == 2).ok_or(INVALID)?;
    let (charge, cents) = members.get("charge").zip(members.get("amount_cents")).ok_or(INVALID)?;
    Ok((text(charge)?, amount(cents)?))
}
