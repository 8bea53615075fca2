//! Regression cases: inputs that once gave wrong amounts, with the correct amounts worked out by hand. Every history is
//! audited after every commit. Random histories are in `tests`.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::fixtures::{actor, at, coupon, new_deployment, priced_addon, priced_plan};
use super::*;
use crate::{
    Action, AnchorMode, Interval, IntervalPrices, InvoiceNumber, InvoiceStatus, MAX_ADDONS, Plan, SubscriptionId,
    SubscriptionStatus, audit, next_action, upcoming,
};

/// A deployment with its history and its present time.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) aggregate: Aggregate,
    pub(super) events: Vec<Event>,
    pub(super) invoices: BTreeMap<InvoiceNumber, Invoice>,
    /// The price change that the subscription missed, according to the catalog.
    pub(super) missed: Option<AnnouncePrice>,
    policy: DunningPolicy,
    ids: u128,
}

fn plan(code: &str) -> Plan {
    let (price_cents, currency, interval, trial_days) = match code {
        "studio" => (2_900, "USD", Interval::Month, 0),
        "team" => (9_900, "USD", Interval::Month, 0),
        "solo" => (900, "USD", Interval::Month, 0),
        "yearly" => (29_000, "USD", Interval::Year, 0),
        "dear" => (99_000, "USD", Interval::Year, 0),
        "euro" => (2_700, "EUR", Interval::Month, 0),
        "tried" => (2_900, "USD", Interval::Month, 14),
        _ => panic!("{code}"),
    };
    priced_plan(code, price_cents, currency, interval, trial_days)
}

fn change_to(code: &str, effective: Effective, proration: Proration) -> ChangePlan {
    let plan = plan(code);
    let version = plan.newest_version.clone().unwrap();
    ChangePlan { plan, version, effective, proration, drop_incompatible: false, trial_claimed_by: None }
}

fn addon(price_cents: i64, currency: &str) -> Addon {
    priced_addon("storage_50gb", price_cents, currency, IntervalPrices::new())
}

pub(super) fn storage() -> Addon {
    addon(750, "USD")
}

impl Life {
    pub(super) fn new(now: &str) -> Self {
        Self::create(State::Active, None, now)
    }

    pub(super) fn create(state: State, trial_ends_at: Option<&str>, now: &str) -> Self {
        let command = new_deployment(state, trial_ends_at.map(at));
        let change = create(command, &actor(Authority::PlatformAdmin), at(now)).unwrap();
        let (invoices, policy) = (BTreeMap::new(), DunningPolicy::default());
        Self { aggregate: change.after, events: change.events, invoices, missed: None, policy, ids: 100 }
    }

    fn commit(&mut self, change: Change) {
        self.events.extend(change.events);
        self.aggregate = change.after;
        self.invoices = audit(self.aggregate.deployment.id, &self.events).unwrap_or_else(|e| panic!("{e}")).invoices;
    }

    /// The violation that the audit finds after an edit of the history's events.
    pub(super) fn violation(&self, edit: &dyn Fn(&mut Event)) -> Option<String> {
        let mut events = self.events.clone();
        events.iter_mut().for_each(edit);
        audit(self.aggregate.deployment.id, &events).err().map(|violation| violation.to_string())
    }

