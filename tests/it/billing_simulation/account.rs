//! A second account of a deployment, kept from the purchases, pauses and ends in its events and never from the recorded
//! charges and credits. Their sum must equal this account's, to the cent.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::thread;

use arcadia_domain::{
    Changed, ChargeId, Discount, DunningPolicy, Entry, Event, EventKind, Invoice, InvoiceNumber, InvoiceStatus, Line,
    LineKind, State, Subscription, SubscriptionAddon, SubscriptionAddonId, SubscriptionStatus, Timestamp,
    follow_invoices,
};
use chrono::{Datelike, NaiveDate, TimeDelta};

/// The number of latest events that a failure prints.
const TOLD: usize = 8;

/// An amount to pay: for a time, for the plan or an add-on, or once.
struct Span {
    is_once: bool,
    addon: Option<SubscriptionAddonId>,
    /// The price before its discount.
    price: i64,
    /// The discount on the price.
    off: i64,
    period: (Timestamp, Timestamp),
    from: Timestamp,
    to: Timestamp,
    cents: i64,
    invoice: Option<InvoiceNumber>,
    is_void: bool,
}

/// A discount, with its terms at the grant.
struct Rebate {
    terms: Discount,
    left: Option<u32>,
    runs: bool,
}

/// The account. All amounts are in one currency.
#[derive(Default)]
pub struct Account {
    subscription: Option<Subscription>,
    addons: Vec<SubscriptionAddon>,
    rebate: Option<Rebate>,
    spans: Vec<Span>,
    invoices: BTreeMap<InvoiceNumber, Invoice>,
    /// The waiting part of each charge.
    waiting: BTreeMap<ChargeId, i64>,
    /// The tenant's current tax rate, in basis points.
    tax_rate: u32,
    /// Whether its tenant is held.
    is_held: bool,
    /// The tax rate of each invoice, and whether a payment of it was returned: then its tax can differ by a cent.
    taxes: BTreeMap<InvoiceNumber, (u32, bool)>,
    policy: DunningPolicy,
    state_since: Option<Timestamp>,
    /// The latest events, printed if one does not fit.
    last: VecDeque<Event>,
}

/// `price * part / whole`, rounded half up, by long division.
fn share(price: i64, from: Timestamp, to: Timestamp, (start, end): (Timestamp, Timestamp)) -> i64 {
    let seconds = |from: Timestamp, to: Timestamp| i128::from(to.timestamp() - from.timestamp());
    let (numerator, whole) = (i128::from(price) * seconds(from, to).max(0), seconds(start, end));
    let (cents, rest) = (numerator / whole, numerator % whole);
    i64::try_from(if rest * 2 >= whole { cents + 1 } else { cents }).expect("a share of a price")
}

/// The tax on an amount, rounded half up, by long division.
fn tax(cents: i64, rate: u32) -> i64 {
    let parts = cents * i64::from(rate);
    parts / 10_000 + i64::from(parts % 10_000 >= 5_000)
}

/// Boundary `index` of a subscription, computed from the calendar alone.
fn boundary(subscription: &Subscription, index: u32) -> Timestamp {
    let anchor = subscription.anchor.anchor_at;
    let months = anchor.year() * 12
        + i32::try_from(anchor.month0() + index * subscription.terms.interval.months()).expect("months");
    let (year, month) = (months.div_euclid(12), u32::try_from(months.rem_euclid(12)).expect("a month") + 1);
    let date = (1..=subscription.anchor.anchor_day).rev().find_map(|day| NaiveDate::from_ymd_opt(year, month, day));
    date.expect("a day").and_time(anchor.time()).and_utc()
}

impl Account {
    /// Enters a whole history. `unprorated` has the plan changes that were requested without proration.
    pub fn check(events: &[Event], unprorated: &HashSet<u64>) {
        let mut account = Self::default();
        for event in events {
            account.enter(event, unprorated.contains(&event.sequence));
            if event.sequence == event.commit_last {
                account.compare(event);
            }
        }
    }

