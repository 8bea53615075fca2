//! Coupons and discounts. A coupon is a record of the catalog. Granting it copies its terms to a subscription as a
//! [`Discount`]; later changes of the coupon do not affect that. When a discount begins and ends is in
//! [`super::decide()`].

use serde::{Deserialize, Serialize};

use super::catalog::CatalogStatus;
use super::money::{Currency, prorate};
use super::values::{DisplayName, ShortCode, Timestamp};

/// The most periods of a coupon that discounts a number of them.
pub const MAX_COUPON_PERIODS: i64 = 120;
/// The most plans that a coupon can name.
pub const MAX_COUPON_PLANS: usize = 20;
/// The highest limit of a coupon's redemptions.
pub const MAX_REDEMPTIONS: i64 = 1_000_000_000;
/// The whole price, in basis points.
pub const WHOLE_BASIS_POINTS: i64 = 10_000;

named! {
    /// How long a coupon discounts a subscription.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum CouponDuration("invalid_duration") {
        /// One period.
        Once = "once",
        /// A number of periods.
        Periods = "periods",
        /// Every period until it is removed.
        Forever = "forever",
    }
}

/// A coupon of the catalog: the terms of a discount that `platform_admin` can grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Coupon {
    /// Its unique code; it never changes.
    pub code: ShortCode,
    /// Its display name.
    pub name: DisplayName,
    /// The discount, as a part of each price in basis points: 2000 is 20 %. Null for an amount.
    pub percent_basis_points: Option<u32>,
    /// The discount of a period, in minor units. Null for a percentage.
    pub amount_cents: Option<i64>,
    /// The currency of the amount; null for a percentage.
    pub currency: Option<Currency>,
    /// How long it discounts a subscription.
    pub duration: CouponDuration,
    /// The number of periods that it discounts; null unless `duration` is `periods`.
    pub periods: Option<u32>,
    /// The codes of the plans that it is for; empty for all plans.
    pub plans: Vec<ShortCode>,
    /// How often it can be granted; null without a limit.
    pub max_redemptions: Option<u64>,
    /// The last moment at which it can be granted; null without a limit.
    pub redeem_by: Option<Timestamp>,
    /// Whether it can be granted.
    pub status: CatalogStatus,
    /// How often it was granted.
    #[serde(default)]
    pub redemptions: u64,
    /// The number of the record's revisions: 1 after creation. Granting it is not a revision.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
}

/// The discount of a subscription: the terms of a coupon, as they were when it was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Discount {
    /// The code of the coupon.
    pub coupon: ShortCode,
    /// The discount, as a part of each price in basis points: 2000 is 20 %. Null for an amount.
    pub percent_basis_points: Option<u32>,
    /// The discount of a period, in minor units. Null for a percentage.
    pub amount_cents: Option<i64>,
    /// The currency of the amount; null for a percentage.
    pub currency: Option<Currency>,
    /// The codes of the plans that it is for; empty for all plans. A change to another plan ends it.
    pub plans: Vec<ShortCode>,
    /// How many of the periods that open from now on it discounts; null for all.
    pub periods_left: Option<u32>,
    /// Whether it discounts the current period.
    pub running: bool,
    /// When it was granted.
    pub granted_at: Timestamp,
}

named! {
    /// Why a discount ended.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum DiscountEnd("invalid_reason") {
        /// It had discounted its last period, or was removed during the last one.
        NoPeriodsLeft = "no_periods_left",
        /// The subscription changed to a plan that the coupon is not for, or to another currency.
        PlanNotCovered = "plan_not_covered",
    }
}

/// A grant of a coupon, which is counted on the coupon's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redemption {
    /// The code of the coupon.
    pub coupon: ShortCode,
    /// The revision of the coupon that the decision read.
    pub revision: u64,
    /// How often it can be granted.
    pub max_redemptions: Option<u64>,
}

impl Coupon {
    /// The number of periods that it discounts; `None` without a limit.
    #[must_use]
    pub fn periods(&self) -> Option<u32> {
        match self.duration {
            CouponDuration::Once => Some(1),
            CouponDuration::Periods => self.periods.or(Some(1)),
            CouponDuration::Forever => None,
        }
    }

