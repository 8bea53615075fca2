//! Cases of discounts, with the amounts worked out by hand. Every history is audited after every commit.

use super::cases::{Life, storage};
use super::fixtures::{actor, at, coupon};
use super::*;
use crate::catalog::CatalogStatus;
use crate::coupon::{Coupon, CouponDuration, DiscountEnd, Redemption};
use crate::{ChargeId, Figure, Figures, LineKind, Movement};

/// A coupon for 20 % without an end.
fn partner() -> Coupon {
    coupon(Ok(2_000), None, &[])
}

/// A coupon for an amount of dollars.
fn amount(cents: i64, periods: u32) -> Coupon {
    coupon(Err((cents, "USD")), Some(periods), &[])
}

fn grant(coupon: Coupon) -> Command {
    Command::GrantDiscount(GrantDiscount { coupon, reason: None, notes: None })
}

fn remove() -> Command {
    Command::RemoveDiscount(RemoveDiscount::default())
}

/// A deployment with studio (2,900) and storage (750) from 1 January on, paid, and a coupon granted on 10 January.
fn discounted(coupon: Coupon) -> Life {
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[storage()], "2027-01-01");
    life.pays("2027-01-01");
    life.does(grant(coupon), "2027-01-10");
    life
}

/// The lines of the newest invoice, with their kinds.
fn lines(life: &Life) -> Vec<(LineKind, i64)> {
    let newest = life.invoices.values().max_by_key(|invoice| (invoice.issued_at, &invoice.number)).unwrap();
    newest.lines.iter().map(|line| (line.kind, line.amount_cents)).collect()
}

fn ends(life: &Life) -> Vec<DiscountEnd> {
    let ended = |event: &Event| match &event.kind {
        EventKind::DiscountEnded { cause, .. } => Some(*cause),
        _ => None,
    };
    life.events.iter().filter_map(ended).collect()
}

fn refused(life: &mut Life, command: Command, now: &str) -> Rejection {
    life.tries(Authority::PlatformAdmin, command, now).unwrap_err()
}

#[test]
fn a_discount_begins_with_the_next_period_and_stands_on_lines_of_its_own() {
    let mut life = discounted(partner());
    assert_eq!((life.due(), life.balance("USD")), (vec![], 0), "the present period is unchanged");
    life.live_until("2027-02-01");
    assert_eq!(life.due(), [2_920]);
    let (plan, addon, off) = (LineKind::PlanCharge, LineKind::AddonCharge, LineKind::Discount);
    assert_eq!(lines(&life), [(plan, 2_900), (off, -580), (addon, 750), (off, -150)]);
    let invoice = &life.invoices[&life.oldest()];
    let named: Vec<ChargeId> = invoice.lines.iter().map(|line| line.charge).collect();
    assert_eq!((named[0], named[2]), (named[1], named[3]), "a discount names its charge");
    assert_eq!(invoice.lines[1].code.as_str(), "partner");
}

/// The defect that this finds: a credit of the undiscounted price is 375, more than the customer paid for the time.
#[test]
fn a_credit_is_of_the_discounted_price() {
    let mut life = discounted(partner());
    life.live_until("2027-02-01");
    life.pays("2027-02-01");
    life.detaches("2027-02-15");
    assert_eq!(life.balance("USD"), 300, "half of 600");
    life.changes_now("team", "2027-02-15");
    assert_eq!(life.balance("USD"), 300 + 1_160, "half of 2,320");
    life.live_until("2027-03-01");
    // Half of team for February and team for March, 20 % off each, less the balance.
    assert_eq!(life.due(), [3_960 + 7_920 - 1_460]);
}

#[test]
fn a_year_changed_in_the_middle_and_paid_back_is_what_was_used() {
    let mut life = discounted(partner());
    life.changes("yearly", Effective::PeriodEnd, Proration::Prorate, "2027-01-20");
    life.live_until("2027-02-01");
    assert_eq!(life.due(), [23_200 + 600]);
    life.pays("2027-02-01");
    life.detaches("2027-08-01");
    assert_eq!(life.balance("USD"), 302, "600 x 184 / 365");
    life.changes_now("studio", "2027-08-01");
    assert_eq!((life.due(), life.balance("USD")), (vec![], 302 + 11_695 - 2_320), "23,200 x 184 / 365");
    let amount = crate::Amount { amount_cents: 9_677, currency: "USD".parse().unwrap() };
    let reference = PayBack { reference: "r-1".parse().unwrap(), known: None };
    let correction = Correction::Refund(reference, amount);
    life.does(Command::Correct(Correct { correction, reason: None, notes: None }), "2027-08-02");
    let paid: i64 = life.invoices.values().map(|invoice| invoice.paid_cents).sum();
    // January, the used part of the year and of its storage, and August.
    assert_eq!(paid - 9_677, 3_650 + (23_200 - 11_695) + (600 - 302) + 2_320);
}