    fn enter(&mut self, event: &Event, is_unprorated: bool) {
        self.last.truncate(TOLD - 1);
        self.last.push_front(event.clone());
        let now = event.occurred_at;
        let is_clock = event.actor == "system:billing";
        follow_invoices(&mut self.invoices, event).expect("what an event names was issued");
        for entry in &event.entries {
            if let Entry::Charged { line } | Entry::Credited { line, invoice: None, .. } = entry {
                *self.waiting.entry(line.charge).or_default() += line.amount_cents;
            }
        }
        if let EventKind::InvoiceOpened { invoice, .. } = &event.kind {
            self.waiting.retain(|charge, _| invoice.lines.iter().all(|line| line.charge != *charge));
        }
        match &event.kind {
            EventKind::StateChanged { subscription, .. } => {
                self.check_ladder(event, is_clock);
                self.state_since = Some(now);
                if let Some(subscription) = subscription {
                    let bought = self.spans.len();
                    self.follow(subscription, false);
                    if is_clock && event.from_state == Some(State::Paused) && self.spans.len() > bought {
                        self.check_resume(event, subscription.billed_from.expect("a period"));
                    }
                }
            }
            EventKind::Subscribed { subscription, addons, dunning_policy } => {
                self.policy = *dunning_policy;
                self.addons.clone_from(addons);
                self.rebate = None;
                self.follow(subscription, false);
            }
            EventKind::Renewed { subscription } => {
                assert!(now >= subscription.current_period_start, "renewed before its time: {event:?}");
                self.follow(subscription, true);
            }
            EventKind::TrialEnded { subscription } => {
                assert!(subscription.trial_ends_at.is_some_and(|end| now >= end), "ended before its time: {event:?}");
                self.follow(subscription, false);
            }
            EventKind::AddonAttached { addon, subscription } => {
                self.addons.push(addon.clone());
                self.follow(subscription, false);
                if subscription.billed_from.is_some() {
                    self.open(subscription, Some(addon), now, None);
                }
            }
            EventKind::AddonDetached { addon, subscription } => {
                self.addons.retain(|other| other.id != addon.id);
                self.close(now, |span| span.addon == Some(addon.id));
                self.follow(subscription, false);
            }
            EventKind::PlanChanged { from, to, dropped_addons, ended_announcement: _, subscription } => {
                assert!(dropped_addons.is_empty(), "there is one currency");
                self.rebate = self.rebate.take().filter(|rebate| rebate.is_for(subscription));
                let was_billed = self.subscription.as_ref().is_some_and(|old| old.billed_from.is_some());
                if is_clock || is_unprorated || !was_billed {
                    self.follow(
                        subscription,
                        is_clock && was_billed && subscription.status == SubscriptionStatus::Active,
                    );
                } else if from.interval == to.interval {
                    // The period continues, even if it has just begun and nothing of the old plan remains.
                    self.close(now, |span| span.addon.is_none());
                    self.subscription = Some(subscription.clone());
                    self.open(subscription, None, now, None);
                } else {
                    self.close(now, |_| true);
                    self.follow(subscription, false);
                }
            }
            EventKind::SubscriptionCancelled { subscription } => {
                self.close(subscription.ended_at.expect("an end"), |_| true);
                self.follow(subscription, false);
            }
            EventKind::PriceChangeAnnounced { subscription, .. }
            | EventKind::PlanChangeScheduled { subscription }
            | EventKind::PlanChangeWithdrawn { subscription }
            | EventKind::CancellationScheduled { subscription }
            | EventKind::CancellationWithdrawn { subscription } => self.follow(subscription, false),
            EventKind::TrialExtended { subscription, .. } => self.subscription.clone_from(subscription),
            EventKind::InvoiceOpened { invoice, dunning_policy } => {
                self.policy = dunning_policy.unwrap_or(self.policy);
                self.invoice(invoice);
                self.taxes.insert(invoice.number.clone(), (self.tax_rate, false));
            }
            EventKind::InvoiceVoided { number, .. } => {
                for span in self.spans.iter_mut().filter(|span| span.invoice.as_ref() == Some(number)) {
                    span.is_void = true;
                }
            }
            EventKind::ChargeAdded { subscription } => {
                self.subscription = Some(subscription.clone());
                // A charge waits in the event's entries, or the invoice of the same commit bills it.
                for entry in &event.entries {
                    if let Entry::Charged { line } = entry {
                        self.once(line);
                    }
                }
            }
            EventKind::CreditNoteIssued { number, .. } => {
                self.note(event, number);
                let (_, is_paid_back) = self.taxes.get_mut(number).expect("the invoice was issued");
                *is_paid_back |= event.sequence < event.commit_last;
            }
            EventKind::Created(created) => {
                self.tax_rate = created.tenant_rules.tax_rate_basis_points;
                self.is_held = created.tenant_rules.held;
            }
            EventKind::Updated(updated) => {
                if let Some(Changed { to, .. }) = updated.tenant_rules {
                    (self.tax_rate, self.is_held) = (to.tax_rate_basis_points, to.held);
                }
            }
            EventKind::DiscountGranted { subscription } => {
                let terms = subscription.discount.clone().expect("a discount");
                self.rebate = Some(Rebate { left: terms.periods_left, terms, runs: false });
            }
            EventKind::DiscountRemoved { .. } => {
                let rebate = self.rebate.take().filter(|rebate| rebate.runs);
                self.rebate = rebate.map(|rebate| Rebate { left: Some(0), ..rebate });
            }
            EventKind::DiscountEnded { .. } => assert!(self.rebate.is_none(), "a discount ended too early: {event:?}"),
            EventKind::PaymentReceived { .. }
            | EventKind::CreditGranted { .. }
            | EventKind::Refunded { .. }
            | EventKind::PaymentReversed { .. }
            | EventKind::InvoiceWrittenOff { .. }
            | EventKind::WriteOffWithdrawn { .. }
            | EventKind::InvoiceDueDateChanged { .. }
            | EventKind::BalanceApplied { .. }
            | EventKind::InvoicesUncollectible { .. }
            | EventKind::ResourceAdded { .. }
            | EventKind::ResourceDeleted { .. } => {}
        }
    }

