//! The promise: two years of 1,000 deployments are billed exactly once and without gaps, and no step is taken early. A
//! second account, kept here from the events alone with its own arithmetic, must agree.

pub mod account;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arcadia_domain::{
    Actor, Addon, Aggregate, Amount, AnchorMode, AnnouncePrice, Authority, CatalogStatus, Change, ChangePlan, Command,
    Correct, Correction, Coupon, CreateDeployment, Created, CreditNote, Currency, DeploymentId, DunningPolicy,
    Effective, Entry, Event, Extent, GrantDiscount, Interval, Invoice, InvoiceNumber, Invoiced, OneOff, Pay, PayBack,
    Payment, Plan, PlanTerms, Postponement, Proration, Read, RemoveDiscount, ReversalKind, State, Subscribe,
    SubscriptionAddonId, SubscriptionId, TenantRules, Timestamp, Transition, UnsubscribedRule, UpdateDeployment, audit,
    create, decide, decide_with, follow_invoices, replay, step,
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use self::account::Account;
use crate::harness::Random;
use crate::harness::goods::{self, Off};

const DEPLOYMENTS: u128 = 1_000;
const DAYS: usize = 731;
/// The most steps that a sweep takes for one deployment, as in the product.
const MAX_STEPS: usize = 3;

/// The tenants' tax rates, in basis points. They change now and then.
const TAX_RATES: [u32; 6] = [0, 0, 0, 700, 1_900, 825];

/// The life of one deployment, as the store would have it.
struct Life {
    aggregate: Aggregate,
    events: Vec<Event>,
    invoices: BTreeMap<InvoiceNumber, Invoice>,
    policy: DunningPolicy,
    next_id: u128,
    pays: bool,
    /// The plan changes without proration, by the sequence of their events.
    unprorated: HashSet<u64>,
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
    goods::addon("storage_50gb", price_cents, "USD", now)
}

/// Coupons for a percentage and for an amount, forever and for some periods.
fn coupons(now: Timestamp) -> Vec<Coupon> {
    let coupon = |off, periods, plans: &[&str]| goods::coupon("partner", off, periods, plans, now);
    vec![
        coupon(Off::Part(3_333), None, &[]),
        coupon(Off::Part(10_000), Some(2), &["studio", "quarterly"]),
        coupon(Off::Amount(1_000, "USD"), Some(3), &[]),
        coupon(Off::Amount(30_000, "USD"), Some(1), &["team", "yearly"]),
    ]
}

fn admin() -> Actor {
    Actor { id: "ada".to_owned(), authority: Authority::PlatformAdmin }
}

impl Life {
    fn new(n: u128, random: &mut Random, now: Timestamp) -> Self {
        let trial = random.below(4) == 0;
        let command = CreateDeployment {
            id: DeploymentId::new(Uuid::from_u128(n)),
            state: Some(if trial { State::Trial } else { State::Active }),
            created: Created {
                trial_ends_at: trial.then(|| now + TimeDelta::days(21)),
                // Half of the deployments have a tax rate from the beginning.
                tenant_rules: TenantRules { tax_rate_basis_points: *random.pick(&TAX_RATES), ..TenantRules::default() },
                ..Created::new(
                    format!("tenant-{}", n % 50).parse().expect("a tenant"),
                    format!("app-{n}").parse().expect("a slug"),
                    "eu-central-1".parse().expect("a region"),
                )
            },
        };
        let change = create(command, &admin(), now).expect("a creation");
        let policy = DunningPolicy::default();
        let pays = random.below(10) > 0;
        let (aggregate, events) = (change.after, change.events);
        Self {
            aggregate,
            events,
            invoices: BTreeMap::new(),
            policy,
            next_id: n << 64,
            pays,
            unprorated: HashSet::new(),
        }
    }