#[test]
fn an_amount_goes_to_the_plan_and_then_to_the_addons() {
    let mut life = discounted(amount(3_200, 1));
    life.live_until("2027-02-01");
    assert_eq!(life.due(), [450], "2,900 of the plan and 300 of the storage");
    life.pays("2027-02-01");
    life.detaches("2027-02-15");
    assert_eq!(life.balance("USD"), 225, "half of 450");
    life.attaches(storage(), "2027-02-15");
    life.live_until("2027-03-01");
    assert_eq!(life.due(), [2_900 + 750 + 375 - 225], "an add-on attached within the period gets none of it");
    assert_eq!(ends(&life), [DiscountEnd::NoPeriodsLeft]);
}

#[test]
fn another_plan_takes_the_place_of_the_present_one_in_an_amount() {
    let mut life = discounted(amount(1_000, 2));
    life.live_until("2027-02-01");
    assert_eq!(life.due(), [1_900 + 750]);
    life.pays("2027-02-01");
    life.changes_now("solo", "2027-02-15");
    assert_eq!(life.balance("USD"), 950, "half of 1,900; solo costs nothing");
    life.changes_now("team", "2027-02-15");
    life.live_until("2027-03-01");
    let (plan, addon, off) = (LineKind::PlanCharge, LineKind::AddonCharge, LineKind::Discount);
    let expected = [(plan, 4_950), (off, -500), (plan, 9_900), (off, -1_000), (addon, 750)];
    assert_eq!((life.due(), lines(&life)), (vec![4_450 + 8_900 + 750 - 950], expected.to_vec()));
    life.pays("2027-03-01");
    life.live_until("2027-04-01");
    assert_eq!((life.due(), ends(&life)), (vec![9_900 + 750], vec![DiscountEnd::NoPeriodsLeft]));
}

#[test]
fn the_part_of_an_amount_used_by_an_addon_is_not_given_to_another_plan() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("solo", &[storage()], "2027-01-01");
    life.pays("2027-01-01");
    life.does(grant(amount(1_000, 12)), "2027-01-10");
    life.live_until("2027-02-01");
    assert_eq!(life.due(), [650], "900 of the plan and 100 of the storage");
    life.pays("2027-02-01");
    life.changes_now("studio", "2027-02-15");
    life.live_until("2027-03-01");
    assert_eq!(life.due(), [1_000 + 1_900 + 750], "half of 2,000 for February");
}

#[test]
fn a_discount_granted_in_a_trial_is_prorated_with_the_first_period() {
    let mut life = Life::new("2027-01-01");
    life.subscribes("tried", &[], "2027-01-01");
    let once = Coupon { percent_basis_points: Some(5_000), duration: CouponDuration::Once, ..partner() };
    life.does(grant(once), "2027-01-02");
    life.live_until("2027-01-15");
    assert_eq!(life.due(), [795], "1,450 x 17 / 31");
    assert_eq!(lines(&life), [(LineKind::PlanCharge, 1_590), (LineKind::Discount, -795)]);
    life.live_until("2027-02-01");
    assert_eq!((life.due(), ends(&life)), (vec![795, 2_900], vec![DiscountEnd::NoPeriodsLeft]));
}

#[test]
fn a_waiting_charge_is_lowered_with_its_discount() {
    let mut life = discounted(partner());
    life.detaches("2027-01-11");
    life.live_until("2027-02-01");
    life.pays("2027-02-01");
    life.attaches(storage(), "2027-02-08");
    let waits = |life: &Life| life.subscription().waiting().flat_map(crate::Charge::lines).collect::<Vec<_>>();
    let amounts = |life: &Life| waits(life).iter().map(|line| line.amount_cents).collect::<Vec<_>>();
    assert_eq!(amounts(&life), [563, -113], "600 x 21 / 28 = 450");
    life.detaches("2027-02-15");
    assert_eq!(amounts(&life), [188, -38], "300 less: 150");
    life.live_until("2027-03-01");
    assert_eq!(life.due(), [150 + 2_320]);
}

