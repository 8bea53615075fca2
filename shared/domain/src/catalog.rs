//! The catalog: what can be bought now. What was bought is copied into [`super::subscription`] and lives on there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::invalid::InvalidValue;
use super::money::Currency;
use super::period::Interval;
use super::values::{DisplayName, ShortCode, Timestamp};

/// The most that one add-on can grant of its unit.
pub const MAX_QUANTITY: i64 = 1_000_000_000;
/// The longest trial of a plan version, in days.
pub const MAX_TRIAL_DAYS: i64 = 730;

/// Whether something can be newly bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum CatalogStatus {
    /// It can.
    #[default]
    Active,
    /// It cannot; what runs on it is untouched.
    Retired,
}

/// A plan: a name under which versions are published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Plan {
    /// Its identity, for good.
    pub code: ShortCode,
    /// What people call it.
    pub name: DisplayName,
    /// Whether it can be newly bought.
    pub status: CatalogStatus,
    /// The version that a new subscription gets; none before the first publication.
    pub newest_version: Option<PlanVersion>,
    /// How often the record changed, 1 after creation.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
}

/// What a plan costs. Published once and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct PlanVersion {
    /// The plan.
    pub plan_code: ShortCode,
    /// Its place among the plan's versions: 1, 2, 3 and so on.
    pub version: u32,
    /// The price of one interval, in minor units.
    pub price_cents: i64,
    /// The currency of the price.
    pub currency: Currency,
    /// How often it is charged.
    pub interval: Interval,
    /// How many days a tenant's first subscription to the plan is free.
    pub trial_days: u32,
    /// When it was published.
    pub published_at: Timestamp,
}

/// Prices in minor units that depend on the interval of the plan.
pub type IntervalPrices = BTreeMap<Interval, i64>;

/// Something that a subscription can have on top of its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Addon {
    /// Its identity, for good.
    pub code: ShortCode,
    /// What people call it.
    pub name: DisplayName,
    /// What it costs each interval of a plan whose interval has no price of its own here, in minor units.
    pub price_cents: i64,
    /// What it costs each interval of a plan of that interval, in minor units.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interval_prices: IntervalPrices,
    /// The currency of the price.
    pub currency: Currency,
    /// How many units it grants.
    pub quantity: i64,
    /// The unit, such as `GB`.
    pub unit: DisplayName,
    /// Whether it can be newly bought.
    pub status: CatalogStatus,
    /// How often the record changed, 1 after creation.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
}

impl std::str::FromStr for CatalogStatus {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "active" => Ok(Self::Active),
            "retired" => Ok(Self::Retired),
            _ => Err(InvalidValue { code: "invalid_status", detail: "must be active or retired" }),
        }
    }
}

impl Plan {
    /// The plan with one more version, numbered after the newest, and that version.
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
        let newest = PlanVersion { plan_code, version, price_cents, currency, interval, trial_days, published_at: at };
        let revision = self.revision + 1;
        (Self { newest_version: Some(newest.clone()), revision, updated_at: at, ..self.clone() }, newest)
    }
}
