//! Add-ons and coupons of a catalog, for tests of the rules, which store no catalog.

use arcadia_domain::{Addon, CatalogStatus, Coupon, CouponDuration, IntervalPrices, Timestamp};

/// An add-on of 50 GB of storage with one price.
///
/// # Panics
/// If the code or the currency is invalid.
#[must_use]
pub fn addon(code: &str, price_cents: i64, currency: &str, now: Timestamp) -> Addon {
    Addon {
        code: code.parse().expect("a code"),
        name: "Storage".parse().expect("a name"),
        price_cents,
        interval_prices: IntervalPrices::new(),
        currency: currency.parse().expect("a currency"),
        quantity: 50,
        unit: "GB".parse().expect("a unit"),
        status: CatalogStatus::Active,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

/// What a coupon takes off a price.
#[derive(Debug, Clone, Copy)]
pub enum Off {
    /// A part of it, in basis points.
    Part(u32),
    /// An amount, in minor units of a currency.
    Amount(i64, &'static str),
}

/// A coupon of some plans, or of all of them, for a number of periods, or forever.
///
/// # Panics
/// If a code or the currency is invalid.
#[must_use]
pub fn coupon(code: &str, off: Off, periods: Option<u32>, plans: &[&str], now: Timestamp) -> Coupon {
    let (percent_basis_points, amount_cents, currency) = match off {
        Off::Part(basis_points) => (Some(basis_points), None, None),
        Off::Amount(cents, currency) => (None, Some(cents), Some(currency.parse().expect("a currency"))),
    };
    Coupon {
        code: code.parse().expect("a code"),
        name: code.parse().expect("a name"),
        percent_basis_points,
        amount_cents,
        currency,
        duration: if periods.is_some() { CouponDuration::Periods } else { CouponDuration::Forever },
        periods,
        plans: plans.iter().map(|code| code.parse().expect("a code")).collect(),
        max_redemptions: None,
        redeem_by: None,
        status: CatalogStatus::Active,
        redemptions: 0,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}
