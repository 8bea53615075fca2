//! The statement of account for a span of time, such as a tenant's month: the opening amount owed, the amounts
//! invoiced, credited, voided, written off, paid, granted and paid back, and the closing amount owed. Which invoices
//! belong to a tenant is not decided here.
//!
//! The rule: closing = opening + invoiced - credited - voided - written off - paid - granted + paid back. Balance counts against the amount owed, so the
//! opening and closing amounts can be negative, and using or returning balance does not change them. Every amount
//! counts at the time when it was recorded, so the statement of a month that is over never changes.

use std::collections::BTreeMap;

use super::balance::{BalanceMovement, BalanceMovementKind};
use super::invoice::{Invoice, InvoiceStatus, Withdrawal};
use super::money::Currency;
use super::values::Timestamp;

/// The statement of account for a span in one currency, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statement {
    /// The amount owed at the start of the span.
    pub opening_cents: i64,
    /// The total of the invoices issued in the span.
    pub invoiced_cents: i64,
    /// The tax of those, less the tax in the credits and voids of the span. It is a part of those amounts.
    pub tax_cents: i64,
    /// The credits of invoices in the span.
    pub credited_cents: i64,
    /// The total of the invoices voided in the span, less their credits.
    pub voided_cents: i64,
    /// The amounts written off in the span, less those that were owed again or credited.
    pub written_off_cents: i64,
    /// The payments recorded in the span, less those that were reversed.
    pub paid_cents: i64,
    /// The balance granted in the span.
    pub granted_cents: i64,
    /// The balance paid back in the span.
    pub paid_back_cents: i64,
}

impl Statement {
    /// The amount owed at the end of the span, in minor units: see the rule in the module documentation.
    #[must_use]
    pub const fn closing_cents(&self) -> i64 {
        self.opening_cents + self.invoiced_cents
            - self.credited_cents
            - self.voided_cents
            - self.written_off_cents
            - self.paid_cents
            - self.granted_cents
            + self.paid_back_cents
    }
}

/// The statements of account from `from` up to and excluding `to`, by currency. `invoices` and `movements` must be all
/// invoices and movements of balance that were recorded before `to`.
#[must_use]
pub fn statements<'a>(
    invoices: impl IntoIterator<Item = &'a Invoice>,
    movements: impl IntoIterator<Item = &'a BalanceMovement>,
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
        add(invoice.issued_at, invoice.tax_cents(), 0, |statement| &mut statement.tax_cents);
        let tax = invoice.tax_line().map(|line| line.charge);
        for credit in &invoice.credits {
            let cents = credit.amount_cents;
            let of_tax_cents = if Some(credit.charge) == tax { cents } else { 0 };
            add(credit.credited_at, -of_tax_cents, 0, |statement| &mut statement.tax_cents);
            add(credit.credited_at, cents, -cents, |statement| &mut statement.credited_cents);
            let cents = credit.forgiven_cents;
            add(credit.credited_at, -cents, cents, |statement| &mut statement.written_off_cents);
        }
        for payment in &invoice.payments {
            let cents = payment.amount_cents;
            add(payment.received_at, cents, -cents, |statement| &mut statement.paid_cents);
            if let Some(reversal) = &payment.reversal {
                add(reversal.reversed_at, -cents, cents, |statement| &mut statement.paid_cents);
            }
        }
        for write_off in &invoice.write_offs {
            let cents = write_off.amount_cents;
            add(write_off.written_off_at, cents, -cents, |statement| &mut statement.written_off_cents);
            if let Some(Withdrawal { amount_cents: cents, withdrawn_at }) = write_off.withdrawal {
                add(withdrawn_at, -cents, cents, |statement| &mut statement.written_off_cents);
            }
        }
        if let (InvoiceStatus::Void, Some(at)) = (invoice.status, invoice.closed_at) {
            let cents = total_cents - invoice.credited_cents;
            add(at, cents, -cents, |statement| &mut statement.voided_cents);
            let cents = invoice.taxed().map_or(0, |taxed| taxed.tax_cents);
            add(at, -cents, 0, |statement| &mut statement.tax_cents);
            // A void invoice has nothing to forgive.
            let cents = invoice.forgiven_cents();
            add(at, -cents, cents, |statement| &mut statement.written_off_cents);
        }
    }
    for movement in movements.into_iter().filter(|movement| movement.at < to) {
        let statement = statements.entry(movement.currency).or_default();
        let cents = movement.amount_cents;
        match movement.kind {
            BalanceMovementKind::Granted if movement.at < from => statement.opening_cents -= cents,
            BalanceMovementKind::Granted => statement.granted_cents += cents,
            BalanceMovementKind::PaidBack(_) if movement.at < from => statement.opening_cents += cents,
            BalanceMovementKind::PaidBack(_) => statement.paid_back_cents += cents,
        }
    }
    statements
}
