//! Price changes with notice, worked out by hand. Random histories with price changes are in `tests`.

use super::cases::Life;
use super::fixtures::{actor, at, coupon, priced_plan};
use super::*;
use crate::catalog::{Plan, PlanVersion, VersionStatus};
use crate::{
    Action, AnchorMode, Interval, NextAction, PlanTerms, SubscriptionId, SubscriptionStatus, next_invoices, upcoming,
};

/// A plan at 29 dollars a month, replaced by a second version at 39: the plan now, its closed version, the new one.
fn raised(code: &str, effective_from: &str, trial_days: u32) -> (Plan, PlanVersion, PlanVersion) {
    let first = priced_plan(code, 2_900, "USD", Interval::Month, trial_days);
    let old = first.newest_version.clone().unwrap();
    let (plan, new) = first.publish(3_900, old.currency, old.interval, trial_days, at("2027-01-01"));
    let closed = replace_version(&old, &new, at(effective_from), at("2027-01-01")).unwrap();
    (plan, closed, new)
}

fn announce(code: &str, effective_from: &str) -> Command {
    let (_, closed, new) = raised(code, effective_from, 0);
    let (terms, replaces, effective_from) = (PlanTerms::from(&new), closed.version, at(effective_from));
    Command::AnnouncePrice(AnnouncePrice { terms, replaces, effective_from })
}

fn change(plan: Plan, version: PlanVersion, effective: Effective) -> Command {
    let (proration, drop_incompatible, trial_claimed_by) = (Proration::Prorate, false, None);
    Command::ChangePlan(ChangePlan { plan, version, effective, proration, drop_incompatible, trial_claimed_by })
}

/// A change to the newest version of another plan.
fn change_to(code: &str, effective: Effective) -> Command {
    let plan = priced_plan(code, 9_900, "USD", Interval::Month, 0);
    let version = plan.newest_version.clone().unwrap();
    change(plan, version, effective)
}

/// A deployment with a subscription to `studio` for 29 dollars a month, paid.
fn studio(now: &str) -> Life {
    let mut life = Life::new(now);
    life.subscribes("studio", &[], now);
    life.pays(now);
    life
}

fn terms(life: &Life) -> (u32, i64) {
    let terms = &life.aggregate.subscription.as_ref().unwrap().terms;
    (terms.plan_version, terms.price_cents)
}

/// The next invoice: its time and amount.
fn next_invoice(life: &Life) -> (Timestamp, i64) {
    let (at, invoices) = next_invoices(&life.aggregate).unwrap().unwrap();
    (at, invoices[0].total_cents)
}

fn change_at(life: &Life) -> Option<Timestamp> {
    life.aggregate.subscription.as_ref().unwrap().change_at()
}

#[test]
fn the_new_price_begins_at_the_first_boundary_from_its_moment_on() {
    for (effective_from, begins) in [
        ("2027-01-10", "2027-02-01"),
        ("2027-02-01", "2027-02-01"),
        ("2027-02-01T00:00:01Z", "2027-03-01"),
        ("2027-02-15", "2027-03-01"),
        ("2027-03-01", "2027-03-01"),
        ("2027-06-30", "2027-07-01"),
    ] {
        let mut life = studio("2027-01-01");
        life.does(announce("studio", effective_from), "2027-01-10");
        assert_eq!(change_at(&life), Some(at(begins)), "{effective_from}");
        let EventKind::PriceChangeAnnounced { from, to, effective_at, .. } = &life.events.last().unwrap().kind else {
            panic!("{:?}", life.events.last())
        };
        assert_eq!((from.price_cents, to.price_cents, *effective_at), (2_900, 3_900, at(begins)));
        let change = NextAction { action: Action::ChangePlan, at: at(begins) };
        assert!(upcoming(&life.aggregate).contains(&change), "{effective_from}");
        for month in 2..=8 {
            let first = format!("2027-{month:02}-01");
            let cents = if at(&first) >= at(begins) { 3_900 } else { 2_900 };
            assert_eq!(next_invoice(&life), (at(&first), cents), "{effective_from}");
            life.live_until(&first);
            assert_eq!(life.due(), [cents], "{effective_from}");
            life.pays(&first);
        }
        assert_eq!(terms(&life), (2, 3_900));
        let changes = life.events.iter().filter(|event| event.kind.name() == "plan_changed").count();
        assert_eq!(changes, 1, "{effective_from}");
    }
}

