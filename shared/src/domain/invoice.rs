//! Invoices: what is owed for a period, opened when the period begins, and what was paid.

use serde::{Deserialize, Serialize};

use super::money::{Currency, sum};
use super::policy::DunningPolicy;
use super::subscription::{Line, LineKind, Subscription, SubscriptionAddon};
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
    /// It was paid in full, or came to nothing.
    Paid,
    /// It was issued by mistake; nothing is owed for it.
    Void,
    /// It was given up when the deployment was cancelled; it can still be paid.
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
    /// Its number, which follows from what it bills: so a period cannot be billed twice.
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
    /// What it consists of.
    pub lines: Vec<Line>,
    /// The sum of its lines, in minor units; never negative.
    pub total_cents: i64,
    /// What was paid of it, in minor units.
    pub paid_cents: i64,
    /// What was paid, when and by which reference.
    pub payments: Vec<Payment>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Until when it has to be paid.
    pub due_at: Timestamp,
    /// When it ceased to be open.
    pub closed_at: Option<Timestamp>,
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

/// What a deployment keeps of an open invoice.
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
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => self.total_cents - self.paid_cents,
            InvoiceStatus::Paid | InvoiceStatus::Void => 0,
        }
    }

    /// What its deployment keeps of it, while it is open.
    #[must_use]
    pub fn as_open(&self) -> Option<OpenInvoice> {
        let Self { number, due_at, currency, .. } = self.clone();
        (self.status == InvoiceStatus::Open).then(|| OpenInvoice {
            number,
            due_at,
            due_cents: self.due_cents(),
            currency,
        })
    }

    /// The invoice after one more payment, which must not exceed what is due.
    #[must_use]
    pub fn pay(&self, payment: Payment) -> Self {
        let mut paid = self.clone();
        paid.paid_cents += payment.amount_cents;
        if paid.paid_cents == paid.total_cents {
            paid.status = InvoiceStatus::Paid;
            paid.closed_at = Some(payment.received_at);
        }
        paid.payments.push(payment);
        paid
    }

    /// The invoice in another status.
    #[must_use]
    pub fn close(&self, status: InvoiceStatus, at: Timestamp) -> Self {
        Self { status, closed_at: Some(at), ..self.clone() }
    }
}

/// Bills the period that a subscription has just opened: the plan, each add-on, and all that waited for this invoice.
/// What waited in another currency gets an invoice of its own if it is a charge, and goes on waiting if it is a credit.
pub fn bill_period(
    subscription: &mut Subscription,
    addons: &[SubscriptionAddon],
    deployment_id: DeploymentId,
    policy: &DunningPolicy,
    now: Timestamp,
) -> Vec<Invoice> {
    let Some(from) = subscription.billed_from else { return Vec::new() };
    let mut lines: Vec<Line> = subscription.plan_charge(from).into_iter().collect();
    lines.extend(addons.iter().filter_map(|addon| subscription.addon_charge(addon, from)));
    let bill = Bill { deployment_id, policy, from, to: subscription.current_period_end, now };
    let currency = subscription.terms.currency;
    let (own, others) =
        std::mem::take(&mut subscription.unbilled_lines).into_iter().partition(|l| l.currency == currency);
    lines.extend::<Vec<Line>>(own);
    let mut invoices = vec![bill.invoice(subscription, currency, lines)];
    invoices.extend(bill.leftovers(subscription, others));
    invoices
}

/// Bills what still waits when a subscription ends. Credits end with it.
pub fn bill_rest(
    subscription: &mut Subscription,
    deployment_id: DeploymentId,
    policy: &DunningPolicy,
    at: Timestamp,
    now: Timestamp,
) -> Vec<Invoice> {
    let lines = std::mem::take(&mut subscription.unbilled_lines);
    let invoices = Bill { deployment_id, policy, from: at, to: at, now }.leftovers(subscription, lines);
    subscription.unbilled_lines.clear();
    invoices
}

/// What all invoices of one occasion have in common.
struct Bill<'a> {
    deployment_id: DeploymentId,
    policy: &'a DunningPolicy,
    from: Timestamp,
    to: Timestamp,
    now: Timestamp,
}

impl Bill<'_> {
    /// An invoice of `lines`. Credits beyond the charges are carried forward to the next one.
    fn invoice(&self, subscription: &mut Subscription, currency: Currency, mut lines: Vec<Line>) -> Invoice {
        // Prices are bounded so that the sum of all lines fits: see MAX_PRICE_CENTS.
        let balance = sum(lines.iter().map(|line| line.amount_cents)).unwrap_or(i64::MAX);
        if balance < 0 {
            let code = subscription.terms.plan_code.clone();
            let (from, to) = (self.from, self.to);
            let carried = Line { kind: LineKind::CarriedForward, code, amount_cents: -balance, currency, from, to };
            subscription.unbilled_lines.push(Line { amount_cents: balance, ..carried.clone() });
            lines.push(carried);
        }
        let total_cents = balance.max(0);
        let (status, closed_at) =
            if total_cents == 0 { (InvoiceStatus::Paid, Some(self.now)) } else { (InvoiceStatus::Open, None) };
        Invoice {
            number: InvoiceNumber::new(self.from, subscription.id, currency),
            deployment_id: self.deployment_id,
            subscription_id: subscription.id,
            status,
            currency,
            billed_from: self.from,
            billed_to: self.to,
            lines,
            total_cents,
            paid_cents: 0,
            payments: Vec::new(),
            issued_at: self.now,
            due_at: self.policy.due_at(self.now),
            closed_at,
        }
    }

    /// An invoice for each currency of `lines` that comes to a charge; the other lines wait on.
    fn leftovers(&self, subscription: &mut Subscription, mut lines: Vec<Line>) -> Vec<Invoice> {
        let mut invoices = Vec::new();
        while let Some(currency) = lines.first().map(|line| line.currency) {
            let (of_currency, rest) = lines.into_iter().partition(|line| line.currency == currency);
            lines = rest;
            let of_currency: Vec<Line> = of_currency;
            if sum(of_currency.iter().map(|line| line.amount_cents)).is_some_and(|balance| balance > 0) {
                invoices.push(self.invoice(subscription, currency, of_currency));
            } else {
                subscription.unbilled_lines.extend(of_currency);
            }
        }
        invoices
    }
}
