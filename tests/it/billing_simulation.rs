//! The promise: two years of 1,000 deployments are billed exactly once and without gaps, by an account that is kept
//! here a second time, from the events alone and with arithmetic of its own; and nothing acts before its time.

use std::collections::{BTreeMap, HashMap};

use arcadia_shared::domain::{
    Actor, Addon, Aggregate, AnchorMode, Authority, CatalogStatus, Change, ChangePlan, Command, CreateDeployment,
    Currency, DeploymentId, DunningPolicy, Effective, Event, EventKind, Interval, Invoice, InvoiceNumber,
    InvoiceStatus, Line, LineKind, Payment, Plan, Proration, State, Subscribe, Subscription, SubscriptionAddonId,
    SubscriptionId, SubscriptionStatus, Timestamp, Transition, create, decide, replay, step,
};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;

use crate::harness::Random;

const DEPLOYMENTS: u128 = 1_000;
const DAYS: usize = 731;
/// The steps that a sweep takes for one deployment: as the real one.
const MAX_STEPS: usize = 3;

/// One deployment's life, as the store would have it.
struct Life {
    aggregate: Aggregate,
    events: Vec<Event>,
    invoices: BTreeMap<InvoiceNumber, Invoice>,
    policy: DunningPolicy,
    next_id: u128,
    pays: bool,
}

fn at(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
}

