//! Subscriptions: the plan and add-ons of a deployment, with their prices, periods and charges. Which changes are
//! allowed, and their invoices, are in [`super::decide()`].
//!
//! A purchase copies prices here. Afterwards this module does not read the catalog, so a change of the catalog cannot
//! change the price of an existing subscription.

use std::collections::BTreeMap;

use chrono::{SubsecRound, TimeDelta};
use serde::{Deserialize, Serialize};

use super::actor::Authority;
use super::catalog::{Addon, IntervalPrices, PlanVersion};
use super::charge::{Charge, ChargeDiscount};
use super::coupon::Discount;
use super::lifecycle::State;
use super::line::ChargeId;
use super::money::{Currency, prorate, sum};
use super::period::{Anchor, AnchorMode, Interval, Period};
use super::values::{DisplayName, InvoiceNumber, ShortCode, SubscriptionAddonId, SubscriptionId, Timestamp};

/// The most add-ons that a subscription can have at a time.
pub const MAX_ADDONS: usize = 50;
/// The most charges that commands can make between two period boundaries, credited ones included.
pub const MAX_CHARGES_IN_PERIOD: u32 = 200;
/// The most charges within one period, those that the platform makes once included: changes leave them room.
pub const MAX_CHARGES_WITH_ONE_OFFS: u32 = 220;

/// The forgiven amounts of invoices, in minor units.
pub type Forgiven = BTreeMap<InvoiceNumber, i64>;

named! {
    /// The status of a subscription.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum SubscriptionStatus("invalid_status") {
        /// It is billed, from the end of its trial on.
        Active = "active",
        /// It is not billed until its deployment runs again.
        Paused = "paused",
        /// It has ended.
        Cancelled = "cancelled",
    }
}

/// The terms of a plan version, as copied to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct PlanTerms {
    /// The code of the plan.
    pub plan_code: ShortCode,
    /// The version of the plan.
    pub plan_version: u32,
    /// The price of one interval, in minor units.
    pub price_cents: i64,
    /// The currency of the price and of all add-ons.
    pub currency: Currency,
    /// How often the price is charged.
    pub interval: Interval,
}

/// A deployment's subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "SubscriptionRecord"))]
pub struct Subscription {
    /// Its unique id.
    pub id: SubscriptionId,
    /// The terms of its plan version.
    pub terms: PlanTerms,
    /// Its status.
    pub status: SubscriptionStatus,
    /// The rule for a new anchor.
    pub anchor_mode: AnchorMode,
    /// The anchor of its periods.
    pub anchor: Anchor,
    /// The number of the current period, counted from 0 at the anchor.
    pub cycle_index: u32,
    /// The start of the current period.
    pub current_period_start: Timestamp,
    /// The end of the current period, exclusive, or of the trial.
    pub current_period_end: Timestamp,
    /// The moment from which the current period is billed; null during a trial.
    pub billed_from: Option<Timestamp>,
    /// Its charges of the current period, and those that wait for an invoice. Absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<Charge>,
    /// The number of charges that commands have made since the last period boundary, credited ones included; absent if
    /// there are none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub charges_in_period: u32,
    /// Whether new charges are invoiced at once until the next period boundary, because a credit lowered an unpaid
    /// invoice; absent if not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bills_at_once: bool,
    /// The second and the ordinal in the number of its last invoice.
    pub last_number: Option<LastNumber>,
    /// The end of its trial, past or future; null if it had none.
    pub trial_ends_at: Option<Timestamp>,
    /// The time of its scheduled cancellation; null if none is scheduled.
    pub cancel_at: Option<Timestamp>,
    /// The role that scheduled that cancellation.
    pub cancel_scheduled_by: Option<Authority>,
    /// When it was cancelled. A late sweep makes this later than `ended_at`.
    pub cancelled_at: Option<Timestamp>,
    /// The end of billing; null while it is live.
    pub ended_at: Option<Timestamp>,
    /// Whether it was cancelled together with its deployment, so that reactivating the deployment restores it; absent if
    /// not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancelled_with_deployment: bool,
    /// The change of plan scheduled for the end of the period; null if none is scheduled.
    pub pending_change: Option<PendingChange>,
    /// Its discount; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Discount>,
    /// When it was created.
    pub created_at: Timestamp,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// The parts of an invoice number that make it unique within a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct LastNumber {
    /// The second in the number: the one that the invoice bills from, but never earlier than in the number before.
    pub second: Timestamp,
    /// Its number among the invoices of that second, from 1.
    pub ordinal: u32,
}

