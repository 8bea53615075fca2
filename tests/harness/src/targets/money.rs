//! Money: a part is never less than nothing nor more than the whole, is rounded half up and no further, and a credit never
//! exceeds what was billed.
//!
//! An input is numbers: an amount, a part and a whole; then prices of a plan and an add-on, the interval (0 to 3), and the
//! seconds from the beginning of the subscription to the add-on and from there to its end.

use arcadia_domain::{
    AnchorMode, Charge, ChargeId, Discount, Interval, MAX_PRICE_CENTS, PlanTerms, Subscription, SubscriptionAddon,
    SubscriptionAddonId, SubscriptionId, Timestamp, WHOLE_BASIS_POINTS, end_of_second, prorate, sum,
};
use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use super::script::Numbers;
use crate::goods;

/// More than the longest period has.
const MAX_SECONDS: i64 = 400 * 86_400;
/// When the subscription begins: within a month, so that its first period is not whole.
const BEGIN_S: i64 = 1_772_616_207;

/// Runs the target.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) -> bool {
    let mut numbers = Numbers::of(input);
    let (amount, part, whole) =
        (numbers.within(0, i64::MAX), numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    check_part(amount, part, whole);
    check_sum(&[amount, part, whole]);
    check_credits(&mut numbers);
    (1..whole).contains(&part)
}

fn check_part(amount: i64, part: i64, whole: i64) {
    let result = prorate(amount, part, whole);
    assert!((0..=amount).contains(&result), "{part}/{whole} of {amount} is {result}");
    if whole <= 0 {
        assert_eq!(result, 0, "of nothing there are no parts");
        return;
    }
    let part = part.clamp(0, whole);
    // Twice the distance from the exact value, in wholes: at most a half, and up when it is just that.
    let error = i128::from(result) * 2 * i128::from(whole) - 2 * i128::from(amount) * i128::from(part);
    assert!(-i128::from(whole) < error && error <= i128::from(whole), "{part}/{whole} of {amount} is {result}");
    let rest = prorate(amount, whole - part, whole);
    let both = i128::from(result) + i128::from(rest) - i128::from(amount);
    assert!((0..=1).contains(&both), "{part}/{whole} of {amount} and the rest of it differ from the whole by {both}");
    assert!(part == whole || result <= prorate(amount, part + 1, whole), "more of it came to less");
}

fn check_sum(amounts: &[i64]) {
    let exact: i128 = amounts.iter().map(|amount| i128::from(*amount)).sum();
    if let Some(found) = sum(amounts.iter().copied()) {
        assert_eq!(i128::from(found), exact);
    }
}

/// Of a subscription with an add-on: what is given back at the end is at most what was charged at the beginning.
fn check_credits(numbers: &mut Numbers<'_>) {
    let (plan_cents, addon_cents) = (numbers.within(0, MAX_PRICE_CENTS), numbers.within(0, MAX_PRICE_CENTS));
    let interval = Interval::ALL.get(usize::try_from(numbers.within(0, 3)).expect("not negative"));
    let interval = *interval.expect("one of four");
    let begin = DateTime::from_timestamp(BEGIN_S, 0).expect("a time");
    let attached_at = begin + TimeDelta::milliseconds(numbers.within(0, MAX_SECONDS * 1000));
    let ended_at = attached_at + TimeDelta::milliseconds(numbers.within(0, MAX_SECONDS * 1000));
    let mut subscription = subscription(plan_cents, interval, begin);
    let addon = addon(addon_cents, attached_at);
    let id = ChargeId { sequence: 1, place: 0 };
    for discount in [None, discount(numbers)] {
        subscription.discount = discount;
        check_credit(&subscription, subscription.charge(id, None, begin, 0), ended_at, plan_cents);
        check_credit(&subscription, subscription.charge(id, Some(&addon), attached_at, 0), ended_at, addon_cents);
        let whole = subscription.charge(id, None, subscription.current_period_start, 0).expect("a whole period");
        assert_eq!(whole.amount_cents + whole.discount.map_or(0, |discount| discount.amount_cents), plan_cents);
    }
}

/// A discount that runs, by a percentage or by an amount.
fn discount(numbers: &mut Numbers<'_>) -> Option<Discount> {
    let is_amount = numbers.within(0, 1) == 1;
    let amount_cents = is_amount.then(|| numbers.within(1, MAX_PRICE_CENTS));
    Some(Discount {
        coupon: "partner".parse().ok()?,
        percent_basis_points: u32::try_from(numbers.within(1, WHOLE_BASIS_POINTS)).ok().filter(|_| !is_amount),
        amount_cents,
        currency: amount_cents.and_then(|_| "USD".parse().ok()),
        plans: Vec::new(),
        periods_left: None,
        running: true,
        granted_at: DateTime::from_timestamp(BEGIN_S, 0)?,
    })
}

/// What is given back is never more than was charged, and what is kept never less than the price of what was used.
fn check_credit(subscription: &Subscription, charge: Option<Charge>, ended_at: Timestamp, price_cents: i64) {
    let Some(charge) = charge else { return };
    let charged = charge.amount_cents;
    let price_cents = price_cents - charge.discount.as_ref().map_or(0, |discount| discount.price_cents);
    let ended_at = end_of_second(ended_at.max(charge.from));
    let credited = subscription.unused_cents(&charge, ended_at);
    assert!((0..=price_cents).contains(&charged), "{charged} for what costs {price_cents}");
    assert!((0..=charged).contains(&credited), "{credited} is given back of {charged}");
    let seconds = |from: Timestamp, to: Timestamp| i128::from((to - from).num_seconds());
    let used = seconds(charge.from, ended_at.min(charge.to)) * i128::from(price_cents);
    let period = seconds(subscription.current_period_start, subscription.current_period_end);
    // Two amounts are rounded, each by half a minor unit at most.
    assert!(i128::from(charged - credited) * period + period >= used, "{charged} - {credited} for what was used");
}

fn subscription(price_cents: i64, interval: Interval, begin: Timestamp) -> Subscription {
    let terms = PlanTerms {
        plan_code: "studio".parse().expect("a code"),
        plan_version: 1,
        price_cents,
        currency: "USD".parse().expect("a currency"),
        interval,
    };
    Subscription::begin(SubscriptionId::new(Uuid::nil()), terms, AnchorMode::Calendar, None, begin)
}

fn addon(price_cents: i64, at: Timestamp) -> SubscriptionAddon {
    let addon = goods::addon("storage_50gb", price_cents, "USD", at);
    SubscriptionAddon::snapshot(SubscriptionAddonId::new(Uuid::nil()), &addon, at)
}