    /// A running subscription past its trial must be paid for: if it is paid up to now at most, a period opens.
    /// `goes_on`: it continues the period before without a gap.
    fn follow(&mut self, new: &Subscription, goes_on: bool) {
        let of_plan = |span: &&Span| span.addon.is_none() && !span.is_once;
        let paid_to = self.spans.iter().filter(of_plan).map(|span| span.to).max();
        if let Some(billed_from) = new.billed_from.filter(|_| new.status == SubscriptionStatus::Active)
            && paid_to.is_none_or(|to| to <= billed_from)
        {
            if new.current_period_start == new.current_period_end {
                // A subscription resumed after its agreed end, from a plan that changed during the pause, only ends.
                let has_ended = new.cancel_at.is_some_and(|end| self.state_since.is_some_and(|since| end <= since));
                // Under a hold it is paused in the same commit.
                assert!(has_ended || self.is_held, "a period without time: {new:?}");
                self.subscription = Some(new.clone());
                return;
            }
            assert!(!goes_on || paid_to == Some(billed_from), "a gap after {paid_to:?}: {new:?}");
            assert_eq!(boundary(new, new.cycle_index), new.current_period_start, "a boundary that drifted");
            assert_eq!(boundary(new, new.cycle_index + 1), new.current_period_end, "a boundary that drifted");
            self.rebate = self.rebate.take().filter(|rebate| rebate.left != Some(0) && rebate.is_for(new));
            if let Some(rebate) = &mut self.rebate {
                (rebate.runs, rebate.left) = (true, rebate.left.map(|left| left - 1));
            }
            let mut taken = self.open(new, None, billed_from, Some(0));
            for addon in self.addons.clone() {
                taken += self.open(new, Some(&addon), billed_from, Some(taken));
            }
        }
        self.subscription = Some(new.clone());
    }

    /// Opens a span at the beginning of a period or within it. `taken` is the part of an amount discount that the
    /// period has used already. Returns the discount.
    fn open(
        &mut self,
        subscription: &Subscription,
        addon: Option<&SubscriptionAddon>,
        from: Timestamp,
        taken: Option<i64>,
    ) -> i64 {
        let period = (subscription.current_period_start, subscription.current_period_end);
        if period.0 == period.1 {
            // A new interval began during the pause, or a price changes before a period opens.
            return 0;
        }
        let price = addon.map_or(subscription.terms.price_cents, |addon| addon.price_cents);
        let of_addons = || {
            let live = self.spans.iter().filter(|span| span.addon.is_some() && span.to == period.1 && !span.is_void);
            live.map(|span| span.off).sum::<i64>()
        };
        let off = match self.rebate.as_ref().filter(|rebate| rebate.runs).map(|rebate| &rebate.terms) {
            None => 0,
            Some(Discount { percent_basis_points: Some(points), .. }) => {
                let (whole, rest) = (price * i64::from(*points) / 10_000, price * i64::from(*points) % 10_000);
                whole + i64::from(rest >= 5_000)
            }
            Some(terms) => {
                let amount = terms.amount_cents.expect("a percentage or an amount");
                match (taken, addon) {
                    (Some(taken), _) => (amount - taken).clamp(0, price),
                    (None, None) => (amount - of_addons()).clamp(0, price),
                    (None, Some(_)) => 0,
                }
            }
        };
        let price = price - off;
        let cents = share(price, from, period.1, period);
        let addon = addon.map(|addon| addon.id);
        let (is_once, to, invoice, is_void) = (false, period.1, None, false);
        self.spans.push(Span { is_once, addon, price, off, period, from, to, cents, invoice, is_void });
        off
    }