/// An add-on of a subscription, as the catalog had it when it was attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct SubscriptionAddon {
    /// Its unique id on the subscription.
    pub id: SubscriptionAddonId,
    /// The code of the add-on in the catalog.
    pub code: ShortCode,
    /// Its display name.
    pub name: DisplayName,
    /// The price of one interval, in minor units, for intervals that `interval_prices` does not list.
    pub price_cents: i64,
    /// The price of one interval, in minor units, by the interval of the plan.
    #[serde(default)]
    #[cfg_attr(
        feature = "json-schema",
        schemars(extend("propertyNames" = {"enum": ["month", "quarter", "half_year", "year"]}))
    )]
    pub interval_prices: IntervalPrices,
    /// The currency of the price.
    pub currency: Currency,
    /// How many units it grants.
    pub quantity: i64,
    /// The unit of the quantity, such as `GB`.
    pub unit: DisplayName,
    /// When it was attached.
    pub attached_at: Timestamp,
}

/// A change of plan, scheduled for the end of the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "PendingChangeRecord"))]
pub struct PendingChange {
    /// The terms after the change.
    pub terms: PlanTerms,
    /// Whether the change drops add-ons of another currency.
    #[serde(default)]
    pub drop_incompatible: bool,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// The role that scheduled it. A tenant's users can only withdraw or replace a change that a tenant's user
    /// scheduled.
    pub scheduled_by: Authority,
    /// The earliest moment of an announced price change: it takes effect at the first period boundary at or after it.
    /// Null for every other change, which takes effect at the end of the period.
    #[serde(default)]
    pub effective_from: Option<Timestamp>,
}

impl PendingChange {
    /// Whether it is a price change that the platform announced.
    #[must_use]
    pub const fn is_announced(&self) -> bool {
        self.effective_from.is_some()
    }

    /// Whether it takes effect at this period boundary.
    #[must_use]
    pub fn is_due_at(&self, boundary: Timestamp) -> bool {
        self.effective_from.is_none_or(|from| from <= boundary)
    }
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
    /// Whether they are those of a version of a plan.
    #[must_use]
    pub fn is_version(&self, plan_code: &ShortCode, version: u32) -> bool {
        self.plan_code == *plan_code && self.plan_version == version
    }

    /// The price of the plan and its add-ons for one interval, in minor units. Add-ons of another currency are not
    /// counted, because they are dropped. `None` if the sum does not fit `i64`.
    #[must_use]
    pub fn recurring_cents(&self, addons: &[SubscriptionAddon]) -> Option<i64> {
        sum(self.prices(addons))
    }

    /// The prices of the plan and its add-ons for one interval, in minor units. Add-ons of another currency are left
    /// out, because they are dropped.
    pub fn prices(&self, addons: &[SubscriptionAddon]) -> impl Iterator<Item = i64> {
        let addons = addons.iter().filter(|addon| addon.currency == self.currency);
        std::iter::once(self.price_cents).chain(addons.map(|addon| addon.price_of(self.interval)))
    }
}

impl SubscriptionAddon {
    /// Copies an add-on of the catalog, attached at `at`.
    #[must_use]
    pub fn snapshot(id: SubscriptionAddonId, addon: &Addon, at: Timestamp) -> Self {
        let Addon { code, name, price_cents, interval_prices, currency, quantity, unit, .. } = addon.clone();
        Self { id, code, name, price_cents, interval_prices, currency, quantity, unit, attached_at: at }
    }

    /// Its price for one interval, in minor units.
    #[must_use]
    pub fn price_of(&self, interval: Interval) -> i64 {
        self.interval_prices.get(&interval).copied().unwrap_or(self.price_cents)
    }
}

