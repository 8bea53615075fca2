//! Coupons of the catalog, and the discounts of subscriptions that they make.

use arcadia_api::SubscriptionView;
use arcadia_domain::{
    CatalogStatus, Coupon, CouponDuration, Currency, DisplayName, MAX_COUPON_PERIODS, MAX_COUPON_PLANS,
    MAX_PRICE_CENTS, MAX_REDEMPTIONS, Notes, Power, Reason, ShortCode, WHOLE_BASIS_POINTS,
};
use schemars::JsonSchema;
use serde_json::json;

use crate::operation::Operation;
use crate::schema::{Moment, NextCursor};

const COUPONS: &str = "Coupons";
const SUBSCRIPTIONS: &str = "Subscriptions";

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PutCouponRequest {
    /// Name for display.
    name: DisplayName,
    /// The part of each price that it takes off, in basis points: 2000 is 20 %. Required without `amount_cents`.
    #[schemars(range(min = 1, max = WHOLE_BASIS_POINTS))]
    percent_basis_points: Option<u32>,
    /// The amount that it takes off a period, in minor units. Requires `currency`; not together with a percentage.
    #[schemars(range(min = 1, max = MAX_PRICE_CENTS))]
    amount_cents: Option<i64>,
    /// Currency of the amount.
    currency: Option<Currency>,
    /// How long it discounts a subscription.
    duration: CouponDuration,
    /// The number of periods that it discounts; required for the duration `periods` and not allowed for others.
    #[schemars(range(min = 1, max = MAX_COUPON_PERIODS))]
    periods: Option<u32>,
    /// Codes of the plans that it is for. Default: all plans.
    #[schemars(length(max = MAX_COUPON_PLANS))]
    plans: Option<Vec<ShortCode>>,
    /// How often it can be granted. Default: without a limit.
    #[schemars(range(min = 1, max = MAX_REDEMPTIONS))]
    max_redemptions: Option<u64>,
    /// The last moment at which it can be granted. Default: without a limit.
    redeem_by: Option<Moment>,
    /// Whether it can be granted. Default: unchanged; `active` for a new record.
    status: Option<CatalogStatus>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GrantDiscountRequest {
    /// Code of the coupon.
    coupon: ShortCode,
    reason: Option<Reason>,
    notes: Option<Notes>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RemoveDiscountRequest {
    reason: Option<Reason>,
    notes: Option<Notes>,
}

#[derive(JsonSchema)]
#[schemars(rename = "CouponList")]
struct CouponList {
    coupons: Vec<Coupon>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "CouponAnswer")]
struct OneCoupon {
    coupon: Coupon,
}

#[derive(JsonSchema)]
#[schemars(rename = "DiscountAnswer")]
struct Discounted {
    subscription: SubscriptionView<'static>,
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(COUPONS, "list_coupons", "List the catalog's coupons", "By code, including retired ones.")
            .ok::<CouponList>("A page of coupons."),
        Operation::new(COUPONS, "show_coupon", "Show a coupon", "Its terms, and how often it was granted.")
            .versioned::<OneCoupon>("The coupon."),
        Operation::new(
            COUPONS,
            "put_coupon",
            "Create, change or retire a coupon",
            "Discounts that were granted keep their terms. If nothing differs, nothing is written. A grant at the same \
             moment is a conflict.",
        )
        .body::<PutCouponRequest>([
            ("percentage", json!({"name": "Partners", "percent_basis_points": 2000, "duration": "forever"})),
            (
                "amount",
                json!({
                    "name": "Start", "amount_cents": 1000, "currency": "USD", "duration": "periods", "periods": 3,
                    "plans": ["studio"], "max_redemptions": 100, "redeem_by": "2027-12-31T23:59:59Z",
                }),
            ),
        ])
        .versioned::<OneCoupon>("The current coupon.")
        .created::<OneCoupon>("The created coupon.")
        .if_match()
        .problems(&["version_conflict"]),
        Operation::new(
            SUBSCRIPTIONS,
            "grant_discount",
            "Grant a discount",
            "Copies the terms of a coupon to the subscription and counts the grant. The discount lowers the charges for \
             the plan and the add-ons from the next period that opens; the present period stays as it is. It can \
             replace a discount that has no period left.",
        )
        .body::<GrantDiscountRequest>([("partner", json!({"coupon": "partner", "reason": "a partner since 2027"}))])
        .versioned::<Discounted>("The subscription with its discount.")
        .if_match()
        .problems(&[
            "coupon_exhausted",
            "coupon_expired",
            "coupon_not_for_plan",
            "coupon_retired",
            "currency_mismatch",
            "discount_exists",
            "not_subscribed",
            "unknown_coupon",
            "version_conflict",
        ])
        .powers(&[Power::Discount]),
        Operation::new(
            SUBSCRIPTIONS,
            "remove_discount",
            "Remove the discount",
            "A discount that runs ends with the current period; another one ends at once. The grant stays counted.",
        )
        .optional_body::<RemoveDiscountRequest>(true, [("reason", json!({"reason": "not a partner any more"}))])
        .versioned::<Discounted>("The subscription.")
        .if_match()
        .problems(&["no_discount", "not_subscribed", "version_conflict"])
        .powers(&[Power::Discount]),
    ]
}
