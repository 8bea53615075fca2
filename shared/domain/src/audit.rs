//! The audit: checks that the books of a deployment add up after every event of its history. It keeps its own account
//! from the events and compares it with the deployment's records. It repairs nothing.
//!
//! The rule, for each currency: charged - credited = received - paid back + granted + open + given up + forgiven +
//! waiting - balance. Tax is a charge, so both sides include it. An invoice has the tax rate of its deployment, and
//! its tax is that of its charges less their credits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::TimeDelta;
use serde::Serialize;

use super::aggregate::{Aggregate, ReplayError, replay};
use super::charge::Charge;
use super::decide::MAX_SETTLED_INVOICES;
use super::entry::Entry;
use super::event::{Event, EventKind};
use super::invoice::{Invoice, InvoiceStatus, OpenInvoice};
use super::invoice_events::follow_invoices;
use super::lifecycle::State;
use super::line::{ChargeId, Line, LineKind};
use super::money::Currency;
use super::subscription::{Subscription, SubscriptionStatus, end_of_second};
use super::tax::{Taxed, tax_cents};
use super::values::{DeploymentId, InvoiceNumber, PaymentReference, SubscriptionId, Timestamp};

/// The books of a deployment in one currency, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Lines of invoices that are not void, and waiting charges.
    pub charged_cents: i64,
    /// Credits on invoices that are not void.
    pub credited_cents: i64,
    /// Payments received and not reversed.
    pub received_cents: i64,
    /// Balance that was paid back.
    pub paid_back_cents: i64,
    /// Balance that was granted.
    pub granted_cents: i64,
    /// Amounts written off, on invoices that are not void.
    pub forgiven_cents: i64,
    /// The amount due on open invoices.
    pub open_cents: i64,
    /// The amount due on uncollectible invoices.
    pub given_up_cents: i64,
    /// Charges that are not on an invoice yet.
    pub waiting_cents: i64,
    /// The balance: credits of settled charges that have not been used yet.
    pub balance_cents: i64,
}

/// The account of a history that passed the audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// The books as they are now, by currency.
    pub totals: BTreeMap<Currency, Totals>,
    /// Every invoice, as it follows from the history.
    pub invoices: BTreeMap<InvoiceNumber, Invoice>,
    waiting: BTreeMap<ChargeId, Line>,
    /// Balance granted and paid back, by currency, in minor units.
    moved: BTreeMap<Currency, (i64, i64)>,
    /// How many times balance was used in the current commit.
    settled: usize,
    /// The references of refunds.
    refunds: BTreeSet<String>,
    /// The time that each charge for the plan covers.
    covered: BTreeMap<ChargeId, Covered>,
    /// The spans that invoices billed: subscription, beginning and end.
    billed: BTreeSet<(SubscriptionId, Timestamp, Timestamp)>,
}

/// A charge for the plan, and the end of the time that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Covered {
    line: Line,
    to: Timestamp,
}

/// A rule that a history breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The events are not a history.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The two sides of the books differ.
    #[error("after event {sequence} the books in {currency} do not balance: {totals}")]
    Unbalanced {
        /// The event.
        sequence: u64,
        /// The currency.
        currency: Currency,
        /// The totals of both sides.
        totals: Totals,
    },
    /// A credit exceeds the rest of its charge, or names a charge that does not exist.
    #[error("event {sequence} credits more than remains of charge {charge}")]
    Credit {
        /// The event.
        sequence: u64,
        /// The charge.
        charge: ChargeId,
    },
    /// A discount has no charge beside it, or exceeds that.
    #[error("event {sequence} discounts charge {charge} by more than its amount")]
    Discount {
        /// The event.
        sequence: u64,
        /// The charge.
        charge: ChargeId,
    },
    /// The tax of an invoice is not that of its lines at the rate of its deployment, or a credit did not credit its
    /// tax.
    #[error("after event {sequence} the tax of invoice {number} is wrong")]
    Tax {
        /// The event.
        sequence: u64,
        /// The invoice.
        number: InvoiceNumber,
    },
    /// A charge for the plan covers time that an earlier charge covers and no credit returned.
    #[error("event {sequence} charges for the plan again: charge {charge} already covers that time")]
    ChargedTwice {
        /// The event.
        sequence: u64,
        /// The earlier charge.
        charge: ChargeId,
    },
    /// There is balance although an open invoice of its currency could use it.
    #[error("after event {sequence} the balance in {currency} is unused although an invoice is open")]
    IdleBalance {
        /// The event.
        sequence: u64,
        /// The currency.
        currency: Currency,
    },
    /// A charge of the running period was dropped although nothing credited it, so no credit can reach it.
    #[error("event {sequence} forgets charge {charge}, which can still be credited")]
    Forgotten {
        /// The event.
        sequence: u64,
        /// The charge.
        charge: ChargeId,
    },
    /// A refund under a reference that another refund has.
    #[error("event {sequence} refunds {reference} again")]
    RefundedTwice {
        /// The event.
        sequence: u64,
        /// The reference.
        reference: PaymentReference,
    },
    /// A subscription runs in a period for which no invoice was issued.
    #[error("after event {sequence} the period from {from} is not billed")]
    NotBilled {
        /// The event.
        sequence: u64,
        /// The time from which the period should have been billed.
        from: Timestamp,
    },
    /// It is active although its tenant is held.
    #[error("after event {sequence} the deployment is active although its tenant is held")]
    Held {
        /// The event.
        sequence: u64,
    },
    /// A record differs from the history.
    #[error("{what} differs from the history up to event {sequence}")]
    Differs {
        /// The event.
        sequence: u64,
        /// The record.
        what: String,
    },
}

