//! Subscriptions: what a deployment has bought, and at which price, for good.
//!
//! Prices are copied here when something is bought. Nothing in this file looks at the catalog, so nothing that happens
//! to the catalog can reprice what runs.

use chrono::SubsecRound;
use serde::{Deserialize, Serialize};

use super::actor::Authority;
use super::catalog::{Addon, PlanVersion};
use super::lifecycle::State;
use super::money::{Currency, prorate};
use super::period::{Anchor, AnchorMode, Interval, Period};
use super::values::{DisplayName, ShortCode, SubscriptionAddonId, SubscriptionId, Timestamp};

/// The most add-ons a subscription can have at a time.
pub const MAX_ADDONS: usize = 50;
/// The most lines that can wait for the next invoice.
pub const MAX_UNBILLED_LINES: usize = 200;

/// Whether a subscription is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum SubscriptionStatus {
    /// It is, from the end of its trial on.
    Active,
    /// It is not, until its deployment runs again.
    Paused,
    /// It is over.
    Cancelled,
}

/// The price of a plan version, as a subscription keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct PlanTerms {
    /// The plan.
    pub plan_code: ShortCode,
    /// Which of its versions.
    pub plan_version: u32,
    /// The price of one interval, in minor units.
    pub price_cents: i64,
    /// The currency of the price, and of every add-on.
    pub currency: Currency,
    /// How often it is charged.
    pub interval: Interval,
}

/// A deployment's subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "SubscriptionRecord"))]
pub struct Subscription {
    /// Its identity.
    pub id: SubscriptionId,
    /// What it costs.
    pub terms: PlanTerms,
    /// Whether it is billed.
    pub status: SubscriptionStatus,
    /// Where its periods begin, when they are anchored anew.
    pub anchor_mode: AnchorMode,
    /// What its boundaries are derived from.
    pub anchor: Anchor,
    /// Which period it is in, counted from the anchor.
    pub cycle_index: u32,
    /// The first moment of that period.
    pub current_period_start: Timestamp,
    /// The first moment after that period, or after the trial.
    pub current_period_end: Timestamp,
    /// Since when the current period is billed; none during a trial.
    pub billed_from: Option<Timestamp>,
    /// The price that the plan was billed at for the rest of the current period: what is not used of it is all that can
    /// be given back.
    pub billed_price_cents: i64,
    /// When its trial ends or ended, if it has one.
    pub trial_ends_at: Option<Timestamp>,
    /// When it will be cancelled.
    pub cancel_at: Option<Timestamp>,
    /// With what authority that was scheduled.
    pub cancel_scheduled_by: Option<Authority>,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
    /// Whether it ended because its deployment did, so that it comes back with it.
    pub cancelled_with_deployment: bool,
    /// The plan it will change to at the end of the period.
    pub pending_change: Option<PendingChange>,
    /// Charges and credits that wait for the next invoice.
    pub unbilled_lines: Vec<Line>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An add-on as it was when it was attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct SubscriptionAddon {
    /// Its identity on the subscription.
    pub id: SubscriptionAddonId,
    /// The catalog's add-on that it was copied from.
    pub code: ShortCode,
    /// Its name then.
    pub name: DisplayName,
    /// Its price of one interval then, in minor units.
    pub price_cents: i64,
    /// The currency of the price.
    pub currency: Currency,
    /// How many units it grants.
    pub quantity: i64,
    /// The unit.
    pub unit: DisplayName,
    /// When it was attached.
    pub attached_at: Timestamp,
}

/// A change of plan that waits for the end of the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "PendingChangeRecord"))]
pub struct PendingChange {
    /// What the subscription will cost.
    pub terms: PlanTerms,
    /// Whether add-ons of another currency are dropped then.
    pub drop_incompatible: bool,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// With what authority. A tenant's users take back or replace what a tenant's user scheduled, and nothing else.
    pub scheduled_by: Authority,
}

/// What a line charges for or gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum LineKind {
    /// Charges for the plan.
    PlanCharge,
    /// Gives back what was billed for the plan and not used.
    PlanCredit,
    /// Charges for an add-on.
    AddonCharge,
    /// Gives back what was billed for an add-on and not used.
    AddonCredit,
    /// Moves credits beyond an invoice's charges to the next one: positive on the former, negative on the latter.
    CarriedForward,
}

/// An amount for a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Line {
    /// What it is for.
    pub kind: LineKind,
    /// The plan's or add-on's code.
    pub code: ShortCode,
    /// In minor units; negative for a credit.
    pub amount_cents: i64,
    /// The currency of the amount.
    pub currency: Currency,
    /// The first moment that it covers.
    pub from: Timestamp,
    /// The first moment that it no longer covers.
    pub to: Timestamp,
}

