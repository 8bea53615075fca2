//! The rules of corrections: charges made once, granted credits, credit notes, refunds, reversals of payments, write-offs
//! and later due dates. Each states a fact, or changes an invoice as read. How they enter the books is in
//! [`super::books`].

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::billing::expect_listed;
use super::books::{Books, require_room};
use super::{Context, Rejection, invalid, require_ahead};
use crate::aggregate::Change;
use crate::balance::{BalanceMovement, BalanceMovementKind, Refund};
use crate::charge::Invoiced;
use crate::entry::{Amount, Entry};
use crate::event::{Changed, Event, EventKind};
use crate::invoice::{Invoice, InvoiceStatus, MAX_CREDITS, MAX_WRITE_OFFS, OpenInvoice, ReversalKind};
use crate::lifecycle::State;
use crate::line::ChargeId;
use crate::money::{Currency, MAX_PRICE_CENTS};
use crate::subscription::Subscription;
use crate::values::{DisplayName, InvoiceNumber, Notes, PaymentReference, Reason, Timestamp};

/// The most days that one command postpones invoices by.
pub const MAX_POSTPONEMENT_DAYS: u32 = 365;
/// The most invoices that one command postpones: each is two writes of its transaction.
pub const MAX_POSTPONED: usize = 25;

/// The command that corrects a customer's charges or payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correct {
    /// The correction.
    pub correction: Correction,
    /// The reason.
    pub reason: Option<Reason>,
    /// Notes.
    pub notes: Option<Notes>,
}

/// A correction. Invoices are as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Correction {
    /// Charge an amount once.
    Charge(OneOff),
    /// Grant balance; no charge is credited.
    Credit(Amount),
    /// Credit charges of an invoice.
    CreditNote(CreditNote),
    /// Pay balance back.
    Refund(PayBack, Amount),
    /// Reverse a payment of an invoice.
    ReversePayment(Invoice, PaymentReference, ReversalKind),
    /// Forgive the amount due on an invoice.
    WriteOff(Invoice),
    /// Withdraw the write-off of an invoice.
    WithdrawWriteOff(Invoice),
    /// Move the due date of an open invoice to a later time.
    MoveDueDate(Invoice, Timestamp),
    /// Give every open invoice a later due date, at most [`MAX_POSTPONED`].
    Postpone(Postponement),
}

/// The later due date of each open invoice of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Postponement {
    /// This time. An invoice that is due then or later keeps its due date.
    #[serde(rename = "due_at")]
    Until(Timestamp),
    /// This many days after its due date, or from now on if it is overdue.
    #[serde(rename = "days")]
    ByDays(u32),
}

/// A charge made once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOff {
    /// The description on the invoice.
    pub description: DisplayName,
    /// The amount, in minor units; positive.
    pub amount_cents: i64,
    /// The currency of the amount.
    pub currency: Currency,
    /// When it is invoiced.
    pub when: Invoiced,
}

/// A credit note: credits of charges of one invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditNote {
    /// The invoice, as read.
    pub invoice: Invoice,
    /// The extent of the credit.
    pub extent: Extent,
    /// Whether the part that becomes balance is paid back at once.
    pub pay_back: Option<PayBack>,
}

/// The extent of a credit note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// All that remains of every charge.
    Whole,
    /// An amount of each of these charges, in minor units.
    Lines(Vec<(ChargeId, i64)>),
    /// An amount in minor units, of the charges in their order. All of it must be paid back.
    Amount(i64),
}

/// An outgoing payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayBack {
    /// Its reference.
    pub reference: PaymentReference,
    /// The refund that has this reference already, if any, as read.
    pub known: Option<Refund>,
}

pub(super) fn correct(context: &Context<'_>, command: Correct) -> Result<Option<Change>, Rejection> {
    let Correct { correction, reason, notes } = command;
    let given = Given { context, reason, notes };
    match correction {
        Correction::Charge(one_off) => given.charge(one_off).map(Some),
        Correction::Credit(amount) => given.grant(amount).map(Some),
        Correction::CreditNote(note) => given.credit_note(&note),
        Correction::Refund(pay_back, amount) => given.refund(&pay_back, amount),
        Correction::ReversePayment(invoice, reference, kind) => given.reverse(invoice, reference, kind),
        Correction::WriteOff(invoice) => given.write_off(invoice),
        Correction::WithdrawWriteOff(invoice) => given.withdraw_write_off(invoice),
        Correction::MoveDueDate(invoice, due_at) => given.move_due_date(invoice, due_at),
        Correction::Postpone(postponement) => given.postpone(postponement),
    }
}