#[test]
fn the_estimate_of_the_next_period_has_the_discount_of_its_own_price() {
    let mut life = studio("2027-01-01");
    let coupon = coupon(Ok(2_000), None, &[]);
    life.does(Command::GrantDiscount(GrantDiscount { coupon, reason: None, notes: None }), "2027-01-05");
    life.does(announce("studio", "2027-03-15"), "2027-01-10");
    let summary = crate::SubscriptionSummary::new(life.subscription(), &life.aggregate.addons);
    assert_eq!((summary.next_discount_cents, next_invoice(&life)), (580, (at("2027-02-01"), 2_320)));
}

#[test]
fn a_tenant_cannot_take_it_back_but_can_leave() {
    let user = Authority::TenantUser;
    let mut life = studio("2027-01-01");
    life.does(announce("studio", "2027-02-15"), "2027-01-10");
    let (plan, closed, new) = raised("studio", "2027-02-15", 0);
    let kept = life.aggregate.clone();
    for command in [
        Command::WithdrawPlanChange,
        change_to("team", Effective::PeriodEnd),
        // A change to the present terms would withdraw the announced change.
        change(plan.clone(), closed.clone(), Effective::PeriodEnd),
        change(plan.clone(), closed, Effective::Immediate),
    ] {
        assert_eq!(life.tries(user, command, "2027-01-11"), Err(Rejection::ScheduledByPlatform));
    }
    // Requesting the announced change again changes nothing, and an earlier change is possible.
    life.tries(user, change(plan.clone(), new.clone(), Effective::PeriodEnd), "2027-01-11").unwrap();
    assert_eq!(life.aggregate, kept);
    // A cancellation stays possible, and withdrawing it keeps the announcement.
    life.tries(user, Command::CancelSubscription(Effective::PeriodEnd), "2027-01-11").unwrap();
    life.tries(user, Command::WithdrawCancellation, "2027-01-11").unwrap();
    assert_eq!(change_at(&life), Some(at("2027-03-01")));
    // A pause or a cancellation of the deployment does not remove it either.
    life.moves(State::Cancelled, "2027-01-12");
    life.moves(State::Active, "2027-01-13");
    assert_eq!(change_at(&life), Some(at("2027-03-01")));
    life.tries(user, change_to("team", Effective::Immediate), "2027-01-16").unwrap();
    let changed = life.events.iter().rev().find(|event| event.kind.name() == "plan_changed").unwrap();
    let EventKind::PlanChanged { ended_announcement, .. } = &changed.kind else { unreachable!() };
    assert_eq!(*ended_announcement, Some(PlanTerms::from(&new)));
    assert_eq!(life.aggregate.subscription.as_ref().unwrap().pending_change, None);
}

/// The catalog's answer about a subscription to the closed version of `raised`.
fn misses(life: &mut Life, effective_from: &str) {
    let Command::AnnouncePrice(missed) = announce("studio", effective_from) else { unreachable!() };
    life.missed = Some(missed);
}

#[test]
fn a_subscription_that_returns_to_a_closed_version_gets_the_new_price() {
    let user = Authority::TenantUser;
    let own = change_to("team", Effective::PeriodEnd);
    let to = |to_state| Command::Transition(Transition { to_state, reason: None, notes: None, resume_at: None });
    for (out, back) in [
        (Command::CancelSubscription(Effective::PeriodEnd), Command::WithdrawCancellation),
        (own, Command::WithdrawPlanChange),
        (to(State::Cancelled), to(State::Active)),
    ] {
        let mut life = studio("2027-01-01");
        life.tries(user, out, "2027-01-05").unwrap();
        misses(&mut life, "2027-01-15");
        life.tries(user, back, "2027-01-20").unwrap();
        let told = life.events.last().unwrap();
        assert!(matches!(told.kind, EventKind::PriceChangeAnnounced { .. }), "{told:?}");
        assert_eq!(told.charges, Some(crate::ChargeChanges::default()), "no charge is changed");
        assert_eq!((terms(&life), change_at(&life)), ((1, 2_900), Some(at("2027-02-01"))));
        // The change belongs to the platform. Once the platform withdraws it, it is not announced again.
        assert_eq!(life.tries(user, Command::WithdrawPlanChange, "2027-01-21"), Err(Rejection::ScheduledByPlatform));
        life.does(Command::WithdrawPlanChange, "2027-01-21");
        assert_eq!(change_at(&life), None);
    }
}