    /// One sweep: at most three steps, as for one deployment.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        for _ in 0..3 {
            let Some(change) = crate::step(&self.aggregate, Some(self.policy), now).unwrap() else { return };
            self.commit(change);
        }
    }

    /// The violation that the audit finds in another history of the deployment.
    pub(super) fn finds(&self, events: &[Event]) -> String {
        crate::audit(self.aggregate.deployment.id, events).unwrap_err().to_string()
    }

    /// Sweeps at the time of each step until `now`, and once more at `now`.
    pub(super) fn live_until(&mut self, now: &str) {
        while let Some(next) = self.aggregate.next_action().filter(|next| next.at < at(now)) {
            self.sweep(next.at.max(self.aggregate.deployment.updated_at));
        }
        self.sweep(at(now));
    }

    pub(super) fn tries(&mut self, by: Authority, command: Command, now: &str) -> Result<(), Rejection> {
        self.sweep(at(now));
        let read = Read { policy: Some(self.policy), successor: self.missed.clone() };
        let decided = decide_with(&self.aggregate, command, &actor(by), read, at(now))?;
        if let Some(change) = decided {
            self.commit(change);
        }
        Ok(())
    }

    pub(super) fn does(&mut self, command: Command, now: &str) {
        self.tries(Authority::PlatformAdmin, command, now).unwrap();
    }

    pub(super) fn moves(&mut self, to_state: State, now: &str) {
        self.does(Command::Transition(Transition { to_state, reason: None, notes: None, resume_at: None }), now);
    }

    pub(super) fn pauses_until(&mut self, resume_at: Option<&str>, now: &str) {
        let resume_at = Some(resume_at.map(at));
        let command = Transition { to_state: State::Paused, reason: None, notes: None, resume_at };
        self.does(Command::Transition(command), now);
    }

    fn holds(&mut self, held: bool, now: &str) {
        let held = UpdateDeployment { billing_action_suspended: Some(held), ..UpdateDeployment::default() };
        self.does(Command::Update(held), now);
    }

    pub(super) fn new_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    pub(super) fn subscribes(&mut self, code: &str, addons: &[Addon], now: &str) {
        let command = self.subscription_with(code, addons);
        self.does(command, now);
    }

    pub(super) fn subscription_to(&mut self, code: &str) -> Command {
        self.subscription_with(code, &[])
    }

    fn subscription_with(&mut self, code: &str, addons: &[Addon]) -> Command {
        let plan = plan(code);
        let id = SubscriptionId::new(self.new_id());
        let addons = addons.iter().map(|addon| (SubscriptionAddonId::new(self.new_id()), addon.clone())).collect();
        let command = Subscribe {
            id,
            version: plan.newest_version.clone().unwrap(),
            plan,
            addons,
            anchor_mode: AnchorMode::Calendar,
            trial_ends_at: None,
            trial_claimed_by: None,
        };
        Command::Subscribe(command)
    }

    pub(super) fn attaches(&mut self, addon: Addon, now: &str) {
        let id = SubscriptionAddonId::new(self.new_id());
        self.does(Command::AttachAddon(id, addon), now);
    }

    pub(super) fn detaches(&mut self, now: &str) {
        let id = self.aggregate.addons[0].id;
        self.does(Command::DetachAddon(id), now);
    }

    pub(super) fn changes(&mut self, code: &str, effective: Effective, proration: Proration, now: &str) {
        self.does(Command::ChangePlan(change_to(code, effective, proration)), now);
    }

    pub(super) fn changes_now(&mut self, code: &str, now: &str) {
        self.changes(code, Effective::Immediate, Proration::Prorate, now);
    }

    /// Pays every open invoice.
    pub(super) fn pays(&mut self, now: &str) {
        for open in self.aggregate.deployment.open_invoices.clone() {
            self.pays_one(&open.number, now);
        }
    }

    pub(super) fn pays_one(&mut self, number: &InvoiceNumber, now: &str) {
        let invoice = self.invoices[number].clone();
        let reference = format!("payment-{}", self.new_id()).parse().unwrap();
        let payment = Payment::new(reference, invoice.due_cents(), at(now));
        let currency = invoice.currency;
        self.does(Command::Pay(Pay::new(invoice, payment, currency)), now);
    }

    pub(super) fn voids(&mut self, number: &InvoiceNumber, now: &str) {
        let invoice = self.invoices[number].clone();
        self.does(Command::Void(invoice), now);
    }

    /// The amount due on each open invoice, the oldest first.
    pub(super) fn due(&self) -> Vec<i64> {
        self.aggregate.deployment.open_invoices.iter().map(|open| open.due_cents).collect()
    }

    pub(super) fn oldest(&self) -> InvoiceNumber {
        self.aggregate.deployment.open_invoices[0].number.clone()
    }

    pub(super) fn balance(&self, currency: &str) -> i64 {
        self.aggregate.deployment.balance_cents(currency.parse().unwrap())
    }

    pub(super) fn state(&self) -> State {
        self.aggregate.deployment.state
    }

    pub(super) fn subscription(&self) -> &crate::Subscription {
        self.aggregate.subscription.as_ref().unwrap()
    }

    fn net_cents(&self) -> i64 {
        let standing = self.invoices.values().filter(|invoice| invoice.status != InvoiceStatus::Void);
        let waiting: i64 = self.subscription().waiting().map(|charge| charge.amount_cents).sum();
        standing.map(|invoice| invoice.total_cents - invoice.credited_cents).sum::<i64>() + waiting
    }
}

#[test]
fn m1_voiding_an_invoice_returns_the_balance_that_it_used() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[storage()], "2027-01-01");
    assert_eq!(life.due(), [3_650]);
    life.pays("2027-01-01");
    life.detaches("2027-01-16T12:00");
    assert_eq!(life.balance("USD"), 375);
    life.live_until("2027-02-01");
    assert_eq!((life.due(), life.balance("USD")), (vec![2_525], 0));
    let february = life.oldest();
    life.voids(&february, "2027-02-01T01:00");
    assert_eq!((life.due(), life.balance("USD")), (vec![], 375));
    life.live_until("2027-03-01");
    assert_eq!(life.due(), [2_525]);
}

#[test]
fn m2_a_charge_that_was_voided_gives_no_credit() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[storage()], "2027-01-01");
    let number = life.oldest();
    life.voids(&number, "2027-01-01T01:00");
    life.detaches("2027-01-16T12:00");
    life.live_until("2027-02-01");
    assert_eq!((life.due(), life.balance("USD")), (vec![2_900], 0));
}

#[test]
fn m3_voiding_an_invoice_that_was_credited_leaves_no_credit_behind() {
    let mut life = Life::new("2027-01-10");
    life.subscribes("dear", &[], "2027-01-10");
    assert_eq!(life.due(), [96_559]);
    let year = life.oldest();
    life.changes_now("studio", "2027-01-10T00:05");
    assert_eq!(life.due(), [1, 2_058]);
    life.voids(&year, "2027-01-10T00:06");
    assert_eq!((life.due(), life.balance("USD")), (vec![2_058], 0));
    life.pays("2027-01-10T00:07");
    for month in 2..=12 {
        let first = format!("2027-{month:02}-01");
        life.live_until(&first);
        assert_eq!(life.due(), [2_900], "{first}");
        life.pays(&first);
    }
}

#[test]
fn m4_a_year_bought_by_mistake_and_unpaid_is_due_for_what_was_used() {
    let mut life = Life::new("2027-01-10");
    life.subscribes("yearly", &[], "2027-01-10");
    life.changes_now("studio", "2027-01-10");
    assert_eq!((life.due(), life.balance("USD")), (vec![2_058], 0));
    let year = life.invoices.values().find(|invoice| invoice.total_cents == 28_285).unwrap();
    assert_eq!((year.status, year.credited_cents, year.returned_cents), (InvoiceStatus::Paid, 28_285, 0));
}

#[test]
fn m5_a_scheduled_change_happens_on_its_day_also_while_paused() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("yearly", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.changes("studio", Effective::PeriodEnd, Proration::Prorate, "2027-12-20");
    life.moves(State::Paused, "2027-12-21");
    life.live_until("2028-01-02");
    assert_eq!(life.subscription().terms.plan_code.as_str(), "studio");
    assert!(life.due().is_empty(), "nothing is billed until it runs");
    life.moves(State::Active, "2028-01-10");
    assert_eq!(life.due(), [2_058]);
    life.pays("2028-01-11");
    life.live_until("2028-02-01");
    assert_eq!(life.due(), [2_900]);
}

