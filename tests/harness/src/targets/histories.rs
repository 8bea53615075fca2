//! Histories: whatever is asked for, in whatever order, by whomever, the rules hold: events fold into the state, nothing is
//! billed twice or given back that was not billed, and the clock never comes early and never stands still.
//!
//! An input is commands: see `Shop::command`.

use std::collections::BTreeMap;

use arcadia_domain::{
    Action, Actor, Addon, Aggregate, Amount, AnchorMode, Authority, CatalogStatus, Change, ChangePlan, Command,
    Correct, Correction, Coupon, CreateDeployment, Created, CreditNote, Currency, DeploymentId, DunningPolicy,
    Effective, Event, EventKind, Extent, GrantDiscount, Interval, IntervalPrices, Invoice, InvoiceNumber, InvoiceRow,
    Invoiced, MAX_PRICE_CENTS, OneOff, Overpayment, Pay, PayBack, Payment, Plan, Postponement, Proration, Rejection,
    RemoveDiscount, Resource, ResourceId, ReversalKind, State, Subscribe, SubscriptionAddonId, SubscriptionId,
    SubscriptionStatus, TenantRules, Timestamp, Transition, UpdateDeployment, allowed_transitions, audit, create,
    decide, follow_invoices, replay, step, sum,
};
use arcadia_store::keys::DEFAULT_DUE_SHARDS;
use arcadia_store::{CommitId, item, items};
use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use super::mixtures;
use super::script::{self, Step};
use crate::goods::{self, Off};

/// How many commands of an input are carried out.
const MAX_STEPS: usize = 150;
/// How far one command moves the time.
const MAX_DAYS: usize = 400;
/// When every history begins.
const BEGIN_S: i64 = 1_769_853_600;

/// Plans: code, price, currency, interval, days of trial.
const PLANS: [(&str, i64, &str, Interval, u32); 7] = [
    ("studio", 2_900, "USD", Interval::Month, 0),
    ("team", 9_900, "USD", Interval::Month, 14),
    ("yearly", 29_000, "USD", Interval::Year, 0),
    ("euro", 2_700, "EUR", Interval::Month, 0),
    ("dear", MAX_PRICE_CENTS, "USD", Interval::Quarter, 0),
    ("free", 0, "USD", Interval::Month, 0),
    ("penny", 1, "EUR", Interval::HalfYear, 30),
];
/// Add-ons: code, price, currency.
const ADDONS: [(&str, i64, &str); 4] =
    [("storage", 750, "USD"), ("euro_seats", 333, "EUR"), ("gold", MAX_PRICE_CENTS, "USD"), ("free", 0, "EUR")];

/// Coupons, with the plans that they are for.
const COUPONS: [(Off, &[&str]); 4] = [
    (Off::Part(3_333), &[]),
    (Off::Part(10_000), &["studio", "yearly", "dear"]),
    (Off::Amount(1_000, "USD"), &[]),
    (Off::Amount(MAX_PRICE_CENTS, "EUR"), &["euro", "penny"]),
];

/// A deployment, its history, and the books, kept from the events alone.
struct Shop {
    now: Timestamp,
    actor: Actor,
    policy: DunningPolicy,
    aggregate: Aggregate,
    events: Vec<Event>,
    invoices: BTreeMap<InvoiceNumber, Invoice>,
    resources: Vec<Resource>,
    /// Makes ids and names.
    made: u128,
}

/// Runs the target.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) -> bool {
    let steps = script::steps(input, MAX_STEPS);
    let mut shop = Shop::open(steps.first().is_some_and(|step| step.letter == b'T'));
    for step in steps {
        shop.take(step);
    }
    assert_eq!(replay(shop.aggregate.deployment.id, &shop.events).as_ref(), Ok(&shop.aggregate));
    shop.check_stored();
    shop.events.len() > 1
}

/// A coupon of `COUPONS`.
fn coupon(n: usize, periods: usize) -> Coupon {
    let (off, plans) = COUPONS[n % COUPONS.len()];
    let now = DateTime::from_timestamp(BEGIN_S, 0).expect("a time");
    goods::coupon("partner", off, u32::try_from(periods).ok().filter(|periods| *periods > 0), plans, now)
}

