//! The books of one deployment during a decision: charges, credits, invoices and balance. The order is fixed: credits
//! come first, the balance that they free settles open invoices, then invoices are issued. Whether a command may change
//! the books is not decided here.

use std::collections::BTreeSet;

use chrono::SubsecRound;

use super::{Context, Rejection};
use crate::charge::{Charge, ChargeTax, Invoiced};
use crate::coupon::DiscountEnd;
use crate::deployment::Deployment;
use crate::entry::Entry;
use crate::event::{Event, EventKind};
use crate::invoice::{Invoice, InvoiceStatus, OpenInvoice};
use crate::lifecycle::State;
use crate::line::{ChargeId, Line, LineKind};
use crate::money::{Currency, MAX_PRICE_CENTS, sum};
use crate::policy::DunningPolicy;
use crate::subscription::{
    Forgiven, MAX_CHARGES_IN_PERIOD, MAX_CHARGES_WITH_ONE_OFFS, Subscription, SubscriptionAddon, end_of_second,
};
use crate::tax::tax_cents;
use crate::values::{DisplayName, InvoiceNumber, ShortCode, Timestamp};

/// The most open invoices that balance settles in one commit. A scheduled step settles the rest.
pub const MAX_SETTLED_INVOICES: usize = 25;

/// The most balance of a deployment in one currency, in minor units.
pub const MAX_BALANCE_CENTS: i64 = MAX_PRICE_CENTS;

/// The changes of a decision to the books.
pub(super) struct Books<'a> {
    context: &'a Context<'a>,
    /// The dunning policy of new invoices.
    policy: DunningPolicy,
    /// The same policy, if the deployment copies it.
    copied: Option<DunningPolicy>,
    /// The deployment after the entries and invoices so far.
    deployment: Deployment,
    entries: Vec<Entry>,
    invoices: Vec<Invoice>,
    places: u32,
    /// The discount that this decision ended: its coupon, and why.
    ended: Option<(ShortCode, DiscountEnd)>,
}