#[test]
fn m6_balance_survives_cancellation_and_reactivation() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("dear", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.changes_now("studio", "2027-01-10");
    assert_eq!((life.due(), life.balance("USD")), (vec![], 94_501));
    life.moves(State::Cancelled, "2027-01-11");
    life.moves(State::Active, "2027-01-11T00:01");
    life.live_until("2027-02-01");
    assert_eq!((life.due(), life.balance("USD")), (vec![], 91_601));
}

#[test]
fn a_schedule_of_the_platform_outlives_a_cancellation_and_a_reactivation() {
    for back in ["2027-01-20", "2027-02-20"] {
        let mut life = Life::new("2027-01-01");
        life.subscribes("studio", &[], "2027-01-01");
        life.pays("2027-01-01");
        life.changes("dear", Effective::PeriodEnd, Proration::Prorate, "2027-01-05");
        life.moves(State::Cancelled, "2027-01-10");
        life.moves(State::Active, back);
        life.live_until("2027-02-21");
        assert_eq!(life.subscription().terms.plan_code.as_str(), "dear", "{back}");

        let mut life = Life::new("2027-01-01");
        life.subscribes("studio", &[], "2027-01-01");
        life.pays("2027-01-01");
        life.does(Command::CancelSubscription(Effective::PeriodEnd), "2027-01-05");
        life.moves(State::Cancelled, "2027-01-10");
        life.moves(State::Active, back);
        life.live_until("2027-02-21");
        assert_eq!((life.aggregate.live_subscription(), life.due()), (None, vec![]), "{back}");
    }
}

#[test]
fn m7_days_already_paid_are_not_charged_again() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-01-02");
    assert_eq!(life.balance("USD"), 2_806);
    life.subscribes("studio", &[], "2027-01-02");
    assert_eq!((life.due(), life.balance("USD")), (vec![], 0));
}

#[test]
fn m8_pausing_again_moves_the_end_of_the_pause() {
    let mut life = Life::new("2027-01-01");
    life.pauses_until(Some("2027-02-01"), "2027-01-02");
    let since = life.aggregate.deployment.state_since;
    life.pauses_until(Some("2027-03-01"), "2027-01-03");
    assert_eq!(
        (life.aggregate.deployment.resume_at, life.aggregate.deployment.state_since),
        (Some(at("2027-03-01")), since)
    );
    assert_eq!(life.events.last().unwrap().kind.name(), "updated");
    let events = life.events.len();
    life.moves(State::Paused, "2027-01-04");
    assert_eq!(life.events.len(), events, "an omitted value is kept");
    life.pauses_until(None, "2027-01-05");
    assert_eq!(life.aggregate.deployment.resume_at, None);
}

#[test]
fn m9_what_a_cancelled_deployment_owes_is_given_up_in_time_and_can_be_paid() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.moves(State::Cancelled, "2027-01-02");
    assert_eq!(
        next_action(&life.aggregate).map(|next| (next.action, next.at)),
        Some((Action::GiveUp, at("2027-02-07")))
    );
    life.live_until("2027-02-07");
    assert_eq!((life.due(), life.aggregate.deployment.uncollectible_invoices.len()), (vec![], 1));
    life.live_until("2027-04-02");
    assert_eq!(life.state(), State::Archived);
    let number = life.aggregate.deployment.uncollectible_invoices[0].number.clone();
    life.pays_one(&number, "2027-04-03");
    assert!(!life.aggregate.deployment.owes());
}

#[test]
fn a1_without_proration_another_interval_begins_after_the_paid_one() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("yearly", &[storage()], "2027-01-01");
    assert_eq!(life.due(), [29_750]);
    life.pays("2027-01-01");
    life.changes("studio", Effective::Immediate, Proration::None, "2027-01-16");
    life.live_until("2027-12-31");
    assert!(life.due().is_empty());
    life.live_until("2028-01-01");
    assert_eq!(life.due(), [3_650]);
}

#[test]
fn a2_what_a_hold_delayed_counts_from_its_clearing() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.pauses_until(Some("2027-02-10"), "2027-01-15");
    life.holds(true, "2027-01-16");
    life.live_until("2027-03-19");
    assert_eq!(life.state(), State::Paused);
    life.holds(false, "2027-03-20");
    life.sweep(at("2027-03-20T00:05"));
    assert_eq!((life.state(), life.due()), (State::Active, vec![1_123]));
}

#[test]
fn a3_what_waits_at_the_end_of_the_ladder_is_invoiced_and_given_up() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.live_until("2027-01-08");
    life.attaches(storage(), "2027-01-10");
    assert_eq!(life.subscription().waiting().map(|charge| charge.amount_cents).collect::<Vec<_>>(), [532]);
    life.live_until("2027-02-07");
    assert_eq!((life.state(), life.aggregate.deployment.uncollectible_invoices.len()), (State::Cancelled, 1));
    assert_eq!(life.due(), [532]);
    // The invoice has its own due date, 14 February, and is given up 30 days after it.
    life.live_until("2027-03-16");
    assert_eq!((life.due(), life.aggregate.deployment.uncollectible_invoices.len()), (vec![], 2));
}

#[test]
fn a4_a_hold_stops_moves_and_nothing_of_invoicing() {
    let mut life = Life::create(State::Trial, Some("2027-02-01"), "2027-01-01");
    life.subscribes("studio", &[], "2027-01-02");
    assert!(life.subscription().in_trial());
    life.holds(true, "2027-01-20");
    life.live_until("2027-02-01");
    assert_eq!((life.state(), life.due()), (State::Trial, vec![2_900]));
    life.holds(false, "2027-02-20");
    life.sweep(at("2027-02-20"));
    assert_eq!(life.due(), [2_900], "billed once");
    assert!(life.events.iter().any(|event| event.to_state == Some(State::Active)));
}