/// Audits a deployment's whole history, oldest event first.
///
/// # Errors
/// The first [`Violation`] of the history.
pub fn audit(id: DeploymentId, events: &[Event]) -> Result<Audit, Violation> {
    let mut audit = Audit::default();
    let (first, rest) = events.split_first().ok_or(ReplayError::NotCreated)?;
    let mut aggregate = replay(id, std::slice::from_ref(first))?;
    let (mut before, mut credited) = (aggregate.subscription.clone(), BTreeSet::new());
    for event in rest {
        aggregate.apply(event)?;
        credited.extend(event.entries.iter().filter_map(|entry| match entry {
            Entry::Credited { line, .. } => Some(line.charge),
            _ => None,
        }));
        audit.enter(event, aggregate.deployment.tenant_rules.tax_rate_basis_points)?;
        audit.check_balance(&aggregate)?;
        if event.sequence == event.commit_last {
            audit.check_records(&aggregate)?;
            audit.settled = 0;
            if let Some(before) = &before {
                audit.check_kept(before, &credited, &aggregate)?;
            }
            (before, credited) = (aggregate.subscription.clone(), BTreeSet::new());
        }
    }
    Ok(audit)
}

impl Audit {
    /// Compares the stored invoices with those that follow from the history.
    ///
    /// # Errors
    /// [`Violation::Differs`] for the first invoice that differs, is missing or should not exist.
    pub fn compare(&self, sequence: u64, stored: &[Invoice]) -> Result<(), Violation> {
        let differs = |what: String| Violation::Differs { sequence, what };
        for invoice in stored {
            if self.invoices.get(&invoice.number) != Some(invoice) {
                return Err(differs(format!("invoice {}", invoice.number)));
            }
        }
        let missing = self.invoices.keys().find(|number| !stored.iter().any(|invoice| invoice.number == **number));
        missing.map_or(Ok(()), |number| Err(differs(format!("invoice {number} (missing)"))))
    }