impl From<&PlanVersion> for PlanTerms {
    fn from(version: &PlanVersion) -> Self {
        Self {
            plan_code: version.plan_code.clone(),
            plan_version: version.version,
            price_cents: version.price_cents,
            currency: version.currency,
            interval: version.interval,
        }
    }
}

impl SubscriptionAddon {
    /// Copies an add-on of the catalog as it is at `at`.
    #[must_use]
    pub fn snapshot(id: SubscriptionAddonId, addon: &Addon, at: Timestamp) -> Self {
        let Addon { code, name, price_cents, currency, quantity, unit, .. } = addon.clone();
        Self { id, code, name, price_cents, currency, quantity, unit, attached_at: at }
    }
}

impl SubscriptionStatus {
    /// The status that a live subscription has while its deployment is in `state`.
    #[must_use]
    pub const fn of(state: State) -> Self {
        match state {
            State::Trial | State::Active | State::PastDue => Self::Active,
            State::Paused | State::Suspended => Self::Paused,
            State::Cancelled | State::Archived => Self::Cancelled,
        }
    }
}

impl Subscription {
    /// A subscription that begins at `now`: with a trial until `trial_ends_at`, or billed at once.
    #[must_use]
    pub fn begin(
        id: SubscriptionId,
        terms: PlanTerms,
        anchor_mode: AnchorMode,
        trial_ends_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let mut subscription = Self {
            id,
            terms,
            status: SubscriptionStatus::Active,
            anchor_mode,
            anchor: Anchor::new(anchor_mode, trial_ends_at.unwrap_or(now)),
            cycle_index: 0,
            current_period_start: now,
            current_period_end: trial_ends_at.unwrap_or(now),
            billed_from: None,
            billed_price_cents: 0,
            trial_ends_at,
            cancel_at: None,
            cancel_scheduled_by: None,
            cancelled_at: None,
            cancelled_with_deployment: false,
            pending_change: None,
            unbilled_lines: Vec::new(),
            created_at: now,
        };
        if trial_ends_at.is_none() {
            subscription.begin_billing(now);
        }
        subscription
    }