#[test]
fn a5_an_invoice_goes_by_the_policy_of_the_moment_that_it_is_issued() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.policy = DunningPolicy { payment_terms_days: 30, past_due_after_days: 2, ..DunningPolicy::default() };
    life.changes("team", Effective::PeriodEnd, Proration::Prorate, "2027-01-10");
    life.live_until("2027-02-01");
    assert_eq!(life.aggregate.deployment.open_invoices[0].due_at, at("2027-03-03"));
    assert_eq!(life.aggregate.deployment.dunning_policy, life.policy, "nothing was open");
    // Running deadlines do not move.
    life.policy.past_due_after_days = 5;
    life.live_until("2027-03-01");
    assert_eq!(life.aggregate.deployment.dunning_policy.past_due_after_days, 2);
    assert_eq!(life.aggregate.deployment.open_invoices[1].due_at, at("2027-03-31"));
}

#[test]
fn a6_a_credit_names_what_it_takes_back() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.changes("team", Effective::Immediate, Proration::None, "2027-01-05");
    life.changes_now("solo", "2027-01-16T12:00");
    let credited = life.events.iter().flat_map(|event| &event.entries).find_map(|entry| match entry {
        crate::Entry::Credited { line, .. } => Some((line.code.as_str().to_owned(), line.amount_cents)),
        _ => None,
    });
    assert_eq!(credited, Some(("studio".to_owned(), -1_450)));
}

#[test]
fn a7_an_agreed_cancellation_keeps_its_day_when_the_plan_changes() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("yearly", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.does(Command::CancelSubscription(Effective::PeriodEnd), "2027-01-05");
    life.changes_now("studio", "2027-01-10");
    assert_eq!(life.subscription().cancel_at, Some(at("2028-01-01")));
    for month in 2..=12 {
        life.live_until(&format!("2027-{month:02}-01"));
    }
    assert!(life.aggregate.live_subscription().is_some());
    life.live_until("2028-01-01");
    assert!(life.aggregate.live_subscription().is_none());

    // The other way round: on that day the part of the price for later time is credited.
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.does(Command::CancelSubscription(Effective::PeriodEnd), "2027-01-05");
    life.changes_now("yearly", "2027-01-10");
    life.pays("2027-01-10");
    life.live_until("2027-02-01");
    assert!(life.aggregate.live_subscription().is_none());
    assert_eq!(life.balance("USD"), 26_537, "29,000 x 334 / 365");
}

#[test]
fn a8_an_addon_of_the_present_currency_can_be_attached_before_a_change_of_currency() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.changes("euro", Effective::PeriodEnd, Proration::Prorate, "2027-01-10");
    life.attaches(storage(), "2027-01-11");
    let id = SubscriptionAddonId::new(life.new_id());
    let refused = life.tries(Authority::PlatformAdmin, Command::AttachAddon(id, addon(1, "EUR")), "2027-01-12");
    assert!(matches!(refused, Err(Rejection::CurrencyMismatch { .. })));
    life.live_until("2027-02-01");
    assert!(life.aggregate.addons.is_empty());
}

#[test]
fn addons_of_many_invoices_are_limited_by_what_is_open_and_by_one_transaction() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    let mut hours = (1..).map(|hour| (at("2027-01-01") + chrono::TimeDelta::hours(hour)).to_rfc3339());
    let mut now = || hours.next().unwrap();
    // A pause invoices the charge that waits, so each add-on is on an invoice of its own.
    let mut refusals = 0;
    while life.aggregate.addons.len() < MAX_ADDONS {
        let code = format!("addon_{}", life.aggregate.addons.len());
        let id = SubscriptionAddonId::new(life.new_id());
        let attach = Command::AttachAddon(id, priced_addon(&code, 750, "USD", IntervalPrices::new()));
        if let Err(refused) = life.tries(Authority::TenantUser, attach, &now()) {
            assert_eq!((refused, life.due().len()), (Rejection::TooManyOpenInvoices, MAX_OPEN_INVOICES));
            refusals += 1;
            life.pays(&now());
        } else {
            life.moves(State::Paused, &now());
            life.moves(State::Active, &now());
        }
    }
    assert_eq!(refusals, 2);
    life.pays(&now());
    let change = ChangePlan { drop_incompatible: true, ..change_to("euro", Effective::Immediate, Proration::None) };
    let refused = life.tries(Authority::PlatformAdmin, Command::ChangePlan(change.clone()), &now());
    assert_eq!(refused, Err(Rejection::TooManyReplacedAddons));
    for _ in 0..5 {
        life.detaches(&now());
    }
    life.does(Command::ChangePlan(change), &now());
    assert_eq!((life.aggregate.addons.len(), life.subscription().terms.currency.as_str()), (0, "EUR"));
}

#[test]
fn a_change_of_plan_in_a_deployments_own_trial_takes_the_trial_of_that_plan() {
    let mut life = Life::create(State::Trial, Some("2027-03-01"), "2027-01-01");
    life.subscribes("tried", &[], "2027-01-02");
    let change = |trial_claimed_by| {
        let change = ChangePlan { trial_claimed_by, ..change_to("studio", Effective::Immediate, Proration::Prorate) };
        decide(&life.aggregate, Command::ChangePlan(change), &actor(Authority::TenantUser), None, at("2027-01-05"))
    };
    let used = crate::DeploymentId::new(Uuid::from_u128(7));
    assert_eq!(change(Some(used)).unwrap_err(), Rejection::TrialUsed("studio".parse().unwrap()));
    let trial_of = |claimed_by| change(claimed_by).unwrap().unwrap().trial_of;
    assert_eq!(trial_of(None), "studio".parse().ok());
    assert_eq!(trial_of(Some(life.aggregate.deployment.id)), None, "it has claimed that trial before");
}

