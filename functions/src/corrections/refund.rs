//! `POST /deployments/{id}/refunds`: pays balance back, or credits an invoice and pays that back. Repeating it with the
//! same reference has no further effect. For `platform_admin`.

use std::borrow::Cow;

use arcadia_api::DeploymentView;
use arcadia_api::answer::RefundAnswer;
use arcadia_api::body::RefundBalanceRequest;
use arcadia_domain::{Amount, Correction, CreditNote, Extent, PayBack};
use serde_json::json;

use super::correct;
use crate::Error;
use crate::execute::{Current, Executed, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let RefundBalanceRequest { reference, amount_cents, currency, invoice: number, reason, notes } = call.json()?;
    let amount = Amount { amount_cents, currency };
    let current = Current::load(app, call, id).await?;
    let known = app.store.load_refund(id, &reference).await?;
    let pay_back = PayBack { reference, known };
    let before = pay_back.known.clone();
    let correction = match number {
        None => Correction::Refund(pay_back, amount),
        Some(number) => {
            let invoice =
                app.store.load_invoice_of(&current.aggregate, &number).await?.ok_or(Error::NotFound("invoice"))?;
            if invoice.currency != amount.currency {
                return Err(arcadia_domain::Rejection::PaymentCurrency(invoice.currency).into());
            }
            let (extent, pay_back) = (Extent::Amount(amount.amount_cents), Some(pay_back));
            Correction::CreditNote(CreditNote { invoice, extent, pay_back })
        }
    };
    let answer = |done: &Executed<'_>| {
        let refund = done.refund().or(before.as_ref()).map(Cow::Borrowed);
        let deployment = DeploymentView::of(done.after);
        Answer::versioned(json!(RefundAnswer { refund, deployment }), done.version)
    };
    execute(app, call, current, correct(correction, reason, notes), answer).await
}