    fn new_id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id)
    }

    /// Applies a change as the store would.
    fn commit(&mut self, change: Change) {
        for event in &change.events {
            follow_invoices(&mut self.invoices, event).expect("what an event names was issued");
        }
        self.events.extend(change.events);
        self.aggregate = change.after;
        let deployment = &self.aggregate.deployment;
        assert!(!deployment.tenant_rules.held || deployment.state != State::Active, "active under a hold");
    }

    fn sweep(&mut self, now: Timestamp, max_steps: usize) {
        for _ in 0..max_steps {
            let Some(change) = step(&self.aggregate, Some(self.policy), now).expect("no limit is reached") else {
                return;
            };
            self.commit(change);
        }
    }

    /// A random command, accepted or refused. As with every request, due steps are taken first.
    fn act(&mut self, random: &mut Random, plans: &[Plan], coupons: &[Coupon], now: Timestamp) {
        self.sweep(now, DAYS);
        let mut is_unprorated = false;
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
                let proration = *random.pick(&[Proration::Prorate, Proration::Prorate, Proration::None]);
                is_unprorated = proration == Proration::None;
                Command::ChangePlan(ChangePlan {
                    version: plan.newest_version.clone().expect("a version"),
                    plan,
                    effective: *random.pick(&[Effective::Immediate, Effective::PeriodEnd]),
                    proration,
                    drop_incompatible: false,
                    trial_claimed_by: None,
                })
            }
            30 => Command::CancelSubscription(*random.pick(&[Effective::Immediate, Effective::PeriodEnd])),
            31 => Command::WithdrawCancellation,
            32 => {
                self.policy.suspended_after_days = *random.pick(&[7, 14, 20]);
                return;
            }
            33..=34 => {
                let nth = random.below(self.invoices.len().max(1));
                let Some(invoice) = self.invoices.values().nth(nth) else { return };
                Command::Void(invoice.clone())
            }
            35 => {
                let held = Some(!self.aggregate.deployment.billing_action_suspended);
                Command::Update(UpdateDeployment { billing_action_suspended: held, ..UpdateDeployment::default() })
            }
            80..=81 => {
                let rules = self.aggregate.deployment.tenant_rules;
                // A hold is shorter than the time between two holds.
                let held = !rules.held && random.below(3) == 0;
                let rule = UnsubscribedRule { after_days: 20, since: now };
                let unsubscribed = (random.below(2) == 0).then_some(rule);
                Command::FollowTenant(TenantRules { version: rules.version + 1, held, unsubscribed, ..rules })
            }
            86 => {
                let rules = self.aggregate.deployment.tenant_rules;
                let (version, tax_rate_basis_points) = (rules.version + 1, *random.pick(&TAX_RATES));
                Command::FollowTenant(TenantRules { version, tax_rate_basis_points, ..rules })
            }
            82..=84 => {
                let coupon = random.pick(coupons).clone();
                Command::GrantDiscount(GrantDiscount { coupon, reason: None, notes: None })
            }
            85 => Command::RemoveDiscount(RemoveDiscount::default()),
            71..=79 => match self.correction(random, now) {
                Some(correction) => Command::Correct(Correct { correction, reason: None, notes: None }),
                None => return,
            },
            87..=88 => {
                let Some(live) = self.aggregate.live_subscription() else { return };
                // Sometimes the replaced version is the one that the subscription is to change to.
                let pending = live.pending_change.as_ref().filter(|_| random.below(2) == 0);
                let replaced = pending.map_or(&live.terms, |pending| &pending.terms);
                let (plan_version, price_cents) = (replaced.plan_version + 1, *random.pick(&[1_900, 3_900, 0]));
                Command::AnnouncePrice(AnnouncePrice {
                    terms: PlanTerms { plan_version, price_cents, ..replaced.clone() },
                    replaces: replaced.plan_version,
                    effective_from: now + TimeDelta::days(i64::try_from(random.below(150)).expect("days")),
                })
            }
            36..=70 if self.pays || random.below(20) == 0 => {
                let Some(open) = self.aggregate.deployment.open_invoices.first() else { return };
                let invoice = self.invoices[&open.number].clone();
                let part = if random.below(3) == 0 { 2 } else { 1 };
                let amount_cents = (invoice.due_cents() / part).max(1);
                let reference = format!("pay-{}", self.new_id()).parse().expect("a reference");
                let currency = invoice.currency;
                Command::Pay(Pay::new(invoice, Payment::new(reference, amount_cents, now), currency))
            }
            _ => return,
        };
        let decided = decide(&self.aggregate, command.clone(), &admin(), Some(self.policy), now);
        // A subscription that comes back may have missed a price change.
        let returns = decided.as_ref().ok().and_then(|change| change.as_ref()?.returns_to().cloned());
        let decided = match returns.filter(|_| random.below(2) == 0) {
            None => decided,
            Some(terms) => {
                let (replaces, price_cents) = (terms.plan_version, *random.pick(&[1_900, 3_900]));
                let effective_from = now + TimeDelta::days(i64::try_from(random.below(120)).expect("days") - 60);
                let terms = PlanTerms { plan_version: replaces + 1, price_cents, ..terms };
                let successor = Some(AnnouncePrice { terms, replaces, effective_from });
                let read = Read { policy: Some(self.policy), successor };
                decide_with(&self.aggregate, command, &admin(), read, now)
            }
        };
        if let Ok(Some(change)) = decided {
            if is_unprorated {
                self.unprorated.extend(change.events.iter().map(|event| event.sequence));
            }
            self.commit(change);
        }
    }

    /// A random correction.
    fn correction(&mut self, random: &mut Random, now: Timestamp) -> Option<Correction> {
        let usd: Currency = "USD".parse().expect("a currency");
        let cents = i64::try_from(random.below(4_000)).expect("cents") + 1;
        let nth = random.below(self.invoices.len().max(1));
        let invoice = self.invoices.values().nth(nth).cloned();
        let pay_back = PayBack { reference: format!("refund-{}", self.new_id()).parse().ok()?, known: None };
        Some(match random.below(10) {
            0 => Correction::Charge(OneOff {
                description: "Migration".parse().ok()?,
                amount_cents: cents,
                currency: usd,
                when: *random.pick(&[Invoiced::Now, Invoiced::NextInvoice]),
            }),
            1 => Correction::Credit(Amount { amount_cents: cents, currency: usd }),
            2 => Correction::Refund(pay_back, Amount { amount_cents: cents, currency: usd }),
            3 | 4 => {
                let invoice = invoice?;
                let line = random.pick(&invoice.lines).charge;
                let half = (invoice.standing_cents(line)? / 2).max(1);
                let extents = [Extent::Whole, Extent::Lines(vec![(line, half)]), Extent::Amount(cents)];
                let extent = random.pick(&extents).clone();
                let is_refund = matches!(extent, Extent::Amount(_)) || random.below(2) == 0;
                Correction::CreditNote(CreditNote { invoice, extent, pay_back: is_refund.then_some(pay_back) })
            }
            5 => {
                let invoice = invoice?;
                let reference = invoice.payments.last()?.reference.clone();
                Correction::ReversePayment(invoice, reference, ReversalKind::Chargeback)
            }
            6 => {
                let number = &self.aggregate.deployment.open_invoices.first()?.number;
                Correction::WriteOff(self.invoices[number].clone())
            }
            7 => Correction::WithdrawWriteOff(invoice?),
            8 => Correction::Postpone(match random.below(2) {
                0 => Postponement::ByDays(10),
                _ => Postponement::Until(now + TimeDelta::days(12)),
            }),
            _ => {
                let number = &self.aggregate.deployment.open_invoices.first()?.number;
                Correction::MoveDueDate(self.invoices[number].clone(), now + TimeDelta::days(20))
            }
        })
    }

    fn transition(&self, to_state: State, resume_at: Option<Timestamp>) -> Command {
        Command::Transition(Transition { to_state, reason: None, notes: None, resume_at: resume_at.map(Some) })
    }
}

