//! Charges: what a subscription was billed for, recorded one by one, so that every credit can name what it takes back.
//!
//! The record holds what still matters: charges that wait for an invoice, and invoiced ones of the current period, of
//! which a part can still be given back. Older ones live on in the lines of their invoices and in the history.

use serde::{Deserialize, Serialize};

use super::line::{ChargeId, Line, LineKind};
use super::money::Currency;
use super::values::{InvoiceNumber, ShortCode, SubscriptionAddonId, Timestamp};

/// A charge on the record of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Charge {
    /// Its identity.
    pub id: ChargeId,
    /// The attached add-on that it is for; null for the plan.
    pub addon_id: Option<SubscriptionAddonId>,
    /// The code of the plan or add-on.
    pub code: ShortCode,
    /// The price of a whole period that it is a part of, in minor units.
    pub price_cents: i64,
    /// What it comes to, in minor units. A credit of a charge that waits lowers this.
    pub amount_cents: i64,
    /// What was credited of it since it is on an invoice, in minor units.
    pub credited_cents: i64,
    /// The currency of the amounts.
    pub currency: Currency,
    /// The first moment that it covers.
    pub from: Timestamp,
    /// The first moment that it no longer covers.
    pub to: Timestamp,
    /// The invoice that it is on; null while it waits for one.
    pub invoice: Option<InvoiceNumber>,
}

impl Charge {
    /// Whether it is for the plan, and not for an add-on.
    #[must_use]
    pub const fn is_of_plan(&self) -> bool {
        self.addon_id.is_none()
    }

    /// Whether no invoice has it yet.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.invoice.is_none()
    }

    /// Its line on an invoice.
    #[must_use]
    pub fn line(&self) -> Line {
        let kind = if self.is_of_plan() { LineKind::PlanCharge } else { LineKind::AddonCharge };
        self.entry(kind, self.amount_cents, self.from)
    }

    /// The line of a credit that takes `amount_cents` of it back, for the time from `from` on.
    #[must_use]
    pub fn credit_line(&self, amount_cents: i64, from: Timestamp) -> Line {
        let kind = if self.is_of_plan() { LineKind::PlanCredit } else { LineKind::AddonCredit };
        self.entry(kind, -amount_cents, from)
    }

    fn entry(&self, kind: LineKind, amount_cents: i64, from: Timestamp) -> Line {
        let Self { id, code, currency, to, .. } = self.clone();
        Line { charge: id, kind, code, amount_cents, currency, from, to }
    }
}
