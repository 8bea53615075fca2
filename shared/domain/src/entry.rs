//! Entries: what an event does to the books of its deployment besides issuing an invoice.

use serde::{Deserialize, Serialize};

use super::line::Line;
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
