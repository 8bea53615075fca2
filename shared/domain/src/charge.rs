//! Charges: what a subscription was billed for, recorded one by one, so that every credit can name what it takes back.
//!
//! The record holds what still matters: charges that wait for an invoice, and invoiced ones of the current period, of
//! which a part can still be given back. Older ones live on in the lines of their invoices and in the history.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::invoice::{Line, LineKind};
use super::money::Currency;
use super::values::{InvalidValue, InvoiceNumber, ShortCode, SubscriptionAddonId, Timestamp};

/// Names a charge of a deployment: the first event of the commit that made it, and its place in that commit. Written
/// `12-0`.
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
        let invalid = InvalidValue { code: "invalid_charge_id", detail: "must be a charge's id such as 12-0" };
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
            "description": "Names a charge of a deployment: the first event of the commit that made it, and its place in that commit.",
            "type": "string",
            "pattern": "^[0-9]+-[0-9]+$",
            "examples": ["12-0"],
        })
    }
}

/// A charge on the record of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Charge {
    /// Its identity.
    pub id: ChargeId,
    /// The attached add-on that it is for; null for the plan.
    pub addon_id: Option<SubscriptionAddonId>,
    /// The code of the plan or add-on.
    pub code: ShortCode,
    /// The price of a whole period that it is a part of, in minor units.
    pub price_cents: i64,
    /// What it comes to, in minor units. A credit of a charge that waits lowers this.
    pub amount_cents: i64,
    /// What was credited of it since it is on an invoice, in minor units.
    pub credited_cents: i64,
    /// The currency of the amounts.
    pub currency: Currency,
    /// The first moment that it covers.
    pub from: Timestamp,
    /// The first moment that it no longer covers.
    pub to: Timestamp,
    /// The invoice that it is on; null while it waits for one.
    pub invoice: Option<InvoiceNumber>,
}

impl Charge {
    /// Whether it is for the plan, and not for an add-on.
    #[must_use]
    pub const fn is_of_plan(&self) -> bool {
        self.addon_id.is_none()
    }

    /// Whether no invoice has it yet.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.invoice.is_none()
    }

    /// Its line on an invoice.
    #[must_use]
    pub fn line(&self) -> Line {
        let kind = if self.is_of_plan() { LineKind::PlanCharge } else { LineKind::AddonCharge };
        self.entry(kind, self.amount_cents, self.from)
    }

    /// The line of a credit that takes `amount_cents` of it back, for the time from `from` on.
    #[must_use]
    pub fn credit_line(&self, amount_cents: i64, from: Timestamp) -> Line {
        let kind = if self.is_of_plan() { LineKind::PlanCredit } else { LineKind::AddonCredit };
        self.entry(kind, -amount_cents, from)
    }

    fn entry(&self, kind: LineKind, amount_cents: i64, from: Timestamp) -> Line {
        let Self { id, code, currency, to, .. } = self.clone();
        Line { charge: id, kind, code, amount_cents, currency, from, to }
    }
}