#[test]
fn a_new_policy_does_not_move_the_archiving_of_a_cancelled_deployment() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.moves(State::Cancelled, "2027-01-10");
    let archived_at = |life: &Life| {
        let archive = upcoming(&life.aggregate).into_iter().find(|next| next.action == Action::Archive);
        archive.map(|next| next.at)
    };
    assert_eq!(archived_at(&life), Some(at("2027-04-10")));
    life.policy.archived_after_days = 30;
    let (description, currency) = ("Export".parse().unwrap(), "USD".parse().unwrap());
    let charge = OneOff { description, amount_cents: 500, currency, when: crate::Invoiced::Now };
    let charge = Correct { correction: Correction::Charge(charge), reason: None, notes: None };
    life.does(Command::Correct(charge), "2027-02-25");
    life.pays("2027-02-26");
    assert_eq!((archived_at(&life), life.state()), (Some(at("2027-04-10")), State::Cancelled));
    // A reactivation leaves that state, and its invoice takes the policy.
    life.moves(State::Active, "2027-03-01");
    assert_eq!((life.due().len(), life.aggregate.deployment.dunning_policy.archived_after_days), (1, 30));
}

#[test]
fn a_cancellation_that_a_hold_delayed_ends_the_subscription_when_it_happens() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.moves(State::Paused, "2027-01-05");
    life.holds(true, "2027-01-10");
    life.holds(false, "2027-03-20");
    life.sweep(at("2027-03-20T00:05"));
    assert_eq!((life.state(), life.subscription().ended_at), (State::Cancelled, Some(at("2027-03-20"))));
}

#[test]
fn a9_the_invoice_of_an_end_spans_its_lines() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.attaches(storage(), "2027-01-10");
    life.moves(State::Cancelled, "2027-01-24");
    let last = &life.invoices[&life.oldest()];
    assert_eq!((last.total_cents, last.billed_from, last.billed_to), (532, at("2027-01-10"), at("2027-02-01")));
}

/// A pause that ends around a boundary at which the interval changes. The period from the boundary on is billed once,
/// with the new terms, and counts from the boundary or from the end of the pause.
#[test]
fn a_pause_that_ends_at_a_change_of_interval_is_billed_from_there() {
    for (resume_at, due_cents) in [
        ("2027-01-31T23:59:59.500Z", 29_000),
        ("2027-02-01T00:00:00Z", 29_000),
        ("2027-02-01T00:00:00.500Z", 29_000),
        ("2027-02-01T00:00:01Z", 29_000),
        ("2027-02-11T00:00:00Z", 28_205),
    ] {
        let mut life = Life::new("2027-01-01");
        life.subscribes("studio", &[], "2027-01-01");
        life.pays("2027-01-01");
        life.changes("yearly", Effective::PeriodEnd, Proration::Prorate, "2027-01-10");
        life.pauses_until(Some(resume_at), "2027-01-20");
        life.live_until("2027-02-12");
        let subscription = life.subscription();
        assert_eq!((subscription.status, life.due()), (SubscriptionStatus::Active, vec![due_cents]), "{resume_at}");
        let period = (subscription.current_period_start, subscription.current_period_end);
        assert_eq!(period, (at("2027-02-01"), at("2028-02-01")), "{resume_at}");
    }
}

/// The defect that this finds: a subscription runs in a period that no invoice billed.
#[test]
fn the_audit_finds_a_period_without_an_invoice() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.live_until("2027-02-01");
    let found = life.violation(&|event| {
        if let EventKind::Renewed { subscription } = &mut event.kind {
            subscription.current_period_end = at("2027-04-01");
        }
    });
    assert_eq!(found.unwrap(), "after event 6 the period from 2027-02-01 00:00:00 UTC is not billed");
}

#[test]
fn a10_two_billing_actions_within_a_second_go_through() {
    let mut life = Life::new("2027-01-01");
    for _ in 0..5 {
        life.subscribes("studio", &[], "2027-01-01");
        life.changes_now("yearly", "2027-01-01");
        life.changes_now("team", "2027-01-01");
        life.does(Command::CancelSubscription(Effective::Immediate), "2027-01-01");
    }
    assert_eq!((life.invoices.len(), life.net_cents()), (15, 0));
    assert!(life.invoices.keys().any(|number| number.as_str().ends_with("-USD-003")));
}

#[test]
fn a11_a_late_cancellation_tells_when_it_happened_and_when_it_was_to_be() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.does(Command::CancelSubscription(Effective::PeriodEnd), "2027-01-05");
    life.sweep(at("2027-02-03"));
    let subscription = life.subscription();
    assert_eq!((subscription.cancelled_at, subscription.ended_at), (Some(at("2027-02-03")), Some(at("2027-02-01"))));
}

#[test]
fn a12_credits_of_an_old_currency_become_balance_of_that_currency() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("euro", &[addon(310, "EUR")], "2027-01-01");
    life.pays("2027-01-01");
    let plan = plan("studio");
    let version = plan.newest_version.clone().unwrap();
    let (effective, proration) = (Effective::Immediate, Proration::None);
    let command = ChangePlan { plan, version, effective, proration, drop_incompatible: true, trial_claimed_by: None };
    life.does(Command::ChangePlan(command), "2027-01-11");
    assert_eq!(life.balance("EUR"), 210, "the dropped add-on");
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-01-21");
    assert_eq!(life.balance("EUR"), 210 + 958);
    life.subscribes("euro", &[], "2027-01-21");
    assert_eq!((life.due(), life.balance("EUR")), (vec![], 210));
}

