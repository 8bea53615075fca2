//! Charges: the amounts that a subscription was billed, recorded one by one, so that every credit names its charge.
//!
//! A subscription keeps the charges that can still change: those that wait for an invoice, and invoiced ones of the
//! current period, which a credit can still take back. Older charges are in invoice lines and in the history.

use serde::{Deserialize, Serialize};

use super::line::{ChargeId, Line, LineKind};
use super::money::{Currency, is_zero};
use super::tax::Taxed;
use super::values::{DisplayName, InvoiceNumber, ShortCode, SubscriptionAddonId, Timestamp};

/// A charge of a subscription: an amount for its plan or for one add-on for a span of time, one made once, or the tax of
/// an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Charge {
    /// Its unique id.
    pub id: ChargeId,
    /// The charged add-on; null for the plan, for a charge made once and for tax.
    pub addon_id: Option<SubscriptionAddonId>,
    /// The code of the plan or add-on; `one_off` for a charge made once, `tax` for tax.
    pub code: ShortCode,
    /// The description of a charge made once; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<DisplayName>,
    /// The price of a whole period, in minor units; the amount is a part of it.
    pub price_cents: i64,
    /// The discount of that price; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<ChargeDiscount>,
    /// The taxed charges; absent unless it is tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<ChargeTax>,
    /// The amount after the discount, in minor units. A credit lowers it while the charge waits for an invoice.
    pub amount_cents: i64,
    /// The credits since it was invoiced, in minor units; absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub credited_cents: i64,
    /// What was written off of its invoice and not credited since, in minor units, if this is the first charge of the
    /// invoice; absent if there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgiven_cents: i64,
    /// The currency of the amounts.
    pub currency: Currency,
    /// The start of the span that it covers.
    pub from: Timestamp,
    /// The end of the span, exclusive.
    pub to: Timestamp,
    /// The number of its invoice; null while it waits for one.
    pub invoice: Option<InvoiceNumber>,
}

/// The discount of a charge. Every credit of the charge is of the discounted price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct ChargeDiscount {
    /// The code of the coupon.
    pub coupon: ShortCode,
    /// The discount of the price of a whole period, in minor units.
    pub price_cents: i64,
    /// The discount of the charge, in minor units.
    pub amount_cents: i64,
}

/// The charges that a charge for tax is computed from: the other ones of its invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct ChargeTax {
    /// The tax rate, in basis points.
    pub rate_basis_points: u32,
    /// The sum of those charges less their credits, in minor units.
    pub net_cents: i64,
}

/// What an event does to the charges of a subscription. It has only the charges that it changes: with all charges in
/// every event, a history would grow with the square of their number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct ChargeChanges {
    /// The charges that it made or changed, after the event.
    #[serde(default)]
    pub changed: Vec<Charge>,
    /// The ids of the charges that the subscription no longer keeps, because nothing can change them.
    #[serde(default)]
    pub dropped: Vec<ChargeId>,
}

impl ChargeChanges {
    /// The changes that lead from `before` to `after`.
    #[must_use]
    pub fn between(before: &[Charge], after: &[Charge]) -> Self {
        let changed = after.iter().filter(|charge| !before.contains(charge)).cloned().collect();
        let is_dropped = |id: &ChargeId| after.iter().all(|charge| charge.id != *id);
        Self { changed, dropped: before.iter().map(|charge| charge.id).filter(is_dropped).collect() }
    }

    /// The charges after these changes: the changed ones keep their places, and new ones follow in order.
    #[must_use]
    pub fn apply(&self, mut charges: Vec<Charge>) -> Vec<Charge> {
        charges.retain(|charge| !self.dropped.contains(&charge.id));
        for charge in &self.changed {
            match charges.iter_mut().find(|kept| kept.id == charge.id) {
                Some(kept) => kept.clone_from(charge),
                None => charges.push(charge.clone()),
            }
        }
        charges
    }
}

named! {
    /// When a charge made once is invoiced.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum Invoiced("invalid_when") {
        /// At once, on an invoice of its own.
        Now = "now",
        /// With the next invoice of the subscription.
        NextInvoice = "next_invoice",
    }
}

impl Charge {
    /// Whether it charges for the plan.
    #[must_use]
    pub const fn is_of_plan(&self) -> bool {
        self.addon_id.is_none() && self.description.is_none() && self.tax.is_none()
    }

    /// The kind of its line.
    const fn kind(&self) -> LineKind {
        match (&self.tax, &self.description, self.addon_id) {
            (Some(_), _, _) => LineKind::Tax,
            (None, Some(_), _) => LineKind::OneOffCharge,
            (None, None, Some(_)) => LineKind::AddonCharge,
            (None, None, None) => LineKind::PlanCharge,
        }
    }

    /// Whether it waits for an invoice.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.invoice.is_none()
    }

    /// The part of its invoice that remains after credits, if it is tax.
    #[must_use]
    pub fn taxed(&self) -> Option<Taxed> {
        let ChargeTax { rate_basis_points, net_cents } = self.tax.clone()?;
        Some(Taxed { rate_basis_points, net_cents, tax_cents: self.amount_cents - self.credited_cents })
    }

    /// The price of a whole period after the discount, in minor units.
    #[must_use]
    pub fn net_price_cents(&self) -> i64 {
        self.price_cents - self.discount.as_ref().map_or(0, |discount| discount.price_cents)
    }

    /// Its lines on an invoice: the charge, and its discount if it has one.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let discount = self.discount.as_ref().filter(|discount| discount.amount_cents > 0);
        let gross_cents = self.amount_cents + discount.map_or(0, |discount| discount.amount_cents);
        let discount = discount.map(|discount| Line {
            code: discount.coupon.clone(),
            ..self.entry(LineKind::Discount, -discount.amount_cents, self.from)
        });
        std::iter::once(self.entry(self.kind(), gross_cents, self.from)).chain(discount).collect()
    }

    /// The line of a credit of `amount_cents`, in minor units, for the time from `from` on.
    #[must_use]
    pub fn credit_line(&self, amount_cents: i64, from: Timestamp) -> Line {
        self.entry(self.kind().credit(), -amount_cents, from)
    }

    fn entry(&self, kind: LineKind, amount_cents: i64, from: Timestamp) -> Line {
        let Self { id, code, description, currency, to, .. } = self.clone();
        let tax_rate_basis_points = self.tax.as_ref().map(|tax| tax.rate_basis_points);
        Line { charge: id, kind, code, description, tax_rate_basis_points, amount_cents, currency, from, to }
    }
}