impl Shop {
    fn open(in_trial: bool) -> Self {
        let now = DateTime::from_timestamp(BEGIN_S, 0).expect("a time");
        let actor = actor(0);
        let command = CreateDeployment {
            id: DeploymentId::new(Uuid::from_u128(1)),
            state: in_trial.then_some(State::Trial),
            created: Created {
                trial_ends_at: in_trial.then(|| now + TimeDelta::days(30)),
                ..Created::new(
                    "acme".parse().expect("a tenant"),
                    "shop".parse().expect("a slug"),
                    "eu-central-1".parse().expect("a region"),
                )
            },
        };
        let Change { after: aggregate, events, .. } = create(command, &actor, now).expect("a creation");
        let (policy, invoices) = (DunningPolicy::default(), BTreeMap::new());
        Self { now, actor, policy, aggregate, events, invoices, resources: Vec::new(), made: 1 }
    }

    fn take(&mut self, step: Step) {
        let (n, days) = (step.numbers.0, i64::try_from(step.numbers.0.min(MAX_DAYS)).expect("not many"));
        match step.letter {
            // Time passes: days, hours, seconds; or the clock of another machine is behind, by seconds.
            b'+' => self.now += TimeDelta::days(days),
            b'h' => self.now += TimeDelta::hours(days),
            b'n' => self.now += TimeDelta::seconds(days),
            b'-' => self.now -= TimeDelta::seconds(days),
            // Who is asking, and what the tenant's policy is.
            b'@' => self.actor = actor(n),
            b'q' => self.policy = policy(n, step.numbers.1),
            b'.' => self.tick(),
            _ => {
                if let Some(command) = self.command(step) {
                    self.ask(command);
                }
            }
        }
    }

    /// What a letter asks for; `n` and `m` are the numbers after it.
    fn command(&mut self, step: Step) -> Option<Command> {
        let (n, m) = step.numbers;
        Some(match step.letter {
            // Subscribe to plan n with m add-ons, by the calendar or from now on.
            b's' => self.subscribe(n, m, AnchorMode::Calendar),
            b'S' => self.subscribe(n, m, AnchorMode::Now),
            // Attach an add-on of the catalog; detach one of the subscription.
            b'a' => Command::AttachAddon(SubscriptionAddonId::new(self.id()), self.addon(n)),
            b'd' => Command::DetachAddon(self.aggregate.addons.get(n)?.id),
            // Change to plan n now, with or without proration, or at the period's end; m of 1 drops what does not fit.
            b'p' => self.change(n, m, Effective::Immediate, Proration::Prorate),
            b'P' => self.change(n, m, Effective::Immediate, Proration::None),
            b'e' => self.change(n, m, Effective::PeriodEnd, Proration::Prorate),
            b'w' => Command::WithdrawPlanChange,
            // Cancel at the period's end or now; take it back; let the trial end n days from now.
            b'k' => Command::CancelSubscription(Effective::PeriodEnd),
            b'K' => Command::CancelSubscription(Effective::Immediate),
            b'u' => Command::WithdrawCancellation,
            b'x' => Command::ExtendTrial(self.now + TimeDelta::days(i64::try_from(n.min(MAX_DAYS)).ok()?)),
            // Move to the n-th state, for m days if it is a pause; rename; stop the billing's moves or let them go on.
            b'm' => self.transition(n, m),
            b'r' => Command::Update(UpdateDeployment {
                display_name: format!("Shop {n}").parse().ok(),
                ..UpdateDeployment::default()
            }),
            b'b' => Command::Update(UpdateDeployment {
                billing_action_suspended: Some(n != 0),
                ..UpdateDeployment::default()
            }),
            // Pay m cents of the n-th newest invoice, all of it if m is 0; take it back.
            b'i' => self.pay(n, m)?,
            b'v' => Command::Void(self.invoices.values().nth_back(n)?.clone()),
            // Correct what was charged or paid: see `Shop::correct`. Pay m cents too much of the n-th newest invoice.
            b'c' | b'g' | b'f' | b'C' | b'B' | b'W' | b'V' | b'M' | b'N' => self.correct(step)?,
            b'o' => self.overpay(n, m)?,
            // Grant the discount of coupon n for m periods, or without an end if m is 0; remove it.
            b'z' => Command::GrantDiscount(GrantDiscount { coupon: coupon(n, m), reason: None, notes: None }),
            b'Z' => Command::RemoveDiscount(RemoveDiscount::default()),
            // Copy a tax rate of n basis points of the tenant.
            b'T' => {
                let rules = self.aggregate.deployment.tenant_rules;
                let (version, tax_rate_basis_points) = (rules.version + 1, u32::try_from(n % 10_001).ok()?);
                Command::FollowTenant(TenantRules { version, tax_rate_basis_points, ..rules })
            }
            // Record a resource, delete the n-th.
            b'R' => Command::AddResource(self.resource()),
            b'D' => Command::DeleteResource(self.resources.get(n)?.clone()),
            _ => return None,
        })
    }