#[test]
fn l1_to_l4_what_is_asked_for_after_a_boundary_is_billed_in_the_new_period() {
    let january = || {
        let mut life = Life::new("2027-01-01");
        life.subscribes("studio", &[], "2027-01-01");
        life.pays("2027-01-01");
        life
    };
    let mut life = january();
    life.attaches(addon(7_777, "USD"), "2027-02-11");
    assert_eq!(life.subscription().waiting().map(|charge| charge.amount_cents).collect::<Vec<_>>(), [5_000]);
    let mut life = january();
    life.changes_now("team", "2027-02-11");
    assert_eq!(life.net_cents() - 2_900, 7_400);
    let mut life = january();
    life.changes("team", Effective::PeriodEnd, Proration::Prorate, "2027-02-11");
    assert_eq!(life.due(), [2_900]);
    life.live_until("2027-03-01");
    assert_eq!(life.due(), [2_900, 9_900]);
    let mut life = january();
    life.changes_now("yearly", "2027-02-11");
    assert_eq!(life.due()[0], 1_036);
}

#[test]
fn p1_nobody_falls_through_the_ladder_after_a_pause() {
    let paused = || {
        let mut life = Life::new("2027-01-01");
        life.subscribes("studio", &[], "2027-01-01");
        life.moves(State::Paused, "2027-01-05");
        life
    };
    let mut life = paused();
    life.moves(State::Active, "2027-02-03");
    assert_eq!(life.due(), [2_900, 2_693]);
    life.sweep(at("2027-02-03"));
    assert_eq!(life.state(), State::PastDue);
    life.sweep(at("2027-02-03"));
    assert_eq!(life.state(), State::PastDue);
    let rungs: Vec<_> = upcoming(&life.aggregate).into_iter().filter(|next| next.action.is_dunning()).collect();
    assert_eq!(rungs.iter().map(|next| next.at).collect::<Vec<_>>(), [at("2027-02-17"), at("2027-03-05")]);
    life.live_until("2027-02-17");
    assert_eq!(life.state(), State::Suspended);
    life.live_until("2027-03-05");
    assert_eq!(life.state(), State::Cancelled);

    let mut life = paused();
    life.live_until("2027-02-06");
    assert_eq!(life.state(), State::Paused);
    life.live_until("2027-02-07");
    assert_eq!(life.state(), State::Cancelled);
}

#[test]
fn p2_after_a_hold_each_rung_comes_its_own_days_after_the_one_before() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.holds(true, "2027-01-02");
    life.holds(false, "2027-03-08");
    life.live_until("2027-03-08T01:00");
    assert_eq!(life.state(), State::PastDue);
    life.live_until("2027-03-21");
    assert_eq!(life.state(), State::PastDue);
    life.live_until("2027-03-22T01:00");
    assert_eq!(life.state(), State::Suspended);
    life.live_until("2027-04-07T01:00");
    assert_eq!(life.state(), State::Cancelled);
}

#[test]
fn p4_a_pause_before_the_due_date_shows_where_it_leads() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.moves(State::Paused, "2027-01-05");
    let next = life.aggregate.next_action().map(|next| (next.action, next.at));
    assert_eq!(next, Some((Action::CancelUnpaid, at("2027-02-07"))));
}

#[test]
fn p5_dunning_ends_when_nothing_overdue_is_left() {
    let mut life = Life::new("2027-01-01");
    life.policy.payment_terms_days = 30;
    life.subscribes("studio", &[], "2027-01-01");
    life.live_until("2027-02-14");
    assert_eq!(life.state(), State::Suspended);
    life.live_until("2027-02-15");
    assert_eq!(life.due(), [2_900, 2_900]);
    let overdue = life.oldest();
    life.pays_one(&overdue, "2027-02-15");
    assert_eq!((life.state(), life.due()), (State::Active, vec![2_900]));
}

#[test]
fn p5_dunning_ends_also_by_a_credit() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("yearly", &[], "2027-01-01");
    life.live_until("2027-01-08");
    assert_eq!(life.state(), State::PastDue);
    life.pays_one(&life.oldest(), "2027-01-09");
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-01-10");
    assert_eq!(life.balance("USD"), 28_285);
    // Balance settles the oldest open invoice of its currency automatically.
    life.subscribes("dear", &[], "2027-01-10");
    assert_eq!((life.due(), life.balance("USD")), (vec![96_559 - 28_285], 0));
}

#[test]
fn p6_any_number_of_open_invoices_is_given_up_in_steps() {
    let mut life = Life::new("2027-01-01");
    life.policy.payment_terms_days = 365;
    life.subscribes("studio", &[], "2027-01-01");
    let mut month = at("2027-02-01");
    while life.due().len() < 97 {
        // The deadlines are long enough that every scheduled step is a renewal.
        life.policy.past_due_after_days = 364;
        life.aggregate.deployment.dunning_policy = DunningPolicy {
            past_due_after_days: 40_000,
            suspended_after_days: 40_001,
            cancelled_after_days: 40_002,
            ..life.policy
        };
        let step = crate::step(&life.aggregate, Some(life.policy), month).unwrap().unwrap();
        life.aggregate = step.after;
        month = life.subscription().current_period_end;
    }
    life.aggregate.deployment.dunning_policy.cancelled_after_days = 0;
    let mut aggregate = life.aggregate;
    let moved = Transition { to_state: State::Cancelled, reason: None, notes: None, resume_at: None };
    let now = month + chrono::TimeDelta::days(400);
    let admin = actor(Authority::PlatformAdmin);
    aggregate = decide(&aggregate, Command::Transition(moved), &admin, None, now).unwrap().unwrap().after;
    let mut given_up = Vec::new();
    while let Some(change) = crate::step(&aggregate, None, now).unwrap() {
        given_up.push(change.after.deployment.uncollectible_invoices.len());
        aggregate = change.after;
    }
    assert_eq!(given_up, [25, 50, 75, 97]);
    assert_eq!(aggregate.deployment.open_invoices, []);
}

