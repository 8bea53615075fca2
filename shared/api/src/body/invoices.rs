//! Bodies of requests about invoices and their payments.

use arcadia_domain::{Currency, Notes, Overpayment, PaymentReference, Reason};
use chrono::NaiveDate;

use super::body;
use super::fields::{date, integer, text};
#[cfg(feature = "json-schema")]
use super::times::Day;

body! {
    /// The body of `POST /deployments/{id}/invoices/{number}/payments`.
    RecordPaymentRequest {
        /// The payer's or provider's reference. A repeated reference is the same payment.
        reference: PaymentReference = required(text),
        /// Amount of the payment, in minor units; at most the amount due, unless `overpayment` is `balance`.
        amount_cents: i64 = required(integer(1, i64::MAX)) [range(min = 1)],
        /// The invoice's currency.
        currency: Currency = required(text),
        /// The day on which the money arrived, such as 2027-01-31.
        value_date: Option<NaiveDate> = optional(date) [with = "Option<Day>"],
        /// `refuse`: a payment beyond the amount due is rejected; `balance`: the excess becomes balance, also on a paid
        /// invoice.
        overpayment: Option<Overpayment> = optional(text) [extend("default" = "refuse")],
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}