    fn ask(&mut self, command: Command) {
        let wished = match &command {
            Command::Transition(transition) => Some(transition.to_state),
            _ => None,
        };
        let allowed = allowed_transitions(&self.aggregate.deployment, self.actor.authority, self.now);
        let decided = decide(&self.aggregate, command, &self.actor, Some(self.policy), self.now);
        if let Some(to) = wished.filter(|to| *to != self.aggregate.deployment.state) {
            let map_forbids =
                matches!(decided, Err(Rejection::InvalidTransition { .. } | Rejection::TransitionNotPermitted { .. }));
            assert_eq!(allowed.contains(&to), !map_forbids, "{to} is shown as one thing and decided as another");
        }
        if let Ok(Some(change)) = decided {
            self.enter(change);
        }
    }

    /// Takes the next step of the clock.
    fn tick(&mut self) {
        let due = self.aggregate.next_action().filter(|next| next.at <= self.now);
        let change = step(&self.aggregate, Some(self.policy), self.now).expect("no limit is that near");
        assert_eq!(change.is_some(), due.is_some(), "the clock comes early or not at all: {due:?}");
        let (Some(change), Some(due)) = (change, due) else { return };
        let runs = self.aggregate.live_subscription().is_some_and(|s| s.status == SubscriptionStatus::Active);
        if runs && matches!(due.action, Action::Renew | Action::ChangePlan) {
            let end = |aggregate: &Aggregate| aggregate.live_subscription().map(|s| s.current_period_end);
            assert!(end(&change.after) > end(&self.aggregate), "a period does not follow the one before");
        }
        assert_ne!(change.after.next_action(), Some(due), "the clock stands still");
        self.enter(change);
    }

    /// Enters a change into the books, as the store does.
    fn enter(&mut self, change: Change) {
        assert_eq!(change.before.as_ref(), Some(&self.aggregate));
        assert!(!change.events.is_empty());
        mixtures::check(&change);
        for event in &change.events {
            self.enter_event(event);
        }
        if let Some(invoice) = change.invoice {
            assert_eq!(self.invoices.get(&invoice.number), Some(&invoice), "what is written is what the events tell");
        }
        if let Some(resource) = change.resource {
            self.resources.retain(|known| known.id != resource.id);
            self.resources.push(resource);
        }
        self.events.extend(change.events);
        self.aggregate = change.after;
        self.check();
    }

    fn enter_event(&mut self, event: &Event) {
        if let EventKind::InvoiceOpened { invoice, .. } = &event.kind {
            assert_eq!(sum(invoice.lines.iter().map(|line| line.amount_cents)), Some(invoice.total_cents));
            assert!(invoice.total_cents >= 0 && invoice.lines.iter().all(|line| line.currency == invoice.currency));
            assert!(!self.invoices.contains_key(&invoice.number), "{} was issued twice", invoice.number);
        }
        follow_invoices(&mut self.invoices, event).expect("what an event names was issued");
    }

    fn check(&self) {
        let Aggregate { deployment, subscription, addons, versions: _ } = &self.aggregate;
        assert_eq!(usize::try_from(deployment.version), Ok(self.events.len()));
        let live = self.resources.iter().filter(|resource| resource.deleted_at.is_none()).count();
        assert_eq!(usize::try_from(deployment.live_resources), Ok(live));
        assert!(deployment.state != State::Archived || live == 0);
        let open: Vec<_> = self.invoices.values().filter_map(Invoice::as_open).collect();
        let mut kept = deployment.open_invoices.clone();
        kept.sort_by(|a, b| a.number.cmp(&b.number));
        assert_eq!(kept, open);
        for invoice in self.invoices.values() {
            let paid: i64 = invoice.standing_payments().map(|payment| payment.amount_cents).sum();
            assert!(invoice.paid_cents == paid && invoice.due_cents() >= 0, "{invoice:?}");
            assert!(invoice.forgiven_cents() >= 0, "{invoice:?}");
        }
        if let Some(live) = subscription.as_ref().filter(|subscription| subscription.is_live()) {
            assert_eq!(live.status, SubscriptionStatus::of(deployment.state));
            assert!(live.current_period_start <= live.current_period_end);
            assert!(addons.iter().all(|addon| addon.currency == live.terms.currency));
        }
    }

