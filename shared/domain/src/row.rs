//! Records as lists have them: what is read of several at once.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::clock::NextAction;
use super::deployment::Deployment;
use super::entry::Amount;
use super::figures::Figures;
use super::invoice::Invoice;
use super::money::Currency;
use super::period::Interval;
use super::subscription::{PendingChange, Subscription, SubscriptionAddon, SubscriptionStatus};
use super::values::{ShortCode, Slug, TenantId, Timestamp};

/// A deployment as lists have it: from its own item alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    /// The deployment.
    pub deployment: Deployment,
    /// What it has bought, in short.
    pub subscription: Option<SubscriptionSummary>,
    /// What the clock will do next.
    pub next_action: Option<NextAction>,
}

/// What a list tells of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct SubscriptionSummary {
    /// The plan.
    pub plan_code: ShortCode,
    /// Which of its versions.
    pub plan_version: u32,
    /// Whether it is billed.
    pub status: SubscriptionStatus,
    /// How often it is charged.
    pub interval: Interval,
    /// What the plan and all add-ons cost each interval, in minor units.
    pub recurring_cents: Option<i64>,
    /// The currency of that.
    pub currency: Currency,
    /// The first moment after the current period, or after the trial.
    pub current_period_end: Timestamp,
    /// When it ends, if that is scheduled.
    pub cancel_at: Option<Timestamp>,
    /// What it costs each interval once a scheduled change of plan has taken place; null if none is scheduled.
    pub pending: Option<Amount>,
}

impl SubscriptionSummary {
    /// What is told of a subscription and its add-ons.
    #[must_use]
    pub fn new(subscription: &Subscription, addons: &[SubscriptionAddon]) -> Self {
        let terms = &subscription.terms;
        let amount = |pending: &PendingChange| {
            let amount_cents = pending.terms.recurring_cents(addons)?;
            Some(Amount { currency: pending.terms.currency, amount_cents })
        };
        Self {
            plan_code: terms.plan_code.clone(),
            plan_version: terms.plan_version,
            status: subscription.status,
            interval: terms.interval,
            recurring_cents: terms.recurring_cents(addons),
            currency: terms.currency,
            current_period_end: subscription.current_period_end,
            cancel_at: subscription.cancel_at,
            pending: subscription.pending_change.as_ref().and_then(amount),
        }
    }

    /// When the next period is invoiced and what it comes to, as things stand; `None` if none is to come.
    #[must_use]
    pub fn next_invoice(&self) -> Option<(Timestamp, Amount)> {
        let at = self.current_period_end;
        let goes_on = self.status == SubscriptionStatus::Active && self.cancel_at.is_none_or(|end| end > at);
        let (currency, recurring_cents) = (self.currency, self.recurring_cents);
        let present = || Some(Amount { currency, amount_cents: recurring_cents? });
        self.pending.clone().or_else(present).filter(|_| goes_on).map(|amount| (at, amount))
    }
}

/// An invoice, and whose it is.
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
    /// An invoice of a deployment.
    #[must_use]
    pub fn new(deployment: &Deployment, invoice: Invoice) -> Self {
        let Deployment { tenant_id, slug, .. } = deployment.clone();
        Self { tenant_id, slug, invoice }
    }
}

/// The figures of a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The moment.
    pub as_of: Timestamp,
    /// All but movements.
    pub totals: Figures,
    /// The movements since the month began.
    pub movements: Figures,
}

/// How far the clock's work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockHealth {
    /// How long the longest due deployment has been waiting.
    pub lag: TimeDelta,
    /// How many deployments are put off because a step failed.
    pub postponed: usize,
    /// How many events could not be published.
    pub not_published: usize,
}