fn plans(now: Timestamp) -> Vec<Plan> {
    let usd: Currency = "USD".parse().expect("a currency");
    let terms = [
        ("studio", 2_900, Interval::Month, 0),
        ("team", 9_901, Interval::Month, 14),
        ("quarterly", 8_000, Interval::Quarter, 0),
        ("yearly", 29_000, Interval::Year, 30),
    ];
    let plan = |(code, price_cents, interval, trial_days): (&str, i64, Interval, u32)| {
        let bare = Plan {
            code: code.parse().expect("a code"),
            name: code.parse().expect("a name"),
            status: CatalogStatus::Active,
            newest_version: None,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        bare.publish(price_cents, usd, interval, trial_days, now).0
    };
    terms.into_iter().map(plan).collect()
}

fn addon(price_cents: i64, now: Timestamp) -> Addon {
    Addon {
        code: "storage_50gb".parse().expect("a code"),
        name: "Storage".parse().expect("a name"),
        price_cents,
        currency: "USD".parse().expect("a currency"),
        quantity: 50,
        unit: "GB".parse().expect("a unit"),
        status: CatalogStatus::Active,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

fn admin() -> Actor {
    Actor { id: "ada".to_owned(), authority: Authority::PlatformAdmin }
}

impl Life {
    fn new(n: u128, random: &mut Random, now: Timestamp) -> Self {
        let trial = random.below(4) == 0;
        let command = CreateDeployment {
            id: DeploymentId::new(Uuid::from_u128(n)),
            tenant_id: format!("tenant-{}", n % 50).parse().expect("a tenant"),
            slug: format!("app-{n}").parse().expect("a slug"),
            display_name: None,
            region: "eu-central-1".parse().expect("a region"),
            state: Some(if trial { State::Trial } else { State::Active }),
            llm_mode: None,
            template_code: None,
            template_version: None,
            trial_ends_at: trial.then(|| now + TimeDelta::days(21)),
        };
        let change = create(command, &admin(), now).expect("a creation");
        let policy = DunningPolicy::default();
        let pays = random.below(10) > 0;
        let (aggregate, events) = (change.after, change.events);
        Self { aggregate, events, invoices: BTreeMap::new(), policy, next_id: n << 64, pays }
    }

    fn new_id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id)
    }

    /// Takes a change over as the store would: all of it, or nothing if an invoice of that number is there.
    fn commit(&mut self, change: Change) -> bool {
        let opened = |event: &Event| match &event.kind {
            EventKind::InvoiceOpened { invoice } => Some(invoice.clone()),
            _ => None,
        };
        let opened: Vec<Invoice> = change.events.iter().filter_map(opened).collect();
        if opened.iter().any(|invoice| self.invoices.contains_key(&invoice.number)) {
            return false;
        }
        for invoice in opened.into_iter().chain(change.invoice) {
            self.invoices.insert(invoice.number.clone(), invoice);
        }
        for event in &change.events {
            if let EventKind::InvoicesUncollectible { numbers } = &event.kind {
                for number in numbers {
                    let given_up = self.invoices[number].close(InvoiceStatus::Uncollectible, event.occurred_at);
                    self.invoices.insert(number.clone(), given_up);
                }
            }
        }
        self.events.extend(change.events);
        self.aggregate = change.after;
        true
    }

    fn sweep(&mut self, now: Timestamp) {
        let mut climbed = false;
        for _ in 0..MAX_STEPS {
            let Some(next) = self.aggregate.next_action().filter(|next| next.at <= now) else { return };
            if next.action.is_dunning() && climbed {
                return;
            }
            let change = step(&self.aggregate, self.policy, now).expect("a due step is taken");
            assert!(self.commit(change), "{next:?} bills what was billed");
            climbed |= next.action.is_dunning();
        }
    }

    /// Something that somebody does, or tries to.
    fn act(&mut self, random: &mut Random, plans: &[Plan], now: Timestamp) {
        let command = match random.below(100) {
            0..=1 => self.transition(State::Paused, (random.below(2) == 0).then(|| now + TimeDelta::days(40))),
            2..=4 => self.transition(State::Active, None),
            5 => self.transition(State::Cancelled, None),
            6..=20 => {
                let plan = random.pick(plans).clone();
                let count = random.below(4);
                let addons = (0..count).map(|_| (SubscriptionAddonId::new(self.new_id()), addon(750, now))).collect();
                Command::Subscribe(Subscribe {
                    id: SubscriptionId::new(self.new_id()),
                    version: plan.newest_version.clone().expect("a version"),
                    plan,
                    addons,
                    anchor_mode: *random.pick(&[AnchorMode::Calendar, AnchorMode::Now]),
                    trial_ends_at: None,
                    trial_claimed_by: (random.below(2) == 0).then(|| DeploymentId::new(Uuid::nil())),
                    dunning_policy: self.policy,
                })
            }
            21..=23 => {
                let price_cents = *random.pick(&[750, 990, 1]);
                Command::AttachAddon(SubscriptionAddonId::new(self.new_id()), addon(price_cents, now))
            }
            24..=25 => match self.aggregate.addons.first() {
                Some(addon) => Command::DetachAddon(addon.id),
                None => return,
            },
            26..=29 => {
                let plan = random.pick(plans).clone();
                Command::ChangePlan(ChangePlan {
                    version: plan.newest_version.clone().expect("a version"),
                    plan,
                    effective: *random.pick(&[Effective::Immediate, Effective::PeriodEnd]),
                    proration: *random.pick(&[Proration::Prorate, Proration::Prorate, Proration::None]),
                    drop_incompatible: false,
                })
            }
            30 => Command::CancelSubscription(*random.pick(&[Effective::Immediate, Effective::PeriodEnd])),
            31 => Command::WithdrawCancellation,
            32 => {
                self.policy.suspended_after_days = *random.pick(&[7, 14, 20]);
                return;
            }
            33..=70 if self.pays || random.below(20) == 0 => {
                let Some(open) = self.aggregate.deployment.open_invoices.first() else { return };
                let invoice = self.invoices[&open.number].clone();
                let part = if random.below(3) == 0 { 2 } else { 1 };
                let amount_cents = (invoice.due_cents() / part).max(1);
                let reference = format!("pay-{}", self.new_id()).parse().expect("a reference");
                let currency = invoice.currency;
                Command::Pay(invoice, Payment { reference, amount_cents, received_at: now }, currency)
            }
            _ => return,
        };
        if let Ok(Some(change)) = decide(&self.aggregate, command, &admin(), now) {
            self.commit(change);
        }
    }

    fn transition(&self, to_state: State, resume_at: Option<Timestamp>) -> Command {
        Command::Transition(Transition { to_state, reason: None, notes: None, resume_at })
    }
}

/// The account that is kept a second time.
#[derive(Default)]
struct Account {
    subscription: Option<Subscription>,
    addons: HashMap<SubscriptionAddonId, (i64, Timestamp)>,
    waiting_cents: i64,
    billed_price_cents: i64,
    /// Since when there has to be a bill for every second, if there has to.
    owed_since: Option<Timestamp>,
    /// Until when every second since then is billed.
    billed_until: Option<Timestamp>,
    billed_from: Vec<(SubscriptionId, Timestamp)>,
    sum_cents: i64,
    policy: DunningPolicy,
    cancelled_at: Option<Timestamp>,
    due: BTreeMap<InvoiceNumber, Timestamp>,
}

/// Seconds, without what is beyond them.
fn seconds(from: Timestamp, to: Timestamp) -> i128 {
    i128::from(to.timestamp() - from.timestamp())
}

/// `price * part / whole`, rounded half up, the schoolbook way.
fn share(price: i64, from: Timestamp, subscription: &Subscription) -> i64 {
    let (start, end) = (subscription.current_period_start, subscription.current_period_end);
    let numerator = i128::from(price) * seconds(from.max(start), end).max(0);
    let whole = seconds(start, end);
    let (cents, rest) = (numerator / whole, numerator % whole);
    i64::try_from(if rest * 2 >= whole { cents + 1 } else { cents }).expect("a share of a price")
}

/// Boundary `index` of a subscription, from the calendar alone.
fn boundary(subscription: &Subscription, index: u32) -> Timestamp {
    let anchor = subscription.anchor.anchor_at;
    let months = anchor.year() * 12
        + i32::try_from(anchor.month0() + index * subscription.terms.interval.months()).expect("months");
    let (year, month) = (months.div_euclid(12), u32::try_from(months.rem_euclid(12)).expect("a month") + 1);
    let date = (1..=subscription.anchor.anchor_day).rev().find_map(|day| NaiveDate::from_ymd_opt(year, month, day));
    date.expect("a day").and_time(anchor.time()).and_utc()
}

impl Account {
    fn of(life: &Life) -> Self {
        let mut account = Self { policy: DunningPolicy::default(), ..Self::default() };
        for event in &life.events {
            account.enter(event);
        }
        account
    }

    fn enter(&mut self, event: &Event) {
        let now = event.occurred_at;
        let old = self.subscription.clone();
        match &event.kind {
            EventKind::StateChanged { subscription, dunning_policy, .. } => {
                self.check_ladder(event);
                if event.to_state == Some(State::Cancelled) {
                    self.cancelled_at = Some(now);
                }
                self.policy = dunning_policy.unwrap_or(self.policy);
                if let Some(subscription) = subscription {
                    let unpaid = matches!(event.from_state, Some(State::PastDue | State::Suspended));
                    self.follow(old.as_ref(), subscription, now);
                    if !subscription.is_live() && !unpaid {
                        self.waiting_cents = self.waiting_cents.max(0);
                    }
                }
            }
            EventKind::Subscribed { subscription, addons, dunning_policy } => {
                self.policy = *dunning_policy;
                self.addons = addons.iter().map(|a| (a.id, (a.price_cents, a.attached_at))).collect();
                (self.owed_since, self.billed_until) = (None, None);
                self.waiting_cents = 0;
                self.follow(None, subscription, now);
            }
            EventKind::Renewed { subscription, dunning_policy } => {
                assert!(now >= subscription.current_period_start, "renewed before its time: {event:?}");
                self.policy = dunning_policy.unwrap_or(self.policy);
                self.follow(old.as_ref(), subscription, now);
            }
            EventKind::AddonAttached { addon, subscription } => {
                if subscription.billed_from.is_some() {
                    self.waiting_cents += share(addon.price_cents, now, subscription);
                }
                self.addons.insert(addon.id, (addon.price_cents, now));
                self.subscription = Some(subscription.clone());
            }
            EventKind::AddonDetached { addon, subscription } => {
                let (price, since) = self.addons.remove(&addon.id).expect("an add-on that was attached");
                if let Some(billed_from) = subscription.billed_from {
                    let billed = share(price, billed_from.max(since), subscription);
                    self.waiting_cents -= share(price, now, subscription).min(billed);
                }
                self.subscription = Some(subscription.clone());
            }
            EventKind::PlanChanged { from, lines, dropped_addons, subscription, .. } => {
                assert!(dropped_addons.is_empty(), "there is one currency");
                let old = old.expect("a subscription that changes");
                let cents = |kind| lines.iter().filter(|l| l.kind == kind).map(|l| l.amount_cents).sum::<i64>();
                if cents(LineKind::PlanCredit) != 0 {
                    assert!(old.terms == *from);
                    let credit = share(self.billed_price_cents, now, &old);
                    assert_eq!(-credit, cents(LineKind::PlanCredit), "{event:?}");
                }
                self.waiting_cents += cents(LineKind::PlanCredit) + cents(LineKind::AddonCredit);
                if old.billed_from == subscription.billed_from {
                    if cents(LineKind::PlanCharge) != 0 {
                        self.billed_price_cents = subscription.terms.price_cents;
                    }
                    self.waiting_cents += cents(LineKind::PlanCharge) + cents(LineKind::AddonCharge);
                } else if now < old.current_period_end && old.billed_from.is_some() {
                    // A new period cuts the old one off.
                    self.billed_until = subscription.billed_from;
                }
                self.follow(Some(&old), subscription, now);
            }
            EventKind::TrialEnded { subscription } => {
                assert!(subscription.trial_ends_at.is_some_and(|end| now >= end), "ended before its time: {event:?}");
                self.follow(old.as_ref(), subscription, now);
            }
            EventKind::PlanChangeScheduled { subscription }
            | EventKind::PlanChangeWithdrawn { subscription }
            | EventKind::CancellationScheduled { subscription }
            | EventKind::CancellationWithdrawn { subscription } => self.follow(old.as_ref(), subscription, now),
            EventKind::SubscriptionCancelled { subscription } => {
                self.follow(old.as_ref(), subscription, now);
                // Charges are billed at once, credits end.
                self.waiting_cents = self.waiting_cents.max(0);
            }
            EventKind::TrialExtended { subscription, .. } => self.subscription.clone_from(subscription),
            EventKind::InvoiceOpened { invoice } => self.invoice(invoice),
            EventKind::PaymentReceived { number, due_cents, .. } => {
                if *due_cents == 0 {
                    self.due.remove(number);
                }
            }
            EventKind::InvoiceVoided { number } => {
                self.due.remove(number);
            }
            EventKind::InvoicesUncollectible { numbers } => self.due.retain(|number, _| !numbers.contains(number)),
            EventKind::Created { .. }
            | EventKind::Updated(_)
            | EventKind::ResourceAdded { .. }
            | EventKind::ResourceDeleted { .. } => {}
        }
    }

    /// Every second in which the subscription was active and past its trial has to be billed.
    fn follow(&mut self, old: Option<&Subscription>, new: &Subscription, now: Timestamp) {
        let is_billed = |s: &Subscription| s.status == SubscriptionStatus::Active && s.billed_from.is_some();
        let was = old.filter(|old| old.id == new.id).is_some_and(is_billed);
        if was {
            self.check_no_gap(new.cancelled_at.map_or(now, |end| end.min(now)));
        }
        if new.billed_from.is_some() {
            assert_eq!(boundary(new, new.cycle_index), new.current_period_start, "a boundary that drifted");
            assert_eq!(boundary(new, new.cycle_index + 1), new.current_period_end, "a boundary that drifted");
            if old.is_none_or(|old| old.id != new.id || old.billed_from != new.billed_from) {
                self.billed_price_cents = new.terms.price_cents;
            }
        }
        self.owed_since = match (was, is_billed(new)) {
            (true, true) => self.owed_since,
            // What is resumed within time that is paid for is billed since then.
            (false, true) => Some(new.billed_from.expect("billed").max(self.owed_since.unwrap_or(new.created_at))),
            (_, false) => None,
        };
        if !was && self.billed_until.is_none_or(|until| new.billed_from.is_some_and(|from| from > until)) {
            self.billed_until = new.billed_from;
        }
        self.subscription = Some(new.clone());
    }

    fn check_no_gap(&self, until: Timestamp) {
        let subscription = self.subscription.as_ref().expect("a subscription");
        let billed_until = self.billed_until.expect("something billed");
        // A sweep that comes late bills late, but from the boundary on.
        let boundary = subscription.current_period_end;
        assert!(billed_until >= until.min(boundary), "not billed from {billed_until} to {until}");
    }

    fn invoice(&mut self, invoice: &Invoice) {
        let subscription = self.subscription.clone().expect("an invoice bills a subscription");
        self.sum_cents += invoice.total_cents;
        if invoice.status == InvoiceStatus::Open {
            self.due.insert(invoice.number.clone(), invoice.due_at);
        }
        assert_eq!(invoice.due_at, invoice.issued_at + TimeDelta::days(7));
        let mut expected = self.waiting_cents;
        if invoice.billed_from < invoice.billed_to {
            let key = (subscription.id, invoice.billed_from);
            assert!(!self.billed_from.contains(&key), "{key:?} is billed twice");
            self.billed_from.push(key);
            assert_eq!(Some(invoice.billed_from), subscription.billed_from);
            assert_eq!(invoice.billed_to, subscription.current_period_end);
            assert!(self.billed_until.is_none_or(|until| until <= invoice.billed_from), "billed twice: {invoice:?}");
            self.billed_until = Some(invoice.billed_to);
            expected += share(subscription.terms.price_cents, invoice.billed_from, &subscription);
            for (price, _) in self.addons.values() {
                expected += share(*price, invoice.billed_from, &subscription);
            }
        }
        assert_eq!(invoice.total_cents, expected.max(0), "{invoice:?}");
        self.waiting_cents = expected.min(0);
        if !subscription.is_live() {
            self.waiting_cents = 0;
        }
    }

    /// The clock moves nobody down the ladder before the oldest open invoice is that late.
    fn check_ladder(&self, event: &Event) {
        if event.actor != "system:billing" {
            return;
        }
        if event.to_state == Some(State::Archived) {
            let kept_for = TimeDelta::days(self.policy.archived_after_days.into());
            assert!(self.cancelled_at.is_some_and(|at| event.occurred_at >= at + kept_for), "too early: {event:?}");
        }
        let days = match event.to_state {
            Some(State::PastDue) => self.policy.past_due_after_days,
            Some(State::Suspended) => self.policy.suspended_after_days,
            Some(State::Cancelled) if event.from_state != Some(State::Trial) => self.policy.cancelled_after_days,
            _ => return,
        };
        let oldest = self.due.values().min().expect("an open invoice");
        assert!(event.occurred_at >= *oldest + TimeDelta::days(days.into()), "too early: {event:?}");
    }
}

#[test]
fn two_years_of_a_thousand_deployments_are_billed_exactly_once() {
    let mut random = Random::from_seed();
    let start: DateTime<Utc> = at("2027-01-31T09:00:00Z");
    let plans = plans(start);
    let (mut invoices, mut steps, mut billed_cents) = (0, 0, 0_i64);
    let mut reached: HashMap<State, usize> = HashMap::new();
    for n in 1..=DEPLOYMENTS {
        let mut life = Life::new(n, &mut random, start);
        let mut now = start;
        for _ in 0..DAYS {
            now += TimeDelta::seconds(i64::try_from(random.below(2 * 86_400)).expect("seconds"));
            life.act(&mut random, &plans, now);
            // Now and then the sweep does not come for a while.
            if random.below(8) > 0 {
                life.sweep(now);
            }
        }
        assert_eq!(replay(life.aggregate.deployment.id, &life.events).as_ref(), Ok(&life.aggregate));
        assert!(life.events.iter().zip(1..).all(|(event, sequence)| event.sequence == sequence));
        let account = Account::of(&life);
        let issued: i64 = life.invoices.values().map(|invoice| invoice.total_cents).sum();
        assert_eq!(issued, account.sum_cents);
        let waiting: i64 =
            life.aggregate.subscription.iter().flat_map(|s| &s.unbilled_lines).map(|l: &Line| l.amount_cents).sum();
        if life.aggregate.live_subscription().is_some() {
            assert_eq!(waiting, account.waiting_cents);
        }
        invoices += life.invoices.len();
        steps += life.events.iter().filter(|event| event.actor == "system:billing").count();
        billed_cents += issued;
        for event in &life.events {
            *reached.entry(event.to_state.unwrap_or(State::Active)).or_default() += 1;
        }
    }
    println!("{invoices} invoices over {billed_cents} cents, {steps} events of the clock, states entered: {reached:?}");
    assert!(State::ALL.iter().all(|state| reached.get(state).is_some_and(|count| *count > 0)), "{reached:?}");
    assert!(invoices > 5_000, "{invoices} invoices are no test");
}