#[test]
fn p7_commands_cannot_pile_up_open_invoices() {
    let mut life = Life::new("2027-01-01");
    for round in 0..MAX_OPEN_INVOICES {
        let now = format!("2027-01-0{}T{:02}:00", 1 + round / 12, 2 * (round % 12));
        life.subscribes("dear", &[], &now);
        life.does(Command::CancelSubscription(Effective::Immediate), &now.replace(":00", ":59"));
    }
    assert_eq!(life.due().len(), MAX_OPEN_INVOICES);
    let id = SubscriptionId::new(life.new_id());
    let plan = plan("dear");
    let version = plan.newest_version.clone().unwrap();
    let (anchor_mode, trial_ends_at, trial_claimed_by) = (AnchorMode::Now, None, None);
    let one_more = Subscribe { id, plan, version, addons: Vec::new(), anchor_mode, trial_ends_at, trial_claimed_by };
    let refused = life.tries(Authority::TenantUser, Command::Subscribe(one_more), "2027-01-04");
    assert_eq!(refused, Err(Rejection::TooManyOpenInvoices));
    life.moves(State::Cancelled, "2027-01-04");
}

#[test]
fn n8_every_deadline_that_lies_ahead_is_told() {
    let mut life = Life::new("2027-01-20");
    life.subscribes("studio", &[], "2027-01-20");
    life.live_until("2027-01-28");
    assert_eq!(life.state(), State::PastDue);
    let told: Vec<_> = upcoming(&life.aggregate).into_iter().map(|next| next.action).collect();
    assert_eq!(told, [Action::Renew, Action::Suspend, Action::CancelUnpaid]);
    assert_eq!(life.subscription().status, SubscriptionStatus::Active);
}

#[test]
fn steps_after_an_agreed_end_are_not_listed_as_upcoming() {
    let told = |life: &Life| upcoming(&life.aggregate).into_iter().map(|next| next.action).collect::<Vec<_>>();
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.changes("team", Effective::PeriodEnd, Proration::Prorate, "2027-01-05");
    assert_eq!(told(&life), [Action::ChangePlan]);
    life.does(Command::CancelSubscription(Effective::PeriodEnd), "2027-01-06");
    assert_eq!(told(&life), [Action::CancelSubscription]);
    life.does(Command::WithdrawCancellation, "2027-01-07");
    assert_eq!(told(&life), [Action::ChangePlan]);
    // The same with a year: its period ends after the scheduled cancellation.
    life.does(Command::WithdrawPlanChange, "2027-01-08");
    life.does(Command::CancelSubscription(Effective::PeriodEnd), "2027-01-08");
    life.changes_now("yearly", "2027-01-09");
    assert!(!told(&life).contains(&Action::Renew), "{:?}", told(&life));
}

/// A random command of a tenant's user, or a payment.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Subscribe(usize, usize),
    Attach(i64),
    Detach(usize),
    Change(usize, Effective),
    WithdrawChange,
    Cancel(Effective),
    WithdrawCancellation,
    Move(State),
    /// Pause until some milliseconds after the end of the period, or before it.
    PauseUntil(i64),
    /// The platform grants a discount, one of [`coupons`].
    Discount(usize),
    Pay,
    Wait,
}

/// Coupons of every kind.
fn coupons(index: usize) -> crate::Coupon {
    match index {
        0 => coupon(Ok(3_333), None, &[]),
        1 => coupon(Ok(10_000), Some(1), &["studio", "solo", "yearly"]),
        2 => coupon(Err((1_000, "USD")), Some(2), &[]),
        _ => coupon(Err((30_000, "USD")), None, &["dear", "studio"]),
    }
}

const PLANS: [&str; 5] = ["studio", "team", "solo", "yearly", "dear"];

impl Life {
    /// Gives the command of a wish, unless a rule refuses it.
    fn wishes(&mut self, wish: Wish, now: Timestamp) {
        let terms = |index: usize| {
            let plan = plan(PLANS[index]);
            (plan.newest_version.clone().unwrap(), plan)
        };
        let command = match wish {
            Wish::Wait => return,
            Wish::Discount(index) => {
                // A grant in place of a running discount would end that.
                if self.aggregate.subscription.as_ref().is_none_or(|s| s.discount.is_none()) {
                    let command = GrantDiscount { coupon: coupons(index), reason: None, notes: None };
                    self.asks(Authority::PlatformAdmin, Command::GrantDiscount(command), now);
                }
                return;
            }
            Wish::Pay => {
                for open in self.aggregate.deployment.open_invoices.clone() {
                    let invoice = self.invoices[&open.number].clone();
                    let reference = format!("payment-{}", self.new_id()).parse().unwrap();
                    let payment = Payment::new(reference, invoice.due_cents(), now);
                    let currency = invoice.currency;
                    self.asks(Authority::PaymentProvider, Command::Pay(Pay::new(invoice, payment, currency)), now);
                }
                return;
            }
            Wish::Subscribe(index, addons) => {
                let (version, plan) = terms(index);
                let addons = (0..addons).map(|_| (SubscriptionAddonId::new(self.new_id()), storage())).collect();
                let id = SubscriptionId::new(self.new_id());
                let (anchor_mode, trial_ends_at, trial_claimed_by) = (AnchorMode::Now, None, None);
                Command::Subscribe(Subscribe {
                    id,
                    plan,
                    version,
                    addons,
                    anchor_mode,
                    trial_ends_at,
                    trial_claimed_by,
                })
            }
            Wish::Attach(price_cents) => {
                Command::AttachAddon(SubscriptionAddonId::new(self.new_id()), addon(price_cents, "USD"))
            }
            Wish::Detach(index) => match self.aggregate.addons.get(index) {
                Some(addon) => Command::DetachAddon(addon.id),
                None => return,
            },
            Wish::Change(index, effective) => {
                let (version, plan) = terms(index);
                let (proration, drop_incompatible, trial_claimed_by) = (Proration::Prorate, false, None);
                Command::ChangePlan(ChangePlan {
                    plan,
                    version,
                    effective,
                    proration,
                    drop_incompatible,
                    trial_claimed_by,
                })
            }
            Wish::WithdrawChange => Command::WithdrawPlanChange,
            Wish::Cancel(effective) => Command::CancelSubscription(effective),
            Wish::WithdrawCancellation => Command::WithdrawCancellation,
            Wish::PauseUntil(milliseconds) => {
                let Some(subscription) = &self.aggregate.subscription else { return };
                let at = subscription.current_period_end + chrono::TimeDelta::milliseconds(milliseconds);
                let (to_state, resume_at) = (State::Paused, Some(Some(at)));
                Command::Transition(Transition { to_state, reason: None, notes: None, resume_at })
            }
            Wish::Move(to_state) => {
                Command::Transition(Transition { to_state, reason: None, notes: None, resume_at: None })
            }
        };
        self.asks(Authority::TenantUser, command, now);
    }