#[test]
fn only_what_brings_a_subscription_back_asks_for_a_missed_price() {
    let mut life = studio("2027-01-01");
    life.does(change_to("team", Effective::PeriodEnd), "2027-01-05");
    let actor = actor(Authority::PlatformAdmin);
    let decides =
        |life: &Life, command| decide(&life.aggregate, command, &actor, None, at("2027-01-06")).unwrap().unwrap();
    let named = UpdateDeployment { display_name: Some("Shop".parse().unwrap()), ..UpdateDeployment::default() };
    assert_eq!(decides(&life, Command::Update(named)).returns_to(), None, "its own change stays");
    let back = decides(&life, Command::WithdrawPlanChange);
    assert_eq!(back.returns_to().map(|terms| terms.plan_version), Some(1));
}

#[test]
fn a_returning_subscription_with_a_change_gets_the_newest_price() {
    let user = Authority::TenantUser;
    let to = |to_state| Command::Transition(Transition { to_state, reason: None, notes: None, resume_at: None });
    let (plan, closed, new) = raised("studio", "2027-01-15", 0);
    let (_, third) = plan.publish(4_900, new.currency, new.interval, 0, at("2027-01-01"));
    let missed = |replaces, effective_from: &str| {
        let (terms, effective_from) = (PlanTerms::from(&third), at(effective_from));
        Some(AnnouncePrice { terms, replaces, effective_from })
    };
    let next = |life: &Life| life.aggregate.live_subscription().unwrap().next_terms().price_cents;
    // The second version is announced, and replaced while the customer is away.
    for (out, back, returns) in [
        (Command::CancelSubscription(Effective::PeriodEnd), Command::WithdrawCancellation, "2027-01-20"),
        (to(State::Cancelled), to(State::Active), "2027-01-20"),
        // The second version is in force, and the third is announced.
        (to(State::Cancelled), to(State::Active), "2027-03-05"),
    ] {
        let mut life = studio("2027-01-01");
        life.does(announce("studio", "2027-01-15"), "2027-01-05");
        life.tries(user, out, "2027-01-06").unwrap();
        life.missed = missed(2, "2027-04-10");
        life.tries(user, back, returns).unwrap();
        assert_eq!((next(&life), change_at(&life)), (4_900, Some(at("2027-05-01"))), "{returns}");
    }
    // A change to a version that was closed meanwhile becomes a change to the newest.
    let mut life = Life::new("2027-01-01");
    life.subscribes("team", &[], "2027-01-01");
    life.pays("2027-01-01");
    let own = change(
        plan_before(&plan, &closed),
        PlanVersion { status: VersionStatus::Offered, ..closed },
        Effective::PeriodEnd,
    );
    life.tries(user, own, "2027-01-02").unwrap();
    life.tries(user, Command::CancelSubscription(Effective::PeriodEnd), "2027-01-03").unwrap();
    life.missed = missed(1, "2027-01-15");
    life.tries(user, Command::WithdrawCancellation, "2027-01-20").unwrap();
    assert_eq!((next(&life), change_at(&life)), (4_900, Some(at("2027-02-01"))));
}

#[test]
fn a_period_that_begins_with_a_reactivation_has_the_new_price_if_that_holds() {
    for (effective_from, due) in [("2027-02-15", 3_900), ("2027-04-01", 2_900)] {
        let mut life = studio("2027-01-01");
        life.moves(State::Cancelled, "2027-01-05");
        misses(&mut life, effective_from);
        life.moves(State::Active, "2027-03-01");
        assert_eq!(life.due(), [due], "{effective_from}");
        life.pays("2027-03-01");
        life.live_until("2027-04-01");
        assert_eq!((terms(&life), life.due()), ((2, 3_900), vec![3_900]), "{effective_from}");
    }
}

#[test]
fn while_paused_the_new_price_begins_with_the_period_that_it_is_for() {
    // March is the first month at the new price.
    for (resumed, cents) in [("2027-02-15", 1_450), ("2027-02-22", 725), ("2027-03-17", 1_887)] {
        let mut life = studio("2027-01-01");
        life.moves(State::Paused, "2027-01-20");
        life.does(announce("studio", "2027-02-10"), "2027-01-25");
        assert_eq!(change_at(&life), Some(at("2027-03-01")));
        life.live_until(resumed);
        life.moves(State::Active, resumed);
        // Half and a quarter of February's 28 days at 29 dollars; 15 of March's 31 days at 39.
        assert_eq!(life.due(), [cents], "{resumed}");
        life.pays(resumed);
        life.live_until("2027-04-01");
        assert_eq!(terms(&life), (2, 3_900));
    }
}