    /// Enters an amount to pay once.
    fn once(&mut self, line: &Line) {
        let (price, from) = (line.amount_cents, line.from);
        let (is_once, addon, invoice, is_void) = (true, None, None, false);
        self.spans.push(Span {
            is_once,
            addon,
            price,
            off: 0,
            period: (from, from),
            from,
            to: from,
            cents: price,
            invoice,
            is_void,
        });
    }

    /// A credit note lowers the charges of its invoice.
    fn note(&mut self, event: &Event, number: &InvoiceNumber) {
        for entry in &event.entries {
            let Entry::Credited { line: credit, .. } = entry else { continue };
            if credit.kind == LineKind::TaxCredit {
                continue;
            }
            let invoice = &self.invoices[number];
            let line = invoice.charges().find(|line| line.charge == credit.charge).expect("it names a charge");
            // Spans of one invoice that begin together are distinguished by their plan or add-on.
            let before = |other: &&Line| is_alike(other, line) && other.charge < line.charge;
            let nth = invoice.charges().filter(before).count();
            let spans = self.spans.iter_mut().filter(|span| span.invoice.as_ref() == Some(number));
            let mut alike = spans.filter(|span| span.kind() == line.kind && span.from == line.from);
            alike.nth(nth).unwrap_or_else(|| panic!("nobody bought {line:?} of {invoice:?}")).cents +=
                credit.amount_cents;
        }
    }

    /// Removes the amounts for the time after `at`.
    fn close(&mut self, at: Timestamp, which: impl Fn(&Span) -> bool) {
        for span in self.spans.iter_mut().filter(|span| span.to > at && !span.is_once && which(span)) {
            span.cents -= share(span.price, at.max(span.from), span.to, span.period).min(span.cents);
            span.to = at.max(span.from);
        }
    }

    fn invoice(&mut self, invoice: &Invoice) {
        assert_eq!(
            invoice.due_at,
            invoice.issued_at + TimeDelta::days(i64::from(self.policy.payment_terms_days)),
            "{invoice:?}"
        );
        for line in invoice.charges().filter(|line| line.kind != LineKind::Tax) {
            let is_its = |span: &Span| (span.from, span.cents) == (line.from, net(invoice, line));
            let is_it = |span: &Span| span.invoice.is_none() && span.kind() == line.kind && is_its(span);
            if line.kind == LineKind::OneOffCharge && !self.spans.iter().any(is_it) {
                self.once(line);
            }
            let span = self.spans.iter_mut().find(|span| is_it(span));
            span.unwrap_or_else(|| panic!("nobody bought {line:?}")).invoice = Some(invoice.number.clone());
        }
    }