    fn asks(&mut self, by: Authority, command: Command, now: Timestamp) {
        if let Ok(Some(change)) = decide(&self.aggregate, command, &actor(by), Some(self.policy), now) {
            self.commit(change);
        }
    }

    /// The value of the used time, in millionths of a minor unit: for each billed millisecond the subscription's
    /// prices, less the largest discount that they can have.
    fn used(&self) -> i128 {
        let mut aggregate = replay(self.aggregate.deployment.id, &self.events[..1]).unwrap();
        let mut used = 0;
        // The discount of the period. Another plan can end it; then add-ons of the period keep it to the end.
        let mut of_period: Option<(SubscriptionId, Option<Timestamp>, crate::Discount)> = None;
        for event in &self.events[1..] {
            let span = (event.occurred_at - aggregate.deployment.updated_at).num_milliseconds();
            let running = aggregate.live_subscription().filter(|s| s.status == SubscriptionStatus::Active);
            if let Some(subscription) = running {
                let interval = subscription.terms.interval;
                let mut terms = subscription.terms.clone();
                let is_same = |id, from| id == subscription.id && from == subscription.billed_from;
                of_period = of_period.filter(|(id, from, _)| is_same(*id, *from));
                if let Some(running) = subscription.discount.clone().filter(|discount| discount.running) {
                    of_period = Some((subscription.id, subscription.billed_from, running));
                }
                let is_over = subscription.discount.as_ref().is_none_or(|discount| !discount.running);
                let addons: i64 = aggregate.addons.iter().map(|addon| addon.price_of(interval)).sum();
                terms.price_cents = if is_over { 0 } else { terms.price_cents };
                let off =
                    of_period.as_ref().map_or(0, |(_, _, off)| off.off_period_cents(terms.prices(&aggregate.addons)));
                let period = (subscription.current_period_end - subscription.current_period_start).num_milliseconds();
                let price = i128::from(subscription.terms.price_cents + addons - off);
                used += price * i128::from(span) * 1_000_000 / i128::from(period);
            }
            aggregate.apply(event).unwrap();
        }
        used
    }

    /// The most roundings: one for each charge and each credit. A charge or credit of zero is not recorded, so every
    /// event that could have made one counts too.
    fn roundings(&self) -> usize {
        let lines: usize = self.invoices.values().map(|invoice| invoice.lines.len()).sum();
        lines + self.events.iter().map(|event| 1 + event.entries.len()).sum::<usize>()
    }
}

fn wishes() -> impl proptest::strategy::Strategy<Value = Vec<(Wish, i64)>> {
    use proptest::prelude::*;
    let effective = || prop::sample::select(vec![Effective::Immediate, Effective::PeriodEnd]);
    let states = vec![State::Active, State::Paused, State::Cancelled, State::Active];
    let wish = prop_oneof![
        4 => (0..PLANS.len(), 0..3_usize).prop_map(|(plan, addons)| Wish::Subscribe(plan, addons)),
        4 => prop::sample::select(vec![750, 7_777, 1]).prop_map(Wish::Attach),
        3 => (0..3_usize).prop_map(Wish::Detach),
        6 => (0..PLANS.len(), effective()).prop_map(|(plan, effective)| Wish::Change(plan, effective)),
        1 => Just(Wish::WithdrawChange),
        2 => effective().prop_map(Wish::Cancel),
        1 => Just(Wish::WithdrawCancellation),
        5 => prop::sample::select(states).prop_map(Wish::Move),
        3 => (-2_000..2_000_i64).prop_map(Wish::PauseUntil),
        4 => (0..4_usize).prop_map(Wish::Discount),
        5 => Just(Wish::Pay),
        2 => Just(Wish::Wait),
    ];
    prop::collection::vec((wish, prop_oneof![0..5_000_i64, 0..900_000_000_i64]), 1..50)
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(1_000))]

    /// Random commands of a tenant's user over four months and more.
    #[test]
    fn a_tenants_own_moves_never_cost_less_than_what_was_used(wishes in wishes()) {
        let mut life = Life::new("2027-01-31T10:00");
        let mut now = at("2027-01-31T10:00");
        for (wish, milliseconds) in wishes {
            now += chrono::TimeDelta::milliseconds(milliseconds);
            // Sweeps are on time: use between a boundary and a late sweep is excluded here.
            while let Some(next) = life.aggregate.next_action().filter(|next| next.at <= now) {
                life.sweep(next.at.max(life.aggregate.deployment.updated_at));
            }
            life.wishes(wish, now);
            let charged = if life.aggregate.subscription.is_some() { i128::from(life.net_cents()) } else { 0 };
            let slack = 500_000 * life.roundings() as i128;
            let used = life.used();
            proptest::prop_assert!(
                charged * 1_000_000 + slack >= used,
                "{} millionths of a cent used, {charged} cents charged", used
            );
        }
    }
}