#[test]
fn the_end_of_a_trial_is_a_boundary() {
    for (effective_from, first_cents, second_cents) in [("2027-01-10", 2_139, 3_900), ("2027-01-20", 1_590, 3_900)] {
        let (plan, closed, new) = raised("tried", effective_from, 14);
        let mut life = Life::new("2027-01-01");
        let offered = plan_before(&plan, &closed);
        let subscribe = Subscribe {
            id: SubscriptionId::new(life.new_id()),
            version: offered.newest_version.clone().unwrap(),
            plan: offered,
            addons: Vec::new(),
            anchor_mode: AnchorMode::Calendar,
            trial_ends_at: None,
            trial_claimed_by: None,
        };
        life.does(Command::Subscribe(subscribe), "2027-01-01");
        let (terms, effective_from) = (PlanTerms::from(&new), at(effective_from));
        let command = AnnouncePrice { terms, replaces: 1, effective_from };
        life.does(Command::AnnouncePrice(command), "2027-01-05");
        // From 15 January on: 17 of 31 days.
        assert_eq!(next_invoice(&life), (at("2027-01-15"), first_cents));
        life.live_until("2027-01-15");
        assert_eq!(life.due(), [first_cents]);
        life.pays("2027-01-15");
        assert_eq!(next_invoice(&life), (at("2027-02-01"), second_cents));
    }
}

/// The plan before its second version was published.
fn plan_before(plan: &Plan, closed: &PlanVersion) -> Plan {
    let offered = PlanVersion { status: Default::default(), replaced_by: None, effective_from: None, ..closed.clone() };
    Plan { newest_version: Some(offered), ..plan.clone() }
}

#[test]
fn a_customers_own_change_stays_unless_it_is_to_the_closed_version() {
    let user = Authority::TenantUser;
    let platform = Authority::PlatformAdmin;
    // A change to another plan, and a cancellation, stay.
    let mut life = studio("2027-01-01");
    life.tries(user, change_to("team", Effective::PeriodEnd), "2027-01-05").unwrap();
    let refused = life.tries(platform, announce("studio", "2027-02-15"), "2027-01-10");
    let own = Rejection::OwnChangeScheduled { plan_code: "team".parse().unwrap(), version: 1 };
    assert_eq!(refused, Err(own));
    let mut life = studio("2027-01-01");
    life.tries(user, Command::CancelSubscription(Effective::PeriodEnd), "2027-01-05").unwrap();
    let refused = life.tries(platform, announce("studio", "2027-02-15"), "2027-01-10");
    assert_eq!(refused, Err(Rejection::CancellationScheduled));
    // A change to the closed version becomes one to the new version, on its day, and stays the customer's.
    let mut life = studio("2027-01-01");
    let (plan, closed, new) = raised("pro", "2027-06-01", 0);
    let before = plan_before(&plan, &closed);
    let to_old = before.newest_version.clone().unwrap();
    life.tries(user, change(before, to_old, Effective::PeriodEnd), "2027-01-05").unwrap();
    life.does(announce("pro", "2027-06-01"), "2027-01-10");
    assert_eq!(change_at(&life), Some(at("2027-02-01")));
    let EventKind::PriceChangeAnnounced { from, to, .. } = &life.events.last().unwrap().kind else { panic!() };
    assert_eq!((from.plan_version, to), (1, &PlanTerms::from(&new)));
    life.tries(user, Command::WithdrawPlanChange, "2027-01-11").unwrap();
    // A change to the new version keeps its day, but can no longer be withdrawn.
    let mut life = studio("2027-01-01");
    let (plan, _, new) = raised("studio", "2027-06-01", 0);
    life.tries(user, change(plan, new, Effective::PeriodEnd), "2027-01-05").unwrap();
    life.does(announce("studio", "2027-06-01"), "2027-01-10");
    assert_eq!(change_at(&life), Some(at("2027-02-01")));
    let refused = life.tries(user, Command::WithdrawPlanChange, "2027-01-11");
    assert_eq!(refused, Err(Rejection::ScheduledByPlatform));
    // A repetition changes nothing, neither now nor on the new version.
    let known = life.aggregate.clone();
    life.does(announce("studio", "2027-06-01"), "2027-01-12");
    assert_eq!(life.aggregate, known);
    life.live_until("2027-02-01");
    let known = life.aggregate.clone();
    life.does(announce("studio", "2027-06-01"), "2027-02-01");
    assert_eq!((terms(&life).0, &life.aggregate), (2, &known));
}