    /// What came about is stored and read back as it is.
    fn check_stored(&self) {
        let deployment = &self.aggregate.deployment;
        let audited = audit(deployment.id, &self.events).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(audited.invoices, self.invoices);
        let item = items::DeploymentItem::new(&self.aggregate, 16, CommitId::new(Uuid::nil()));
        let row = item::to_item(&item).and_then(items::to_deployment).expect("a stored deployment");
        assert_eq!((&row.deployment, row.next_action), (deployment, self.aggregate.next_action()));
        let id = deployment.id;
        if let Some(subscription) = &self.aggregate.subscription {
            let item = items::from_subscription(id, subscription, 1).expect("an item");
            assert_eq!(&items::to_subscription(item).expect("a subscription").record, subscription);
        }
        for addon in &self.aggregate.addons {
            let item = items::from_subscription_addon(id, addon, 1).expect("an item");
            assert_eq!(&items::to_subscription_addon(item).expect("an add-on").record, addon);
        }
        for event in &self.events {
            let item = items::from_event(deployment, event).expect("an item");
            assert_eq!(items::to_event(item).as_ref().ok(), Some(event));
        }
        for invoice in self.invoices.values() {
            let row = InvoiceRow::new(deployment, invoice.clone());
            let item = items::from_invoice(&row, DEFAULT_DUE_SHARDS).expect("an item");
            assert_eq!(items::to_invoice(item).expect("an invoice"), row);
        }
    }

    fn id(&mut self) -> Uuid {
        self.made += 1;
        Uuid::from_u128(self.made)
    }

    fn subscribe(&mut self, n: usize, addons: usize, anchor_mode: AnchorMode) -> Command {
        let plan = self.plan(n);
        let version = plan.newest_version.clone().expect("it was published");
        let fitting = if version.currency.as_str() == "EUR" { 1 } else { 0 };
        let addons = (0..addons % 4).map(|_| (SubscriptionAddonId::new(self.id()), self.addon(fitting))).collect();
        let id = SubscriptionId::new(self.id());
        let (trial_ends_at, trial_claimed_by) = (None, None);
        Command::Subscribe(Subscribe { id, plan, version, addons, anchor_mode, trial_ends_at, trial_claimed_by })
    }

    fn change(&self, n: usize, m: usize, effective: Effective, proration: Proration) -> Command {
        let plan = self.plan(n);
        let version = plan.newest_version.clone().expect("it was published");
        let (drop_incompatible, trial_claimed_by) = (m == 1, None);
        Command::ChangePlan(ChangePlan { plan, version, effective, proration, drop_incompatible, trial_claimed_by })
    }

    fn transition(&self, n: usize, days: usize) -> Command {
        let to_state = State::ALL.into_iter().cycle().nth(n % State::ALL.len()).expect("a state");
        let days = i64::try_from(days.min(MAX_DAYS)).expect("not many");
        let resume_at = (to_state == State::Paused && days > 0).then(|| self.now + TimeDelta::days(days));
        let resume_at = resume_at.map(Some);
        Command::Transition(Transition { to_state, reason: None, notes: None, resume_at })
    }

    fn pay(&mut self, n: usize, cents: usize) -> Option<Command> {
        let invoice = self.invoices.values().nth_back(n)?.clone();
        let amount_cents = if cents == 0 { invoice.due_cents().max(1) } else { i64::try_from(cents).ok()? };
        let reference = format!("payment-{}", self.id().as_u128()).parse().ok()?;
        let currency = invoice.currency;
        Some(Command::Pay(Pay::new(invoice, Payment::new(reference, amount_cents, self.now), currency)))
    }

    fn overpay(&mut self, n: usize, cents: usize) -> Option<Command> {
        let invoice = self.invoices.values().nth_back(n)?.clone();
        let amount_cents = invoice.due_cents() + i64::try_from(cents).ok()?.max(1);
        let reference = format!("payment-{}", self.id().as_u128()).parse().ok()?;
        let (currency, payment) = (invoice.currency, Payment::new(reference, amount_cents, self.now));
        Some(Command::Pay(Pay { overpayment: Overpayment::Balance, ..Pay::new(invoice, payment, currency) }))
    }

