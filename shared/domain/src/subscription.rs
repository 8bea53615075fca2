//! Subscriptions: what a deployment has bought, and at which price, for good.
//!
//! Prices are copied here when something is bought. Nothing in this file looks at the catalog, so nothing that happens
//! to the catalog can reprice what runs.

use chrono::{SubsecRound, TimeDelta};
use serde::{Deserialize, Serialize};

use super::actor::Authority;
use super::catalog::{Addon, IntervalPrices, PlanVersion};
use super::charge::Charge;
use super::lifecycle::State;
use super::line::ChargeId;
use super::money::{Currency, prorate, sum};
use super::period::{Anchor, AnchorMode, Interval, Period};
use super::values::{DisplayName, InvoiceNumber, ShortCode, SubscriptionAddonId, SubscriptionId, Timestamp};

/// The most add-ons a subscription can have at a time.
pub const MAX_ADDONS: usize = 50;
/// The most charges that commands can make between two boundaries, those taken back included.
pub const MAX_CHARGES_IN_PERIOD: u32 = 200;

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
    /// What it was billed for in the current period, and what waits for an invoice.
    pub charges: Vec<Charge>,
    /// How many charges commands have made since the last boundary, those taken back included.
    pub charges_in_period: u32,
    /// Whether charges are invoiced at once until the next boundary, since a credit lowered an unpaid invoice.
    pub bills_at_once: bool,
    /// The second and the ordinal of the last invoice's number.
    pub last_number: Option<LastNumber>,
    /// When its trial ends or ended, if it has one.
    pub trial_ends_at: Option<Timestamp>,
    /// When it will be cancelled.
    pub cancel_at: Option<Timestamp>,
    /// With what authority that was scheduled.
    pub cancel_scheduled_by: Option<Authority>,
    /// When it was cancelled, which may have been later than it was to end.
    pub cancelled_at: Option<Timestamp>,
    /// The moment that it ended at for billing.
    pub ended_at: Option<Timestamp>,
    /// Whether it ended because its deployment did, so that it comes back with it.
    pub cancelled_with_deployment: bool,
    /// The plan it will change to at the end of the period.
    pub pending_change: Option<PendingChange>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What the number of an invoice was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct LastNumber {
    /// The second that it bills from.
    pub second: Timestamp,
    /// Its place among the invoices of that second, from 1.
    pub ordinal: u32,
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
    /// Its price then of an interval that has no price of its own, in minor units.
    pub price_cents: i64,
    /// Its prices then that depend on the interval of the plan, in minor units.
    #[cfg_attr(
        feature = "json-schema",
        schemars(extend("propertyNames" = {"enum": ["month", "quarter", "half_year", "year"]}))
    )]
    pub interval_prices: IntervalPrices,
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

impl PlanTerms {
    /// What a plan and add-ons cost each interval, in minor units: those of its currency, since others are dropped with it.
    #[must_use]
    pub fn recurring_cents(&self, addons: &[SubscriptionAddon]) -> Option<i64> {
        let addons = addons.iter().filter(|addon| addon.currency == self.currency);
        sum(std::iter::once(self.price_cents).chain(addons.map(|addon| addon.price_of(self.interval))))
    }
}

impl SubscriptionAddon {
    /// Copies an add-on of the catalog as it is at `at`.
    #[must_use]
    pub fn snapshot(id: SubscriptionAddonId, addon: &Addon, at: Timestamp) -> Self {
        let Addon { code, name, price_cents, interval_prices, currency, quantity, unit, .. } = addon.clone();
        Self { id, code, name, price_cents, interval_prices, currency, quantity, unit, attached_at: at }
    }

    /// Its price of one interval of a plan, in minor units.
    #[must_use]
    pub fn price_of(&self, interval: Interval) -> i64 {
        self.interval_prices.get(&interval).copied().unwrap_or(self.price_cents)
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
            charges: Vec::new(),
            charges_in_period: 0,
            bills_at_once: false,
            last_number: None,
            trial_ends_at,
            cancel_at: None,
            cancel_scheduled_by: None,
            cancelled_at: None,
            ended_at: None,
            cancelled_with_deployment: false,
            pending_change: None,
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
        self.charges.retain(Charge::waits);
        self.charges_in_period = 0;
        self.bills_at_once = false;
    }

    /// Changes its terms at the end of a period while it is paused: the next period opens when it runs again, of the new
    /// interval from the boundary on.
    pub fn change_terms_paused(&mut self, terms: PlanTerms) {
        let boundary = self.current_period_end;
        if terms.interval != self.terms.interval {
            self.anchor = Anchor::new(self.anchor_mode, boundary);
            self.cycle_index = 0;
            (self.current_period_start, self.billed_from) = (boundary, Some(boundary));
        }
        self.terms = terms;
    }

