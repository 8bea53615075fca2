//! The statement of account for a span of time, such as a tenant's month: the opening amount owed, the amounts
//! invoiced, credited, voided and paid, and the closing amount owed. Which invoices belong to a tenant is not decided
//! here.
//!
//! The rule: closing = opening + invoiced - credited - voided - paid. Balance counts against the amount owed, so the
//! opening and closing amounts can be negative, and using or returning balance does not change them. Every amount
//! counts at the time when it was recorded, so the statement of a month that is over never changes.

use std::collections::BTreeMap;

use super::invoice::{Invoice, InvoiceStatus};
use super::money::Currency;
use super::values::Timestamp;

/// The statement of account for a span in one currency, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statement {
    /// The amount owed at the start of the span.
    pub opening_cents: i64,
    /// The total of the invoices issued in the span.
    pub invoiced_cents: i64,
    /// The credits of invoices in the span.
    pub credited_cents: i64,
    /// The total of the invoices voided in the span, less their credits.
    pub voided_cents: i64,
    /// The payments recorded in the span.
    pub paid_cents: i64,
}

impl Statement {
    /// The amount owed at the end of the span, in minor units: see the rule in the module documentation.
    #[must_use]
    pub const fn closing_cents(&self) -> i64 {
        self.opening_cents + self.invoiced_cents - self.credited_cents - self.voided_cents - self.paid_cents
    }
}

/// The statements of account from `from` up to and excluding `to`, by currency. `invoices` must be all invoices that
/// were issued before `to`.
#[must_use]
pub fn statements<'a>(
    invoices: impl IntoIterator<Item = &'a Invoice>,
    from: Timestamp,
    to: Timestamp,
) -> BTreeMap<Currency, Statement> {
    let mut statements: BTreeMap<Currency, Statement> = BTreeMap::new();
    for invoice in invoices {
        let mut add = |at: Timestamp, cents: i64, owed: i64, of: fn(&mut Statement) -> &mut i64| {
            if at < to {
                let statement = statements.entry(invoice.currency).or_default();
                *if at < from { &mut statement.opening_cents } else { of(statement) } +=
                    if at < from { owed } else { cents };
            }
        };
        let total_cents = invoice.total_cents;
        add(invoice.issued_at, total_cents, total_cents, |statement| &mut statement.invoiced_cents);
        for credit in &invoice.credits {
            let cents = credit.amount_cents;
            add(credit.credited_at, cents, -cents, |statement| &mut statement.credited_cents);
        }
        for payment in &invoice.payments {
            let cents = payment.amount_cents;
            add(payment.received_at, cents, -cents, |statement| &mut statement.paid_cents);
        }
        if let (InvoiceStatus::Void, Some(at)) = (invoice.status, invoice.closed_at) {
            let cents = total_cents - invoice.credited_cents;
            add(at, cents, -cents, |statement| &mut statement.voided_cents);
        }
    }
    statements
}