#[test]
fn a_plan_that_the_coupon_is_not_for_ends_the_discount() {
    let mut life = discounted(coupon(Ok(2_000), None, &["studio"]));
    life.live_until("2027-02-01");
    life.pays("2027-02-01");
    life.changes_now("team", "2027-02-15");
    assert_eq!((life.balance("USD"), ends(&life)), (1_160, vec![DiscountEnd::PlanNotCovered]));
    life.live_until("2027-03-01");
    assert_eq!(life.due(), [4_950 + 9_900 + 750 - 1_160]);
    life.pays("2027-03-01");
    life.changes_now("studio", "2027-03-01T00:01");
    assert!(life.subscription().discount.is_none(), "changing back does not restore it");
}

#[test]
fn a_plan_changed_while_paused_or_in_a_trial_ends_the_discount_too() {
    let coupon = || coupon(Ok(2_000), None, &["studio", "tried"]);
    let mut life = discounted(coupon());
    life.changes("team", Effective::PeriodEnd, Proration::Prorate, "2027-01-20");
    life.moves(State::Paused, "2027-01-21");
    life.live_until("2027-02-02");
    assert_eq!(ends(&life), [DiscountEnd::PlanNotCovered]);

    let mut life = Life::new("2027-01-01");
    life.subscribes("tried", &[], "2027-01-01");
    life.does(grant(coupon()), "2027-01-02");
    life.changes_now("team", "2027-01-03");
    assert_eq!((life.due(), ends(&life)), (vec![9_261], vec![DiscountEnd::PlanNotCovered]), "9,900 x 29 / 31");
}

#[test]
fn a_credit_note_and_its_refund_are_of_what_was_paid() {
    let mut life = discounted(partner());
    life.live_until("2027-02-01");
    let february = life.oldest();
    life.pays("2027-02-01");
    let note = |life: &Life, extent| {
        let invoice = life.invoices[&february].clone();
        let pay_back = Some(PayBack { reference: "r-1".parse().unwrap(), known: None });
        let correction = Correction::CreditNote(CreditNote { invoice, extent, pay_back });
        Command::Correct(Correct { correction, reason: None, notes: None })
    };
    let charge = life.invoices[&february].lines[0].charge;
    let too_much = note(&life, Extent::Lines(vec![(charge, 2_321)]));
    let exceeds = Rejection::CreditExceedsCharge { charge, remaining_cents: 2_320 };
    assert_eq!(refused(&mut life, too_much, "2027-02-02"), exceeds);
    let whole = note(&life, Extent::Whole);
    life.does(whole, "2027-02-02");
    let invoice = &life.invoices[&february];
    assert_eq!((invoice.credited_cents, invoice.credits.len(), life.balance("USD")), (2_920, 2, 0));
    life.detaches("2027-02-15");
    assert_eq!(life.balance("USD"), 0, "its charge is credited in full");
}

#[test]
fn everything_off_is_an_invoice_of_zero_and_no_credit() {
    let mut life = discounted(coupon(Ok(10_000), None, &[]));
    life.live_until("2027-02-01");
    assert!(life.due().is_empty());
    let (plan, addon, off) = (LineKind::PlanCharge, LineKind::AddonCharge, LineKind::Discount);
    assert_eq!(lines(&life), [(plan, 2_900), (off, -2_900), (addon, 750), (off, -750)]);
    life.changes_now("team", "2027-02-15");
    life.detaches("2027-02-16");
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-02-17");
    assert_eq!((life.due(), life.balance("USD")), (vec![], 0));
}

#[test]
fn a_charge_made_once_has_no_discount() {
    let mut life = discounted(partner());
    let one_off = OneOff {
        description: "Migration".parse().unwrap(),
        amount_cents: 1_000,
        currency: "USD".parse().unwrap(),
        when: crate::Invoiced::NextInvoice,
    };
    let correction = Correction::Charge(one_off);
    life.does(Command::Correct(Correct { correction, reason: None, notes: None }), "2027-01-20");
    life.live_until("2027-02-01");
    assert_eq!(life.due(), [1_000 + 2_920]);
}

#[test]
fn a_running_discount_is_removed_at_the_end_of_the_period_and_another_one_at_once() {
    let mut life = discounted(partner());
    life.does(remove(), "2027-01-11");
    assert_eq!(refused(&mut life, remove(), "2027-01-12"), Rejection::NoDiscount);
    life.does(grant(partner()), "2027-01-12");
    life.live_until("2027-02-01");
    life.pays("2027-02-01");
    life.does(remove(), "2027-02-02");
    let events = life.events.len();
    life.does(remove(), "2027-02-03");
    assert_eq!(life.events.len(), events, "removing it again changes nothing");
    life.changes_now("team", "2027-02-15");
    life.live_until("2027-03-01");
    assert_eq!(life.due(), [3_960 + 9_900 + 750 - 1_160], "it runs until the end of February");
    assert_eq!(ends(&life), [DiscountEnd::NoPeriodsLeft]);
}