    /// The discount that granting it at `at` makes.
    #[must_use]
    pub fn grant(&self, at: Timestamp) -> Discount {
        let Self { code, percent_basis_points, amount_cents, currency, plans, .. } = self.clone();
        Discount {
            coupon: code,
            percent_basis_points,
            amount_cents,
            currency,
            plans,
            periods_left: self.periods(),
            running: false,
            granted_at: at,
        }
    }
}

impl Discount {
    /// Whether the coupon is for a plan.
    #[must_use]
    pub fn is_for(&self, plan_code: &ShortCode) -> bool {
        self.plans.is_empty() || self.plans.contains(plan_code)
    }

    /// Whether it can discount a subscription to a plan in a currency.
    #[must_use]
    pub fn covers(&self, plan_code: &ShortCode, currency: Currency) -> bool {
        self.is_for(plan_code) && self.currency.is_none_or(|own| own == currency)
    }

    /// Whether it discounts the next period that opens, if that is of this plan and currency.
    #[must_use]
    pub fn goes_on(&self, plan_code: &ShortCode, currency: Currency) -> bool {
        self.periods_left != Some(0) && self.covers(plan_code, currency)
    }

    /// The discount of the price of a whole period, in minor units: from 0 to the price. A percentage is rounded half
    /// up. `taken_cents` is the part of a fixed amount that other charges of the period have used.
    #[must_use]
    pub fn off_cents(&self, price_cents: i64, taken_cents: i64) -> i64 {
        let percent = |points: u32| prorate(price_cents, i64::from(points), WHOLE_BASIS_POINTS);
        let amount = |cents: i64| (cents - taken_cents).clamp(0, price_cents.max(0));
        self.percent_basis_points.map_or_else(|| self.amount_cents.map_or(0, amount), percent)
    }

    /// The discount of a whole period, in minor units. `prices` are those of the plan and its add-ons.
    #[must_use]
    pub fn off_period_cents(&self, prices: impl Iterator<Item = i64>) -> i64 {
        prices.fold(0, |taken_cents, price_cents| taken_cents + self.off_cents(price_cents, taken_cents))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::MAX_PRICE_CENTS;

    fn discount(percent_basis_points: Option<u32>, amount_cents: Option<i64>) -> Discount {
        Discount {
            coupon: "partner".parse().unwrap(),
            percent_basis_points,
            amount_cents,
            currency: None,
            plans: Vec::new(),
            periods_left: None,
            running: true,
            granted_at: Timestamp::default(),
        }
    }

    #[test]
    fn a_percentage_is_rounded_half_up_and_an_amount_ends_at_the_price() {
        assert_eq!(discount(Some(2_000), None).off_cents(2_900, 0), 580);
        assert_eq!(discount(Some(3_333), None).off_cents(2_900, 0), 967);
        assert_eq!(discount(Some(5_000), None).off_cents(1, 0), 1, "a half rounds up");
        assert_eq!(discount(Some(10_000), None).off_cents(2_900, 0), 2_900);
        assert_eq!(discount(None, Some(1_000)).off_cents(2_900, 0), 1_000);
        assert_eq!(discount(None, Some(1_000)).off_cents(2_900, 700), 300);
        assert_eq!(discount(None, Some(1_000)).off_cents(2_900, 1_200), 0);
        assert_eq!(discount(None, Some(1_000)).off_cents(600, 0), 600);
    }

    proptest! {
        #[test]
        fn nothing_costs_less_than_nothing(
            price in 0..=MAX_PRICE_CENTS,
            points in 1..=10_000_u32,
            amount in 1..=MAX_PRICE_CENTS,
            taken in 0..=MAX_PRICE_CENTS,
        ) {
            prop_assert!((0..=price).contains(&discount(Some(points), None).off_cents(price, taken)));
            let off = discount(None, Some(amount)).off_cents(price, taken);
            prop_assert!((0..=price.min((amount - taken).max(0))).contains(&off));
        }
    }
}
