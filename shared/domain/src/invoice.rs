//! Invoices: the charges billed to a subscription, and the payments, credits and balance that settle them. When an
//! invoice is issued is decided in [`super::decide()`].

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::line::{ChargeId, Line, LineKind};
use super::money::{Currency, is_zero};
use super::tax::Taxed;
use super::values::{DeploymentId, InvoiceNumber, PaymentReference, SubscriptionId, Timestamp};

/// The most payments of one invoice. Payments and credits are facts: as many are recorded as a stored invoice has room
/// for.
pub const MAX_PAYMENTS: usize = 150;
/// The most payments of an invoice that are recorded, if each beyond [`MAX_PAYMENTS`] pays all that is due.
pub const MAX_SETTLING_PAYMENTS: usize = 200;
/// The most credits of one invoice that credit notes make, beside those of all that remains.
pub const MAX_CREDITS: usize = 200;
/// The most write-offs of one invoice, withdrawn ones included.
pub const MAX_WRITE_OFFS: usize = 20;

named! {
    /// The status of an invoice.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum InvoiceStatus("invalid_status") {
        /// It waits for payment.
        Open = "open",
        /// It was settled in full, or its total is zero.
        Paid = "paid",
        /// It was voided: it should not have been issued, and nothing is owed for it.
        Void = "void",
        /// It was given up after the deployment was cancelled. It is still owed and can be paid.
        Uncollectible = "uncollectible",
        /// The amount due was forgiven: its charges remain, and nothing is owed for it any more.
        WrittenOff = "written_off",
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
    /// Its charges, and the tax on them.
    pub lines: Vec<Line>,
    /// The sum of its lines, in minor units; never negative.
    pub total_cents: i64,
    /// The sum of its credits, in minor units.
    #[serde(default)]
    pub credited_cents: i64,
    /// The part of the credits that had been settled before, and of the payments that exceeded the amount due: both
    /// became balance, in minor units.
    #[serde(default)]
    pub returned_cents: i64,
    /// The amount settled by balance, in minor units.
    #[serde(default)]
    pub balance_cents: i64,
    /// The sum of its payments that are not reversed, in minor units.
    #[serde(default)]
    pub paid_cents: i64,
    /// Its credits, oldest first.
    #[serde(default)]
    pub credits: Vec<Credit>,
    /// Its payments, oldest first, reversed ones included.
    #[serde(default)]
    pub payments: Vec<Payment>,
    /// Its write-offs, oldest first; absent if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write_offs: Vec<WriteOff>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its due date. While it is open, it is overdue from then on.
    pub due_at: Timestamp,
    /// When it was owed again, after the reversal of a payment or the withdrawal of a write-off: dunning counts from
    /// then on. Absent if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened_at: Option<Timestamp>,
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
    /// The part of the amount that had been written off, in minor units; absent if there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgiven_cents: i64,
    /// When it was made.
    pub credited_at: Timestamp,
}

/// A write-off: the amount due was forgiven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct WriteOff {
    /// The amount, in minor units; positive.
    pub amount_cents: i64,
    /// When it was made.
    pub written_off_at: Timestamp,
    /// Its withdrawal; absent if it was not withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<Withdrawal>,
}

/// The withdrawal of a write-off: the invoice is owed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Withdrawal {
    /// The amount that is owed again, in minor units: the write-off less what was credited of it since.
    pub amount_cents: i64,
    /// When it was made.
    pub withdrawn_at: Timestamp,
}

/// A payment of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Payment {
    /// The payer's or payment provider's reference. The same reference means the same payment.
    pub reference: PaymentReference,
    /// The amount, in minor units of the invoice's currency.
    pub amount_cents: i64,
    /// The part that exceeded the amount due and became balance, in minor units; absent if there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub excess_cents: i64,
    /// The day on which the money arrived, by the payer's or the receiver's bank; absent if it was not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_date: Option<NaiveDate>,
    /// When it was recorded.
    pub received_at: Timestamp,
    /// Its reversal; absent if it was not reversed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversal: Option<Reversal>,
}

