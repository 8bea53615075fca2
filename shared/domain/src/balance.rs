//! Movements of a deployment's balance that no invoice has: refunds, which pay balance back, and granted credits.

use serde::{Deserialize, Serialize};

use super::money::Currency;
use super::values::{InvoiceNumber, PaymentReference, Reason, Timestamp};

/// A refund: balance that was paid back to the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Refund {
    /// The reference of the outgoing payment. The same reference means the same refund.
    pub reference: PaymentReference,
    /// The amount, in minor units; positive.
    pub amount_cents: i64,
    /// The currency of the amount.
    pub currency: Currency,
    /// The invoice whose credit note was paid back; absent if it was balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<InvoiceNumber>,
    /// When it was recorded.
    pub refunded_at: Timestamp,
}

/// A movement of balance as the statement of a tenant's account counts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct BalanceMovement {
    /// Its kind.
    pub kind: BalanceMovementKind,
    /// The amount, in minor units; positive.
    pub amount_cents: i64,
    /// The currency of the amount.
    pub currency: Currency,
    /// The invoice whose credit note was paid back; absent if it was balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<InvoiceNumber>,
    /// The reason that the operator gave.
    pub reason: Option<Reason>,
    /// When it was recorded.
    pub at: Timestamp,
}

/// The kinds of [`BalanceMovement`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum BalanceMovementKind {
    /// Balance was granted.
    Granted,
    /// Balance was paid back, under this reference.
    PaidBack(PaymentReference),
}