#[test]
fn two_years_of_a_thousand_deployments_are_billed_exactly_once() {
    let mut random = Random::from_seed();
    let start: DateTime<Utc> = at("2027-01-31T09:00:00Z");
    let (plans, coupons) = (plans(start), coupons(start));
    let mut discounts: HashMap<&str, usize> = HashMap::new();
    let (mut invoices, mut steps, mut billed_cents) = (0, 0, 0_i64);
    let (mut taxed_at, mut untaxed_cents) = (HashMap::<u32, usize>::new(), 0);
    let mut reached: HashMap<State, usize> = HashMap::new();
    for n in 1..=DEPLOYMENTS {
        let mut life = Life::new(n, &mut random, start);
        let mut now = start;
        for _ in 0..DAYS {
            now += TimeDelta::seconds(i64::try_from(random.below(2 * 86_400)).expect("seconds"));
            life.act(&mut random, &plans, &coupons, now);
            // Sometimes the sweep does not run for a while.
            if random.below(8) > 0 {
                life.sweep(now, MAX_STEPS);
            }
        }
        assert_eq!(replay(life.aggregate.deployment.id, &life.events).as_ref(), Ok(&life.aggregate));
        assert!(life.events.iter().zip(1..).all(|(event, sequence)| event.sequence == sequence));
        let audited =
            audit(life.aggregate.deployment.id, &life.events).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(audited.invoices, life.invoices);
        Account::check(&life.events, &life.unprorated);
        let issued: i64 = life.invoices.values().map(|invoice| invoice.total_cents).sum();
        invoices += life.invoices.len();
        steps += life.events.iter().filter(|event| event.actor == "system:billing").count();
        billed_cents += issued;
        for taxed in life.invoices.values().filter_map(Invoice::taxed) {
            *taxed_at.entry(taxed.rate_basis_points).or_default() += 1;
        }
        let given_back = life
            .invoices
            .values()
            .map(|invoice| invoice.tax_cents() - invoice.taxed().map_or(0, |taxed| taxed.tax_cents));
        untaxed_cents += given_back.sum::<i64>();
        for event in &life.events {
            *reached.entry(event.to_state.unwrap_or(State::Active)).or_default() += 1;
            if event.kind.name().starts_with("discount_") {
                *discounts.entry(event.kind.name()).or_default() += 1;
            }
        }
    }
    println!("{invoices} invoices over {billed_cents} cents, {steps} steps of the clock, states entered: {reached:?}");
    assert!(State::ALL.iter().all(|state| reached.get(state).is_some_and(|count| *count > 0)), "{reached:?}");
    println!("{discounts:?}, invoices by tax rate: {taxed_at:?}, {untaxed_cents} cents of tax given back");
    assert!(taxed_at.len() == 3 && taxed_at.values().all(|count| *count > 500), "{taxed_at:?}");
    assert!(untaxed_cents > 100_000, "only {untaxed_cents} cents of tax were credited");
    assert!(invoices > 5_000, "only {invoices} invoices were issued");
    assert!(discounts.len() == 3 && discounts.values().all(|count| *count > 100), "{discounts:?}");
}