    /// What a letter corrects; `n` and `m` are the numbers after it.
    fn correct(&mut self, step: Step) -> Option<Command> {
        let (n, m) = step.numbers;
        let (cents, usd) = (i64::try_from(m).ok()?.max(1), money("USD"));
        let reference = format!("refund-{}", self.id().as_u128()).parse().ok()?;
        let pay_back = PayBack { reference, known: None };
        let amount = Amount { amount_cents: cents, currency: usd };
        let invoice = self.invoices.values().nth_back(n).cloned();
        let correction = match step.letter {
            // Charge m cents once, at once if n is odd; grant m cents; pay m cents back.
            b'c' => Correction::Charge(OneOff {
                description: "Migration".parse().ok()?,
                amount_cents: cents,
                currency: usd,
                when: if n % 2 == 1 { Invoiced::Now } else { Invoiced::NextInvoice },
            }),
            b'g' => Correction::Credit(amount),
            b'f' => Correction::Refund(pay_back, amount),
            // Credit the n-th newest invoice: m cents of its first charge, or all of it and pay that back if m is 0.
            b'C' => {
                let invoice = invoice?;
                let lines = Extent::Lines(vec![(invoice.lines.first()?.charge, cents)]);
                let (extent, pay_back) = if m == 0 { (Extent::Whole, Some(pay_back)) } else { (lines, None) };
                Correction::CreditNote(CreditNote { invoice, extent, pay_back })
            }
            // Reverse the m-th payment of the n-th newest invoice; write it off; withdraw that; let it be due m days on.
            b'B' => {
                let invoice = invoice?;
                let reference = invoice.payments.get(m)?.reference.clone();
                Correction::ReversePayment(invoice, reference, ReversalKind::Chargeback)
            }
            b'W' => Correction::WriteOff(invoice?),
            b'V' => Correction::WithdrawWriteOff(invoice?),
            b'M' => {
                let days = i64::try_from(m.min(MAX_DAYS)).ok()?;
                Correction::MoveDueDate(invoice?, self.now + TimeDelta::days(days))
            }
            // Let all be due m days later, or m days from now if n is odd.
            b'N' => {
                let days = u32::try_from(m.min(MAX_DAYS)).ok()?;
                let until = self.now + TimeDelta::days(i64::from(days));
                let postponement = if n % 2 == 1 { Postponement::Until(until) } else { Postponement::ByDays(days) };
                Correction::Postpone(postponement)
            }
            _ => return None,
        };
        Some(Command::Correct(Correct { correction, reason: None, notes: None }))
    }

    fn resource(&mut self) -> Resource {
        Resource {
            id: ResourceId::new(self.id()),
            deployment_id: self.aggregate.deployment.id,
            kind: "database".parse().expect("a code"),
            provider_reference: "db-1".parse().expect("a reference"),
            region: "eu-central-1".parse().expect("a region"),
            created_at: self.now,
            deleted_at: None,
            version: 0,
        }
    }

    fn plan(&self, n: usize) -> Plan {
        let (code, price_cents, currency, interval, trial_days) = PLANS[n % PLANS.len()];
        let bare = Plan {
            code: code.parse().expect("a code"),
            name: code.parse().expect("a name"),
            status: CatalogStatus::Active,
            newest_version: None,
            revision: 1,
            created_at: self.now,
            updated_at: self.now,
        };
        bare.publish(price_cents, money(currency), interval, trial_days, self.now).0
    }

    fn addon(&self, n: usize) -> Addon {
        let (code, price_cents, currency) = ADDONS[n % ADDONS.len()];
        let addon = goods::addon(code, price_cents, currency, self.now);
        Addon { interval_prices: IntervalPrices::from([(Interval::Year, 7_001)]), ..addon }
    }
}

fn money(currency: &str) -> Currency {
    currency.parse().expect("a currency")
}

fn actor(n: usize) -> Actor {
    let authorities =
        [Authority::PlatformAdmin, Authority::TenantUser, Authority::PaymentProvider, Authority::DataPlane];
    let authority = authorities[n % authorities.len()];
    Actor { id: "ada".to_owned(), authority }
}

/// A policy whose ladder is in order.
fn policy(n: usize, m: usize) -> DunningPolicy {
    let days = |n: usize| u32::try_from(n % 366).expect("less than a year");
    let (first, second) = (days(n).min(days(m)), days(n).max(days(m)));
    DunningPolicy {
        payment_terms_days: first,
        past_due_after_days: first,
        suspended_after_days: second + 1,
        cancelled_after_days: second + 2,
        archived_after_days: first + 1,
    }
}