impl Payment {
    /// A payment recorded at `received_at`; the amount is in minor units.
    #[must_use]
    pub const fn new(reference: PaymentReference, amount_cents: i64, received_at: Timestamp) -> Self {
        Self { reference, amount_cents, excess_cents: 0, value_date: None, received_at, reversal: None }
    }
}

/// The reversal of a payment: the invoice is owed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Reversal {
    /// The reason.
    pub kind: ReversalKind,
    /// When it was recorded.
    pub reversed_at: Timestamp,
}

named! {
    /// Why a payment was reversed.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum ReversalKind("invalid_kind") {
        /// It was recorded by mistake.
        Mistake = "mistake",
        /// The payer's bank took the money back.
        Chargeback = "chargeback",
    }
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
    /// When it was owed again, after the reversal of a payment or the withdrawal of a write-off: dunning counts from
    /// then on. Absent if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened_at: Option<Timestamp>,
}

impl OpenInvoice {
    /// The moment that dunning counts from: its due date, or when it was owed again.
    #[must_use]
    pub fn dunned_from(&self) -> Timestamp {
        self.reopened_at.map_or(self.due_at, |at| at.max(self.due_at))
    }
}

impl Invoice {
    /// The amount due, in minor units: total - credits + what became balance - balance used - payments - what is
    /// forgiven. It is 0 unless the invoice is open or uncollectible.
    #[must_use]
    pub fn due_cents(&self) -> i64 {
        if self.is_owed() { self.unsettled_cents() } else { 0 }
    }

    /// The amount that is not settled, in minor units, whatever its status.
    pub(super) fn unsettled_cents(&self) -> i64 {
        self.total_cents - self.credited_cents + self.returned_cents
            - self.balance_cents
            - self.paid_cents
            - self.forgiven_cents()
    }

    /// Whether it is open or uncollectible.
    #[must_use]
    pub const fn is_owed(&self) -> bool {
        match self.status {
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => true,
            InvoiceStatus::Paid | InvoiceStatus::Void | InvoiceStatus::WrittenOff => false,
        }
    }

    /// The amount that is forgiven, in minor units: its write-offs, less their withdrawals and what was credited of
    /// them since.
    #[must_use]
    pub fn forgiven_cents(&self) -> i64 {
        let withdrawn = |write_off: &WriteOff| write_off.withdrawal.as_ref().map_or(0, |one| one.amount_cents);
        let written_off: i64 = self.write_offs.iter().map(|one| one.amount_cents - withdrawn(one)).sum();
        written_off - self.credits.iter().map(|credit| credit.forgiven_cents).sum::<i64>()
    }

    /// The rest of one of its charges after its discount and credits, in minor units; `None` if it has no such charge.
    #[must_use]
    pub fn standing_cents(&self, charge: ChargeId) -> Option<i64> {
        let lines = || self.lines.iter().filter(|line| line.charge == charge);
        lines().next()?;
        let credits = self.credits.iter().filter(|credit| credit.charge == charge);
        let charged_cents: i64 = lines().map(|line| line.amount_cents).sum();
        Some(charged_cents - credits.map(|credit| credit.amount_cents).sum::<i64>())
    }