impl SubscriptionStatus {
    /// The status that follows from the state of the deployment.
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
    /// A new subscription that begins at `now`: with a trial until `trial_ends_at`, or billed at once if that is
    /// `None`.
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
            discount: None,
            created_at: now,
        };
        if trial_ends_at.is_none() {
            subscription.begin_billing(now);
        }
        subscription
    }

    /// Whether it is active or paused.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        match self.status {
            SubscriptionStatus::Active | SubscriptionStatus::Paused => true,
            SubscriptionStatus::Cancelled => false,
        }
    }

    /// Whether it is in its trial: nothing has been billed yet.
    #[must_use]
    pub const fn in_trial(&self) -> bool {
        self.billed_from.is_none()
    }

    /// Opens the period after the current one.
    pub fn renew(&mut self) {
        self.open_period_at(self.current_period_end);
    }

    /// Moves the end of the trial, and with it the anchor and a scheduled cancellation.
    pub fn extend_trial(&mut self, ends_at: Timestamp) {
        self.trial_ends_at = Some(ends_at);
        self.anchor = Anchor::new(self.anchor_mode, ends_at);
        self.current_period_end = ends_at;
        self.cancel_at = self.cancel_at.map(|_| ends_at);
    }

    /// Begins billing at `at`, after a trial or a gap: sets a new anchor and opens its first period.
    pub fn begin_billing(&mut self, at: Timestamp) {
        self.anchor = Anchor::new(self.anchor_mode, at);
        self.open_period_at(at);
    }

    /// Opens the period that contains `at`, billed from `at` on.
    pub fn open_period_at(&mut self, at: Timestamp) {
        let at = at.trunc_subsecs(0);
        // A period beyond the range of dates is empty and does not move.
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

    /// Changes its terms at the end of a period while it is paused. The next period opens when the deployment runs
    /// again; a new interval counts from that boundary on.
    pub fn change_terms_paused(&mut self, terms: PlanTerms) {
        let boundary = self.current_period_end;
        if terms.interval != self.terms.interval {
            self.anchor = Anchor::new(self.anchor_mode, boundary);
            self.cycle_index = 0;
            (self.current_period_start, self.billed_from) = (boundary, Some(boundary));
        }
        self.terms = terms;
    }

    /// Follows its deployment's move at `now`, which counts for billing from `at`. Returns whether a period opened, which
    /// is to be billed. After a pause or a trial none opens unless the deployment `runs` after the commit: under a hold it
    /// is paused at once.
    #[must_use]
    pub fn follow(&mut self, from: State, to: State, runs: bool, at: Timestamp, now: Timestamp) -> bool {
        match (self.status, SubscriptionStatus::of(to)) {
            (SubscriptionStatus::Active, SubscriptionStatus::Active) if from == State::Trial && self.in_trial() => {
                self.trial_ends_at = Some(at);
                if runs {
                    self.begin_billing(at);
                } else {
                    self.current_period_end = at;
                }
                runs
            }
            (SubscriptionStatus::Paused, SubscriptionStatus::Active) => {
                self.status = SubscriptionStatus::Active;
                runs && self.resume(at)
            }
            (SubscriptionStatus::Cancelled, SubscriptionStatus::Active) if self.cancelled_with_deployment => {
                self.status = SubscriptionStatus::Active;
                (self.cancelled_at, self.ended_at) = (None, None);
                self.cancelled_with_deployment = false;
                self.restart(at)
            }
            (SubscriptionStatus::Active, SubscriptionStatus::Paused) => {
                self.status = SubscriptionStatus::Paused;
                false
            }
            (SubscriptionStatus::Active | SubscriptionStatus::Paused, SubscriptionStatus::Cancelled) => {
                // Cancelling and reactivating must not withdraw a schedule of the platform.
                let is_platforms = |by: Authority| by == Authority::PlatformAdmin;
                let pending_change = self.pending_change.take().filter(|pending| is_platforms(pending.scheduled_by));
                let scheduled_by = self.cancel_scheduled_by.filter(|by| is_platforms(*by));
                let cancel_at = self.cancel_at.filter(|_| scheduled_by.is_some());
                self.cancel(at, now);
                self.pending_change = pending_change;
                (self.cancel_at, self.cancel_scheduled_by) = (cancel_at, scheduled_by);
                self.cancelled_with_deployment = true;
                false
            }
            (SubscriptionStatus::Active, SubscriptionStatus::Active)
            | (SubscriptionStatus::Paused, SubscriptionStatus::Paused)
            | (SubscriptionStatus::Cancelled, _) => false,
        }
    }

    /// Cancels it at `now`; billing ends at `at`.
    pub fn cancel(&mut self, at: Timestamp, now: Timestamp) {
        self.status = SubscriptionStatus::Cancelled;
        self.ended_at = Some(at);
        self.cancelled_at = Some(now);
        self.cancel_at = None;
        self.cancel_scheduled_by = None;
        self.pending_change = None;
    }

    /// Resumes after a pause: the paid period or the trial continues; if it is over, the period that contains `at`
    /// opens, or billing begins after a trial. Returns whether a period opened.
    fn resume(&mut self, at: Timestamp) -> bool {
        if at < self.current_period_end || self.is_to_end_by(at) {
            return false;
        }
        if self.in_trial() {
            self.begin_billing(at)
        } else {
            self.open_period_at(at)
        }
        true
    }

    /// Restarts after a cancellation: the paid period or the trial continues, so that nothing is charged twice; if it
    /// is over, billing begins anew at `at`. Returns whether a period opened.
    fn restart(&mut self, at: Timestamp) -> bool {
        let opens = at >= self.current_period_end && !self.is_to_end_by(at);
        if opens {
            self.begin_billing(at);
        }
        opens
    }

    /// The terms of its scheduled change, or its own if none is scheduled.
    #[must_use]
    pub fn next_terms(&self) -> &PlanTerms {
        self.pending_change.as_ref().map_or(&self.terms, |pending| &pending.terms)
    }

    /// When the scheduled change of plan takes effect if nothing else happens: at the end of the period or of the trial,
    /// or for an announced price change at the first period boundary from its moment on. `None` if none is scheduled.
    #[must_use]
    pub fn change_at(&self) -> Option<Timestamp> {
        let pending = self.pending_change.as_ref()?;
        let end = self.current_period_end;
        let Some(from) = pending.effective_from.filter(|from| *from > end) else { return Some(end) };
        let period = self.anchor.period_at(self.terms.interval, from)?;
        Some(if period.start == from { from } else { period.end })
    }

    /// Whether its agreed end has come by a moment.
    #[must_use]
    pub fn is_to_end_by(&self, at: Timestamp) -> bool {
        self.cancel_at.is_some_and(|cancel_at| cancel_at <= at)
    }

    /// The part of a period's price for the time from `at` to the end of the current period, in minor units, by the
    /// second: see [`prorate`].
    #[must_use]
    pub fn part_of_period(&self, price_cents: i64, at: Timestamp) -> i64 {
        let seconds = |from: Timestamp, to: Timestamp| to.signed_duration_since(from).num_seconds();
        let (start, end) = (self.current_period_start, self.current_period_end);
        prorate(price_cents, seconds(at.max(start), end), seconds(start, end))
    }

    /// The recurring price of the plan and its add-ons for one interval after the discount that runs, in minor units.
    /// `None` if the sum does not fit `i64`.
    #[must_use]
    pub fn recurring_cents(&self, addons: &[SubscriptionAddon]) -> Option<i64> {
        let running = self.discount.as_ref().filter(|discount| discount.running);
        let off_cents = running.map_or(0, |discount| discount.off_period_cents(self.terms.prices(addons)));
        Some(self.terms.recurring_cents(addons)? - off_cents)
    }

    /// The part of a fixed discount that charges until the end of the current period have used, in minor units.
    #[must_use]
    pub fn taken_cents(&self) -> i64 {
        let running = self.charges.iter().filter(|charge| charge.to == self.current_period_end);
        running.filter_map(|charge| charge.discount.as_ref()).map(|discount| discount.price_cents).sum()
    }

    /// A charge for the plan, or for an add-on, from the second of `at` to the end of the period. `None` during a
    /// trial, or if no time is left. `taken_cents` is what other charges of the period have of a discount by an amount.
    #[must_use]
    pub fn charge(
        &self,
        id: ChargeId,
        addon: Option<&SubscriptionAddon>,
        at: Timestamp,
        taken_cents: i64,
    ) -> Option<Charge> {
        self.billed_from?;
        let (from, to) = (at.trunc_subsecs(0).max(self.current_period_start), self.current_period_end);
        let price_cents = addon.map_or(self.terms.price_cents, |addon| addon.price_of(self.terms.interval));
        let running = self.discount.as_ref().filter(|discount| discount.running);
        let discount = running.map(|discount| (discount, discount.off_cents(price_cents, taken_cents)));
        let discount = discount.filter(|(_, off_cents)| *off_cents > 0);
        let amount_cents = self.part_of_period(price_cents - discount.map_or(0, |(_, off_cents)| off_cents), from);
        let discount = discount.map(|(discount, off_cents)| ChargeDiscount {
            coupon: discount.coupon.clone(),
            price_cents: off_cents,
            amount_cents: self.part_of_period(price_cents, from) - amount_cents,
        });
        (from < to).then(|| Charge {
            id,
            addon_id: addon.map(|addon| addon.id),
            code: addon.map_or(&self.terms.plan_code, |addon| &addon.code).clone(),
            description: None,
            price_cents,
            discount,
            tax: None,
            amount_cents,
            credited_cents: 0,
            forgiven_cents: 0,
            currency: self.terms.currency,
            from,
            to,
            invoice: None,
        })
    }

    /// The unused part of a charge from `from` on, in minor units, at most what remains of it after its credits. `from`
    /// must be a whole second.
    #[must_use]
    pub fn unused_cents(&self, charge: &Charge, from: Timestamp) -> i64 {
        let stands_cents = charge.amount_cents - charge.credited_cents;
        if from < charge.to { self.part_of_period(charge.net_price_cents(), from).min(stands_cents).max(0) } else { 0 }
    }

    /// The discount of the unused part of a charge from `from` on, in minor units.
    #[must_use]
    pub fn unused_discount_cents(&self, charge: &Charge, from: Timestamp) -> i64 {
        let gross_cents = self.part_of_period(charge.price_cents, from);
        if from < charge.to { gross_cents - self.part_of_period(charge.net_price_cents(), from) } else { 0 }
    }

    /// The charges that wait for an invoice.
    pub fn waiting(&self) -> impl Iterator<Item = &Charge> {
        self.charges.iter().filter(|charge| charge.waits())
    }

    /// Removes the charges that cannot change any more: invoiced ones that have ended, waiting ones credited in full, and
    /// the tax of invoices that have no other charge left here.
    pub fn forget_settled_charges(&mut self) {
        let end = self.current_period_end;
        let stays = |charge: &Charge| if charge.waits() { charge.amount_cents > 0 } else { charge.to >= end };
        let forgiven = self.take_forgiven();
        self.charges.retain(|charge| charge.tax.is_some() || stays(charge));
        let taxed = self.charges.iter().filter(|charge| charge.tax.is_none());
        let taxed: Vec<InvoiceNumber> = taxed.filter_map(|charge| charge.invoice.clone()).collect();
        self.charges.retain(|charge| charge.tax.is_none() || charge.invoice.iter().all(|one| taxed.contains(one)));
        self.put_forgiven(forgiven);
    }

    /// Removes the forgiven amounts from the charges and returns them, in minor units by invoice.
    pub fn take_forgiven(&mut self) -> Forgiven {
        let mut forgiven = Forgiven::new();
        for charge in self.charges.iter_mut().filter(|charge| charge.forgiven_cents > 0) {
            if let Some(number) = &charge.invoice {
                *forgiven.entry(number.clone()).or_default() += std::mem::take(&mut charge.forgiven_cents);
            }
        }
        forgiven
    }

    /// Records what is forgiven of invoices, each on the first of its charges. What is forgiven is the invoice's: it is
    /// lowered before a credit of any of its charges gives something back.
    pub fn put_forgiven(&mut self, forgiven: Forgiven) {
        for (number, cents) in forgiven {
            if let Some(charge) = self.charges.iter_mut().find(|charge| charge.invoice.as_ref() == Some(&number)) {
                charge.forgiven_cents = cents;
            }
        }
    }

    /// The number of the next invoice, which bills from `at` on. The first number of a second follows from that second,
    /// so that a period cannot be billed twice.
    pub fn next_number(&mut self, at: Timestamp, currency: Currency) -> InvoiceNumber {
        let at = at.trunc_subsecs(0);
        // The second never goes back, so no number repeats.
        let next = match self.last_number {
            Some(LastNumber { second, ordinal }) if at <= second => LastNumber { second, ordinal: ordinal + 1 },
            Some(_) | None => LastNumber { second: at, ordinal: 1 },
        };
        self.last_number = Some(next);
        InvoiceNumber::new(next.second, self.id, currency, next.ordinal)
    }
}

/// `at`, rounded up to a whole second: a started second counts as used.
#[must_use]
pub fn end_of_second(at: Timestamp) -> Timestamp {
    let second = at.trunc_subsecs(0);
    if second < at { second + TimeDelta::seconds(1) } else { second }
}
