//! The rules under random histories: the promises hold for any commands in any order. Single cases are in `cases`.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

pub(super) use super::fixtures::at;
use super::fixtures::{actor, coupon, priced_addon, priced_plan};
use super::*;
use crate::line::LineKind;
use crate::{Amount, Entry, Figure, Figures, Invoiced, OpenInvoice, ReversalKind, UnsubscribedRule};
use crate::{
    AnchorMode, Currency, DunningPolicy, Interval, IntervalPrices, InvoiceNumber, MAX_PRICE_CENTS, Plan, PlanTerms,
    SubscriptionId, SubscriptionStatus, allowed_transitions, audit, sum,
};

/// One step of a history: a command or a sweep.
#[derive(Debug, Clone)]
enum Step {
    Transition(State, bool),
    Subscribe {
        plan: usize,
        addons: usize,
        anchor_mode: AnchorMode,
    },
    Attach(usize),
    Detach(usize),
    Change {
        plan: usize,
        effective: Effective,
        proration: Proration,
        drop_incompatible: bool,
    },
    WithdrawChange,
    Cancel(Effective),
    WithdrawCancellation,
    Extend(i64),
    Rename,
    Pay {
        invoice: usize,
        part: bool,
    },
    Overpay {
        invoice: usize,
        by: i64,
    },
    Void(usize),
    Charge {
        currency: usize,
        when: Invoiced,
        cents: i64,
    },
    Grant {
        currency: usize,
        cents: i64,
    },
    CreditNote {
        invoice: usize,
        part: bool,
        pays_back: bool,
    },
    Refund {
        invoice: Option<usize>,
        cents: i64,
    },
    Reverse {
        invoice: usize,
        payment: usize,
    },
    WriteOff(usize),
    WithdrawWriteOff(usize),
    Postpone {
        days: u32,
        until: bool,
    },
    MoveDueDate {
        invoice: usize,
        days: i64,
    },
    /// The tenant's rules: whether it is held, and the days without a subscription until a pause.
    Rules(bool, Option<u32>),
    /// The tax rate of the tenant.
    TaxRate(u32),
    Discount(usize),
    RemoveDiscount,
    Announce {
        days: i64,
    },
    Tick,
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(super) fn admin() -> Actor {
    actor(Authority::PlatformAdmin)
}

pub(super) fn tenant_user() -> Actor {
    Actor { id: "bob".to_owned(), authority: Authority::TenantUser }
}

pub(super) fn plan(index: usize) -> Plan {
    let (code, price_cents, currency, interval, trial_days) = [
        ("studio", 2_900, "USD", Interval::Month, 0),
        ("team", 9_900, "USD", Interval::Month, 14),
        ("yearly", 29_000, "USD", Interval::Year, 0),
        ("euro", 2_700, "EUR", Interval::Month, 0),
        ("dear", MAX_PRICE_CENTS, "USD", Interval::Quarter, 0),
    ][index];
    priced_plan(code, price_cents, currency, interval, trial_days)
}

pub(super) fn addon(index: usize) -> Addon {
    let (code, price_cents, currency) =
        [("storage_50gb", 750, "USD"), ("seats", 1, "USD"), ("euro_seats", 333, "EUR")][index];
    priced_addon(code, price_cents, currency, IntervalPrices::from([(Interval::Quarter, 2_000)]))
}

pub(super) fn new_deployment(state: State, now: Timestamp) -> (Aggregate, Vec<Event>) {
    let trial_ends_at = (state == State::Trial).then(|| now + TimeDelta::days(30));
    let change = create(fixtures::new_deployment(state, trial_ends_at), &admin(), now).unwrap();
    (change.after, change.events)
}

pub(super) fn subscribe(plan: Plan, addons: &[Addon], anchor_mode: AnchorMode) -> Command {
    Command::Subscribe(Subscribe {
        id: SubscriptionId::new(id(2)),
        version: plan.newest_version.clone().unwrap(),
        plan,
        addons: addons
            .iter()
            .enumerate()
            .map(|(n, a)| (SubscriptionAddonId::new(id(100 + n as u128)), a.clone()))
            .collect(),
        anchor_mode,
        trial_ends_at: None,
        trial_claimed_by: None,
    })
}

pub(super) fn change_plan(plan: Plan, effective: Effective, proration: Proration, drop_incompatible: bool) -> Command {
    let version = plan.newest_version.clone().unwrap();
    let trial_claimed_by = None;
    Command::ChangePlan(ChangePlan { plan, version, effective, proration, drop_incompatible, trial_claimed_by })
}

/// A coupon of each kind.
fn discount(index: usize) -> crate::Coupon {
    match index {
        0 => coupon(Ok(3_333), None, &[]),
        1 => coupon(Ok(10_000), Some(2), &["studio", "team"]),
        2 => coupon(Err((1_000, "USD")), Some(3), &[]),
        _ => coupon(Err((MAX_PRICE_CENTS, "EUR")), Some(1), &[]),
    }
}

/// All invoices of a history, by number.
type Ledger = BTreeMap<InvoiceNumber, Invoice>;

fn command(step: &Step, n: usize, now: Timestamp, aggregate: &Aggregate, ledger: &Ledger) -> Option<Command> {
    Some(match step {
        Step::Tick => return None,
        Step::Pay { invoice, part } => {
            let invoice = ledger.values().rev().nth(*invoice)?.clone();
            let due_cents = invoice.due_cents();
            let amount_cents = if *part { due_cents / 2 } else { due_cents }.max(1);
            let reference = format!("payment-{n}").parse().unwrap();
            let currency = invoice.currency;
            Command::Pay(Pay::new(invoice, Payment::new(reference, amount_cents, now), currency))
        }
        Step::Overpay { invoice, by } => {
            let invoice = ledger.values().rev().nth(*invoice)?.clone();
            let (currency, reference) = (invoice.currency, format!("payment-{n}").parse().unwrap());
            let payment = Payment::new(reference, invoice.due_cents() + by, now);
            Command::Pay(Pay { overpayment: Overpayment::Balance, ..Pay::new(invoice, payment, currency) })
        }
        Step::Rules(held, days) => {
            let rules = aggregate.deployment.tenant_rules;
            let unsubscribed = days.map(|after_days| UnsubscribedRule { after_days, since: now });
            Command::FollowTenant(TenantRules { version: rules.version + 1, held: *held, unsubscribed, ..rules })
        }
        Step::TaxRate(tax_rate_basis_points) => {
            let rules = aggregate.deployment.tenant_rules;
            let (version, tax_rate_basis_points) = (rules.version + 1, *tax_rate_basis_points);
            Command::FollowTenant(TenantRules { version, tax_rate_basis_points, ..rules })
        }
        Step::Void(invoice) => Command::Void(ledger.values().rev().nth(*invoice)?.clone()),
        Step::Charge { .. }
        | Step::Grant { .. }
        | Step::CreditNote { .. }
        | Step::Refund { .. }
        | Step::Reverse { .. }
        | Step::WriteOff(_)
        | Step::WithdrawWriteOff(_)
        | Step::Postpone { .. }
        | Step::MoveDueDate { .. } => {
            let correction = correction(step, n, now, ledger)?;
            Command::Correct(Correct { correction, reason: None, notes: None })
        }
        Step::Transition(to_state, resumes) => Command::Transition(Transition {
            to_state: *to_state,
            reason: None,
            notes: None,
            resume_at: (*resumes && *to_state == State::Paused).then(|| Some(now + TimeDelta::days(3))),
        }),
        Step::Subscribe { plan: index, addons, anchor_mode } => {
            let addons: Vec<Addon> = (0..*addons).map(|_| addon(if *index == 3 { 2 } else { 0 })).collect();
            let Command::Subscribe(command) = subscribe(plan(*index), &addons, *anchor_mode) else { return None };
            Command::Subscribe(Subscribe { id: SubscriptionId::new(id(1_000 + n as u128)), ..command })
        }
        Step::Attach(index) => Command::AttachAddon(SubscriptionAddonId::new(id(10_000 + n as u128)), addon(*index)),
        Step::Detach(index) => {
            let attached = aggregate.addons.get(*index).map_or(SubscriptionAddonId::new(id(0)), |addon| addon.id);
            Command::DetachAddon(attached)
        }
        Step::Change { plan: index, effective, proration, drop_incompatible } => {
            change_plan(plan(*index), *effective, *proration, *drop_incompatible)
        }
        Step::WithdrawChange => Command::WithdrawPlanChange,
        Step::Cancel(effective) => Command::CancelSubscription(*effective),
        Step::WithdrawCancellation => Command::WithdrawCancellation,
        Step::Extend(days) => Command::ExtendTrial(now + TimeDelta::days(*days)),
        Step::Discount(index) => {
            Command::GrantDiscount(GrantDiscount { coupon: discount(*index), reason: None, notes: None })
        }
        Step::RemoveDiscount => Command::RemoveDiscount(RemoveDiscount::default()),
        Step::Announce { days } => {
            let live = aggregate.live_subscription()?;
            // Sometimes the replaced version is the one that it is to change to.
            let pending = live.pending_change.as_ref().filter(|_| days % 2 == 0);
            let replaced = pending.map_or(&live.terms, |pending| &pending.terms);
            let (plan_version, price_cents) = (replaced.plan_version + 1, replaced.price_cents / 2 + 500);
            Command::AnnouncePrice(AnnouncePrice {
                terms: PlanTerms { plan_version, price_cents, ..replaced.clone() },
                replaces: replaced.plan_version,
                effective_from: now + TimeDelta::days(*days),
            })
        }
        Step::Rename => Command::Update(UpdateDeployment {
            display_name: Some(format!("Shop {n}").parse().unwrap()),
            ..UpdateDeployment::default()
        }),
    })
}

fn correction(step: &Step, n: usize, now: Timestamp, ledger: &Ledger) -> Option<Correction> {
    let invoice = |index: &usize| ledger.values().rev().nth(*index).cloned();
    let currency = |index: usize| ["USD", "EUR"][index].parse::<Currency>().unwrap();
    let pay_back = || PayBack { reference: format!("refund-{n}").parse().unwrap(), known: None };
    Some(match step {
        Step::Charge { currency: index, when, cents } => Correction::Charge(OneOff {
            description: "Migration".parse().unwrap(),
            amount_cents: *cents,
            currency: currency(*index),
            when: *when,
        }),
        Step::Grant { currency: index, cents } => {
            Correction::Credit(Amount { amount_cents: *cents, currency: currency(*index) })
        }
        Step::CreditNote { invoice: index, part, pays_back } => {
            let invoice = invoice(index)?;
            let line = invoice.lines.iter().rfind(|line| line.kind != LineKind::Tax)?.charge;
            let half = (invoice.standing_cents(line)? / 2).max(1);
            let extent = if *part { Extent::Lines(vec![(line, half)]) } else { Extent::Whole };
            Correction::CreditNote(CreditNote { invoice, extent, pay_back: pays_back.then(pay_back) })
        }
        Step::Refund { invoice: Some(index), cents } => {
            let (invoice, extent) = (invoice(index)?, Extent::Amount(*cents));
            Correction::CreditNote(CreditNote { invoice, extent, pay_back: Some(pay_back()) })
        }
        Step::Refund { invoice: None, cents } => {
            Correction::Refund(pay_back(), Amount { amount_cents: *cents, currency: currency(0) })
        }
        Step::Reverse { invoice: index, payment } => {
            let invoice = invoice(index)?;
            let reference = invoice.payments.get(*payment)?.reference.clone();
            Correction::ReversePayment(invoice, reference, ReversalKind::Chargeback)
        }
        Step::WriteOff(index) => Correction::WriteOff(invoice(index)?),
        Step::WithdrawWriteOff(index) => Correction::WithdrawWriteOff(invoice(index)?),
        Step::MoveDueDate { invoice: index, days } => {
            Correction::MoveDueDate(invoice(index)?, now + TimeDelta::days(*days))
        }
        Step::Postpone { days, until: true } => {
            Correction::Postpone(Postponement::Until(now + TimeDelta::days(i64::from(*days))))
        }
        Step::Postpone { days, until: false } => Correction::Postpone(Postponement::ByDays(*days)),
        _ => return None,
    })
}

fn steps() -> impl Strategy<Value = Vec<(Step, i64)>> {
    let effective = || prop::sample::select(vec![Effective::Immediate, Effective::PeriodEnd]);
    let proration = prop::sample::select(vec![Proration::Prorate, Proration::None]);
    let anchor_mode = prop::sample::select(vec![AnchorMode::Calendar, AnchorMode::Now]);
    let step = prop_oneof![
        4 => (prop::sample::select(State::ALL.to_vec()), any::<bool>()).prop_map(|(s, r)| Step::Transition(s, r)),
        4 => (0..5_usize, 0..4_usize, anchor_mode)
            .prop_map(|(plan, addons, anchor_mode)| Step::Subscribe { plan, addons, anchor_mode }),
        3 => (0..3_usize).prop_map(Step::Attach),
        2 => (0..3_usize).prop_map(Step::Detach),
        4 => (0..5_usize, effective(), proration, any::<bool>()).prop_map(
            |(plan, effective, proration, drop_incompatible)| Step::Change { plan, effective, proration, drop_incompatible }
        ),
        1 => Just(Step::WithdrawChange),
        1 => effective().prop_map(Step::Cancel),
        1 => Just(Step::WithdrawCancellation),
        1 => (1..90_i64).prop_map(Step::Extend),
        1 => Just(Step::Rename),
        3 => (0..4_usize, any::<bool>()).prop_map(|(invoice, part)| Step::Pay { invoice, part }),
        1 => (0..4_usize).prop_map(Step::Void),
        1 => (0..4_usize, 1..5_000_i64).prop_map(|(invoice, by)| Step::Overpay { invoice, by }),
        1 => (0..2_usize, prop::sample::select(vec![Invoiced::Now, Invoiced::NextInvoice]), 1..9_000_i64)
            .prop_map(|(currency, when, cents)| Step::Charge { currency, when, cents }),
        1 => (0..2_usize, 1..9_000_i64).prop_map(|(currency, cents)| Step::Grant { currency, cents }),
        2 => (0..4_usize, any::<bool>(), any::<bool>())
            .prop_map(|(invoice, part, pays_back)| Step::CreditNote { invoice, part, pays_back }),
        1 => (prop::option::of(0..4_usize), 1..2_000_i64)
            .prop_map(|(invoice, cents)| Step::Refund { invoice, cents }),
        2 => (0..4_usize, 0..2_usize).prop_map(|(invoice, payment)| Step::Reverse { invoice, payment }),
        2 => (0..4_usize).prop_map(Step::WriteOff),
        1 => (0..4_usize).prop_map(Step::WithdrawWriteOff),
        1 => (0..4_usize, 1..90_i64).prop_map(|(invoice, days)| Step::MoveDueDate { invoice, days }),
        1 => (1..60_u32, any::<bool>()).prop_map(|(days, until)| Step::Postpone { days, until }),
        3 => (0..3_u8, prop::option::of(1..40_u32)).prop_map(|(held, days)| Step::Rules(held == 0, days)),
        4 => prop::sample::select(vec![0, 1, 700, 1_900, 3_333, 10_000]).prop_map(Step::TaxRate),
        4 => (0..4_usize).prop_map(Step::Discount),
        1 => Just(Step::RemoveDiscount),
        2 => (0..120_i64).prop_map(|days| Step::Announce { days }),
        6 => Just(Step::Tick),
    ];
    prop::collection::vec((step, 0..5_000_000_i64), 1..60)
}

fn check(aggregate: &Aggregate, events: &[Event], ledger: &Ledger) -> Result<(), TestCaseError> {
    let deployment = &aggregate.deployment;
    for invoice in ledger.values() {
        prop_assert_eq!(sum(invoice.lines.iter().map(|line| line.amount_cents)), Some(invoice.total_cents));
        prop_assert!(invoice.total_cents >= 0 && invoice.due_cents() >= 0);
        prop_assert!(invoice.lines.iter().all(|line| line.currency == invoice.currency));
        prop_assert!(invoice.returned_cents <= invoice.paid_cents + invoice.balance_cents + reversed_cents(invoice));
    }
    check_taxes(aggregate, ledger)?;
    prop_assert_eq!(&replay(deployment.id, events), &Ok(aggregate.clone()));
    prop_assert_eq!(deployment.version, events.len() as u64);
    prop_assert!(events.windows(2).all(|pair| pair[0].occurred_at <= pair[1].occurred_at));
    prop_assert!(deployment.resume_at.is_none() || deployment.state == State::Paused);
    let held = deployment.tenant_rules.held;
    prop_assert!(!held || deployment.state != State::Active, "active although its tenant is held");
    let is_subscribed = aggregate.live_subscription().is_some();
    let is_right = match deployment.paused_by {
        None => true,
        Some(PausedBy::TenantHold) => held && deployment.state == State::Paused,
        Some(PausedBy::Unsubscribed) => !is_subscribed && deployment.state == State::Paused,
    };
    prop_assert!(is_right, "paused by a rule that does not apply");
    let owed = deployment.open_invoices.len() + deployment.uncollectible_invoices.len();
    prop_assert!(!deployment.balance_waits() || owed >= MAX_SETTLED_INVOICES, "balance beside a debt");
    let Some(subscription) = &aggregate.subscription else { return Ok(()) };
    if subscription.is_live() {
        prop_assert_eq!(subscription.status, SubscriptionStatus::of(deployment.state));
        let currency: Currency = subscription.terms.currency;
        prop_assert!(aggregate.addons.iter().all(|addon| addon.currency == currency));
        prop_assert!(subscription.current_period_start <= subscription.current_period_end);
    }
    if matches!(deployment.state, State::Cancelled | State::Archived) {
        prop_assert!(!subscription.is_live(), "a live subscription on a cancelled deployment");
    }
    let prices = aggregate.addons.iter().map(|addon| addon.price_cents);
    prop_assert!(sum(prices.chain([subscription.terms.price_cents])).is_some());
    prop_assert!(subscription.charges.iter().all(|charge| charge.from <= charge.to && charge.amount_cents >= 0));
    let off =
        |charge: &crate::Charge| charge.discount.clone().map_or((0, 0), |off| (off.price_cents, off.amount_cents));
    let is_off_in_part = |charge: &crate::Charge| off(charge).0 <= charge.price_cents && off(charge).1 >= 0;
    prop_assert!(subscription.charges.iter().all(is_off_in_part));
    // Together, the charges that run to the end of a period have no more of an amount discount than its amount.
    let running = subscription.discount.as_ref().filter(|discount| discount.running);
    if let Some(cents) = running.and_then(|discount| discount.amount_cents) {
        let live = subscription.charges.iter().filter(|charge| charge.to == subscription.current_period_end);
        prop_assert!(live.map(|charge| off(charge).0).sum::<i64>() <= cents);
    }
    Ok(())
}

/// An announced price does not apply before its day, and no period that began earlier has it.
fn check_notice(before: &Aggregate, change: &Change) -> Result<(), TestCaseError> {
    let Some(pending) = before.live_subscription().and_then(|live| live.pending_change.as_ref()) else { return Ok(()) };
    let Some(from) = pending.effective_from else { return Ok(()) };
    for event in &change.events {
        if let EventKind::PlanChanged { to, ended_announcement: None, subscription, .. } = &event.kind
            && *to == pending.terms
        {
            prop_assert!(event.occurred_at >= from, "{} before {from}", event.occurred_at);
            let billed = subscription.billed_from.filter(|_| subscription.status == SubscriptionStatus::Active);
            let was = before.subscription.as_ref().and_then(|was| was.billed_from);
            prop_assert!(billed.is_none_or(|billed| billed >= from || Some(billed) == was), "{billed:?} before {from}");
        }
    }
    Ok(())
}

/// The sum of the reversed payments of an invoice. Balance that came from them is owed again.
fn reversed_cents(invoice: &Invoice) -> i64 {
    let reversed = invoice.payments.iter().filter(|payment| payment.reversal.is_some());
    reversed.map(|payment| payment.amount_cents).sum()
}

/// The subscription records the remaining part of each invoice whose charges it holds.
fn check_taxes(aggregate: &Aggregate, ledger: &Ledger) -> Result<(), TestCaseError> {
    let Some(subscription) = &aggregate.subscription else { return Ok(()) };
    for tax in subscription.charges.iter().filter(|charge| charge.tax.is_some()) {
        let number = tax.invoice.as_ref().unwrap();
        prop_assert_eq!(tax.taxed(), ledger[number].taxed());
        let holds = |charge: &crate::Charge| charge.invoice.as_ref() == Some(number) && charge.tax.is_none();
        prop_assert!(subscription.charges.iter().any(holds), "the tax of nothing is left: {:?}", tax);
    }
    let of_taxed = subscription.charges.iter().filter_map(|charge| charge.invoice.as_ref());
    for number in of_taxed.filter(|number| ledger[*number].tax_cents() > 0) {
        let holds = |charge: &crate::Charge| charge.invoice.as_ref() == Some(number) && charge.tax.is_some();
        prop_assert!(subscription.charges.iter().any(holds), "the tax of {} is forgotten", number);
    }
    Ok(())
}

/// The differences of all changes add up to the present figures, and the movements add up to recurring revenue.
fn check_figures(figures: &Figures, aggregate: &Aggregate) -> Result<(), TestCaseError> {
    let mut present = Figures::default();
    let mut explained: BTreeMap<Currency, i64> = BTreeMap::new();
    for (figure, value) in figures.iter() {
        if let Figure::Movement(movement, currency) = figure {
            prop_assert!(value > 0, "{figure} is {value}");
            *explained.entry(*currency).or_default() += movement.sign() * value;
        } else {
            present.add(figure.clone(), value);
        }
    }
    prop_assert_eq!(&present, &Figures::of_present(aggregate));
    for (currency, sum) in explained {
        prop_assert_eq!(sum, figures.get(&Figure::Recurring(currency)));
    }
    Ok(())
}

proptest! {
    #[test]
    fn random_histories_keep_every_promise(trial in any::<bool>(), steps in steps()) {
        let mut now = at("2026-01-31T10:00:00Z");
        let (mut aggregate, mut events) = new_deployment(if trial { State::Trial } else { State::Active }, now);
        let mut ledger = Ledger::new();
        let mut figures = Figures::of_change(None, &aggregate);
        for (n, (step, seconds)) in steps.iter().enumerate() {
            // Sometimes the clock of one machine is behind another's.
            now += TimeDelta::seconds(if seconds % 7 == 0 { -60 } else { *seconds });
            let policy = Some(DunningPolicy::default());
            let change = match command(step, n, now, &aggregate, &ledger) {
                Some(command) => decide(&aggregate, command, &admin(), policy, now).ok().flatten(),
                None => crate::step(&aggregate, policy, now).unwrap(),
            };
            if aggregate.next_action().is_some_and(|next| next.at <= now) {
                let strict = DunningPolicy { payment_terms_days: 0, archived_after_days: 1, ..DunningPolicy::default() };
                let [copied, by_strict] =
                    [None, Some(strict)].map(|policy| crate::step(&aggregate, policy, now).unwrap());
                let issues = by_strict.as_ref().is_some_and(Change::issues_invoice);
                prop_assert!(issues || copied == by_strict, "a step depends on the tenant's policy and issues nothing");
            }
            if let Some(change) = change {
                prop_assert_eq!(change.before.as_ref(), Some(&aggregate));
                prop_assert!(!change.events.is_empty());
                check_notice(&aggregate, &change)?;
                figures.add_all(&Figures::of_change(change.before.as_ref(), &change.after), 1);
                events.extend(change.events);
                aggregate = change.after;
                check_figures(&figures, &aggregate)?;
                let audited = audit(aggregate.deployment.id, &events);
                ledger = audited.map_err(|error| TestCaseError::fail(error.to_string()))?.invoices;
                if let Some(written) = &change.invoice {
                    prop_assert_eq!(ledger.get(&written.number), Some(written));
                }
                check(&aggregate, &events, &ledger)?;
            }
        }
    }
}

#[test]
fn the_rest_of_the_month_is_what_a_change_charges_and_gives_back() {
    let now = at("2026-11-01T00:00:00Z");
    let (aggregate, _) = new_deployment(State::Active, now);
    let command = subscribe(plan(0), &[addon(0)], AnchorMode::Calendar);
    let subscribed = decide(&aggregate, command, &tenant_user(), None, now).unwrap().unwrap().after;
    let half = at("2026-11-16T00:00:00Z");
    let command = || change_plan(plan(1), Effective::Immediate, Proration::Prorate, false);
    let changed = decide(&subscribed, command(), &tenant_user(), None, half).unwrap().unwrap();
    let Entry::Credited { line, lowered_cents, .. } = &changed.events[0].entries[0] else { panic!("{changed:?}") };
    assert_eq!((line.kind, line.amount_cents, *lowered_cents), (LineKind::PlanCredit, -1_450, 1_450));
    assert_eq!(changed.after.addons[0].price_cents, 750);
    let due =
        |aggregate: &Aggregate| aggregate.deployment.open_invoices.iter().map(|o| o.due_cents).collect::<Vec<_>>();
    assert_eq!(due(&subscribed), [3_650]);
    // The credit lowers the unpaid invoice, and the charge that replaces it is invoiced at once.
    assert_eq!(due(&changed.after), [2_200, 4_950]);

    // Changing back at once: the new charge is credited in full, and never more.
    let back = change_plan(plan(0), Effective::Immediate, Proration::Prorate, false);
    let back = decide(&changed.after, back, &tenant_user(), None, half).unwrap().unwrap().after;
    assert_eq!(due(&back), [2_200, 1_450]);
}

#[test]
fn only_what_was_billed_and_not_used_is_given_back() {
    let now = at("2026-11-01T00:00:00Z");
    let (aggregate, _) = new_deployment(State::Active, now);
    let run = |aggregate: &Aggregate, command, now| decide(aggregate, command, &admin(), None, now).unwrap().unwrap();
    let cheap = run(&aggregate, subscribe(plan(0), &[], AnchorMode::Calendar), now).after;
    let second = at("2026-11-10T00:00:00Z");
    let dear = run(&cheap, change_plan(plan(1), Effective::Immediate, Proration::None, false), second).after;
    let third = at("2026-11-16T00:00:00Z");
    let back = run(&dear, change_plan(plan(0), Effective::Immediate, Proration::Prorate, false), third);
    let due: Vec<i64> = back.after.deployment.open_invoices.iter().map(|open| open.due_cents).collect();
    assert_eq!(due, [1_450, 1_450], "the billed and unused half of studio is charged again");
}

#[test]
fn a_trial_is_had_once_and_extended_only_by_the_platform() {
    let now = at("2026-11-10T00:00:00Z");
    let (aggregate, _) = new_deployment(State::Active, now);
    let change =
        decide(&aggregate, subscribe(plan(1), &[], AnchorMode::Now), &tenant_user(), None, now).unwrap().unwrap();
    assert_eq!(change.trial_of, Some("team".parse().unwrap()));
    let subscription = change.after.subscription.clone().unwrap();
    assert_eq!(subscription.trial_ends_at, Some(now + TimeDelta::days(14)));
    assert!(subscription.in_trial());

    let extend = Command::ExtendTrial(now + TimeDelta::days(20));
    let refused = decide(&change.after, extend.clone(), &tenant_user(), None, now).unwrap_err();
    assert_eq!(refused, Rejection::FieldNotPermitted { field: "trial_ends_at" });
    let longer = decide(&change.after, extend.clone(), &admin(), None, now).unwrap().unwrap().after;
    assert_eq!(longer.subscription.unwrap().current_period_end, now + TimeDelta::days(20));
    let late = now + TimeDelta::days(14);
    assert_eq!(decide(&change.after, extend, &admin(), None, late).unwrap_err(), Rejection::NoTrial);

    let Command::Subscribe(again) = subscribe(plan(1), &[], AnchorMode::Now) else { unreachable!() };
    let again = Command::Subscribe(Subscribe { trial_claimed_by: Some(DeploymentId::new(id(9))), ..again });
    let second = decide(&aggregate, again, &tenant_user(), None, now).unwrap().unwrap();
    assert_eq!((second.trial_of, second.after.subscription.unwrap().in_trial()), (None, false));
}

#[test]
fn reactivation_restarts_what_ended_with_the_deployment_and_nothing_else() {
    let now = at("2026-11-10T00:00:00Z");
    let (aggregate, _) = new_deployment(State::Active, now);
    let run =
        |aggregate: &Aggregate, command, now| decide(aggregate, command, &admin(), None, now).unwrap().unwrap().after;
    let to = |to_state| Command::Transition(Transition { to_state, reason: None, notes: None, resume_at: None });
    let subscribed = run(&aggregate, subscribe(plan(0), &[addon(0)], AnchorMode::Now), now);
    let later = at("2027-02-03T00:00:00Z");

    let cancelled = run(&subscribed, to(State::Cancelled), now);
    assert_eq!(cancelled.subscription.as_ref().unwrap().status, SubscriptionStatus::Cancelled);
    let back = run(&cancelled, to(State::Active), later);
    let subscription = back.subscription.unwrap();
    assert_eq!((subscription.status, subscription.current_period_start), (SubscriptionStatus::Active, later));
    assert_eq!((back.addons.len(), subscription.charges.len()), (1, 2));

    let ended = run(&subscribed, Command::CancelSubscription(Effective::Immediate), now);
    let cancelled = run(&ended, to(State::Cancelled), now + TimeDelta::days(1));
    let back = run(&cancelled, to(State::Active), later);
    assert!(!back.subscription.unwrap().is_live(), "the subscription itself had been cancelled");
}

#[test]
fn callers_are_told_what_they_may_do() {
    let (aggregate, _) = new_deployment(State::Active, at("2026-11-10T00:00:00Z"));
    let now = aggregate.deployment.updated_at;
    let allowed = |authority| allowed_transitions(&aggregate.deployment, authority, now);
    assert_eq!(allowed(Authority::TenantUser), [State::Paused, State::Cancelled]);
    assert_eq!(allowed(Authority::PlatformAdmin), [State::Paused, State::PastDue, State::Cancelled]);
    for role in [Authority::PaymentProvider, Authority::DataPlane] {
        assert_eq!(allowed(role), []);
    }
}

#[test]
fn another_interval_is_billed_also_in_the_second_in_which_the_old_one_was() {
    let now = at("2026-11-01T00:00:00Z");
    let (aggregate, _) = new_deployment(State::Active, now);
    let run = |aggregate: &Aggregate, command, now| decide(aggregate, command, &admin(), None, now).unwrap().unwrap();
    let monthly = run(&aggregate, subscribe(plan(0), &[], AnchorMode::Now), now).after;
    let yearly = run(&monthly, change_plan(plan(2), Effective::Immediate, Proration::Prorate, false), now);
    let opened = |event: &Event| matches!(&event.kind, EventKind::InvoiceOpened { invoice, .. } if invoice.total_cents == 29_000);
    assert!(yearly.events.iter().any(opened), "{:?}", yearly.events);
}

#[test]
fn a_charge_in_one_currency_is_not_credited_in_another() {
    let now = at("2026-11-01T00:00:00Z");
    let (aggregate, _) = new_deployment(State::Active, now);
    let run =
        |aggregate: &Aggregate, command, now| decide(aggregate, command, &admin(), None, now).unwrap().unwrap().after;
    let euro = run(&aggregate, subscribe(plan(3), &[], AnchorMode::Calendar), now);
    let dollars = run(&euro, change_plan(plan(0), Effective::Immediate, Proration::None, false), now);
    let half = at("2026-11-16T00:00:00Z");
    let team = run(&dollars, change_plan(plan(1), Effective::Immediate, Proration::Prorate, false), half);
    let due = |o: &OpenInvoice| (o.currency.to_string(), o.due_cents);
    let open: Vec<_> = team.deployment.open_invoices.iter().map(due).collect();
    assert_eq!(open, [("EUR".to_owned(), 1_350), ("USD".to_owned(), 4_950)], "euros are returned in euros");
}

#[test]
fn an_invoice_that_was_opened_after_its_deployment_was_read_is_neither_paid_nor_voided() {
    let now = at("2026-11-10T00:00:00Z");
    let (before, _) = new_deployment(State::Active, now);
    let command = subscribe(plan(0), &[], AnchorMode::Calendar);
    let subscribed = decide(&before, command, &admin(), None, now).unwrap().unwrap();
    let opened = subscribed.events.iter().find_map(|event| match &event.kind {
        EventKind::InvoiceOpened { invoice, .. } => Some(invoice.clone()),
        _ => None,
    });
    let invoice = opened.unwrap();
    let payment = Payment::new("r".parse().unwrap(), invoice.due_cents(), now);
    let pay = Command::Pay(Pay::new(invoice.clone(), payment, invoice.currency));
    for command in [pay, Command::Void(invoice)] {
        assert_eq!(decide(&before, command, &admin(), None, now).unwrap_err(), Rejection::InvoiceJustOpened);
    }
}