    /// Whether it is neither over nor about to be made anew.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        match self.status {
            SubscriptionStatus::Active | SubscriptionStatus::Paused => true,
            SubscriptionStatus::Cancelled => false,
        }
    }

    /// Whether it is in its trial, so that nothing was billed yet.
    #[must_use]
    pub const fn in_trial(&self) -> bool {
        self.billed_from.is_none()
    }

    /// Opens the period after the current one.
    pub fn renew(&mut self) {
        self.open_period_at(self.current_period_end);
    }

    /// Lets the trial end at another time.
    pub fn extend_trial(&mut self, ends_at: Timestamp) {
        self.trial_ends_at = Some(ends_at);
        self.anchor = Anchor::new(self.anchor_mode, ends_at);
        self.current_period_end = ends_at;
        self.cancel_at = self.cancel_at.map(|_| ends_at);
    }

    /// Ends the trial, or a gap, at `at`: anchors the periods anew and opens the first, billed from `at` on.
    pub fn begin_billing(&mut self, at: Timestamp) {
        self.anchor = Anchor::new(self.anchor_mode, at);
        self.open_period_at(at);
    }

    /// Opens the period that `at` falls into, billed from `at` on.
    pub fn open_period_at(&mut self, at: Timestamp) {
        let at = at.trunc_subsecs(0);
        // Beyond the last year a calendar can express, time stands still.
        let unmoving = Period { index: self.cycle_index, start: at, end: at };
        let period = self.anchor.period_at(self.terms.interval, at).unwrap_or(unmoving);
        self.cycle_index = period.index;
        self.current_period_start = period.start;
        self.current_period_end = period.end;
        self.billed_from = Some(at.max(period.start));
        self.billed_price_cents = self.terms.price_cents;
        // A cancellation at the period's end follows the period.
        self.cancel_at = self.cancel_at.map(|_| period.end);
    }

    /// Follows its deployment from one state to another at `at`.
    pub fn follow(&mut self, from: State, to: State, at: Timestamp) {
        match (self.status, SubscriptionStatus::of(to)) {
            (SubscriptionStatus::Active, SubscriptionStatus::Active) => {
                if from == State::Trial && self.in_trial() {
                    self.trial_ends_at = Some(at);
                    self.begin_billing(at);
                }
            }
            (SubscriptionStatus::Paused, SubscriptionStatus::Active) => {
                self.status = SubscriptionStatus::Active;
                self.resume(at);
            }
            (SubscriptionStatus::Cancelled, SubscriptionStatus::Active) => {
                if self.cancelled_with_deployment {
                    self.status = SubscriptionStatus::Active;
                    self.cancelled_at = None;
                    self.cancelled_with_deployment = false;
                    self.restart(at);
                }
            }
            (SubscriptionStatus::Active, SubscriptionStatus::Paused) => self.status = SubscriptionStatus::Paused,
            (SubscriptionStatus::Active | SubscriptionStatus::Paused, SubscriptionStatus::Cancelled) => {
                self.cancel(at);
                self.cancelled_with_deployment = true;
            }
            (SubscriptionStatus::Paused, SubscriptionStatus::Paused)
            | (SubscriptionStatus::Cancelled, SubscriptionStatus::Paused | SubscriptionStatus::Cancelled) => {}
        }
    }

    /// Ends it at `at`.
    pub fn cancel(&mut self, at: Timestamp) {
        self.status = SubscriptionStatus::Cancelled;
        self.cancelled_at = Some(at);
        self.cancel_at = None;
        self.cancel_scheduled_by = None;
        self.pending_change = None;
    }

    /// After a pause: time that is paid for goes on; else the anchored period that `at` falls into opens.
    fn resume(&mut self, at: Timestamp) {
        let ends = self.cancel_at.is_some_and(|cancel_at| cancel_at <= at);
        if at < self.current_period_end || ends {
            return;
        }
        if self.in_trial() { self.begin_billing(at) } else { self.open_period_at(at) }
    }

    /// After a cancellation: time that is paid for, or a trial, goes on, so that nothing is charged twice; else periods
    /// begin anew at `at`.
    fn restart(&mut self, at: Timestamp) {
        if at >= self.current_period_end {
            self.begin_billing(at);
        }
    }

    /// The part of a price that the rest of the current period from `at` on comes to.
    #[must_use]
    pub fn part_of_period(&self, price_cents: i64, at: Timestamp) -> i64 {
        let seconds = |from: Timestamp, to: Timestamp| to.signed_duration_since(from).num_seconds();
        let (start, end) = (self.current_period_start, self.current_period_end);
        prorate(price_cents, seconds(at.trunc_subsecs(0).max(start), end), seconds(start, end))
    }

    /// The charge for an add-on from `at` to the end of the period; none during a trial.
    #[must_use]
    pub fn addon_charge(&self, addon: &SubscriptionAddon, at: Timestamp) -> Option<Line> {
        self.billed_from?;
        let amount_cents = self.part_of_period(addon.price_cents, at);
        self.line(LineKind::AddonCharge, addon.code.clone(), amount_cents, at)
    }

    /// The credit for an add-on from `at` to the end of the period: never more than was billed for it.
    #[must_use]
    pub fn addon_credit(&self, addon: &SubscriptionAddon, at: Timestamp) -> Option<Line> {
        let billed_from = self.billed_from?.max(addon.attached_at);
        let billed_cents = self.part_of_period(addon.price_cents, billed_from);
        let amount_cents = self.part_of_period(addon.price_cents, at).min(billed_cents);
        self.line(LineKind::AddonCredit, addon.code.clone(), -amount_cents, at)
    }

    /// The credit for the plan from `at` to the end of the period: what is not used of what was billed.
    #[must_use]
    pub fn plan_credit(&self, at: Timestamp) -> Option<Line> {
        self.billed_from?;
        let amount_cents = self.part_of_period(self.billed_price_cents, at);
        self.line(LineKind::PlanCredit, self.terms.plan_code.clone(), -amount_cents, at)
    }

    /// The charge for the plan from `at` to the end of the period; none during a trial.
    #[must_use]
    pub fn plan_charge(&self, at: Timestamp) -> Option<Line> {
        self.billed_from?;
        let amount_cents = self.part_of_period(self.terms.price_cents, at);
        self.line(LineKind::PlanCharge, self.terms.plan_code.clone(), amount_cents, at)
    }

    /// A line for the rest of the period; none if nothing is left of it.
    fn line(&self, kind: LineKind, code: ShortCode, amount_cents: i64, at: Timestamp) -> Option<Line> {
        let (from, to) = (at.trunc_subsecs(0).max(self.current_period_start), self.current_period_end);
        (from < to).then_some(Line { kind, code, amount_cents, currency: self.terms.currency, from, to })
    }
}
