//! Invoices: the charges billed to a subscription, and the payments, credits and balance that settle them. When an
//! invoice is issued is decided in [`super::decide()`].

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::line::{ChargeId, Line};
use super::money::Currency;
use super::values::{DeploymentId, InvoiceNumber, PaymentReference, SubscriptionId, Timestamp};

/// The most payments of one invoice.
pub const MAX_PAYMENTS: usize = 50;

/// The status of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum InvoiceStatus {
    /// It waits for payment.
    Open,
    /// It was settled in full, or its total is zero.
    Paid,
    /// It was voided: it should not have been issued, and nothing is owed for it.
    Void,
    /// It was given up after the deployment was cancelled. It is still owed and can be paid.
    Uncollectible,
}

impl InvoiceStatus {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Void => "void",
            Self::Uncollectible => "uncollectible",
        }
    }
}

/// An invoice: charges of a subscription, with a due date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "InvoiceRecord"))]
pub struct Invoice {
    /// Its number. The first number of a second follows from the start of the billed span, so that a period cannot be
    /// billed twice.
    pub number: InvoiceNumber,
    /// The id of the deployment.
    pub deployment_id: DeploymentId,
    /// The id of the subscription.
    pub subscription_id: SubscriptionId,
    /// Its status.
    pub status: InvoiceStatus,
    /// The currency of every amount on it.
    pub currency: Currency,
    /// The start of the span that it bills.
    pub billed_from: Timestamp,
    /// The end of that span, exclusive.
    pub billed_to: Timestamp,
    /// Its charges.
    pub lines: Vec<Line>,
    /// The sum of its lines, in minor units; never negative.
    pub total_cents: i64,
    /// The sum of its credits, in minor units.
    #[serde(default)]
    pub credited_cents: i64,
    /// The part of the credits that had been settled before and became balance, in minor units.
    #[serde(default)]
    pub returned_cents: i64,
    /// The amount settled by balance, in minor units.
    #[serde(default)]
    pub balance_cents: i64,
    /// The sum of its payments, in minor units.
    #[serde(default)]
    pub paid_cents: i64,
    /// Its credits, oldest first.
    #[serde(default)]
    pub credits: Vec<Credit>,
    /// Its payments, oldest first.
    #[serde(default)]
    pub payments: Vec<Payment>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its due date. While it is open, it is overdue from then on.
    pub due_at: Timestamp,
    /// When it got its present status; null while it is open.
    pub closed_at: Option<Timestamp>,
    /// The sequence of an event of the commit that wrote it last. Every write raises it.
    pub version: u64,
}

/// A credit: it takes back a charge on an invoice, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Credit {
    /// The id of the charge.
    pub charge: ChargeId,
    /// The amount, in minor units; positive.
    pub amount_cents: i64,
    /// The part of the amount that had been settled before and became balance, in minor units.
    #[serde(default)]
    pub returned_cents: i64,
    /// When it was made.
    pub credited_at: Timestamp,
}

/// A payment of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Payment {
    /// The payer's or payment provider's reference. The same reference means the same payment.
    pub reference: PaymentReference,
    /// The amount, in minor units of the invoice's currency.
    pub amount_cents: i64,
    /// When it was recorded.
    pub received_at: Timestamp,
}

/// An open or uncollectible invoice, as its deployment lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct OpenInvoice {
    /// The number of the invoice.
    pub number: InvoiceNumber,
    /// The due date.
    pub due_at: Timestamp,
    /// The amount due, in minor units.
    pub due_cents: i64,
    /// The currency of the amount.
    pub currency: Currency,
}

impl Invoice {
    /// The amount due, in minor units: total - (credits - credits that became balance) - balance used - payments. It is
    /// 0 for a paid or void invoice.
    #[must_use]
    pub const fn due_cents(&self) -> i64 {
        match self.status {
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => self.unsettled_cents(),
            InvoiceStatus::Paid | InvoiceStatus::Void => 0,
        }
    }

    const fn unsettled_cents(&self) -> i64 {
        self.total_cents - (self.credited_cents - self.returned_cents) - self.balance_cents - self.paid_cents
    }

    /// The balance that voiding it returns, in minor units: balance used, less the credits that became balance.
    #[must_use]
    pub const fn balance_held_cents(&self) -> i64 {
        self.balance_cents - self.returned_cents
    }

    /// Its entry in the deployment's list of open invoices; `None` unless it is open.
    #[must_use]
    pub fn as_open(&self) -> Option<OpenInvoice> {
        (self.status == InvoiceStatus::Open).then(|| self.as_owed())
    }

    /// Its entry in the deployment's list of open or uncollectible invoices.
    #[must_use]
    pub fn as_owed(&self) -> OpenInvoice {
        let Self { number, due_at, currency, .. } = self.clone();
        OpenInvoice { number, due_at, due_cents: self.due_cents(), currency }
    }

    /// Returns the invoice after one more payment, which must not exceed the amount due.
    #[must_use]
    pub fn pay(&self, payment: Payment) -> Self {
        let mut paid = self.clone();
        paid.paid_cents += payment.amount_cents;
        paid.close_if_settled(payment.received_at);
        paid.payments.push(payment);
        paid
    }

    /// Returns the invoice in another status.
    #[must_use]
    pub fn close(&self, status: InvoiceStatus, at: Timestamp) -> Self {
        Self { status, closed_at: Some(at), ..self.clone() }
    }

    /// Applies an entry that names this invoice, from a commit at `at`.
    pub fn enter(&mut self, entry: &Entry, at: Timestamp) {
        match entry {
            Entry::Credited { line, invoice: Some(_), lowered_cents: _, returned_cents } => {
                let (charge, amount_cents) = (line.charge, -line.amount_cents);
                self.credited_cents += amount_cents;
                self.returned_cents += returned_cents;
                self.credits.push(Credit { charge, amount_cents, returned_cents: *returned_cents, credited_at: at });
                self.close_if_settled(at);
            }
            Entry::BalanceUsed { amount_cents, .. } => {
                self.balance_cents += amount_cents;
                self.close_if_settled(at);
            }
            Entry::Charged { .. } | Entry::Credited { .. } | Entry::BalanceReturned { .. } => {}
        }
    }

    fn close_if_settled(&mut self, at: Timestamp) {
        let is_owed = match self.status {
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => true,
            InvoiceStatus::Paid | InvoiceStatus::Void => false,
        };
        if is_owed && self.unsettled_cents() == 0 {
            (self.status, self.closed_at) = (InvoiceStatus::Paid, Some(at));
        }
    }
}
