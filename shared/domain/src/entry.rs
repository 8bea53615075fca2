//! Entries: the lines of an event that change the books of its deployment. Issued invoices and payments are not entries
//! but events of their own.

use serde::{Deserialize, Serialize};

use super::line::Line;
use super::money::Currency;
use super::values::InvoiceNumber;

/// An amount of money in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Amount {
    /// The currency.
    pub currency: Currency,
    /// The amount, in minor units.
    pub amount_cents: i64,
}

/// One entry in the books of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Entry {
    /// A charge was made; it waits for the next invoice.
    Charged {
        /// The charge.
        line: Line,
    },
    /// A credit took back a part of a charge.
    Credited {
        /// The credit; it names the charge, and its amount is negative.
        line: Line,
        /// The number of the charge's invoice; null if the charge was still waiting and was lowered.
        invoice: Option<InvoiceNumber>,
        /// The part of the credit that lowered the amount due on that invoice, in minor units.
        #[serde(default)]
        lowered_cents: i64,
        /// The part of the credit that had been settled and became balance, in minor units. The rest, if any, was
        /// written off: it lowers what is forgiven.
        #[serde(default)]
        returned_cents: i64,
    },
    /// Balance settled an invoice, or a part of it.
    BalanceUsed {
        /// The number of the invoice.
        number: InvoiceNumber,
        /// The amount, in minor units.
        amount_cents: i64,
        /// The currency of the amount.
        currency: Currency,
    },
    /// Balance came from an invoice: the settled amount of a voided one, or the part of a payment beyond the amount due.
    BalanceReturned {
        /// The number of the invoice.
        number: InvoiceNumber,
        /// The amount, in minor units.
        amount_cents: i64,
        /// The currency of the amount.
        currency: Currency,
    },
    /// Balance was granted, for example for an outage. It credits no charge.
    BalanceGranted {
        /// The amount, in minor units.
        amount_cents: i64,
        /// The currency of the amount.
        currency: Currency,
    },
    /// Balance was paid back.
    BalancePaidBack {
        /// The amount, in minor units.
        amount_cents: i64,
        /// The currency of the amount.
        currency: Currency,
    },
}

impl Entry {
    /// The invoice whose amounts it changes.
    #[must_use]
    pub const fn of_invoice(&self) -> Option<&InvoiceNumber> {
        match self {
            Self::Credited { invoice, .. } => invoice.as_ref(),
            Self::BalanceUsed { number, .. } => Some(number),
            Self::Charged { .. }
            | Self::BalanceReturned { .. }
            | Self::BalanceGranted { .. }
            | Self::BalancePaidBack { .. } => None,
        }
    }
}
