//! Charges: the amounts that a subscription was billed, recorded one by one, so that every credit names its charge.
//!
//! A subscription keeps the charges that can still change: those that wait for an invoice, and invoiced ones of the
//! current period, which a credit can still take back. Older charges are in invoice lines and in the history.

use serde::{Deserialize, Serialize};

use super::line::{ChargeId, Line, LineKind};
use super::money::Currency;
use super::values::{InvoiceNumber, ShortCode, SubscriptionAddonId, Timestamp};

/// A charge of a subscription: an amount for its plan or for one add-on, for a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Charge {
    /// Its unique id.
    pub id: ChargeId,
    /// The add-on that it charges for; null for the plan.
    pub addon_id: Option<SubscriptionAddonId>,
    /// The code of the plan or add-on.
    pub code: ShortCode,
    /// The price of a whole period, in minor units; the amount is a part of it.
    pub price_cents: i64,
    /// The amount, in minor units. A credit lowers it while the charge waits for an invoice.
    pub amount_cents: i64,
    /// The credits since it was invoiced, in minor units.
    #[serde(default)]
    pub credited_cents: i64,
    /// The currency of the amounts.
    pub currency: Currency,
    /// The start of the span that it covers.
    pub from: Timestamp,
    /// The end of the span, exclusive.
    pub to: Timestamp,
    /// The number of its invoice; null while it waits for one.
    pub invoice: Option<InvoiceNumber>,
}

impl Charge {
    /// Whether it charges for the plan rather than for an add-on.
    #[must_use]
    pub const fn is_of_plan(&self) -> bool {
        self.addon_id.is_none()
    }

    /// Whether it waits for an invoice.
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

    /// The line of a credit of `amount_cents`, in minor units, for the time from `from` on.
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