    /// Enters an event of a deployment with a tax rate, in basis points.
    fn enter(&mut self, event: &Event, tax_rate: u32) -> Result<(), Violation> {
        let sequence = event.sequence;
        follow_invoices(&mut self.invoices, event)
            .map_err(|number| Violation::Differs { sequence, what: format!("invoice {number}") })?;
        if let EventKind::Refunded { refund } = &event.kind
            && !self.refunds.insert(refund.reference.to_string())
        {
            return Err(Violation::RefundedTwice { sequence, reference: refund.reference.clone() });
        }
        if let EventKind::InvoiceOpened { invoice, dunning_policy: _ } = &event.kind {
            self.billed.insert((invoice.subscription_id, invoice.billed_from, invoice.billed_to));
            if !is_taxed_at(invoice, tax_rate) {
                return Err(Violation::Tax { sequence, number: invoice.number.clone() });
            }
            let waited: BTreeSet<ChargeId> =
                invoice.charges().map(|line| line.charge).filter(|id| self.waiting.remove(id).is_some()).collect();
            for line in &invoice.lines {
                if line.kind == LineKind::Discount && (line.amount_cents >= 0 || stands(invoice, line) < 0) {
                    return Err(Violation::Discount { sequence, charge: line.charge });
                }
                if !waited.contains(&line.charge) {
                    self.cover(sequence, line)?;
                }
            }
        } else if let EventKind::InvoiceVoided { number, subscription: _ } = &event.kind {
            for line in self.invoices.get(number).iter().flat_map(|invoice| &invoice.lines) {
                self.covered.remove(&line.charge);
            }
        }
        self.check_credited_tax(event)?;
        for entry in &event.entries {
            match entry {
                Entry::Charged { line } => {
                    self.cover(sequence, line)?;
                    let waiting = self.waiting.entry(line.charge);
                    let waiting = waiting.and_modify(|charge| charge.amount_cents += line.amount_cents);
                    if waiting.or_insert_with(|| line.clone()).amount_cents < 0 {
                        return Err(Violation::Discount { sequence, charge: line.charge });
                    }
                }
                Entry::Credited { line, invoice: None, .. } => {
                    self.uncover(line);
                    let waiting = self.waiting.get_mut(&line.charge);
                    let waiting = waiting.ok_or(Violation::Credit { sequence, charge: line.charge })?;
                    waiting.amount_cents += line.amount_cents;
                    if waiting.amount_cents < 0 {
                        return Err(Violation::Credit { sequence, charge: line.charge });
                    }
                    self.waiting.retain(|_, line| line.amount_cents > 0);
                }
                Entry::Credited { line, invoice: Some(number), .. } => {
                    let invoice = self.invoices.get(number).filter(|invoice| invoice.status != InvoiceStatus::Void);
                    let stands_cents = invoice.and_then(|invoice| invoice.standing_cents(line.charge)).unwrap_or(-1);
                    if stands_cents < 0 || line.kind != self.kind_of(line.charge, number).credit() {
                        return Err(Violation::Credit { sequence, charge: line.charge });
                    }
                    // A credit note does not change the time that its charge covers, unless it credits the whole
                    // charge.
                    let is_note = matches!(event.kind, EventKind::CreditNoteIssued { .. });
                    if !is_note || stands_cents == 0 {
                        self.uncover(line);
                    }
                }
                Entry::BalanceUsed { .. } => self.settled += 1,
                Entry::BalanceReturned { .. } => {}
                Entry::BalanceGranted { amount_cents, currency } => {
                    self.moved.entry(*currency).or_default().0 += amount_cents;
                }
                Entry::BalancePaidBack { amount_cents, currency } => {
                    self.moved.entry(*currency).or_default().1 += amount_cents;
                }
            }
        }
        Ok(())
    }

    /// Checks the tax of the invoices that an event credits: it is the tax of the remaining part, or a minor unit less
    /// after a credit of an amount that no credit at the rate gives exactly.
    fn check_credited_tax(&self, event: &Event) -> Result<(), Violation> {
        let credited = |entry: &Entry| match entry {
            Entry::Credited { invoice, .. } => invoice.clone(),
            _ => None,
        };
        for number in event.entries.iter().filter_map(credited) {
            let taxed = self.invoices.get(&number).and_then(Invoice::taxed);
            let is_right = |taxed: Taxed| {
                let asked_cents = tax_cents(taxed.net_cents, taxed.rate_basis_points);
                (asked_cents - 1..=asked_cents).contains(&taxed.tax_cents)
            };
            if !taxed.is_none_or(is_right) {
                return Err(Violation::Tax { sequence: event.sequence, number });
            }
        }
        Ok(())
    }

    /// The kind of a charge on an invoice.
    fn kind_of(&self, charge: ChargeId, number: &InvoiceNumber) -> LineKind {
        let mut lines = self.invoices.get(number).into_iter().flat_map(Invoice::charges);
        lines.find(|line| line.charge == charge).map_or(LineKind::PlanCharge, |line| line.kind)
    }

    /// Records the time that a charge for the plan covers. A discount lowers the value of that time.
    fn cover(&mut self, sequence: u64, line: &Line) -> Result<(), Violation> {
        if line.kind == LineKind::Discount {
            if let Some(covered) = self.covered.get_mut(&line.charge) {
                covered.line.amount_cents += line.amount_cents;
            }
            return Ok(());
        }
        if line.kind != LineKind::PlanCharge || line.amount_cents == 0 {
            return Ok(());
        }
        if let Some(charge) = self.covered.values().find(|covered| covered.is_charged_again_by(line)) {
            return Err(Violation::ChargedTwice { sequence, charge: charge.line.charge });
        }
        self.covered.insert(line.charge, Covered { to: line.to, line: line.clone() });
        Ok(())
    }

    /// Ends the time that a charge covers where its credit begins.
    fn uncover(&mut self, credit: &Line) {
        if let Some(covered) = self.covered.get_mut(&credit.charge) {
            covered.to = credit.from;
        }
    }

