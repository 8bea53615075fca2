//! Invoices: what a subscription is billed for, and how that was settled: by payments, credits and balance.

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::line::{ChargeId, Line};
use super::money::Currency;
use super::values::{DeploymentId, InvoiceNumber, PaymentReference, SubscriptionId, Timestamp};

/// The most payments that one invoice can be paid in.
pub const MAX_PAYMENTS: usize = 50;

/// Where an invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum InvoiceStatus {
    /// It waits for payment.
    Open,
    /// It was settled in full, or came to nothing.
    Paid,
    /// It was issued by mistake; nothing is owed for it.
    Void,
    /// It was given up after the deployment was cancelled; it is still owed, and can be paid.
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

/// What is owed for a period of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "InvoiceRecord"))]
pub struct Invoice {
    /// Its number. The first of a second follows from what it bills, so a period cannot be billed twice.
    pub number: InvoiceNumber,
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// The subscription.
    pub subscription_id: SubscriptionId,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// The currency of every amount on it.
    pub currency: Currency,
    /// The first moment that it bills.
    pub billed_from: Timestamp,
    /// The first moment that it no longer bills.
    pub billed_to: Timestamp,
    /// The charges that it consists of.
    pub lines: Vec<Line>,
    /// The sum of its lines, in minor units; never negative.
    pub total_cents: i64,
    /// What was credited of its lines since, in minor units.
    pub credited_cents: i64,
    /// The part of the credits that had been settled before and became balance, in minor units.
    pub returned_cents: i64,
    /// What was settled by balance, in minor units.
    pub balance_cents: i64,
    /// What was paid of it, in minor units.
    pub paid_cents: i64,
    /// What was credited, of which charge and when.
    pub credits: Vec<Credit>,
    /// What was paid, when and by which reference.
    pub payments: Vec<Payment>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Until when it has to be paid.
    pub due_at: Timestamp,
    /// When it ceased to be open.
    pub closed_at: Option<Timestamp>,
    /// An event of the commit that wrote it last, by its sequence: grows with each write.
    pub version: u64,
}

/// A credit of a charge on an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Credit {
    /// The charge that it takes back, or a part of which.
    pub charge: ChargeId,
    /// How much, in minor units.
    pub amount_cents: i64,
    /// How much of that had been settled before and became balance, in minor units.
    pub returned_cents: i64,
    /// When.
    pub credited_at: Timestamp,
}

/// A payment of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Payment {
    /// The payer's or provider's name for it; the same reference is the same payment.
    pub reference: PaymentReference,
    /// In minor units of the invoice's currency.
    pub amount_cents: i64,
    /// When it was reported.
    pub received_at: Timestamp,
}

/// What a deployment keeps of an invoice that is open, or was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct OpenInvoice {
    /// Which.
    pub number: InvoiceNumber,
    /// Until when it has to be paid.
    pub due_at: Timestamp,
    /// What is still to be paid, in minor units.
    pub due_cents: i64,
    /// The currency of that.
    pub currency: Currency,
}

impl Invoice {
    /// What is still to be paid, in minor units.
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

    /// The balance that settles it and was not returned by credits since: what voiding it gives back, in minor units.
    #[must_use]
    pub const fn balance_held_cents(&self) -> i64 {
        self.balance_cents - self.returned_cents
    }

    /// What its deployment keeps of it, while it is open.
    #[must_use]
    pub fn as_open(&self) -> Option<OpenInvoice> {
        (self.status == InvoiceStatus::Open).then(|| self.as_owed())
    }

    /// What its deployment keeps of it, while something is due on it.
    #[must_use]
    pub fn as_owed(&self) -> OpenInvoice {
        let Self { number, due_at, currency, .. } = self.clone();
        OpenInvoice { number, due_at, due_cents: self.due_cents(), currency }
    }

    /// The invoice after one more payment, which must not exceed what is due.
    #[must_use]
    pub fn pay(&self, payment: Payment) -> Self {
        let mut paid = self.clone();
        paid.paid_cents += payment.amount_cents;
        paid.close_if_settled(payment.received_at);
        paid.payments.push(payment);
        paid
    }

    /// The invoice in another status.
    #[must_use]
    pub fn close(&self, status: InvoiceStatus, at: Timestamp) -> Self {
        Self { status, closed_at: Some(at), ..self.clone() }
    }

    /// Takes note of an entry, of a commit at `at`, that names this invoice.
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