/// A credit of the price before its discount returns more than was charged. The product's own books would still
/// balance; the second account does not.
#[test]
fn a_credit_that_forgets_the_discount_is_found() {
    let mut random = Random::from_seed();
    let start: DateTime<Utc> = at("2027-01-31T09:00:00Z");
    let (plans, coupons) = (plans(start), coupons(start));
    for n in 1..=DEPLOYMENTS {
        let mut life = Life::new(n, &mut random, start);
        let mut now = start;
        for _ in 0..DAYS {
            now += TimeDelta::seconds(i64::try_from(random.below(2 * 86_400)).expect("seconds"));
            life.act(&mut random, &plans, &coupons, now);
            life.sweep(now, MAX_STEPS);
        }
        if let Some(events) = without_discount(life.aggregate.deployment.id, &life.events) {
            Account::check(&life.events, &life.unprorated);
            let found = catch_unwind(AssertUnwindSafe(|| Account::check(&events, &life.unprorated)));
            // A discount of less than the roundings of a history does not show.
            if found.is_err() {
                return;
            }
        }
    }
    panic!("the account accepted every credit that is too large");
}

/// The events up to the first credit of a discounted, settled charge, with that credit raised to the whole price.
fn without_discount(id: DeploymentId, events: &[Event]) -> Option<Vec<Event>> {
    for (index, event) in events.iter().enumerate().skip(1) {
        let before = replay(id, &events[..index]).expect("a history").subscription;
        let charges = before.map(|subscription| subscription.charges).unwrap_or_default();
        for (place, entry) in event.entries.iter().enumerate() {
            let Entry::Credited { line, invoice: Some(_), returned_cents: 1.., .. } = entry else { continue };
            let charge = charges.iter().find(|charge| charge.id == line.charge && charge.amount_cents > 0);
            let Some((charge, off)) = charge.and_then(|charge| Some((charge, charge.discount.as_ref()?))) else {
                continue;
            };
            let more = off.amount_cents * -line.amount_cents / charge.amount_cents;
            if more == 0 {
                continue;
            }
            let end = index + usize::try_from(event.commit_last - event.sequence).expect("a commit");
            let mut changed = events[..=end].to_vec();
            if let Entry::Credited { line, returned_cents, .. } = &mut changed[index].entries[place] {
                (line.amount_cents, *returned_cents) = (line.amount_cents - more, *returned_cents + more);
            }
            return Some(changed);
        }
    }
    None
}
