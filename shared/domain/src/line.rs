//! Lines: the charges of an invoice and the credits of an event, each with the id of its charge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::invalid::InvalidValue;
use super::money::Currency;
use super::values::{DisplayName, ShortCode, Timestamp};

/// The id of a charge within its deployment: the sequence of the first event of its commit, and its place in that
/// commit, written `12-0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ChargeId {
    /// The sequence of the first event of its commit.
    pub sequence: u64,
    /// Its place among the charges of that commit, from 0.
    pub place: u32,
}

impl fmt::Display for ChargeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.sequence, self.place)
    }
}

impl FromStr for ChargeId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let invalid = InvalidValue::new("invalid_charge_id", "must be the id of a charge, such as 12-0");
        let (sequence, place) = text.split_once('-').ok_or_else(|| invalid.clone())?;
        match (sequence.parse(), place.parse()) {
            (Ok(sequence), Ok(place)) => Ok(Self { sequence, place }),
            (Err(_), _) | (_, Err(_)) => Err(invalid),
        }
    }
}

impl TryFrom<String> for ChargeId {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<ChargeId> for String {
    fn from(id: ChargeId) -> Self {
        id.to_string()
    }
}

#[cfg(feature = "json-schema")]
impl schemars::JsonSchema for ChargeId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ChargeId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The id of a charge within its deployment: the sequence of the first event of its commit, and its place in that commit.",
            "type": "string",
            "pattern": "^[0-9]+-[0-9]+$",
            "examples": ["12-0"],
        })
    }
}

named! {
    /// The kind of a line.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum LineKind("invalid_kind") {
        /// A charge for the plan.
        PlanCharge = "plan_charge",
        /// A credit of the unused part of a charge for the plan.
        PlanCredit = "plan_credit",
        /// A charge for an add-on.
        AddonCharge = "addon_charge",
        /// A credit of the unused part of a charge for an add-on.
        AddonCredit = "addon_credit",
        /// A charge made once, for example for a migration.
        OneOffCharge = "one_off_charge",
        /// A credit of a charge made once.
        OneOffCredit = "one_off_credit",
        /// A discount of a charge for the plan or for an add-on. It follows the line of that charge, and credits of the charge
        /// are of what the discount leaves.
        Discount = "discount",
        /// The tax of an invoice, on the sum of its other lines.
        Tax = "tax",
        /// A credit of tax. It comes with credits of the charges that were taxed.
        TaxCredit = "tax_credit",
    }
}

impl LineKind {
    /// The kind of a credit of a charge of this kind. A discount is never credited by itself.
    #[must_use]
    pub const fn credit(self) -> Self {
        match self {
            Self::PlanCharge | Self::PlanCredit => Self::PlanCredit,
            Self::AddonCharge | Self::AddonCredit => Self::AddonCredit,
            Self::OneOffCharge | Self::OneOffCredit => Self::OneOffCredit,
            Self::Discount => Self::Discount,
            Self::Tax | Self::TaxCredit => Self::TaxCredit,
        }
    }
}

/// A charge or a credit, for a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Line {
    /// The id of the charge that it makes, credits or discounts.
    pub charge: ChargeId,
    /// The kind of the line.
    pub kind: LineKind,
    /// The code of the plan, add-on or coupon; `one_off` for a charge made once, `tax` for tax.
    pub code: ShortCode,
    /// The description of a charge made once; absent on other lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<DisplayName>,
    /// The tax rate, in basis points: 1900 is 19 percent. Absent on lines that are not tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_rate_basis_points: Option<u32>,
    /// The amount, in minor units; negative for a credit or a discount.
    pub amount_cents: i64,
    /// The currency of the amount.
    pub currency: Currency,
    /// The start of the span that it covers.
    pub from: Timestamp,
    /// The end of the span, exclusive.
    pub to: Timestamp,
}