#[test]
fn an_announcement_follows_when_its_version_is_replaced_before_it_begins() {
    let mut life = studio("2027-01-01");
    life.does(announce("studio", "2027-02-15"), "2027-01-10");
    let (plan, _, second) = raised("studio", "2027-02-15", 0);
    let (_, third) = plan.publish(3_500, second.currency, second.interval, 0, at("2027-01-11"));
    let (terms_of_third, effective_from) = (PlanTerms::from(&third), at("2027-03-15"));
    let command = AnnouncePrice { terms: terms_of_third, replaces: 2, effective_from };
    life.does(Command::AnnouncePrice(command), "2027-01-11");
    assert_eq!(change_at(&life), Some(at("2027-04-01")));
    for first in ["2027-02-01", "2027-03-01"] {
        life.live_until(first);
        assert_eq!((terms(&life), life.due()), ((1, 2_900), vec![2_900]));
        life.pays(first);
    }
    life.live_until("2027-04-01");
    assert_eq!((terms(&life), life.due()), ((3, 3_500), vec![3_500]));
}

#[test]
fn a_closed_version_cannot_be_bought_and_its_subscriptions_continue() {
    let (plan, closed, _) = raised("studio", "2028-01-01", 0);
    let is_closed = Rejection::PlanVersionClosed { plan_code: "studio".parse().unwrap(), version: 1 };
    for by in [Authority::PlatformAdmin, Authority::TenantUser] {
        let mut life = Life::new("2027-01-01");
        let subscribe = Subscribe {
            id: SubscriptionId::new(life.new_id()),
            plan: plan.clone(),
            version: closed.clone(),
            addons: Vec::new(),
            anchor_mode: AnchorMode::Calendar,
            trial_ends_at: None,
            trial_claimed_by: None,
        };
        assert_eq!(life.tries(by, Command::Subscribe(subscribe), "2027-01-01"), Err(is_closed.clone()));
        life.subscribes("team", &[], "2027-01-01");
        for effective in [Effective::Immediate, Effective::PeriodEnd] {
            let refused = life.tries(by, change(plan.clone(), closed.clone(), effective), "2027-01-02");
            assert_eq!(refused, Err(is_closed.clone()));
        }
        // A subscription to it renews, and a change to its own terms only withdraws a scheduled change.
        let mut life = studio("2027-01-01");
        life.tries(by, change_to("team", Effective::PeriodEnd), "2027-01-02").unwrap();
        life.tries(by, change(plan.clone(), closed.clone(), Effective::PeriodEnd), "2027-01-03").unwrap();
        assert_eq!(change_at(&life), None);
        life.live_until("2027-02-01");
        assert_eq!((life.due(), terms(&life)), (vec![2_900], (1, 2_900)));
        let subscription = life.aggregate.subscription.as_ref().unwrap();
        assert_eq!(subscription.status, SubscriptionStatus::Active);
    }
}

#[test]
fn only_an_offered_version_with_the_same_currency_and_interval_is_replaced() {
    let (plan, closed, new) = raised("studio", "2027-02-01", 0);
    let field = |result: Result<PlanVersion, Rejection>| match result {
        Err(Rejection::InvalidField { field, code, .. }) => (field, code),
        other => panic!("{other:?}"),
    };
    let (now, later) = (at("2027-01-01"), at("2027-02-01"));
    assert_eq!(field(replace_version(&closed, &new, later, now)), ("replaces", "closed"));
    let (_, euro) = plan.publish(1, "EUR".parse().unwrap(), Interval::Month, 0, now);
    assert_eq!(field(replace_version(&new, &euro, later, now)), ("replaces", "other_currency"));
    let (_, yearly) = plan.publish(1, "USD".parse().unwrap(), Interval::Year, 0, now);
    assert_eq!(field(replace_version(&new, &yearly, later, now)), ("replaces", "other_interval"));
    let (_, third) = plan.publish(1, "USD".parse().unwrap(), Interval::Month, 0, now);
    assert_eq!(field(replace_version(&new, &third, at("2026-12-31"), now)), ("effective_from", "in_past"));
    assert_eq!(field(replace_version(&new, &third, at("2127-12-31"), now)), ("effective_from", "too_far_ahead"));
    let replaced = replace_version(&new, &third, now, now).unwrap();
    assert_eq!((replaced.replaced_by, replaced.effective_from), (Some(3), Some(now)));
}

#[test]
fn only_the_platform_announces() {
    let life = studio("2027-01-01");
    for by in [Authority::TenantUser, Authority::PaymentProvider, Authority::DataPlane, Authority::Billing] {
        let decided = decide(&life.aggregate, announce("studio", "2027-02-15"), &actor(by), None, at("2027-01-10"));
        assert_eq!(decided, Err(Rejection::RoleNotPermitted), "{by:?}");
    }
}