/// The invoice is void.
const fn refuse_void(invoice: &Invoice) -> Result<(), Rejection> {
    match invoice.status {
        InvoiceStatus::Void => Err(Rejection::InvoiceVoid),
        InvoiceStatus::Open | InvoiceStatus::Paid | InvoiceStatus::Uncollectible | InvoiceStatus::WrittenOff => Ok(()),
    }
}

/// A correction that is being decided.
struct Given<'a> {
    context: &'a Context<'a>,
    reason: Option<Reason>,
    notes: Option<Notes>,
}

impl Given<'_> {
    fn event(&self, kind: EventKind) -> Event {
        let (reason, notes) = (self.reason.clone(), self.notes.clone());
        Event { reason, notes, ..self.context.event(kind) }
    }

    /// The change of an invoice that was read.
    fn change_of(&self, events: Vec<Event>, invoice: Invoice) -> Change {
        Change { invoice_read: Some(invoice.version), invoice: Some(invoice), ..self.context.change(events) }
    }

    fn charge(&self, one_off: OneOff) -> Result<Change, Rejection> {
        let OneOff { description, amount_cents, currency, when } = one_off;
        require_amount(amount_cents)?;
        if self.context.deployment().state == State::Archived {
            return Err(Rejection::Archived);
        }
        let mut subscription = self.context.aggregate.subscription.clone().ok_or(Rejection::NotSubscribed)?;
        if when == Invoiced::NextInvoice && !subscription.is_live() {
            return Err(Rejection::NotSubscribed);
        }
        let mut books = Books::new(self.context);
        books.charge_once(&mut subscription, description, amount_cents, currency)?;
        books.bill_once(&mut subscription, when);
        let events = books.finish(self.event(EventKind::ChargeAdded { subscription }));
        Ok(self.context.change(events))
    }

    fn grant(&self, amount: Amount) -> Result<Change, Rejection> {
        let Amount { amount_cents, currency } = amount;
        require_amount(amount_cents)?;
        require_room(self.context, amount_cents, currency)?;
        let mut books = Books::new(self.context);
        books.enter(Entry::BalanceGranted { amount_cents, currency });
        books.settle();
        let change = self
            .context
            .change(books.finish(self.event(EventKind::CreditGranted { amount: Amount { amount_cents, currency } })));
        let movement = self.movement(BalanceMovementKind::Granted, amount_cents, currency);
        Ok(Change { movement: Some(movement), ..change })
    }

    fn movement(&self, kind: BalanceMovementKind, amount_cents: i64, currency: Currency) -> BalanceMovement {
        BalanceMovement {
            kind,
            amount_cents,
            currency,
            invoice: None,
            reason: self.reason.clone(),
            at: self.context.at,
        }
    }

    fn credit_note(&self, note: &CreditNote) -> Result<Option<Change>, Rejection> {
        let CreditNote { invoice, extent, pay_back } = note;
        refuse_void(invoice)?;
        if let Some(PayBack { known: Some(known), .. }) = pay_back {
            return same_refund(known.invoice.as_ref() == Some(&invoice.number) && paid_back(invoice, extent, known));
        }
        if invoice.is_owed() {
            expect_listed(self.context, invoice)?;
        }
        let mut subscription = subscription_of(self.context, invoice);
        let mut books = Books::new(self.context);
        let credits = credits_of(invoice, extent)?;
        let returned_cents = books.credit_lines(invoice, &credits, subscription.as_mut());
        if pay_back.is_none() {
            books.settle();
        }
        let number = invoice.number.clone();
        let issued = books.finish(self.event(EventKind::CreditNoteIssued { number, subscription }));
        let change = self.change_of(issued, invoice.clone());
        let Some(pay_back) = pay_back else { return Ok(Some(change)) };
        let asked_cents = match extent {
            Extent::Whole | Extent::Lines(_) => returned_cents,
            Extent::Amount(amount_cents) => *amount_cents,
        };
        if returned_cents == 0 || returned_cents < asked_cents {
            return Err(Rejection::RefundExceedsPaid { paid_cents: returned_cents });
        }
        let amount = Amount { amount_cents: returned_cents, currency: invoice.currency };
        Ok(Some(self.pay_back(change, pay_back, amount, Some(invoice.number.clone()))))
    }

    fn refund(&self, pay_back: &PayBack, amount: Amount) -> Result<Option<Change>, Rejection> {
        let Amount { amount_cents, currency } = amount;
        require_amount(amount_cents)?;
        if let Some(known) = &pay_back.known {
            return same_refund(
                known.invoice.is_none() && (known.amount_cents, known.currency) == (amount_cents, currency),
            );
        }
        let balance_cents = self.context.deployment().balance_cents(currency);
        if balance_cents < amount_cents {
            return Err(Rejection::InsufficientBalance { balance_cents, currency });
        }
        Ok(Some(self.pay_back(self.context.change(Vec::new()), pay_back, amount, None)))
    }

    /// Adds the payment back of an amount that is in the balance after a change.
    fn pay_back(&self, change: Change, pay_back: &PayBack, amount: Amount, invoice: Option<InvoiceNumber>) -> Change {
        let Amount { amount_cents, currency } = amount;
        let (reference, refunded_at) = (pay_back.reference.clone(), self.context.at);
        let refund =
            Refund { reference: reference.clone(), amount_cents, currency, invoice: invoice.clone(), refunded_at };
        let change = change.then(self.context, |context| {
            let mut books = Books::new(context);
            books.enter(Entry::BalancePaidBack { amount_cents, currency });
            books.settle();
            let given = Given { context, reason: self.reason.clone(), notes: self.notes.clone() };
            books.finish(given.event(EventKind::Refunded { refund }))
        });
        let movement = self.movement(BalanceMovementKind::PaidBack(reference), amount_cents, currency);
        Change { movement: Some(BalanceMovement { invoice, ..movement }), ..change }
    }

    fn reverse(
        &self,
        invoice: Invoice,
        reference: PaymentReference,
        kind: ReversalKind,
    ) -> Result<Option<Change>, Rejection> {
        let Some(payment) = invoice.payments.iter().find(|payment| payment.reference == reference) else {
            return Err(Rejection::UnknownPayment);
        };
        if let Some(reversal) = &payment.reversal {
            return if reversal.kind == kind { Ok(None) } else { Err(Rejection::PaymentReversed) };
        }
        let mut after = invoice.clone();
        after.reverse(&reference, kind, self.context.at);
        let (status, owed) = self.owe(&invoice, &mut after)?;
        let number = invoice.number.clone();
        let mut books = Books::new(self.context);
        books.owe(status, &owed);
        let reversed = self.event(EventKind::PaymentReversed { number, reference, kind, status, owed });
        Ok(Some(self.change_of(books.finish(reversed), invoice)))
    }

    /// The status and the amount due of an invoice that is owed again: open, or uncollectible if the deployment is
    /// cancelled or archived, so that no state follows from it.
    fn owe(&self, before: &Invoice, after: &mut Invoice) -> Result<(InvoiceStatus, OpenInvoice), Rejection> {
        if before.is_owed() {
            expect_listed(self.context, before)?;
        }
        let status = match self.context.deployment().state {
            _ if before.is_owed() => before.status,
            State::Cancelled | State::Archived => InvoiceStatus::Uncollectible,
            State::Trial | State::Active | State::PastDue | State::Paused | State::Suspended => InvoiceStatus::Open,
        };
        after.reopen(status, self.context.at);
        Ok((status, after.as_owed()))
    }

    fn write_off(&self, invoice: Invoice) -> Result<Option<Change>, Rejection> {
        match invoice.status {
            InvoiceStatus::WrittenOff => return Ok(None),
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => expect_listed(self.context, &invoice)?,
            InvoiceStatus::Paid | InvoiceStatus::Void => {
                return Err(Rejection::InvoiceNotOpen { status: invoice.status.as_str(), verb: "written off" });
            }
        }
        if invoice.write_offs.len() >= MAX_WRITE_OFFS {
            return Err(Rejection::TooManyWriteOffs);
        }
        let (number, amount_cents) = (invoice.number.clone(), invoice.due_cents());
        let mut subscription = subscription_of(self.context, &invoice);
        if let Some(subscription) = &mut subscription {
            // After a reversal a part can be forgiven already.
            forgive(subscription, &invoice, invoice.forgiven_cents() + amount_cents);
        }
        let written_off = self.event(EventKind::InvoiceWrittenOff { number, amount_cents, subscription });
        Ok(Some(self.change_of(vec![written_off], invoice)))
    }

    fn withdraw_write_off(&self, invoice: Invoice) -> Result<Option<Change>, Rejection> {
        refuse_void(&invoice)?;
        if invoice.write_offs.iter().all(|write_off| write_off.withdrawal.is_some()) {
            return Ok(None);
        }
        let mut after = invoice.clone();
        after.withdraw_write_off(self.context.at);
        if after.unsettled_cents() == 0 {
            return Err(Rejection::NothingForgiven);
        }
        let (status, owed) = self.owe(&invoice, &mut after)?;
        let mut subscription = subscription_of(self.context, &invoice);
        if let Some(subscription) = &mut subscription {
            forgive(subscription, &invoice, 0);
        }
        let number = invoice.number.clone();
        let mut books = Books::new(self.context);
        books.owe(status, &owed);
        let withdrawn = self.event(EventKind::WriteOffWithdrawn { number, status, owed, subscription });
        Ok(Some(self.change_of(books.finish(withdrawn), invoice)))
    }

    fn move_due_date(&self, invoice: Invoice, to: Timestamp) -> Result<Option<Change>, Rejection> {
        let Some(due_at) = Changed::between(&invoice.due_at, &to) else { return Ok(None) };
        if invoice.status != InvoiceStatus::Open {
            let status = invoice.status.as_str();
            return Err(Rejection::InvoiceNotOpen { status, verb: "given a later due date" });
        }
        expect_listed(self.context, &invoice)?;
        if due_at.to < due_at.from {
            return Err(invalid("due_at", "not_later", "must be later than the present due date"));
        }
        require_ahead("due_at", to, self.context.at)?;
        let number = invoice.number.clone();
        let changed = self.event(EventKind::InvoiceDueDateChanged { number, due_at });
        Ok(Some(self.change_of(vec![changed], invoice)))
    }

    /// Needs only the deployment's list of its open invoices, so it reads no invoice.
    fn postpone(&self, postponement: Postponement) -> Result<Option<Change>, Rejection> {
        let at = self.context.at;
        if let Postponement::Until(due_at) = postponement {
            require_ahead("due_at", due_at, at)?;
        }
        let later = |open: &OpenInvoice| {
            let to = match postponement {
                Postponement::Until(due_at) => due_at.max(open.due_at),
                Postponement::ByDays(days) => open.due_at.max(at) + TimeDelta::days(i64::from(days)),
            };
            let due_at = Changed::between(&open.due_at, &to)?;
            Some(self.event(EventKind::InvoiceDueDateChanged { number: open.number.clone(), due_at }))
        };
        let events: Vec<Event> = self.context.deployment().open_invoices.iter().filter_map(later).collect();
        if events.len() > MAX_POSTPONED {
            return Err(Rejection::TooManyOpenInvoices);
        }
        Ok((!events.is_empty()).then(|| self.context.change(events)))
    }
}