    /// Follows its deployment from one state to another, which counts from `at` and happens at `now`.
    pub fn follow(&mut self, from: State, to: State, at: Timestamp, now: Timestamp) {
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
                    (self.cancelled_at, self.ended_at) = (None, None);
                    self.cancelled_with_deployment = false;
                    self.restart(at);
                }
            }
            (SubscriptionStatus::Active, SubscriptionStatus::Paused) => self.status = SubscriptionStatus::Paused,
            (SubscriptionStatus::Active | SubscriptionStatus::Paused, SubscriptionStatus::Cancelled) => {
                // To cancel and reactivate is no way to take back what the platform scheduled.
                let is_platforms = |by: Authority| by == Authority::PlatformAdmin;
                let pending_change = self.pending_change.take().filter(|pending| is_platforms(pending.scheduled_by));
                let scheduled_by = self.cancel_scheduled_by.filter(|by| is_platforms(*by));
                let cancel_at = self.cancel_at.filter(|_| scheduled_by.is_some());
                self.cancel(at, now);
                self.pending_change = pending_change;
                (self.cancel_at, self.cancel_scheduled_by) = (cancel_at, scheduled_by);
                self.cancelled_with_deployment = true;
            }
            (SubscriptionStatus::Paused, SubscriptionStatus::Paused)
            | (SubscriptionStatus::Cancelled, SubscriptionStatus::Paused | SubscriptionStatus::Cancelled) => {}
        }
    }

    /// Ends it at `at`, which is done at `now`.
    pub fn cancel(&mut self, at: Timestamp, now: Timestamp) {
        self.status = SubscriptionStatus::Cancelled;
        self.ended_at = Some(at);
        self.cancelled_at = Some(now);
        self.cancel_at = None;
        self.cancel_scheduled_by = None;
        self.pending_change = None;
    }

    /// After a pause: time that is paid for goes on; else the anchored period that `at` falls into opens.
    fn resume(&mut self, at: Timestamp) {
        if at < self.current_period_end || self.is_to_end_by(at) {
            return;
        }
        if self.in_trial() { self.begin_billing(at) } else { self.open_period_at(at) }
    }

    /// After a cancellation: time that is paid for, or a trial, goes on, so that nothing is charged twice; else periods
    /// begin anew at `at`.
    fn restart(&mut self, at: Timestamp) {
        if at >= self.current_period_end && !self.is_to_end_by(at) {
            self.begin_billing(at);
        }
    }

    /// Whether its agreed end has come by a moment.
    #[must_use]
    pub fn is_to_end_by(&self, at: Timestamp) -> bool {
        self.cancel_at.is_some_and(|cancel_at| cancel_at <= at)
    }

    /// The part of a price that the rest of the current period from `at` on comes to.
    #[must_use]
    pub fn part_of_period(&self, price_cents: i64, at: Timestamp) -> i64 {
        let seconds = |from: Timestamp, to: Timestamp| to.signed_duration_since(from).num_seconds();
        let (start, end) = (self.current_period_start, self.current_period_end);
        prorate(price_cents, seconds(at.max(start), end), seconds(start, end))
    }

    /// A charge for the plan, or for an add-on, from the second of `at` to the end of the period; none during a trial.
    #[must_use]
    pub fn charge(&self, id: ChargeId, addon: Option<&SubscriptionAddon>, at: Timestamp) -> Option<Charge> {
        self.billed_from?;
        let (from, to) = (at.trunc_subsecs(0).max(self.current_period_start), self.current_period_end);
        let price_cents = addon.map_or(self.terms.price_cents, |addon| addon.price_of(self.terms.interval));
        (from < to).then(|| Charge {
            id,
            addon_id: addon.map(|addon| addon.id),
            code: addon.map_or(&self.terms.plan_code, |addon| &addon.code).clone(),
            price_cents,
            amount_cents: self.part_of_period(price_cents, from),
            credited_cents: 0,
            currency: self.terms.currency,
            from,
            to,
            invoice: None,
        })
    }

    /// What of a charge is not used from `from` on, a whole second, in minor units: never more than still stands of it.
    #[must_use]
    pub fn unused_cents(&self, charge: &Charge, from: Timestamp) -> i64 {
        let stands_cents = charge.amount_cents - charge.credited_cents;
        if from < charge.to { self.part_of_period(charge.price_cents, from).min(stands_cents).max(0) } else { 0 }
    }

    /// The charges that wait for an invoice.
    pub fn waiting(&self) -> impl Iterator<Item = &Charge> {
        self.charges.iter().filter(|charge| charge.waits())
    }

    /// Forgets the charges that nothing more can happen to: invoiced and over, or taken back before they were invoiced.
    pub fn forget_settled_charges(&mut self) {
        let end = self.current_period_end;
        self.charges.retain(|charge| if charge.waits() { charge.amount_cents > 0 } else { charge.to >= end });
    }

    /// The number of the next invoice, which bills from `at` on. A period is billed once: the number of the first
    /// invoice of a second follows from that second.
    pub fn next_number(&mut self, at: Timestamp, currency: Currency) -> InvoiceNumber {
        let at = at.trunc_subsecs(0);
        // Seconds never go back, so that no number comes twice.
        let next = match self.last_number {
            Some(LastNumber { second, ordinal }) if at <= second => LastNumber { second, ordinal: ordinal + 1 },
            Some(_) | None => LastNumber { second: at, ordinal: 1 },
        };
        self.last_number = Some(next);
        InvoiceNumber::new(next.second, self.id, currency, next.ordinal)
    }
}

/// The first whole second that is not before `at`: what a second has begun of is used.
#[must_use]
pub fn end_of_second(at: Timestamp) -> Timestamp {
    let second = at.trunc_subsecs(0);
    if second < at { second + TimeDelta::seconds(1) } else { second }
}