#[test]
fn one_discount_at_a_time_unless_the_present_one_has_no_period_left() {
    let mut life = discounted(amount(1_000, 1));
    let exists = Rejection::DiscountExists("partner".parse().unwrap());
    assert_eq!(refused(&mut life, grant(partner()), "2027-01-20"), exists);
    life.live_until("2027-02-01");
    life.pays("2027-02-01");
    life.does(grant(partner()), "2027-02-02");
    life.live_until("2027-03-01");
    assert_eq!((life.due(), ends(&life)), (vec![2_920], vec![]));
}

#[test]
fn a_pause_keeps_a_discount_and_a_new_subscription_has_none() {
    let mut life = discounted(amount(1_000, 2));
    life.moves(State::Paused, "2027-01-20");
    life.moves(State::Active, "2027-02-15");
    assert_eq!(life.due(), [950 + 375], "half of 1,900 and of 750");
    life.pays("2027-02-15");
    life.moves(State::Cancelled, "2027-02-16");
    life.moves(State::Active, "2027-03-17");
    assert_eq!(life.due(), [919 + 363], "15 of 31 days");
    life.pays("2027-03-17");
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-03-17");
    life.subscribes("studio", &[], "2027-03-17");
    assert!(life.subscription().discount.is_none());
}

#[test]
fn recurring_revenue_is_less_what_the_running_discount_takes_off() {
    let recurring = |life: &Life| life.aggregate.recurring().unwrap().1;
    let mut life = discounted(Coupon { duration: CouponDuration::Once, ..partner() });
    assert_eq!(recurring(&life), 12 * 3_650, "it does not run yet");
    let before = life.aggregate.clone();
    life.live_until("2027-02-01");
    assert_eq!(recurring(&life), 12 * 2_920);
    let difference = Figures::of_change(Some(&before), &life.aggregate);
    let contraction = Figure::Movement(Movement::Contraction, "USD".parse().unwrap());
    assert_eq!(difference.get(&contraction), 12 * 730);
    life.pays("2027-02-01");
    life.live_until("2027-03-01");
    assert_eq!(recurring(&life), 12 * 3_650);
}

#[test]
fn an_impossible_grant_is_refused_with_its_reason() {
    let mut life = Life::new("2027-01-01");
    assert_eq!(refused(&mut life, grant(partner()), "2027-01-01"), Rejection::NotSubscribed);
    life.subscribes("studio", &[], "2027-01-01");
    let code = || "partner".parse().unwrap();
    let by = |last: &str| Coupon { redeem_by: Some(at(last)), ..partner() };
    let times = |redemptions| Coupon { max_redemptions: Some(2), redemptions, revision: 7, ..partner() };
    let usd = "USD".parse().unwrap();
    let euro: Currency = "EUR".parse().unwrap();
    let plan_code = "studio".parse().unwrap();
    let cases = [
        (Coupon { status: CatalogStatus::Retired, ..partner() }, Rejection::CouponRetired(code())),
        (by("2027-01-01T23:59"), Rejection::CouponExpired(code())),
        (times(2), Rejection::CouponExhausted(code())),
        (coupon(Ok(2_000), None, &["team"]), Rejection::CouponNotForPlan { coupon: code(), plan_code }),
        (
            coupon(Err((1, "EUR")), None, &[]),
            Rejection::CouponCurrency { coupon: code(), currency: euro, expected: usd },
        ),
    ];
    for (coupon, rejection) in cases {
        assert_eq!(refused(&mut life, grant(coupon), "2027-01-02"), rejection);
    }
    assert_eq!(refused(&mut life, remove(), "2027-01-02"), Rejection::NoDiscount);
    let tenant = life.tries(Authority::TenantUser, grant(partner()), "2027-01-02").unwrap_err();
    assert_eq!(tenant, Rejection::RoleNotPermitted);
    let granted = |coupon| {
        let admin = actor(Authority::PlatformAdmin);
        decide(&life.aggregate, grant(coupon), &admin, None, at("2027-01-02")).unwrap().unwrap()
    };
    assert!(granted(by("2027-01-02")).redeems.is_some(), "the last moment is in time");
    let redeems = Redemption { coupon: code(), revision: 7, max_redemptions: Some(2) };
    assert_eq!(granted(times(1)).redeems, Some(redeems));
}
