//! The statement of a tenant's month: what was owed when it began, what was invoiced, credited, taken back and paid since, and
//! what is owed when it ends. What stands to the tenant's credit counts against what it owes.
//!
//! It goes by when each of these was recorded, so that the statement of a month that is over never changes. Balance that
//! settles an invoice, or comes back from one, moves within what is owed and is told by nothing.

use std::collections::BTreeMap;

use super::invoice::{Invoice, InvoiceStatus};
use super::money::Currency;
use super::values::Timestamp;

/// The statement of a span in one currency, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statement {
    /// What was owed when the span began.
    pub opening_cents: i64,
    /// What was invoiced.
    pub invoiced_cents: i64,
    /// What was credited of invoices.
    pub credited_cents: i64,
    /// What invoices that were taken back still came to.
    pub voided_cents: i64,
    /// What was paid.
    pub paid_cents: i64,
}

impl Statement {
    /// What is owed when the span ends.
    #[must_use]
    pub const fn closing_cents(&self) -> i64 {
        self.opening_cents + self.invoiced_cents - self.credited_cents - self.voided_cents - self.paid_cents
    }
}

/// The statements of a span, by currency, from all invoices that were ever issued.
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