/// A refund under a known reference changes nothing if it is the same refund.
fn same_refund(is_same: bool) -> Result<Option<Change>, Rejection> {
    if is_same { Ok(None) } else { Err(Rejection::PaymentReferenceReused) }
}

/// Whether a refund of an invoice has this extent: its credit note credited exactly these charges.
fn paid_back(invoice: &Invoice, extent: &Extent, refund: &Refund) -> bool {
    let tax = invoice.tax_line().map(|line| line.charge);
    let note = invoice.credits.iter().filter(|credit| credit.credited_at == refund.refunded_at);
    let credited: Vec<(ChargeId, i64)> =
        note.filter(|credit| Some(credit.charge) != tax).map(|credit| (credit.charge, credit.amount_cents)).collect();
    match extent {
        Extent::Amount(amount_cents) => refund.amount_cents == *amount_cents,
        Extent::Lines(lines) => lines.len() == credited.len() && lines.iter().all(|line| credited.contains(line)),
        Extent::Whole => {
            let is_last = invoice.credits.iter().all(|credit| credit.credited_at <= refund.refunded_at);
            is_last && invoice.charges().all(|line| invoice.standing_cents(line.charge) == Some(0))
        }
    }
}

fn require_amount(amount_cents: i64) -> Result<(), Rejection> {
    if (1..=MAX_PRICE_CENTS).contains(&amount_cents) {
        return Ok(());
    }
    Err(invalid("amount_cents", "out_of_range", "must be from 1 to 1000000000000000"))
}

