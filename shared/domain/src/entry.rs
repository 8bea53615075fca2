//! Entries: what an event does to the books of its deployment besides issuing an invoice.

use serde::{Deserialize, Serialize};

use super::deployment::Deployment;
use super::invoice::{Line, OpenInvoice};
use super::money::Currency;
use super::values::InvoiceNumber;

/// Money of one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Amount {
    /// The currency.
    pub currency: Currency,
    /// In minor units.
    pub amount_cents: i64,
}

/// One entry in the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Entry {
    /// A charge was made that waits for the next invoice.
    Charged {
        /// The charge.
        line: Line,
    },
    /// A part of a charge was taken back.
    Credited {
        /// The credit; it names the charge, and its amount is negative.
        line: Line,
        /// The invoice that the charge is on; null if the charge was still waiting, and was lowered.
        invoice: Option<InvoiceNumber>,
        /// How much of it lowered what is due on that invoice, in minor units.
        lowered_cents: i64,
        /// How much of it had been paid and became balance, in minor units.
        returned_cents: i64,
    },
    /// Balance settled an invoice, or a part of it.
    BalanceUsed {
        /// The invoice.
        number: InvoiceNumber,
        /// How much, in minor units.
        amount_cents: i64,
        /// The currency of the amount.
        currency: Currency,
    },
    /// A voided invoice gave the balance back that had settled it.
    BalanceReturned {
        /// The invoice.
        number: InvoiceNumber,
        /// How much, in minor units.
        amount_cents: i64,
        /// The currency of the amount.
        currency: Currency,
    },
}

impl Entry {
    /// Brings a deployment's open invoices, given-up invoices and balances up to date; `None` if it contradicts them.
    pub(super) fn apply(&self, deployment: &mut Deployment) -> Option<()> {
        match self {
            Self::Charged { .. } => Some(()),
            Self::Credited { line, invoice, lowered_cents, returned_cents } => {
                if *lowered_cents > 0 {
                    lower(deployment, invoice.as_ref()?, *lowered_cents)?;
                }
                add_balance(deployment, line.currency, *returned_cents)
            }
            Self::BalanceUsed { number, amount_cents, currency } => {
                add_balance(deployment, *currency, -amount_cents)?;
                lower(deployment, number, *amount_cents)
            }
            Self::BalanceReturned { amount_cents, currency, .. } => add_balance(deployment, *currency, *amount_cents),
        }
    }
}

/// Lowers what is due on an invoice that is open or was given up.
fn lower(deployment: &mut Deployment, number: &InvoiceNumber, by_cents: i64) -> Option<()> {
    let Deployment { open_invoices, uncollectible_invoices, .. } = deployment;
    let mut owed = open_invoices.iter_mut().chain(uncollectible_invoices.iter_mut());
    let invoice: &mut OpenInvoice = owed.find(|owed| owed.number == *number)?;
    invoice.due_cents = invoice.due_cents.checked_sub(by_cents).filter(|due_cents| *due_cents >= 0)?;
    drop_settled(deployment);
    Some(())
}

/// Forgets the invoices on which nothing is due any more.
pub(super) fn drop_settled(deployment: &mut Deployment) {
    deployment.open_invoices.retain(|owed| owed.due_cents > 0);
    deployment.uncollectible_invoices.retain(|owed| owed.due_cents > 0);
}

/// Adds to the balance of a currency, or takes from it; `None` if it would be negative.
pub(super) fn add_balance(deployment: &mut Deployment, currency: Currency, amount_cents: i64) -> Option<()> {
    let sum = deployment.balance_cents(currency).checked_add(amount_cents).filter(|sum| *sum >= 0)?;
    deployment.balances.retain(|balance| balance.currency != currency);
    if sum > 0 {
        deployment.balances.push(Amount { currency, amount_cents: sum });
        deployment.balances.sort_unstable_by_key(|balance| balance.currency);
    }
    Some(())
}
