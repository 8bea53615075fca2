//! Records as lists return them: rows and summaries. The records themselves are in their own modules.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::clock::NextAction;
use super::deployment::Deployment;
use super::entry::Amount;
use super::figures::Figures;
use super::invoice::Invoice;
use super::money::{Currency, is_zero};
use super::period::Interval;
use super::subscription::{PendingChange, Subscription, SubscriptionAddon, SubscriptionStatus};
use super::tax::tax_cents;
use super::values::{ShortCode, Slug, TenantId, Timestamp};

/// A deployment as lists return it, from its own item alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    /// The deployment.
    pub deployment: Deployment,
    /// A summary of its subscription.
    pub subscription: Option<SubscriptionSummary>,
    /// Its next scheduled step.
    pub next_action: Option<NextAction>,
}

impl DeploymentRow {
    /// When the next period will be invoiced, for how much with tax, and the tax in it, in minor units, if nothing changes
    /// until then. `None` if no period follows.
    #[must_use]
    pub fn next_invoice(&self) -> Option<(Timestamp, Amount, i64)> {
        let (at, Amount { currency, amount_cents }) = self.subscription.as_ref()?.next_period()?;
        let tax_cents = tax_cents(amount_cents, self.deployment.tenant_rules.tax_rate_basis_points);
        Some((at, Amount { currency, amount_cents: amount_cents.checked_add(tax_cents)? }, tax_cents))
    }
}

/// A summary of a subscription, as lists return it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct SubscriptionSummary {
    /// The code of the plan.
    pub plan_code: ShortCode,
    /// The version of the plan.
    pub plan_version: u32,
    /// Its status.
    pub status: SubscriptionStatus,
    /// The interval at which it is charged.
    pub interval: Interval,
    /// The price of the plan and all add-ons for one interval, before a discount, in minor units; null if the sum is too
    /// large.
    pub recurring_cents: Option<i64>,
    /// The currency of that price.
    pub currency: Currency,
    /// The end of the current period, exclusive, or of the trial.
    pub current_period_end: Timestamp,
    /// The time of its scheduled cancellation; null if none is scheduled.
    pub cancel_at: Option<Timestamp>,
    /// The price of one interval after the plan change that is scheduled for the end of the current period; null if
    /// none is.
    pub pending: Option<Amount>,
    /// The discount of the next period, in minor units; absent if there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub next_discount_cents: i64,
}

impl SubscriptionSummary {
    /// The summary of a subscription and its add-ons.
    #[must_use]
    pub fn new(subscription: &Subscription, addons: &[SubscriptionAddon]) -> Self {
        let (terms, period_end) = (&subscription.terms, subscription.current_period_end);
        let amount = |pending: &PendingChange| {
            let amount_cents = pending.terms.recurring_cents(addons)?;
            Some(Amount { currency: pending.terms.currency, amount_cents })
        };
        let pending = subscription.pending_change.as_ref().filter(|pending| pending.is_due_at(period_end));
        let next = pending.map_or(terms, |pending| &pending.terms);
        let discount =
            subscription.discount.as_ref().filter(|discount| discount.goes_on(&next.plan_code, next.currency));
        let next_discount_cents = discount.map_or(0, |discount| discount.off_period_cents(next.prices(addons)));
        Self {
            plan_code: terms.plan_code.clone(),
            plan_version: terms.plan_version,
            status: subscription.status,
            interval: terms.interval,
            recurring_cents: terms.recurring_cents(addons),
            currency: terms.currency,
            current_period_end: period_end,
            cancel_at: subscription.cancel_at,
            pending: pending.and_then(amount),
            next_discount_cents,
        }
    }

    /// When the next period will be invoiced and for how much before tax, if nothing changes until then. `None` if no
    /// period follows.
    fn next_period(&self) -> Option<(Timestamp, Amount)> {
        let at = self.current_period_end;
        let goes_on = self.status == SubscriptionStatus::Active && self.cancel_at.is_none_or(|end| end > at);
        let (currency, recurring_cents) = (self.currency, self.recurring_cents);
        let present = || Some(Amount { currency, amount_cents: recurring_cents? });
        let amount = self.pending.clone().or_else(present).filter(|_| goes_on)?;
        Some((at, Amount { amount_cents: amount.amount_cents - self.next_discount_cents, ..amount }))
    }
}

/// An invoice with its tenant and the slug of its deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceRow {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The deployment's name in URLs.
    pub slug: Slug,
    /// The invoice.
    pub invoice: Invoice,
}

impl InvoiceRow {
    /// The row of an invoice of `deployment`.
    #[must_use]
    pub fn new(deployment: &Deployment, invoice: Invoice) -> Self {
        let Deployment { tenant_id, slug, .. } = deployment.clone();
        Self { tenant_id, slug, invoice }
    }
}

/// The figures of the whole business at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The moment of the figures.
    pub as_of: Timestamp,
    /// All figures except movements.
    pub totals: Figures,
    /// The movements since the beginning of the month.
    pub movements: Figures,
}

/// The health of scheduled work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockHealth {
    /// The time since the deployment that is due longest became due.
    pub lag: TimeDelta,
    /// The number of deployments that are postponed because a step failed.
    pub postponed: usize,
    /// The number of events that could not be published.
    pub not_published: usize,
}
