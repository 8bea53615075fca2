//! How events change the invoices of their deployment. Commits, replays and the audit use the same code, so a stored
//! invoice is always what its history says.

use std::collections::BTreeMap;

use super::event::{Event, EventKind};
use super::invoice::{Invoice, InvoiceStatus};
use super::values::InvoiceNumber;

/// Applies an event to the invoices of its deployment.
///
/// # Errors
/// The number of an invoice that the event names and that is missing.
pub fn follow_invoices(invoices: &mut BTreeMap<InvoiceNumber, Invoice>, event: &Event) -> Result<(), InvoiceNumber> {
    if let EventKind::InvoiceOpened { invoice, dunning_policy: _ } = &event.kind {
        invoices.insert(invoice.number.clone(), invoice.clone());
    }
    let mut named: Vec<&InvoiceNumber> = named_by(&event.kind).iter().collect();
    named.extend(event.entries.iter().filter_map(|entry| entry.of_invoice()));
    named.dedup();
    for number in named {
        invoices.get_mut(number).ok_or_else(|| number.clone())?;
    }
    for invoice in invoices.values_mut() {
        invoice.follow(event);
    }
    Ok(())
}

/// The invoices that a kind of event changes.
fn named_by(kind: &EventKind) -> &[InvoiceNumber] {
    match kind {
        EventKind::PaymentReceived { number, .. }
        | EventKind::PaymentReversed { number, .. }
        | EventKind::InvoiceVoided { number, .. }
        | EventKind::InvoiceWrittenOff { number, .. }
        | EventKind::WriteOffWithdrawn { number, .. }
        | EventKind::InvoiceDueDateChanged { number, .. } => std::slice::from_ref(number),
        EventKind::InvoicesUncollectible { numbers } => numbers,
        EventKind::Created(_)
        | EventKind::StateChanged { .. }
        | EventKind::Updated(_)
        | EventKind::ResourceAdded { .. }
        | EventKind::ResourceDeleted { .. }
        | EventKind::Subscribed { .. }
        | EventKind::TrialEnded { .. }
        | EventKind::Renewed { .. }
        | EventKind::InvoiceOpened { .. }
        | EventKind::ChargeAdded { .. }
        | EventKind::CreditGranted { .. }
        | EventKind::CreditNoteIssued { .. }
        | EventKind::Refunded { .. }
        | EventKind::BalanceApplied { .. }
        | EventKind::AddonAttached { .. }
        | EventKind::AddonDetached { .. }
        | EventKind::PlanChanged { .. }
        | EventKind::PriceChangeAnnounced { .. }
        | EventKind::PlanChangeScheduled { .. }
        | EventKind::PlanChangeWithdrawn { .. }
        | EventKind::CancellationScheduled { .. }
        | EventKind::CancellationWithdrawn { .. }
        | EventKind::SubscriptionCancelled { .. }
        | EventKind::DiscountGranted { .. }
        | EventKind::DiscountRemoved { .. }
        | EventKind::DiscountEnded { .. }
        | EventKind::TrialExtended { .. } => &[],
    }
}

impl Invoice {
    /// Applies an event of its deployment, as far as it changes this invoice.
    pub fn follow(&mut self, event: &Event) {
        let at = event.occurred_at;
        let is_named = named_by(&event.kind).contains(&self.number);
        if is_named {
            self.follow_kind(event);
        }
        let mut has_entry = false;
        for entry in &event.entries {
            if entry.of_invoice() == Some(&self.number) {
                self.enter(entry, at);
                has_entry = true;
            }
        }
        if is_named || has_entry {
            self.version = event.sequence;
        }
    }

    /// Applies an event that [`named_by`] says changes this invoice.
    fn follow_kind(&mut self, event: &Event) {
        let at = event.occurred_at;
        match &event.kind {
            EventKind::PaymentReceived { payment, .. } => self.pay(payment),
            EventKind::PaymentReversed { reference, kind, status, .. } => {
                self.reverse(reference, *kind, at);
                self.reopen(*status, at);
            }
            EventKind::InvoiceVoided { .. } => self.close(InvoiceStatus::Void, at),
            EventKind::InvoicesUncollectible { .. } => self.close(InvoiceStatus::Uncollectible, at),
            EventKind::InvoiceWrittenOff { amount_cents, .. } => self.write_off(*amount_cents, at),
            EventKind::WriteOffWithdrawn { status, .. } => {
                self.withdraw_write_off(at);
                self.reopen(*status, at);
            }
            EventKind::InvoiceDueDateChanged { due_at, .. } => self.due_at = due_at.to,
            EventKind::Created(_)
            | EventKind::StateChanged { .. }
            | EventKind::Updated(_)
            | EventKind::ResourceAdded { .. }
            | EventKind::ResourceDeleted { .. }
            | EventKind::Subscribed { .. }
            | EventKind::TrialEnded { .. }
            | EventKind::Renewed { .. }
            | EventKind::InvoiceOpened { .. }
            | EventKind::ChargeAdded { .. }
            | EventKind::CreditGranted { .. }
            | EventKind::CreditNoteIssued { .. }
            | EventKind::Refunded { .. }
            | EventKind::BalanceApplied { .. }
            | EventKind::AddonAttached { .. }
            | EventKind::AddonDetached { .. }
            | EventKind::PlanChanged { .. }
            | EventKind::PriceChangeAnnounced { .. }
            | EventKind::PlanChangeScheduled { .. }
            | EventKind::PlanChangeWithdrawn { .. }
            | EventKind::CancellationScheduled { .. }
            | EventKind::CancellationWithdrawn { .. }
            | EventKind::SubscriptionCancelled { .. }
            | EventKind::DiscountGranted { .. }
            | EventKind::DiscountRemoved { .. }
            | EventKind::DiscountEnded { .. }
            | EventKind::TrialExtended { .. } => {}
        }
    }
}
