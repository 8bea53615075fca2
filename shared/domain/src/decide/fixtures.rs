//! Fixtures for the tests of decisions: times, actors, plans, add-ons, coupons and new deployments.

use chrono::DateTime;
use uuid::Uuid;

use crate::{
    Actor, Addon, Authority, CatalogStatus, Coupon, CouponDuration, CreateDeployment, Created, DeploymentId, Interval,
    IntervalPrices, Plan, State, Timestamp,
};

/// Parses a time such as `2027-01-31`, `2027-01-31T10:00` or `2027-01-31T10:00:00Z`.
pub fn at(text: &str) -> Timestamp {
    let rest = match text.len() {
        10 => "T00:00:00Z",
        16 => ":00Z",
        _ => "",
    };
    DateTime::parse_from_rfc3339(&format!("{text}{rest}")).unwrap().to_utc()
}

pub fn actor(authority: Authority) -> Actor {
    Actor { id: "ada".to_owned(), authority }
}

/// A plan with one published version.
pub fn priced_plan(code: &str, price_cents: i64, currency: &str, interval: Interval, trial_days: u32) -> Plan {
    let now = at("2026-01-01");
    let bare = Plan {
        code: code.parse().unwrap(),
        name: code.parse().unwrap(),
        status: CatalogStatus::Active,
        newest_version: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    bare.publish(price_cents, currency.parse().unwrap(), interval, trial_days, now).0
}

pub fn priced_addon(code: &str, price_cents: i64, currency: &str, interval_prices: IntervalPrices) -> Addon {
    let now = at("2026-01-01");
    Addon {
        code: code.parse().unwrap(),
        name: code.parse().unwrap(),
        price_cents,
        interval_prices,
        currency: currency.parse().unwrap(),
        quantity: 50,
        unit: "GB".parse().unwrap(),
        status: CatalogStatus::Active,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

/// A coupon for a percentage, in basis points, or else for an amount in a currency.
pub fn coupon(off: Result<u32, (i64, &str)>, periods: Option<u32>, plans: &[&str]) -> Coupon {
    let now = at("2026-01-01");
    let (amount_cents, currency) = off.err().map(|(cents, currency)| (cents, currency.parse().unwrap())).unzip();
    Coupon {
        code: "partner".parse().unwrap(),
        name: "Partners".parse().unwrap(),
        percent_basis_points: off.ok(),
        amount_cents,
        currency,
        duration: if periods.is_some() { CouponDuration::Periods } else { CouponDuration::Forever },
        periods,
        plans: plans.iter().map(|code| code.parse().unwrap()).collect(),
        max_redemptions: None,
        redeem_by: None,
        status: CatalogStatus::Active,
        redemptions: 0,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

pub fn new_deployment(state: State, trial_ends_at: Option<Timestamp>) -> CreateDeployment {
    CreateDeployment {
        id: DeploymentId::new(Uuid::from_u128(1)),
        state: Some(state),
        created: Created { trial_ends_at, ..created() },
    }
}

/// The fields of a new deployment without a trial.
pub fn created() -> Created {
    Created::new("acme".parse().unwrap(), "shop".parse().unwrap(), "eu".parse().unwrap())
}