    /// The clock moves a deployment down the ladder only when its oldest open invoice is late enough, and one rung at a
    /// time.
    fn check_ladder(&self, event: &Event, is_clock: bool) {
        let policy = self.policy;
        // Without a subscription, the retention may have ended before.
        if is_clock && event.reason.as_ref().is_some_and(|reason| reason.as_str() == "unsubscribed") {
            let is_live = self.subscription.as_ref().is_some_and(|last| last.status != SubscriptionStatus::Cancelled);
            assert!(!is_live, "it has a subscription: {event:?}");
            return;
        }
        let (days, apart) = match event.to_state {
            Some(State::PastDue) => (policy.past_due_after_days, 0),
            Some(State::Suspended) => {
                (policy.suspended_after_days, policy.suspended_after_days - policy.past_due_after_days)
            }
            Some(State::Cancelled) if is_clock && event.from_state == Some(State::Suspended) => {
                (policy.cancelled_after_days, policy.cancelled_after_days - policy.suspended_after_days)
            }
            _ => return,
        };
        let late = |at: Timestamp, days: u32| event.occurred_at >= at + TimeDelta::days(i64::from(days));
        let open = self.invoices.values().filter(|invoice| invoice.status == InvoiceStatus::Open);
        assert!(
            open.map(|invoice| invoice.reopened_at.map_or(invoice.due_at, |at| at.max(invoice.due_at)))
                .min()
                .is_some_and(|due| late(due, days)),
            "too soon: {event:?}"
        );
        assert!(apart == 0 || self.state_since.is_some_and(|since| late(since, apart)), "two rungs at once: {event:?}");
    }

    /// A scheduled resume bills nothing of the time that it waited: all due invoices were settled before.
    fn check_resume(&self, event: &Event, from: Timestamp) {
        let is_settled = |invoice: &Invoice| invoice.closed_at.is_some_and(|closed_at| closed_at <= from);
        let mut due = self.invoices.values().filter(|invoice| invoice.due_at <= from);
        assert!(due.all(is_settled), "it bills the time for which it waited: {event:?}");
    }

    /// Checks the tax of each invoice against the amount to pay for it. Returns the sum of all tax.
    fn check_taxes(&self, event: &Event) -> i64 {
        let mut nets: BTreeMap<&InvoiceNumber, i64> = BTreeMap::new();
        for span in &self.spans {
            if let Some(number) = &span.invoice {
                *nets.entry(number).or_default() += span.cents;
            }
        }
        let mut sum = 0;
        for (number, invoice) in self.invoices.iter().filter(|(_, invoice)| invoice.status != InvoiceStatus::Void) {
            let lines = invoice.lines.iter().filter(|line| line.kind == LineKind::Tax);
            let charged: i64 = lines.clone().map(|line| line.amount_cents).sum();
            let is_of_tax = |charge| lines.clone().any(|line| line.charge == charge);
            let credits = invoice.credits.iter().filter(|credit| is_of_tax(credit.charge));
            let stands = charged - credits.map(|credit| credit.amount_cents).sum::<i64>();
            let (rate, is_paid_back) = self.taxes[number];
            let asked = tax(nets.get(number).copied().unwrap_or_default(), rate);
            let least = if is_paid_back { (asked - 1).max(0) } else { asked };
            assert!((least..=asked).contains(&stands), "tax of {stands} and not {asked} after {event:?}: {invoice:?}");
            sum += stands;
        }
        sum
    }

    fn compare(&self, event: &Event) {
        let to_pay: i64 = self.spans.iter().filter(|span| !span.is_void).map(|span| span.cents).sum();
        let standing = self.invoices.values().filter(|invoice| invoice.status != InvoiceStatus::Void);
        let taxes = self.check_taxes(event);
        let invoiced: i64 = standing.map(|invoice| invoice.total_cents - invoice.credited_cents).sum::<i64>() - taxes;
        let waiting: i64 = self.waiting.values().sum();
        assert_eq!(invoiced + waiting, to_pay, "after event {}: {event:?}", event.sequence);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if thread::panicking() {
            self.last.iter().rev().for_each(|event| println!("{event:?}"));
        }
    }
}

impl Span {
    /// The kind of line that charges for it.
    const fn kind(&self) -> LineKind {
        match (self.is_once, self.addon) {
            (true, _) => LineKind::OneOffCharge,
            (false, Some(_)) => LineKind::AddonCharge,
            (false, None) => LineKind::PlanCharge,
        }
    }
}

impl Rebate {
    fn is_for(&self, subscription: &Subscription) -> bool {
        self.terms.plans.is_empty() || self.terms.plans.contains(&subscription.terms.plan_code)
    }
}

/// The amount to pay for a charge of an invoice: its line and the line of its discount.
fn net(invoice: &Invoice, charge: &Line) -> i64 {
    invoice.lines.iter().filter(|line| line.charge == charge.charge).map(|line| line.amount_cents).sum()
}

/// Returns whether two lines are of the same kind and begin together.
fn is_alike(one: &Line, other: &Line) -> bool {
    (one.kind, one.from) == (other.kind, other.from)
}