    /// The lines of its charges, tax included, without those of their discounts.
    pub fn charges(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.kind != LineKind::Discount)
    }

    /// Its tax line.
    #[must_use]
    pub fn tax_line(&self) -> Option<&Line> {
        self.lines.iter().find(|line| line.kind == LineKind::Tax)
    }

    /// Its tax, in minor units.
    #[must_use]
    pub fn tax_cents(&self) -> i64 {
        self.tax_line().map_or(0, |line| line.amount_cents)
    }

    /// Its tax rate, in basis points; 0 without tax.
    #[must_use]
    pub fn tax_rate_basis_points(&self) -> u32 {
        self.tax_line().and_then(|line| line.tax_rate_basis_points).unwrap_or_default()
    }

    /// The sum of its lines before tax, in minor units.
    #[must_use]
    pub fn subtotal_cents(&self) -> i64 {
        self.total_cents - self.tax_cents()
    }

    /// The part of it that remains after credits; `None` if it has no tax line.
    #[must_use]
    pub fn taxed(&self) -> Option<Taxed> {
        let line = self.tax_line()?;
        let tax_cents = self.standing_cents(line.charge)?;
        let net_cents = self.total_cents - self.credited_cents - tax_cents;
        Some(Taxed { rate_basis_points: line.tax_rate_basis_points?, net_cents, tax_cents })
    }

    /// Its payments that are not reversed.
    pub fn standing_payments(&self) -> impl Iterator<Item = &Payment> {
        self.payments.iter().filter(|payment| payment.reversal.is_none())
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
        let Self { number, due_at, currency, reopened_at, .. } = self.clone();
        OpenInvoice { number, due_at, due_cents: self.due_cents(), currency, reopened_at }
    }

    /// Adds a payment.
    pub(super) fn pay(&mut self, payment: &Payment) {
        self.paid_cents += payment.amount_cents;
        self.returned_cents += payment.excess_cents;
        self.payments.push(payment.clone());
        self.close_if_settled(payment.received_at);
    }

    /// Reverses a payment.
    pub(super) fn reverse(&mut self, reference: &PaymentReference, kind: ReversalKind, at: Timestamp) {
        let mut payments = self.payments.iter_mut();
        if let Some(payment) = payments.find(|payment| payment.reference == *reference && payment.reversal.is_none()) {
            payment.reversal = Some(Reversal { kind, reversed_at: at });
            self.paid_cents -= payment.amount_cents;
        }
    }

    /// Writes the amount due off.
    pub(super) fn write_off(&mut self, amount_cents: i64, at: Timestamp) {
        self.write_offs.push(WriteOff { amount_cents, written_off_at: at, withdrawal: None });
        self.close(InvoiceStatus::WrittenOff, at);
    }

    /// Withdraws the write-offs that are not withdrawn; the first of them records the whole forgiven amount.
    pub(super) fn withdraw_write_off(&mut self, at: Timestamp) {
        let mut left_cents = self.forgiven_cents();
        for write_off in self.write_offs.iter_mut().filter(|one| one.withdrawal.is_none()) {
            let amount_cents = std::mem::take(&mut left_cents);
            write_off.withdrawal = Some(Withdrawal { amount_cents, withdrawn_at: at });
        }
    }

    /// Makes it owed again, or more of it if it was not settled: then dunning goes on, so that no small payment that is
    /// taken back gives time.
    pub(super) fn reopen(&mut self, status: InvoiceStatus, at: Timestamp) {
        if !self.is_owed() {
            self.reopened_at = Some(at);
        }
        self.closed_at = (status != InvoiceStatus::Open).then_some(at);
        self.status = status;
    }

    /// Sets its final status.
    pub(super) fn close(&mut self, status: InvoiceStatus, at: Timestamp) {
        (self.status, self.closed_at) = (status, Some(at));
    }

    /// Applies an entry that names it.
    pub(super) fn enter(&mut self, entry: &Entry, at: Timestamp) {
        match entry {
            Entry::Credited { line, invoice: Some(_), lowered_cents, returned_cents } => {
                let credit = Credit::of(line, *lowered_cents, *returned_cents, at);
                self.credited_cents += credit.amount_cents;
                self.returned_cents += returned_cents;
                self.credits.push(credit);
                self.close_if_settled(at);
            }
            Entry::BalanceUsed { amount_cents, .. } => {
                self.balance_cents += amount_cents;
                self.close_if_settled(at);
            }
            Entry::Charged { .. }
            | Entry::Credited { .. }
            | Entry::BalanceReturned { .. }
            | Entry::BalanceGranted { .. }
            | Entry::BalancePaidBack { .. } => {}
        }
    }

    fn close_if_settled(&mut self, at: Timestamp) {
        if self.is_owed() && self.unsettled_cents() == 0 {
            self.close(InvoiceStatus::Paid, at);
        }
    }
}

impl Credit {
    /// The credit of a line of an entry at `at`; amounts are in minor units. What neither lowered the amount due nor
    /// became balance had been written off.
    #[must_use]
    pub fn of(line: &Line, lowered_cents: i64, returned_cents: i64, at: Timestamp) -> Self {
        let amount_cents = -line.amount_cents;
        let forgiven_cents = amount_cents - lowered_cents - returned_cents;
        Self { charge: line.charge, amount_cents, returned_cents, forgiven_cents, credited_at: at }
    }
}
