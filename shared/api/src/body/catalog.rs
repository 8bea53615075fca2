//! Bodies of requests about the catalog: plans, add-ons and coupons.

use arcadia_domain::{
    CatalogStatus, CouponDuration, Currency, DisplayName, Interval, IntervalPrices, InvalidValue, MAX_COUPON_PERIODS,
    MAX_COUPON_PLANS, MAX_PRICE_CENTS, MAX_QUANTITY, MAX_REDEMPTIONS, MAX_TRIAL_DAYS, Notes, Reason, ShortCode,
    Timestamp, WHOLE_BASIS_POINTS,
};

use super::body;
use super::fields::{Fields, amount, boolean, integer, integers_by, text, timestamp};
#[cfg(feature = "json-schema")]
use super::times::Moment;

body! {
    /// The body of `PUT /plans/{code}`.
    PutPlanRequest {
        /// Name for display.
        name: DisplayName = required(text),
        /// Whether it can be newly bought. Default: unchanged; `active` for a new record.
        status: Option<CatalogStatus> = optional(text),
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `POST /plans/{code}/versions`.
    PublishPlanVersionRequest {
        /// Price of one interval, in minor units.
        price_cents: i64 = required(integer(0, MAX_PRICE_CENTS)) [range(min = 0, max = MAX_PRICE_CENTS)],
        /// Currency of the price.
        currency: Currency = required(text),
        /// The billing interval.
        interval: Interval = required(text),
        /// Trial of a tenant's first subscription to the plan, in days. Default: 0.
        trial_days: Option<u32> = optional(integer(0, MAX_TRIAL_DAYS)) [range(max = MAX_TRIAL_DAYS)],
        /// The offered version that the new one replaces. It has the same currency and interval. Requires `effective_from`.
        replaces: Option<u32> = optional(integer(1, i64::from(u32::MAX))) [range(min = 1)],
        /// Moment, not in the past, from which the subscriptions of the replaced version change to the new one, each at its
        /// first period boundary. Requires `replaces`.
        effective_from: Option<Timestamp> = optional(timestamp) [with = "Option<Moment>"],
        /// One-line reason, stored in the events; with `replaces` also in those of the subscriptions. Default with
        /// `replaces`: `price_change`.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the same events.
        notes: Option<Notes> = optional(text),
        /// Return what would be published, and what the first subscriptions would get, without storing anything.
        dry_run: Option<bool> = optional(boolean),
    }
    checked a_replacement_is_whole
}

fn a_replacement_is_whole(fields: &mut Fields) {
    match (fields.has("replaces"), fields.has("effective_from")) {
        (true, false) => fields.miss("effective_from"),
        (false, true) => fields.miss("replaces"),
        (true, true) | (false, false) => {}
    }
}

body! {
    /// The body of `PUT /addons/{code}`.
    PutAddonRequest {
        /// Name for display.
        name: DisplayName = required(text),
        /// Price for one interval of a plan without an entry in `interval_prices`, in minor units.
        price_cents: i64 = required(integer(0, MAX_PRICE_CENTS)) [range(min = 0, max = MAX_PRICE_CENTS)],
        /// Prices for one interval of a plan, by the plan's interval, in minor units.
        interval_prices: Option<IntervalPrices> = optional(integers_by(0, MAX_PRICE_CENTS)) [extend("minProperties" = 1)],
        /// Currency of the price.
        currency: Currency = required(text),
        /// Number of units granted.
        quantity: i64 = required(integer(1, MAX_QUANTITY)) [range(min = 1, max = MAX_QUANTITY)],
        /// Name of the unit, such as `GB`.
        unit: DisplayName = required(text),
        /// Whether it can be newly bought. Default: unchanged; `active` for a new record.
        status: Option<CatalogStatus> = optional(text),
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `PUT /coupons/{code}`.
    PutCouponRequest {
        /// Name for display.
        name: DisplayName = required(text),
        /// The discount, as a part of each price in basis points: 2000 is 20 %. Required without `amount_cents`.
        percent_basis_points: Option<u32> = optional(integer(1, WHOLE_BASIS_POINTS))
            [range(min = 1, max = WHOLE_BASIS_POINTS)],
        /// The discount of a period, in minor units. Requires `currency`; not together with a percentage.
        amount_cents: Option<i64> = optional(amount) [range(min = 1, max = MAX_PRICE_CENTS)],
        /// Currency of the amount.
        currency: Option<Currency> = optional(text),
        /// How long it discounts a subscription.
        duration: CouponDuration = required(text),
        /// The number of periods that it discounts; required for the duration `periods` and not allowed for others.
        periods: Option<u32> = optional(integer(1, MAX_COUPON_PERIODS)) [range(min = 1, max = MAX_COUPON_PERIODS)],
        /// Codes of the plans that it is for. Default: all plans.
        plans: Option<Vec<ShortCode>> = list(text) [length(max = MAX_COUPON_PLANS)],
        /// How often it can be granted. Default: without a limit.
        max_redemptions: Option<u64> = optional(integer(1, MAX_REDEMPTIONS)) [range(min = 1, max = MAX_REDEMPTIONS)],
        /// The last moment at which it can be granted. Default: without a limit.
        redeem_by: Option<Timestamp> = optional(timestamp) [with = "Option<Moment>"],
        /// Whether it can be granted. Default: unchanged; `active` for a new record.
        status: Option<CatalogStatus> = optional(text),
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
    checked a_coupon_is_of_one_kind
}

/// Requires either a percentage, or an amount with its currency; and the number of periods where the duration has one.
fn a_coupon_is_of_one_kind(fields: &mut Fields) {
    const NEITHER: InvalidValue = InvalidValue::new("nothing_off", "or amount_cents with currency must be given");
    const NOT_WITH_PERCENT: InvalidValue =
        InvalidValue::new("not_allowed", "must not be given together with percent_basis_points");
    const NOT_WITHOUT_AMOUNT: InvalidValue = InvalidValue::new("not_allowed", "is only for amount_cents");
    const TOO_MANY_PLANS: InvalidValue = InvalidValue::new("too_many", "can name at most 20 plans");
    const NOT_FOR_DURATION: InvalidValue = InvalidValue::new("not_allowed", "is only for the duration periods");
    match (fields.has("percent_basis_points"), fields.has("amount_cents"), fields.has("currency")) {
        (true, false, false) | (false, true, true) => {}
        (false, true, false) => fields.miss("currency"),
        (true, true, _) => fields.fail("amount_cents", NOT_WITH_PERCENT),
        (_, false, true) => fields.fail("currency", NOT_WITHOUT_AMOUNT),
        (false, false, false) => fields.fail("percent_basis_points", NEITHER),
    }
    if fields.len("plans").is_some_and(|count| count > MAX_COUPON_PLANS) {
        fields.fail("plans", TOO_MANY_PLANS);
    }
    match (fields.peek("duration", text), fields.has("periods")) {
        (Some(CouponDuration::Periods), false) => fields.miss("periods"),
        (Some(CouponDuration::Once | CouponDuration::Forever), true) => fields.fail("periods", NOT_FOR_DURATION),
        (Some(CouponDuration::Periods), true)
        | (Some(CouponDuration::Once | CouponDuration::Forever), false)
        | (None, _) => {}
    }
}