    fn check_balance(&mut self, aggregate: &Aggregate) -> Result<(), Violation> {
        let deployment = &aggregate.deployment;
        let mut totals: BTreeMap<Currency, Totals> = BTreeMap::new();
        for invoice in self.invoices.values() {
            let sums = totals.entry(invoice.currency).or_default();
            sums.received_cents += invoice.paid_cents;
            if invoice.status != InvoiceStatus::Void {
                sums.charged_cents += invoice.total_cents;
                sums.credited_cents += invoice.credited_cents;
                sums.forgiven_cents += invoice.forgiven_cents();
            }
        }
        for (currency, (granted_cents, paid_back_cents)) in &self.moved {
            let sums = totals.entry(*currency).or_default();
            sums.granted_cents += granted_cents;
            sums.paid_back_cents += paid_back_cents;
        }
        for line in self.waiting.values() {
            let sums = totals.entry(line.currency).or_default();
            sums.charged_cents += line.amount_cents;
            sums.waiting_cents += line.amount_cents;
        }
        for open in &deployment.open_invoices {
            totals.entry(open.currency).or_default().open_cents += open.due_cents;
        }
        for given_up in &deployment.uncollectible_invoices {
            totals.entry(given_up.currency).or_default().given_up_cents += given_up.due_cents;
        }
        for balance in &deployment.balances {
            totals.entry(balance.currency).or_default().balance_cents += balance.amount_cents;
        }
        self.totals = totals;
        let unbalanced = self.totals.iter().find(|(_, totals)| !totals.balance());
        let Some((currency, totals)) = unbalanced else { return Ok(()) };
        Err(Violation::Unbalanced { sequence: deployment.version, currency: *currency, totals: *totals })
    }

    /// Checks that a commit forgot no charge of the running period that it neither credited nor voided.
    fn check_kept(
        &self,
        before: &Subscription,
        credited: &BTreeSet<ChargeId>,
        aggregate: &Aggregate,
    ) -> Result<(), Violation> {
        let Some(now) = aggregate.subscription.as_ref().filter(|now| now.id == before.id) else { return Ok(()) };
        let from = end_of_second(aggregate.deployment.updated_at);
        let is_void =
            |number: &InvoiceNumber| self.invoices.get(number).is_some_and(|of| of.status == InvoiceStatus::Void);
        let is_forgotten = |charge: &&Charge| {
            charge.tax.is_none()
                && charge.invoice.as_ref().is_some_and(|number| !is_void(number))
                && charge.to >= now.current_period_end
                && before.unused_cents(charge, from) > 0
                && !credited.contains(&charge.id)
                && now.charges.iter().all(|kept| kept.id != charge.id)
        };
        match before.charges.iter().find(is_forgotten) {
            Some(charge) => Err(Violation::Forgotten { sequence: aggregate.deployment.version, charge: charge.id }),
            None => Ok(()),
        }
    }

    /// Checks the deployment's and the subscription's own records against the account.
    fn check_records(&self, aggregate: &Aggregate) -> Result<(), Violation> {
        let deployment = &aggregate.deployment;
        let sequence = deployment.version;
        if deployment.tenant_rules.held && deployment.state == State::Active {
            return Err(Violation::Held { sequence });
        }
        let runs = aggregate.subscription.iter().filter(|s| s.status == SubscriptionStatus::Active);
        for (subscription, from) in runs.filter_map(|s| Some((s, s.billed_from?))) {
            // An empty period is that of a subscription that only ends.
            let is_empty = subscription.current_period_end <= from;
            if !is_empty && !self.billed.contains(&(subscription.id, from, subscription.current_period_end)) {
                return Err(Violation::NotBilled { sequence, from });
            }
        }
        let differs = |what: &str| Violation::Differs { sequence, what: what.to_owned() };
        let owed = |status| {
            let owed = self.invoices.values().filter(move |invoice| invoice.status == status);
            owed.map(|invoice| (invoice.number.clone(), invoice.as_owed())).collect::<BTreeMap<_, _>>()
        };
        let listed = |owed: &[OpenInvoice]| {
            owed.iter().map(|owed| (owed.number.clone(), owed.clone())).collect::<BTreeMap<_, _>>()
        };
        if owed(InvoiceStatus::Open) != listed(&deployment.open_invoices) {
            return Err(differs("the list of open invoices"));
        }
        if owed(InvoiceStatus::Uncollectible) != listed(&deployment.uncollectible_invoices) {
            return Err(differs("the list of uncollectible invoices"));
        }
        let recorded = aggregate.subscription.iter().flat_map(|s| s.waiting());
        let recorded: BTreeMap<_, _> = recorded.map(|charge| (charge.id, charge.amount_cents)).collect();
        let waiting: BTreeMap<_, _> = self.waiting.iter().map(|(id, line)| (*id, line.amount_cents)).collect();
        if recorded != waiting {
            return Err(differs("the record of waiting charges"));
        }
        for charge in aggregate.subscription.iter().flat_map(|s| &s.charges) {
            let Some(number) = &charge.invoice else { continue };
            let invoice = self.invoices.get(number).filter(|invoice| invoice.status != InvoiceStatus::Void);
            let stands = invoice.and_then(|invoice| invoice.standing_cents(charge.id));
            if stands != Some(charge.amount_cents - charge.credited_cents) {
                return Err(differs("the record of invoiced charges"));
            }
        }
        for balance in &deployment.balances {
            let currency = balance.currency;
            // One commit settles at most MAX_SETTLED_INVOICES; the next scheduled step settles the rest.
            let is_idle = self.settled < MAX_SETTLED_INVOICES;
            let is_open = deployment.open_invoices.iter().any(|open| open.currency == currency);
            if balance.amount_cents <= 0 || (is_open && is_idle) {
                return Err(Violation::IdleBalance { sequence, currency });
            }
        }
        Ok(())
    }
}

