//! Bodies of corrections: charges made once, credits, credit notes, refunds, reversals, write-offs and later due dates.

use arcadia_domain::{
    ChargeId, Currency, DisplayName, InvalidValue, InvoiceNumber, Invoiced, Notes, PaymentReference, Reason,
    ReversalKind, Timestamp,
};

use super::body;
use super::fields::{Fields, amount, boolean, text, timestamp};
#[cfg(feature = "json-schema")]
use super::times::Moment;

body! {
    /// The body of `POST /deployments/{id}/charges`.
    AddChargeRequest {
        /// The description on the invoice.
        description: DisplayName = required(text),
        /// Amount before tax, in minor units.
        amount_cents: i64 = required(amount) [range(min = 1, max = arcadia_domain::MAX_PRICE_CENTS)],
        /// Currency of the amount.
        currency: Currency = required(text),
        /// `next_invoice`: with the next invoice of the subscription; `now`: at once, on an invoice of its own.
        when: Option<Invoiced> = optional(text) [extend("default" = "next_invoice")],
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `POST /deployments/{id}/credits`.
    GrantCreditRequest {
        /// Amount, in minor units.
        amount_cents: i64 = required(amount) [range(min = 1, max = arcadia_domain::MAX_PRICE_CENTS)],
        /// Currency of the amount.
        currency: Currency = required(text),
        /// Why the balance is granted.
        reason: Reason = required(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `POST /deployments/{id}/refunds`.
    RefundBalanceRequest {
        /// Reference of the outgoing payment. A repeated reference is the same refund.
        reference: PaymentReference = required(text),
        /// Amount, in minor units.
        amount_cents: i64 = required(amount) [range(min = 1, max = arcadia_domain::MAX_PRICE_CENTS)],
        /// Currency of the amount.
        currency: Currency = required(text),
        /// Number of a settled invoice: a credit note of the amount is issued first, for its charges in their order and their
        /// tax.
        invoice: Option<InvoiceNumber> = optional(text),
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `POST /deployments/{id}/invoices/{number}/credit-notes`.
    IssueCreditNoteRequest {
        /// The credited charges. Default: all that remains of every charge.
        lines: Option<Vec<CreditNoteLine>> = objects(CreditNoteLine::read),
        /// Whether the part of the credit that had been settled is paid back instead of becoming balance. Default: false.
        refund: Option<bool> = optional(boolean),
        /// Reference of the outgoing payment; required for a refund.
        reference: Option<PaymentReference> = optional(text),
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
    checked only_refunds_have_references
}

body! {
    /// A charge of an invoice, and the amount that is credited of it.
    CreditNoteLine {
        /// Id of a charge of the invoice, other than its tax.
        charge: ChargeId = required(text),
        /// Amount before tax, in minor units; at most what remains of the charge. The credit note gives back the tax on it.
        amount_cents: i64 = required(amount) [range(min = 1, max = arcadia_domain::MAX_PRICE_CENTS)],
    }
}

fn only_refunds_have_references(fields: &mut Fields) {
    if fields.len("lines") == Some(0) {
        fields.fail("lines", InvalidValue::new("empty", "must name at least one charge"));
    }
    const ONLY_WITH_REFUND: InvalidValue = InvalidValue::new("not_allowed", "is only for a refund");
    if fields.has("refund") && fields.peek("refund", boolean).is_none() {
        return;
    }
    match (fields.peek("refund", boolean).unwrap_or_default(), fields.has("reference")) {
        (true, false) => fields.miss("reference"),
        (false, true) => fields.fail("reference", ONLY_WITH_REFUND),
        (true, true) | (false, false) => {}
    }
}

body! {
    /// The body of `POST /deployments/{id}/invoices/{number}/payments/{reference}/reversal`.
    ReversePaymentRequest {
        /// `mistake`: it was recorded by mistake; `chargeback`: the payer's bank took the money back.
        kind: ReversalKind = required(text),
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `PATCH /deployments/{id}/invoices/{number}`.
    UpdateInvoiceRequest {
        /// The new due date, later than the present one and in the future.
        due_at: Timestamp = required(timestamp) [with = "Moment"],
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of a command whose only fields are a reason and notes, such as a void, a write-off or a release.
    RemarksRequest {
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}