/// The span of time that an invoice bills.
#[derive(Clone, Copy)]
struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl<'a> Books<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self::of_move(context, context.deployment().state)
    }

    /// The books of a decision that leaves the deployment in `state`.
    pub(super) fn of_move(context: &'a Context<'a>, state: State) -> Self {
        let deployment = context.deployment().clone();
        let policy = context.policy.unwrap_or(deployment.dunning_policy);
        // Running deadlines do not move: another policy is copied only while no invoice is open, and archiving is not next.
        let no_deadline_runs = deployment.open_invoices.is_empty() && state != State::Cancelled;
        let copied = Some(policy).filter(|new| no_deadline_runs && *new != deployment.dunning_policy);
        let (entries, invoices) = (Vec::new(), Vec::new());
        Self { context, policy, copied, deployment, entries, invoices, places: 0, ended: None }
    }

    /// The dunning policy of the deployment after this decision.
    pub(super) fn dunning_policy(&self) -> DunningPolicy {
        self.copied.unwrap_or(self.deployment.dunning_policy)
    }

    /// Removes a voided invoice from the books, and returns the balance that had settled it.
    pub(super) fn void(&mut self, invoice: &Invoice) {
        self.deployment.drop_owed(&invoice.number);
        let Invoice { number, currency, .. } = invoice.clone();
        let amount_cents = invoice.balance_held_cents();
        if amount_cents > 0 {
            self.enter(Entry::BalanceReturned { number, amount_cents, currency });
        }
        self.settle();
    }

    /// Settles an invoice by a payment. The part of the payment beyond the amount due becomes balance.
    pub(super) fn pay(&mut self, invoice: &Invoice, excess_cents: i64) {
        if excess_cents == 0 {
            return;
        }
        self.deployment.drop_owed(&invoice.number);
        let Invoice { number, currency, .. } = invoice.clone();
        self.enter(Entry::BalanceReturned { number, amount_cents: excess_cents, currency });
        self.settle();
    }

    /// Lists an invoice that is owed again; balance settles it, if there is any.
    pub(super) fn owe(&mut self, status: InvoiceStatus, owed: &OpenInvoice) {
        if self.deployment.owe(status, owed).is_none() {
            unreachable!("an invoice that is owed again is open or uncollectible");
        }
        self.settle();
    }

    /// Credits charges of an invoice by amounts in minor units, and returns the part that became balance. It lowers the
    /// amount due first, then the forgiven amount; the rest had been settled.
    pub(super) fn credit_lines(
        &mut self,
        invoice: &Invoice,
        credits: &[(ChargeId, i64)],
        mut subscription: Option<&mut Subscription>,
    ) -> i64 {
        let mut forgiven = subscription.as_mut().map(|subscription| subscription.take_forgiven()).unwrap_or_default();
        let mut left_cents = invoice.forgiven_cents();
        let charges = subscription.as_mut().map_or(&mut [][..], |subscription| &mut subscription.charges[..]);
        let is_on_it = |charge: &&mut Charge| charge.invoice.as_ref() == Some(&invoice.number);
        let (mut balance_cents, mut net_cents) = (0, 0);
        for (id, amount_cents) in credits {
            let Some(charged) = invoice.charges().find(|line| line.charge == *id) else { continue };
            let line = Line { kind: charged.kind.credit(), amount_cents: -amount_cents, ..charged.clone() };
            if charged.kind != LineKind::Tax {
                net_cents += amount_cents;
            }
            let Deployment { open_invoices, uncollectible_invoices, .. } = &self.deployment;
            let owed = open_invoices.iter().chain(uncollectible_invoices).find(|owed| owed.number == invoice.number);
            let lowered_cents = owed.map_or(0, |owed| owed.due_cents.min(*amount_cents));
            let forgiven_cents = left_cents.min(amount_cents - lowered_cents);
            left_cents -= forgiven_cents;
            if let Some(charge) = charges.iter_mut().find(|charge| charge.id == *id) {
                charge.credited_cents += amount_cents;
            }
            let returned_cents = amount_cents - lowered_cents - forgiven_cents;
            balance_cents += returned_cents;
            let number = Some(invoice.number.clone());
            self.enter(Entry::Credited { line, invoice: number, lowered_cents, returned_cents });
        }
        for charge in charges.iter_mut().filter(is_on_it) {
            if let Some(tax) = &mut charge.tax {
                tax.net_cents -= net_cents;
            }
        }
        if let Some(subscription) = subscription {
            forgiven.insert(invoice.number.clone(), left_cents);
            subscription.put_forgiven(forgiven);
        }
        balance_cents
    }

    /// Makes a charge once, at this moment.
    ///
    /// # Errors
    /// [`Rejection::TooManyChanges`] if commands have made the maximum of charges in this period.
    pub(super) fn charge_once(
        &mut self,
        subscription: &mut Subscription,
        description: DisplayName,
        amount_cents: i64,
        currency: Currency,
    ) -> Result<(), Rejection> {
        let at = self.context.at.trunc_subsecs(0);
        let charge = Charge {
            id: self.next_id(),
            addon_id: None,
            code: ShortCode::one_off(),
            description: Some(description),
            price_cents: amount_cents,
            discount: None,
            tax: None,
            amount_cents,
            credited_cents: 0,
            forgiven_cents: 0,
            currency,
            from: at,
            to: at,
            invoice: None,
        };
        self.add(subscription, charge, MAX_CHARGES_WITH_ONE_OFFS)
    }

    /// Invoices a charge made once, or lets it wait.
    pub(super) fn bill_once(&mut self, subscription: &mut Subscription, when: Invoiced) {
        match when {
            Invoiced::Now => {
                let sequence = self.sequence();
                self.bill_waiting(subscription, self.context.at, |charge| charge.id.sequence == sequence);
            }
            Invoiced::NextInvoice => self.bill_changes(subscription),
        }
    }

    /// Ends the charges that `is_meant` selects at `at`, and credits their unused part.
    pub(super) fn credit(
        &mut self,
        subscription: &mut Subscription,
        at: Timestamp,
        is_meant: impl Fn(&Charge) -> bool,
    ) {
        let from = end_of_second(at);
        let mut forgiven = subscription.take_forgiven();
        let mut charges = std::mem::take(&mut subscription.charges);
        let mut credited: Vec<(InvoiceNumber, i64)> = Vec::new();
        let is_meant = |charge: &Charge| charge.tax.is_none() && is_meant(charge) && from < charge.to;
        for charge in charges.iter_mut().filter(|charge| is_meant(charge)) {
            let from = from.max(charge.from);
            let amount_cents = subscription.unused_cents(charge, from);
            let off_cents = subscription.unused_discount_cents(charge, from);
            let line = charge.credit_line(amount_cents, from);
            charge.to = from;
            if amount_cents == 0 {
                continue;
            }
            let Some(number) = charge.invoice.clone() else {
                charge.amount_cents -= amount_cents;
                if let Some(discount) = &mut charge.discount {
                    discount.amount_cents = (discount.amount_cents - off_cents).max(0);
                }
                self.enter(Entry::Credited { line, invoice: None, lowered_cents: 0, returned_cents: 0 });
                continue;
            };
            // The credited charge was not paid, so the charges that replace it must not wait for the next invoice.
            subscription.bills_at_once |= self.credit_invoiced(charge, &number, line, &mut forgiven) > 0;
            credited.push((number, amount_cents));
        }
        for charge in &mut charges {
            subscription.bills_at_once |= self.credit_tax(charge, &credited, &mut forgiven) > 0;
        }
        subscription.charges = charges;
        subscription.put_forgiven(forgiven);
        subscription.forget_settled_charges();
        self.settle();
    }

    /// Credits a charge of an invoice by a line, and returns the part that lowered the amount due, in minor units. It
    /// lowers the amount due first, then the forgiven amount; the rest had been settled.
    fn credit_invoiced(
        &mut self,
        charge: &mut Charge,
        number: &InvoiceNumber,
        line: Line,
        forgiven: &mut Forgiven,
    ) -> i64 {
        let amount_cents = -line.amount_cents;
        charge.credited_cents += amount_cents;
        let Deployment { open_invoices, uncollectible_invoices, .. } = &self.deployment;
        let owed = open_invoices.iter().chain(uncollectible_invoices).find(|owed| owed.number == *number);
        let lowered_cents = owed.map_or(0, |owed| owed.due_cents.min(amount_cents));
        let left_cents = forgiven.entry(number.clone()).or_default();
        let forgiven_cents = (*left_cents).min(amount_cents - lowered_cents);
        *left_cents -= forgiven_cents;
        let returned_cents = amount_cents - lowered_cents - forgiven_cents;
        self.enter(Entry::Credited { line, invoice: Some(number.clone()), lowered_cents, returned_cents });
        lowered_cents
    }

    /// Credits a charge for tax after credits of other charges of its invoice, in minor units, and returns the part
    /// that lowered the amount due. It changes no other charge.
    fn credit_tax(&mut self, charge: &mut Charge, credited: &[(InvoiceNumber, i64)], forgiven: &mut Forgiven) -> i64 {
        let (Some(taxed), Some(number)) = (charge.taxed(), charge.invoice.clone()) else { return 0 };
        let net_cents = credited.iter().filter(|(of, _)| *of == number).map(|(_, cents)| cents).sum();
        let amount_cents = taxed.credit_cents(net_cents);
        if let Some(tax) = &mut charge.tax {
            tax.net_cents -= net_cents;
        }
        if amount_cents == 0 {
            return 0;
        }
        let line = charge.credit_line(amount_cents, charge.from);
        self.credit_invoiced(charge, &number, line, forgiven)
    }

    /// Charges for the plan, or for an add-on, from `at` to the end of the period. A charge of zero is not recorded. An
    /// amount was spread over the charges of the period when that opened: another plan takes the place of the present
    /// one, and another add-on has no part of it.
    ///
    /// # Errors
    /// [`Rejection::TooManyChanges`] if commands have made the maximum of charges in this period.
    pub(super) fn charge(
        &mut self,
        subscription: &mut Subscription,
        addon: Option<&SubscriptionAddon>,
        at: Timestamp,
    ) -> Result<(), Rejection> {
        let amount_cents = subscription.discount.as_ref().and_then(|discount| discount.amount_cents);
        let taken_cents = addon.map_or_else(|| subscription.taken_cents(), |_| amount_cents.unwrap_or_default());
        let charge = subscription.charge(self.next_id(), addon, at, taken_cents);
        let Some(charge) = charge.filter(|charge| charge.amount_cents > 0) else { return Ok(()) };
        self.add(subscription, charge, MAX_CHARGES_IN_PERIOD)
    }

    fn add(&mut self, subscription: &mut Subscription, charge: Charge, most: u32) -> Result<(), Rejection> {
        if subscription.charges_in_period >= most {
            return Err(Rejection::TooManyChanges);
        }
        subscription.charges_in_period += 1;
        self.places += 1;
        subscription.charges.push(charge);
        Ok(())
    }

    /// Lets the charges of this decision wait for the next invoice, or issues one if they must be billed at once.
    pub(super) fn bill_changes(&mut self, subscription: &mut Subscription) {
        let sequence = self.sequence();
        if subscription.bills_at_once {
            self.bill_waiting(subscription, self.context.at, |charge| charge.id.sequence == sequence);
            return;
        }
        for charge in subscription.waiting().filter(|charge| charge.id.sequence == sequence) {
            self.entries.extend(charge.lines().into_iter().map(|line| Entry::Charged { line }));
        }
    }

    /// Ends the discount of a subscription if it does not cover the terms that the subscription has now.
    pub(super) fn fit_discount(&mut self, subscription: &mut Subscription) {
        let terms = &subscription.terms;
        if let Some(unfit) =
            subscription.discount.take_if(|discount| !discount.covers(&terms.plan_code, terms.currency))
        {
            self.ended = Some((unfit.coupon, DiscountEnd::PlanNotCovered));
        }
    }

    /// Lets the discount of a subscription run in the period that has just opened, or ends it.
    fn open_discount(&mut self, subscription: &mut Subscription) {
        self.fit_discount(subscription);
        if let Some(over) = subscription.discount.take_if(|discount| discount.periods_left == Some(0)) {
            self.ended = Some((over.coupon, DiscountEnd::NoPeriodsLeft));
        }
        if let Some(discount) = &mut subscription.discount {
            discount.running = true;
            discount.periods_left = discount.periods_left.map(|left| left - 1);
        }
    }

    /// Bills the period that a subscription has just opened: the plan, each add-on and the waiting charges. Waiting
    /// charges in another currency get an invoice of their own. Does nothing during a trial.
    pub(super) fn bill_period(&mut self, subscription: &mut Subscription, addons: &[SubscriptionAddon]) {
        let Some(from) = subscription.billed_from else { return };
        self.open_discount(subscription);
        let mut taken_cents = 0;
        for addon in std::iter::once(None).chain(addons.iter().map(Some)) {
            let charge = subscription.charge(self.next_id(), addon, from, taken_cents);
            let discount = charge.as_ref().and_then(|charge| charge.discount.as_ref());
            taken_cents += discount.map_or(0, |discount| discount.price_cents);
            self.places += 1;
            subscription.charges.extend(charge);
        }
        let currency = subscription.terms.currency;
        let span = Span { from, to: subscription.current_period_end };
        self.issue(subscription, currency, from, Some(span), |_| true);
        self.bill_waiting(subscription, from, |_| true);
    }

    /// Issues invoices of the waiting charges that `is_meant` selects, one for each currency, numbered from `at`.
    pub(super) fn bill_waiting(
        &mut self,
        subscription: &mut Subscription,
        at: Timestamp,
        is_meant: impl Fn(&Charge) -> bool,
    ) {
        let mut currencies: Vec<Currency> =
            subscription.waiting().filter(|charge| is_meant(charge)).map(|charge| charge.currency).collect();
        currencies.sort_unstable();
        currencies.dedup();
        for currency in currencies {
            self.issue(subscription, currency, at, None, &is_meant);
        }
    }

    /// Issues an invoice of the waiting charges of a currency that `is_meant` selects. Without `span`, it bills the
    /// span of its lines.
    fn issue(
        &mut self,
        subscription: &mut Subscription,
        currency: Currency,
        at: Timestamp,
        span: Option<Span>,
        is_meant: impl Fn(&Charge) -> bool,
    ) {
        let number = subscription.next_number(at, currency);
        let mut lines: Vec<Line> = Vec::new();
        let waiting = subscription.charges.iter_mut().filter(|charge| charge.waits() && charge.currency == currency);
        for charge in waiting.filter(|charge| is_meant(charge)) {
            charge.invoice = Some(number.clone());
            lines.extend(charge.lines());
        }
        let from = lines.iter().map(|line| line.from).min().unwrap_or(at);
        let to = lines.iter().map(|line| line.to).max().unwrap_or(at);
        let span = span.unwrap_or(Span { from, to });
        if let Some(tax) = self.tax(&number, currency, span, &lines) {
            lines.extend(tax.lines());
            subscription.charges.extend(Some(tax).filter(|tax| tax.amount_cents > 0));
        }
        subscription.forget_settled_charges();
        let Span { from, to } = span;
        let total_cents = total_cents(&lines);
        let older = self.deployment.owes_in(currency);
        let balance_cents = if older { 0 } else { self.deployment.balance_cents(currency).min(total_cents) };
        let (at, is_settled) = (self.context.at, balance_cents == total_cents);
        let invoice = Invoice {
            number,
            deployment_id: self.deployment.id,
            subscription_id: subscription.id,
            status: if is_settled { InvoiceStatus::Paid } else { InvoiceStatus::Open },
            currency,
            billed_from: from,
            billed_to: to,
            lines,
            total_cents,
            credited_cents: 0,
            returned_cents: 0,
            balance_cents,
            paid_cents: 0,
            credits: Vec::new(),
            payments: Vec::new(),
            write_offs: Vec::new(),
            issued_at: at,
            due_at: self.policy.due_at(at),
            reopened_at: None,
            closed_at: is_settled.then_some(at),
            version: self.sequence(),
        };
        let used = self.deployment.add_balance(currency, -balance_cents);
        debug_assert!(used.is_some(), "what is used of a balance is at most that balance");
        self.deployment.open_invoices.extend(invoice.as_open());
        self.invoices.push(invoice);
    }

    /// The tax of an invoice with these lines: none without a rate.
    fn tax(&mut self, number: &InvoiceNumber, currency: Currency, span: Span, lines: &[Line]) -> Option<Charge> {
        let rate_basis_points = self.deployment.tenant_rules.tax_rate_basis_points;
        if rate_basis_points == 0 {
            return None;
        }
        let net_cents = total_cents(lines);
        let amount_cents = tax_cents(net_cents, rate_basis_points);
        let id = self.next_id();
        self.places += 1;
        Some(Charge {
            id,
            addon_id: None,
            code: ShortCode::tax(),
            description: None,
            price_cents: amount_cents,
            discount: None,
            tax: Some(ChargeTax { rate_basis_points, net_cents }),
            amount_cents,
            credited_cents: 0,
            forgiven_cents: 0,
            currency,
            from: span.from,
            to: span.to,
            invoice: Some(number.clone()),
        })
    }

    /// Settles open invoices by balance, the oldest of each currency first.
    pub(super) fn settle(&mut self) {
        let Deployment { open_invoices, uncollectible_invoices, .. } = &self.deployment;
        // What was given up is still owed.
        let owed: Vec<OpenInvoice> = open_invoices.iter().chain(uncollectible_invoices).cloned().collect();
        for owed in owed {
            let settled = self.entries.iter().filter(|entry| matches!(entry, Entry::BalanceUsed { .. })).count();
            let amount_cents = self.deployment.balance_cents(owed.currency).min(owed.due_cents);
            if amount_cents > 0 && settled < MAX_SETTLED_INVOICES {
                let (number, currency) = (owed.number, owed.currency);
                self.enter(Entry::BalanceUsed { number, amount_cents, currency });
            }
        }
    }

    /// The number of existing invoices that the entries change.
    pub(super) fn changed_invoices(&self) -> usize {
        let number_of = |entry| match entry {
            Entry::Credited { invoice, .. } => invoice,
            Entry::BalanceUsed { number, .. } | Entry::BalanceReturned { number, .. } => Some(number),
            Entry::Charged { .. } | Entry::BalanceGranted { .. } | Entry::BalancePaidBack { .. } => None,
        };
        self.entries.iter().cloned().filter_map(number_of).collect::<BTreeSet<_>>().len()
    }

    /// The invoices that balance settled in full or in part.
    pub(super) fn settled(&self) -> Vec<InvoiceNumber> {
        let settled = |entry: &Entry| match entry {
            Entry::BalanceUsed { number, .. } => Some(number.clone()),
            Entry::Charged { .. }
            | Entry::Credited { .. }
            | Entry::BalanceReturned { .. }
            | Entry::BalanceGranted { .. }
            | Entry::BalancePaidBack { .. } => None,
        };
        self.entries.iter().filter_map(settled).collect()
    }

    /// The events of the decision: `main` with the entries, then the end of a discount and one for each issued invoice.
    pub(super) fn finish(self, main: Event) -> Vec<Event> {
        let Self { context, mut copied, entries, invoices, ended, .. } = self;
        let ended = ended.map(|(coupon, cause)| context.event(EventKind::DiscountEnded { coupon, cause }));
        let opened = invoices.into_iter().map(|invoice| {
            let dunning_policy = copied.take();
            context.event(EventKind::InvoiceOpened { invoice, dunning_policy })
        });
        std::iter::once(Event { entries, ..main }).chain(ended).chain(opened).collect()
    }

    /// Makes an entry.
    pub(super) fn enter(&mut self, entry: Entry) {
        if self.deployment.enter(&entry).is_none() {
            unreachable!("an entry made from a deployment's books follows from them");
        }
        self.entries.push(entry);
    }

    const fn sequence(&self) -> u64 {
        self.context.deployment().version + 1
    }

    const fn next_id(&self) -> ChargeId {
        ChargeId { sequence: self.sequence(), place: self.places }
    }
}

/// The sum of lines, in minor units. [`MAX_PRICE_CENTS`] bounds prices so that it fits, with tax.
fn total_cents(lines: &[Line]) -> i64 {
    sum(lines.iter().map(|line| line.amount_cents)).unwrap_or(i64::MAX)
}

/// Refuses an amount that the balance has no room for.
pub(super) fn require_room(context: &Context<'_>, amount_cents: i64, currency: Currency) -> Result<(), Rejection> {
    let sum = context.deployment().balance_cents(currency).checked_add(amount_cents);
    if sum.is_some_and(|sum| sum <= MAX_BALANCE_CENTS) { Ok(()) } else { Err(Rejection::TooMuchBalance) }
}