/// The subscription, if it holds a charge of an invoice.
fn subscription_of(context: &Context<'_>, invoice: &Invoice) -> Option<Subscription> {
    let holds = |s: &Subscription| s.charges.iter().any(|charge| charge.invoice.as_ref() == Some(&invoice.number));
    context.aggregate.subscription.clone().filter(holds)
}

/// Records the forgiven amount of an invoice, so that a credit of an unused part returns only the paid part.
fn forgive(subscription: &mut Subscription, invoice: &Invoice, amount_cents: i64) {
    let mut forgiven = subscription.take_forgiven();
    forgiven.insert(invoice.number.clone(), amount_cents);
    subscription.put_forgiven(forgiven);
}

/// The credits of a credit note: charges with amounts in minor units, and their tax.
fn credits_of(invoice: &Invoice, extent: &Extent) -> Result<Vec<(ChargeId, i64)>, Rejection> {
    let (tax, taxed) = (invoice.tax_line().map(|line| line.charge), invoice.taxed());
    // Whether so much had been settled is known when it is credited.
    let credited_cents = match extent {
        Extent::Amount(amount_cents) => (*amount_cents).min(invoice.total_cents - invoice.credited_cents),
        Extent::Whole | Extent::Lines(_) => 0,
    };
    let standing = || {
        let of = |charge| invoice.standing_cents(charge).unwrap_or_default();
        let net = invoice.charges().filter(move |line| Some(line.charge) != tax);
        net.map(move |line| (line.charge, of(line.charge))).filter(|(_, cents)| *cents > 0)
    };
    let mut credits: Vec<(ChargeId, i64)> = match extent {
        Extent::Whole => standing().collect(),
        Extent::Lines(lines) => lines.clone(),
        Extent::Amount(amount_cents) => {
            require_amount(*amount_cents)?;
            if credited_cents == 0 {
                return Err(Rejection::RefundExceedsPaid { paid_cents: 0 });
            }
            let mut left_cents = taxed.map_or(credited_cents, |taxed| taxed.net_part_cents(credited_cents));
            let mut take = |(charge, cents): (ChargeId, i64)| {
                let cents = cents.min(left_cents);
                left_cents -= cents;
                (charge, cents)
            };
            standing().map(&mut take).filter(|(_, cents)| *cents > 0).collect()
        }
    };
    for (place, (charge, cents)) in credits.iter().enumerate() {
        if Some(*charge) == tax {
            return Err(invalid("lines", "tax_line", "must not name the tax: it is credited with what was taxed"));
        }
        let remaining_cents = invoice.standing_cents(*charge).ok_or(Rejection::UnknownCharge(*charge))?;
        if *cents < 1 || *cents > remaining_cents {
            return Err(Rejection::CreditExceedsCharge { charge: *charge, remaining_cents });
        }
        if credits.iter().take(place).any(|(earlier, _)| earlier == charge) {
            return Err(invalid("lines", "repeated_charge", "must not name a charge twice"));
        }
    }
    let net_cents: i64 = credits.iter().map(|(_, cents)| cents).sum();
    let tax_cents = match extent {
        Extent::Whole | Extent::Lines(_) => taxed.map_or(0, |taxed| taxed.credit_cents(net_cents)),
        Extent::Amount(_) => credited_cents - net_cents,
    };
    credits.extend(tax.map(|tax| (tax, tax_cents)).filter(|(_, cents)| *cents > 0));
    // A credit of the whole rest occurs at most once.
    if *extent != Extent::Whole && invoice.credits.len() + credits.len() > MAX_CREDITS {
        return Err(Rejection::TooManyCredits);
    }
    if credits.is_empty() { Err(Rejection::NothingToCredit) } else { Ok(credits) }
}
