//! Coupons of the catalog, and the discounts of subscriptions that they make.

use arcadia_api::answer::{CouponAnswer, CouponList, SubscriptionAnswer};
use arcadia_api::body::{GrantDiscountRequest, PutCouponRequest, RemarksRequest};
use arcadia_domain::Power;
use serde_json::json;

use crate::operation::Operation;

const COUPONS: &str = "Coupons";
const SUBSCRIPTIONS: &str = "Subscriptions";

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(COUPONS, "list_coupons", "List the catalog's coupons", "By code, including retired ones.")
            .ok::<CouponList>("A page of coupons."),
        Operation::new(COUPONS, "show_coupon", "Show a coupon", "Its terms, and how often it was granted.")
            .versioned::<CouponAnswer<'static>>("The coupon."),
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
        .versioned::<CouponAnswer<'static>>("The current coupon.")
        .created::<CouponAnswer<'static>>("The created coupon.")
        .if_match()
        .problems(&["version_conflict"]),
        Operation::new(
            SUBSCRIPTIONS,
            "grant_discount",
            "Grant a discount",
            "Copies the terms of a coupon to the subscription and counts the grant. The discount lowers the charges \
             for the plan and the add-ons from the next period that opens; the present period stays as it is. It can \
             replace a discount that has no period left.",
        )
        .body::<GrantDiscountRequest>([("partner", json!({"coupon": "partner", "reason": "a partner since 2027"}))])
        .versioned::<SubscriptionAnswer<'static>>("The subscription with its discount.")
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
            "A running discount ends with the current period; another one ends at once. The grant stays counted.",
        )
        .optional_body::<RemarksRequest>(true, [("reason", json!({"reason": "not a partner any more"}))])
        .versioned::<SubscriptionAnswer<'static>>("The subscription.")
        .if_match()
        .problems(&["no_discount", "not_subscribed", "version_conflict"])
        .powers(&[Power::Discount]),
    ]
}