/// Whether an invoice as issued has one tax line with the tax of its other lines, or none if the rate is 0.
fn is_taxed_at(invoice: &Invoice, rate_basis_points: u32) -> bool {
    let mut lines = invoice.lines.iter().filter(|line| line.kind == LineKind::Tax);
    let Some(tax) = lines.next() else { return rate_basis_points == 0 };
    let expected_cents = tax_cents(invoice.total_cents - tax.amount_cents, rate_basis_points);
    lines.next().is_none()
        && tax.tax_rate_basis_points == Some(rate_basis_points)
        && rate_basis_points > 0
        && tax.amount_cents == expected_cents
}

/// The remaining part of a line's charge, in minor units; negative if the invoice does not have the charge.
fn stands(invoice: &Invoice, line: &Line) -> i64 {
    let is_there = invoice.charges().any(|charged| charged.charge == line.charge);
    invoice.standing_cents(line.charge).filter(|_| is_there).unwrap_or(-1)
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            charged_cents,
            credited_cents,
            received_cents,
            paid_back_cents,
            granted_cents,
            forgiven_cents,
            open_cents,
            given_up_cents,
            waiting_cents,
            balance_cents,
        } = self;
        write!(
            f,
            "charged {charged_cents} - credited {credited_cents} = received {received_cents} - paid back \
             {paid_back_cents} + granted {granted_cents} + open {open_cents} "
        )?;
        write!(f, "+ given up {given_up_cents} + forgiven {forgiven_cents} + waiting {waiting_cents} ")?;
        write!(f, "- balance {balance_cents}")
    }
}

impl Totals {
    /// Adds the books of another deployment.
    pub const fn add(&mut self, other: Self) {
        self.charged_cents += other.charged_cents;
        self.credited_cents += other.credited_cents;
        self.received_cents += other.received_cents;
        self.paid_back_cents += other.paid_back_cents;
        self.granted_cents += other.granted_cents;
        self.forgiven_cents += other.forgiven_cents;
        self.open_cents += other.open_cents;
        self.given_up_cents += other.given_up_cents;
        self.waiting_cents += other.waiting_cents;
        self.balance_cents += other.balance_cents;
    }

    /// Whether both sides of the rule in the module documentation are equal.
    #[must_use]
    pub const fn balance(&self) -> bool {
        self.charged_cents - self.credited_cents
            == self.received_cents - self.paid_back_cents
                + self.granted_cents
                + self.open_cents
                + self.given_up_cents
                + self.forgiven_cents
                + self.waiting_cents
                - self.balance_cents
    }
}

impl Covered {
    /// Whether another charge covers a part of the same time that is worth at least one minor unit. A started second is
    /// charged on both sides of a change, and a credit of zero is not recorded, so smaller overlaps are allowed.
    fn is_charged_again_by(&self, line: &Line) -> bool {
        let shared = self.to.min(line.to) - self.line.from.max(line.from);
        let whole = self.line.to - self.line.from;
        shared > TimeDelta::seconds(1)
            && i128::from(self.line.amount_cents) * i128::from(shared.num_seconds()) >= i128::from(whole.num_seconds())
    }
}
