//! The catalog: plans, plan versions and add-ons on sale. A purchase copies its terms into [`super::subscription`];
//! later changes of the catalog do not affect it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::money::Currency;
use super::period::Interval;
use super::values::{DisplayName, ShortCode, Timestamp};

/// The largest quantity of an add-on, in its unit.
pub const MAX_QUANTITY: i64 = 1_000_000_000;
/// The longest trial of a plan version, in days.
pub const MAX_TRIAL_DAYS: i64 = 730;

named! {
    /// Whether a plan or add-on can be bought.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum CatalogStatus("invalid_status", default Active) {
        /// It is on sale.
        Active = "active",
        /// It is not on sale. Existing subscriptions keep it.
        Retired = "retired",
    }
}

named! {
    /// Whether a plan version can be bought.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum VersionStatus("invalid_status", default Offered) {
        /// It can be bought.
        Offered = "offered",
        /// Another version has replaced it: nobody can newly buy it. Existing subscriptions keep it until their price
        /// changes.
        Closed = "closed",
    }
}

/// A plan of the catalog. Its prices are in its published versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Plan {
    /// Its unique code; it never changes.
    pub code: ShortCode,
    /// Its display name.
    pub name: DisplayName,
    /// Whether it is on sale.
    pub status: CatalogStatus,
    /// The version that new subscriptions get; null before the first publication.
    pub newest_version: Option<PlanVersion>,
    /// The number of the record's revisions: 1 after creation.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
}

/// A published price of a plan. Its price and its terms never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct PlanVersion {
    /// The code of the plan.
    pub plan_code: ShortCode,
    /// Its number among the plan's versions: 1, 2, 3 and so on.
    pub version: u32,
    /// The price of one interval, in minor units.
    pub price_cents: i64,
    /// The currency of the price.
    pub currency: Currency,
    /// How often the price is charged.
    pub interval: Interval,
    /// The length of the trial, in days; 0 for none. A tenant has one trial for each plan.
    #[serde(default)]
    pub trial_days: u32,
    /// When it was published.
    pub published_at: Timestamp,
    /// Whether it can be newly bought.
    #[serde(default)]
    pub status: VersionStatus,
    /// The version that replaced it, if it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<u32>,
    /// The moment from which its subscriptions change to that version, each at its first period boundary at or after
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Timestamp>,
}

/// Prices in minor units, by the interval of the plan.
pub type IntervalPrices = BTreeMap<Interval, i64>;

/// An add-on: an extra that can be attached to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Addon {
    /// Its unique code; it never changes.
    pub code: ShortCode,
    /// Its display name.
    pub name: DisplayName,
    /// The price of one interval, in minor units, for intervals that `interval_prices` does not list.
    pub price_cents: i64,
    /// The price of one interval, in minor units, by the interval of the plan.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interval_prices: IntervalPrices,
    /// The currency of the prices.
    pub currency: Currency,
    /// How many units it grants.
    pub quantity: i64,
    /// The unit of the quantity, such as `GB`.
    pub unit: DisplayName,
    /// Whether it is on sale.
    pub status: CatalogStatus,
    /// The number of the record's revisions: 1 after creation.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
}

impl Plan {
    /// Returns the plan with a new newest version, and that version. `price_cents` is in minor units.
    #[must_use]
    pub fn publish(
        &self,
        price_cents: i64,
        currency: Currency,
        interval: Interval,
        trial_days: u32,
        at: Timestamp,
    ) -> (Self, PlanVersion) {
        let version = self.newest_version.as_ref().map_or(0, |newest| newest.version) + 1;
        let plan_code = self.code.clone();
        let newest = PlanVersion {
            plan_code,
            version,
            price_cents,
            currency,
            interval,
            trial_days,
            published_at: at,
            status: VersionStatus::Offered,
            replaced_by: None,
            effective_from: None,
        };
        let revision = self.revision + 1;
        (Self { newest_version: Some(newest.clone()), revision, updated_at: at, ..self.clone() }, newest)
    }
}
