//! Cases of corrections, with the amounts worked out by hand. Every history is audited after every commit.

use super::cases::{Life, storage};
use super::fixtures::at;
use super::*;
use crate::{
    Action, Amount, ChargeId, Entry, EventKind, InvoiceNumber, InvoiceStatus, Invoiced, LineKind,
    MAX_CHARGES_IN_PERIOD, MAX_CHARGES_WITH_ONE_OFFS, MAX_CREDITS, MAX_PAYMENTS, ReversalKind,
};

fn usd(amount_cents: i64) -> Amount {
    Amount { amount_cents, currency: "USD".parse().unwrap() }
}

fn pay_back(reference: &str) -> PayBack {
    PayBack { reference: reference.parse().unwrap(), known: None }
}

impl Life {
    fn corrects(&mut self, correction: Correction, now: &str) {
        self.does(Command::Correct(Correct { correction, reason: None, notes: None }), now);
    }

    fn refuses(&mut self, correction: Correction, now: &str) -> Rejection {
        let command = Command::Correct(Correct { correction, reason: None, notes: None });
        self.tries(Authority::PlatformAdmin, command, now).unwrap_err()
    }

    fn only(&self) -> Invoice {
        self.invoices.values().next().unwrap().clone()
    }

    fn invoice(&self, number: &InvoiceNumber) -> Invoice {
        self.invoices[number].clone()
    }

    fn notes(&mut self, invoice: Invoice, extent: Extent, refund: Option<&str>, now: &str) {
        let pay_back = refund.map(pay_back);
        self.corrects(Correction::CreditNote(CreditNote { invoice, extent, pay_back }), now);
    }

    fn reverses(&mut self, invoice: Invoice, now: &str) {
        let reference = invoice.payments.last().unwrap().reference.clone();
        self.corrects(Correction::ReversePayment(invoice, reference, ReversalKind::Chargeback), now);
    }

    fn pays_part(&mut self, amount_cents: i64, now: &str) -> Result<(), Rejection> {
        let invoice = self.only();
        let currency = invoice.currency;
        let payment = Payment::new(format!("p-{}", self.new_id()).parse().unwrap(), amount_cents, at(now));
        self.tries(Authority::PlatformAdmin, Command::Pay(Pay::new(invoice, payment, currency)), now)
    }

    fn pays_too_much(&mut self, invoice: Invoice, amount_cents: i64, now: &str) {
        let payment = Payment::new(format!("p-{}", self.new_id()).parse().unwrap(), amount_cents, at(now));
        let currency = invoice.currency;
        let pay = Pay { overpayment: Overpayment::Balance, ..Pay::new(invoice, payment, currency) };
        self.does(Command::Pay(pay), now);
    }
}

fn once(amount_cents: i64, when: Invoiced) -> Correction {
    let (description, currency) = ("Migration".parse().unwrap(), "USD".parse().unwrap());
    Correction::Charge(OneOff { description, amount_cents, currency, when })
}

/// A deployment with studio (2,900) and storage (750) from 1 January on.
fn subscribed(pays: bool) -> Life {
    let mut life = Life::new("2027-01-01T00:00:00Z");
    life.subscribes("studio", &[storage()], "2027-01-01T00:00:00Z");
    if pays {
        life.pays("2027-01-01T00:00:00Z");
    }
    life
}

#[test]
fn a_charge_made_once_is_invoiced_now_or_with_the_next_invoice() {
    let mut life = subscribed(true);
    let charge = |when| once(5_000, when);
    life.corrects(charge(Invoiced::Now), "2027-01-10T00:00:00Z");
    assert_eq!(life.due(), [5_000]);
    let line = life.invoice(&life.oldest()).lines[0].clone();
    assert_eq!((line.kind, line.code.as_str()), (LineKind::OneOffCharge, "one_off"));
    life.pays("2027-01-10T00:00:00Z");
    life.corrects(charge(Invoiced::NextInvoice), "2027-01-11T00:00:00Z");
    assert!(life.due().is_empty());
    life.live_until("2027-02-01T00:00:00Z");
    assert_eq!(life.due(), [8_650]);
    // A waiting charge survives the end of the subscription and a change of plan, and no part of it is credited.
    life.pays("2027-02-01T00:00:00Z");
    life.corrects(charge(Invoiced::NextInvoice), "2027-02-02T00:00:00Z");
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-02-15T00:00:00Z");
    assert_eq!(life.due(), [5_000 - 1_825], "half of February is balance: 3,650 / 2");
    let refused = life.refuses(charge(Invoiced::NextInvoice), "2027-02-16T00:00:00Z");
    assert_eq!(refused, Rejection::NotSubscribed);
}

#[test]
fn a_granted_credit_pays_what_is_open_and_the_rest_waits() {
    let mut life = subscribed(false);
    life.corrects(Correction::Credit(usd(5_000)), "2027-01-03T00:00:00Z");
    assert_eq!((life.due(), life.balance("USD")), (vec![], 1_350));
    life.live_until("2027-02-01T00:00:00Z");
    assert_eq!((life.due(), life.balance("USD")), (vec![2_300], 0));
}

#[test]
fn an_invoice_with_all_the_parts_that_it_can_have_is_settled_by_one_more() {
    let mut life = subscribed(false);
    for _ in 0..MAX_PAYMENTS {
        life.pays_part(1, "2027-01-02T00:00:00Z").unwrap();
    }
    assert_eq!(life.pays_part(1, "2027-01-02T00:00:00Z").unwrap_err(), Rejection::TooManyPayments);
    life.pays_part(life.due()[0], "2027-01-02T00:00:00Z").unwrap();
    let plan = ChargeId { sequence: 2, place: 0 };
    let a_cent = Extent::Lines(vec![(plan, 1)]);
    for _ in 0..MAX_CREDITS {
        life.notes(life.only(), a_cent.clone(), None, "2027-01-03T00:00:00Z");
    }
    let note = CreditNote { invoice: life.only(), extent: a_cent, pay_back: None };
    assert_eq!(life.refuses(Correction::CreditNote(note), "2027-01-03T00:00:00Z"), Rejection::TooManyCredits);
    life.notes(life.only(), Extent::Whole, None, "2027-01-04T00:00:00Z");
    assert_eq!((life.only().credited_cents, life.balance("USD")), (3_650, 3_650));
}

#[test]
fn a_credit_note_lowers_what_is_due_and_only_what_was_paid_becomes_balance() {
    let mut life = subscribed(false);
    let addon = ChargeId { sequence: 2, place: 1 };
    life.notes(life.only(), Extent::Lines(vec![(addon, 700)]), None, "2027-01-02T00:00:00Z");
    assert_eq!((life.due(), life.balance("USD")), (vec![2_950], 0));
    let more = Extent::Lines(vec![(addon, 51)]);
    let note = CreditNote { invoice: life.only(), extent: more, pay_back: None };
    let refused = life.refuses(Correction::CreditNote(note), "2027-01-02T00:00:00Z");
    assert_eq!(refused, Rejection::CreditExceedsCharge { charge: addon, remaining_cents: 50 });
    life.pays("2027-01-02T00:00:00Z");
    // Detaching credits no more than the rest of the charge.
    life.detaches("2027-01-16T12:00:00Z");
    assert_eq!(life.balance("USD"), 50);
    life.notes(life.only(), Extent::Whole, None, "2027-01-17T00:00:00Z");
    assert_eq!(life.balance("USD"), 2_950);
    let note = CreditNote { invoice: life.only(), extent: Extent::Whole, pay_back: None };
    assert_eq!(life.refuses(Correction::CreditNote(note), "2027-01-17T00:00:00Z"), Rejection::NothingToCredit);
}

#[test]
fn a_refund_pays_back_balance_once_and_never_more_than_there_is() {
    let mut life = subscribed(true);
    life.notes(life.only(), Extent::Amount(1_000), Some("wire-1"), "2027-01-05T00:00:00Z");
    assert_eq!((life.balance("USD"), life.only().credited_cents), (0, 1_000));
    let names: Vec<_> = life.events.iter().rev().take(2).map(|event| event.kind.name()).collect();
    assert_eq!(names, ["refunded", "credit_note_issued"]);
    let refused = life.refuses(Correction::Refund(pay_back("wire-2"), usd(1)), "2027-01-05T00:00:00Z");
    assert_eq!(refused, Rejection::InsufficientBalance { balance_cents: 0, currency: usd(1).currency });
    let EventKind::Refunded { refund } = life.events.last().unwrap().kind.clone() else { panic!() };
    let events = life.events.len();
    let known = PayBack { reference: refund.reference.clone(), known: Some(refund) };
    let of = |invoice, extent| Correction::CreditNote(CreditNote { invoice, extent, pay_back: Some(known.clone()) });
    let charge = life.only().credits[0].charge;
    for same in [Extent::Amount(1_000), Extent::Lines(vec![(charge, 1_000)])] {
        life.corrects(of(life.only(), same), "2027-01-06T00:00:00Z");
    }
    assert_eq!(life.events.len(), events, "the same refund again changes nothing");
    for other in [
        of(life.only(), Extent::Amount(999)),
        of(life.only(), Extent::Lines(vec![(charge, 999)])),
        of(life.only(), Extent::Whole),
        Correction::Refund(known.clone(), usd(1_000)),
    ] {
        assert_eq!(life.refuses(other, "2027-01-06T00:00:00Z"), Rejection::PaymentReferenceReused);
    }
    // An amount beyond the invoice is refused with what had been settled, which is what can be paid back.
    life.live_until("2027-02-01T00:00:00Z");
    let unpaid = life.invoice(&life.oldest());
    let beyond = CreditNote { invoice: unpaid, extent: Extent::Amount(4_000), pay_back: Some(pay_back("wire-4")) };
    let refused = life.refuses(Correction::CreditNote(beyond), "2027-02-01T00:00:00Z");
    assert_eq!(refused, Rejection::RefundExceedsPaid { paid_cents: 0 });
    // The part that is still due is not paid back.
    life.live_until("2027-02-01T00:00:00Z");
    let invoice = life.invoice(&life.oldest());
    let note = CreditNote { invoice, extent: Extent::Whole, pay_back: Some(pay_back("wire-3")) };
    let refused = life.refuses(Correction::CreditNote(note), "2027-02-01T00:00:00Z");
    assert_eq!(refused, Rejection::RefundExceedsPaid { paid_cents: 0 });
}

#[test]
fn an_event_names_the_charges_that_it_touches_and_no_others() {
    let mut life = subscribed(true);
    for _ in 0..30 {
        life.corrects(once(100, Invoiced::NextInvoice), "2027-01-05T00:00:00Z");
    }
    let changes: Vec<_> = life.events.iter().rev().take(30).filter_map(|event| event.charges.as_ref()).collect();
    assert!(changes.len() == 30 && changes.iter().all(|each| each.changed.len() == 1 && each.dropped.is_empty()));
    let held = life.aggregate.subscription.clone().unwrap().charges;
    life.live_until("2027-02-01T00:00:00Z");
    let renewed = life.events.iter().rev().find(|event| matches!(event.kind, EventKind::Renewed { .. })).unwrap();
    let dropped = &renewed.charges.as_ref().unwrap().dropped;
    assert!(held.iter().filter(|charge| !charge.waits()).all(|charge| dropped.contains(&charge.id)), "{dropped:?}");
    // Events of earlier builds have all charges in their subscription.
    let mut old = life.events.clone();
    let mut aggregate = None;
    for n in 0..old.len() {
        aggregate = Some(replay(life.aggregate.deployment.id, &old[..=n]).unwrap());
        let after = aggregate.as_ref().and_then(|after: &Aggregate| after.subscription.clone());
        if let (Some(after), Some(kept)) = (after, old[n].kind.subscription_mut()) {
            kept.charges = after.charges;
            old[n].charges = None;
        }
    }
    assert_eq!(replay(life.aggregate.deployment.id, &old).ok(), aggregate);
}

/// A history with one more event, as a program without the rules would write it.
fn with_event(life: &Life, kind: EventKind, change: impl FnOnce(&mut Event)) -> Vec<Event> {
    let last = life.events.last().unwrap();
    let (sequence, mut events) = (last.sequence + 1, life.events.clone());
    let mut event = Event { sequence, commit_last: sequence, kind, entries: Vec::new(), charges: None, ..last.clone() };
    (event.from_state, event.to_state) = (None, None);
    change(&mut event);
    events.push(event);
    events
}

#[test]
fn the_audit_finds_a_refund_made_twice_a_hold_that_a_payment_lifted_and_a_charge_that_was_forgotten() {
    let mut life = subscribed(true);
    life.corrects(Correction::Credit(usd(2_000)), "2027-01-05T00:00:00Z");
    life.corrects(Correction::Refund(pay_back("wire-1"), usd(1_000)), "2027-01-06T00:00:00Z");
    let EventKind::Refunded { refund } = life.events.last().unwrap().kind.clone() else { panic!() };
    let reference = refund.reference.clone();
    let paid_back = Entry::BalancePaidBack { amount_cents: 1_000, currency: usd(1).currency };
    let twice = with_event(&life, EventKind::Refunded { refund }, |event| event.entries.push(paid_back));
    assert_eq!(life.finds(&twice), format!("event {} refunds {reference} again", twice.len()));

    let mut life = subscribed(false);
    let held = TenantRules { version: 1, held: true, ..TenantRules::default() };
    life.does(Command::FollowTenant(held), "2027-01-02T00:00:00Z");
    life.pays("2027-01-03T00:00:00Z");
    assert_eq!(life.state(), State::Paused, "a payment lifts no hold");
    let subscription = life.aggregate.subscription.clone();
    let moved = EventKind::StateChanged { resume_at: None, paused_by: None, subscription };
    let lifted = with_event(&life, moved, |event| {
        (event.from_state, event.to_state) = (Some(State::Paused), Some(State::Active));
    });
    let found = format!("after event {} the deployment is active although its tenant is held", lifted.len());
    assert_eq!(life.finds(&lifted), found);

    let life = subscribed(true);
    let subscription = life.aggregate.subscription.clone().unwrap();
    let charge = subscription.charges[0].id;
    let forgotten = with_event(&life, EventKind::CancellationWithdrawn { subscription }, |event| {
        event.charges = Some(crate::ChargeChanges { changed: Vec::new(), dropped: vec![charge] });
    });
    let found = format!("event {} forgets charge {charge}, which can still be credited", forgotten.len());
    assert_eq!(life.finds(&forgotten), found);
}

#[test]
fn a_reversed_payment_is_owed_again_and_each_rung_counts_from_the_reversal() {
    let mut life = subscribed(true);
    life.live_until("2027-01-20T00:00:00Z");
    life.reverses(life.only(), "2027-01-20T00:00:00Z");
    let reopened = life.only();
    assert_eq!((reopened.status, reopened.due_at), (InvoiceStatus::Open, at("2027-01-08T00:00:00Z")));
    assert_eq!(life.due(), [3_650]);
    let DunningPolicy { past_due_after_days, suspended_after_days, .. } = DunningPolicy::default();
    let days = |days: u32| at("2027-01-20T00:00:00Z") + chrono::TimeDelta::days(i64::from(days));
    let upcoming = life.aggregate.upcoming();
    let rung = |action| upcoming.iter().find(|next| next.action == action).unwrap().at;
    assert_eq!(rung(Action::MarkPastDue), days(past_due_after_days));
    assert_eq!(rung(Action::Suspend), days(suspended_after_days));
    // The same reference is the same payment, which was reversed.
    let known = reopened.payments[0].clone();
    let again =
        Pay::new(reopened.clone(), Payment::new(known.reference, 3_650, at("2027-01-21T00:00:00Z")), reopened.currency);
    let refused = life.tries(Authority::PaymentProvider, Command::Pay(again), "2027-01-20T00:00:00Z").unwrap_err();
    assert_eq!(refused, Rejection::PaymentReversed);
    life.pays("2027-01-20T06:00:00Z");
    assert_eq!(life.only().status, InvoiceStatus::Paid);
}

#[test]
fn a_chargeback_after_the_cancellation_is_owed_and_moves_nothing() {
    let mut life = subscribed(true);
    life.moves(State::Cancelled, "2027-01-20T00:00:00Z");
    life.reverses(life.only(), "2027-01-21T00:00:00Z");
    assert_eq!((life.only().status, life.state()), (InvoiceStatus::Uncollectible, State::Cancelled));
    assert!(life.due().is_empty());
    assert_eq!(life.aggregate.deployment.uncollectible_invoices.len(), 1);
}

#[test]
fn balance_settles_what_was_given_up_in_whatever_order_they_came() {
    for note_first in [true, false] {
        let mut life = Life::new("2027-01-01");
        life.subscribes("studio", &[], "2027-01-01");
        life.pays("2027-01-01");
        life.live_until("2027-02-01");
        life.pays("2027-02-01");
        life.moves(State::Cancelled, "2027-02-10");
        let numbers: Vec<InvoiceNumber> = life.invoices.keys().cloned().collect();
        let note = |life: &mut Life, now: &str| life.notes(life.invoice(&numbers[0]), Extent::Whole, None, now);
        if note_first {
            note(&mut life, "2027-02-11");
        }
        life.reverses(life.invoice(&numbers[1]), "2027-02-12");
        if !note_first {
            note(&mut life, "2027-02-13");
        }
        assert_eq!((life.balance("USD"), life.aggregate.deployment.owes()), (0, false), "{note_first}");
        assert_eq!(life.invoice(&numbers[1]).status, InvoiceStatus::Paid);
        life.tries(
            Authority::TenantUser,
            Command::Transition(Transition { to_state: State::Active, reason: None, notes: None, resume_at: None }),
            "2027-02-14",
        )
        .unwrap();
    }
}

#[test]
fn an_overpayment_becomes_balance_and_its_reversal_removes_all_of_it() {
    let mut life = subscribed(false);
    life.pays_too_much(life.only(), 5_000, "2027-01-02T00:00:00Z");
    assert_eq!((life.due(), life.balance("USD")), (vec![], 1_350));
    life.live_until("2027-02-01T00:00:00Z");
    assert_eq!(life.due(), [2_300], "the excess went to February");
    life.reverses(life.only(), "2027-02-02T00:00:00Z");
    assert_eq!((life.due(), life.balance("USD")), (vec![5_000, 2_300], 0), "the whole reversed amount is owed");
    // A paid invoice accepts a second payment only as balance.
    let mut life = subscribed(true);
    life.pays_too_much(life.only(), 3_650, "2027-01-02T00:00:00Z");
    assert_eq!(life.balance("USD"), 3_650);
}

#[test]
fn a_write_off_ends_dunning_and_is_withdrawn_with_the_old_due_date() {
    let mut life = subscribed(false);
    life.live_until("2027-01-20T00:00:00Z");
    assert_eq!(life.state(), State::PastDue);
    life.corrects(Correction::WriteOff(life.only()), "2027-01-20T00:00:00Z");
    assert_eq!((life.state(), life.only().status, life.due()), (State::Active, InvoiceStatus::WrittenOff, vec![]));
    // A forgiven amount does not become balance.
    life.changes_now("solo", "2027-01-20T12:00:00Z");
    assert_eq!(life.balance("USD"), 0);
    let forgiven = life.only().forgiven_cents();
    assert!(forgiven < 3_650, "the credit of the unused part lowers the forgiven amount");
    life.corrects(Correction::WithdrawWriteOff(life.only()), "2027-01-21T00:00:00Z");
    assert_eq!((life.due()[0], life.only().due_at), (forgiven, at("2027-01-08T00:00:00Z")));
    life.corrects(Correction::WithdrawWriteOff(life.only()), "2027-01-21T00:00:00Z");
    life.corrects(Correction::WriteOff(life.only()), "2027-01-21T00:00:00Z");
    assert_eq!((life.only().forgiven_cents(), life.only().write_offs.len()), (forgiven, 2));
}

#[test]
fn forgiving_the_rest_of_a_part_paid_invoice_keeps_what_was_paid() {
    let mut life = subscribed(false);
    let payment = Payment::new("half".parse().unwrap(), 1_825, at("2027-01-02T00:00:00Z"));
    let invoice = life.only();
    let currency = invoice.currency;
    life.does(Command::Pay(Pay::new(invoice, payment, currency)), "2027-01-02T00:00:00Z");
    life.corrects(Correction::WriteOff(life.only()), "2027-01-02T00:00:00Z");
    life.notes(life.only(), Extent::Whole, Some("wire"), "2027-01-03T00:00:00Z");
    assert_eq!((life.balance("USD"), life.only().forgiven_cents()), (0, 0));
    assert_eq!(life.only().returned_cents, 1_825, "no more than the payment is paid back");
}

/// An invoice of studio with storage with 1,825 paid and the rest, 1,825, forgiven.
fn half_forgiven() -> Life {
    let mut life = subscribed(false);
    life.pays_part(1_825, "2027-01-02T00:00:00Z").unwrap();
    life.corrects(Correction::WriteOff(life.only()), "2027-01-02T00:00:00Z");
    life
}

#[test]
fn a_credit_of_any_charge_lowers_the_forgiven_amount_first() {
    let forgiven = |life: &Life| (life.only().forgiven_cents(), life.only().returned_cents, life.balance("USD"));
    // Credited by the tenant: 750 of storage, half used.
    let mut life = half_forgiven();
    life.detaches("2027-01-16T12:00:00Z");
    assert_eq!(forgiven(&life), (1_825 - 375, 0, 0));
    // The rest of the plan, 1,450, lowers the rest of the forgiven amount, and does not become balance either.
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-01-16T12:00:00Z");
    assert_eq!(forgiven(&life), (0, 0, 0));
    // Credited by a credit note for the last charge, then for everything.
    let mut life = half_forgiven();
    let addon = ChargeId { sequence: 2, place: 1 };
    life.notes(life.only(), Extent::Lines(vec![(addon, 700)]), None, "2027-01-03T00:00:00Z");
    assert_eq!(forgiven(&life), (1_125, 0, 0));
    life.notes(life.only(), Extent::Whole, None, "2027-01-04T00:00:00Z");
    assert_eq!(forgiven(&life), (0, 1_825, 1_825));
    // Also after the charge that it was recorded with has ended.
    let mut life = half_forgiven();
    life.changes_now("solo", "2027-01-16T12:00:00Z");
    assert_eq!(forgiven(&life), (375, 0, 0));
    life.detaches("2027-01-16T12:00:00Z");
    assert_eq!(forgiven(&life), (0, 0, 0));
}

#[test]
fn payments_into_the_balance_leave_room_for_the_one_that_settles() {
    let mut life = subscribed(false);
    life.pays_part(3_650, "2027-01-02T00:00:00Z").unwrap();
    let into_balance = |life: &mut Life| {
        let payment = Payment::new(format!("p-{}", life.new_id()).parse().unwrap(), 1, at("2027-01-03T00:00:00Z"));
        let pay = Pay::new(life.only(), payment, "USD".parse().unwrap());
        let pay = Command::Pay(Pay { overpayment: Overpayment::Balance, ..pay });
        life.tries(Authority::PlatformAdmin, pay, "2027-01-03T00:00:00Z")
    };
    for _ in 1..MAX_PAYMENTS {
        into_balance(&mut life).unwrap();
    }
    assert_eq!(into_balance(&mut life).unwrap_err(), Rejection::TooManyPayments);
    let first = life.only().payments[0].reference.clone();
    let reversal = Correction::ReversePayment(life.only(), first, ReversalKind::Chargeback);
    life.corrects(reversal, "2027-01-04T00:00:00Z");
    life.pays_part(life.due()[0], "2027-01-05T00:00:00Z").unwrap();
    assert_eq!(life.only().status, InvoiceStatus::Paid);
}

#[test]
fn a_waiting_charge_is_invoiced_when_the_subscription_is_paused() {
    let mut life = subscribed(true);
    life.changes_now("team", "2027-01-01T00:00:00Z");
    life.corrects(once(5_000, Invoiced::NextInvoice), "2027-01-02T00:00:00Z");
    assert!(life.due().is_empty());
    life.moves(State::Paused, "2027-01-31T23:59:59Z");
    assert_eq!(life.due(), [9_900 + 5_000 - 2_900], "the balance of the plan before is used");
    // It runs again for less than the amount owed: nothing is billed twice.
    life.pays("2027-02-01T00:00:00Z");
    life.moves(State::Active, "2027-02-10T00:00:00Z");
    assert_eq!(life.due(), [6_718 + 509], "19 of 28 days");
}

#[test]
fn a_state_that_was_set_by_hand_ends_by_hand() {
    let mut life = subscribed(false);
    life.moves(State::PastDue, "2027-01-02T00:00:00Z");
    life.moves(State::Suspended, "2027-01-02T00:00:00Z");
    life.pays("2027-01-03T00:00:00Z");
    assert_eq!((life.state(), life.due()), (State::Suspended, vec![]));
    life.corrects(Correction::Credit(usd(5_000)), "2027-01-04T00:00:00Z");
    assert_eq!(life.state(), State::Suspended);
    // So does one that was set before the invoice became overdue. The ladder goes on from it.
    let mut life = subscribed(false);
    life.moves(State::PastDue, "2027-01-02T00:00:00Z");
    life.moves(State::Suspended, "2027-01-02T00:00:00Z");
    let mut late = life.clone();
    life.pays("2027-01-09T00:00:00Z");
    assert_eq!((life.state(), life.due()), (State::Suspended, vec![]));
    late.live_until("2027-03-20T00:00:00Z");
    assert_eq!(late.state(), State::Cancelled);
    // A rung that was taken because of an overdue invoice ends with it.
    let mut life = subscribed(false);
    life.moves(State::PastDue, "2027-01-02T00:00:00Z");
    life.live_until("2027-01-25T00:00:00Z");
    assert_eq!(life.state(), State::Suspended);
    life.pays("2027-01-26T00:00:00Z");
    assert_eq!(life.state(), State::Active);
}

/// Small payments that bounce give no time.
#[test]
fn the_reversal_of_a_part_payment_does_not_begin_dunning_anew() {
    let mut life = subscribed(false);
    for day in ["2027-01-09", "2027-01-21"] {
        life.pays_part(1, &format!("{day}T00:00:00Z")).unwrap();
        life.reverses(life.only(), &format!("{day}T00:00:01Z"));
    }
    assert_eq!((life.only().reopened_at, life.due()), (None, vec![3_650]));
    life.live_until("2027-01-23T00:00:00Z");
    assert_eq!(life.state(), State::Suspended);
}

#[test]
fn an_invoice_without_payments_is_voided_unless_its_balance_was_used() {
    let mut life = subscribed(true);
    let plan = ChargeId { sequence: 2, place: 0 };
    life.notes(life.only(), Extent::Lines(vec![(plan, 1_000)]), Some("wire"), "2027-01-02T00:00:00Z");
    let void = |life: &mut Life| {
        let invoice = life.only();
        life.tries(Authority::PlatformAdmin, Command::Void(invoice), "2027-01-03T00:00:00Z")
    };
    assert_eq!(void(&mut life).unwrap_err(), Rejection::InvoiceHasPayments);
    life.reverses(life.only(), "2027-01-03T00:00:00Z");
    assert_eq!(void(&mut life).unwrap_err(), Rejection::InvoiceBalanceUsed);
}

#[test]
fn changes_leave_room_for_what_the_platform_charges_once() {
    let mut life = subscribed(true);
    for _ in 0..MAX_CHARGES_IN_PERIOD / 2 {
        life.attaches(storage(), "2027-01-02T00:00:00Z");
        life.detaches("2027-01-02T00:00:00Z");
        life.changes_now("team", "2027-01-02T00:00:00Z");
        if life.subscription().charges_in_period >= MAX_CHARGES_IN_PERIOD - 1 {
            break;
        }
        life.changes_now("studio", "2027-01-02T00:00:00Z");
    }
    while life.subscription().charges_in_period < MAX_CHARGES_WITH_ONE_OFFS {
        life.corrects(once(1, Invoiced::NextInvoice), "2027-01-03T00:00:00Z");
    }
    assert_eq!(life.refuses(once(1, Invoiced::Now), "2027-01-03T00:00:00Z"), Rejection::TooManyChanges);
}

#[test]
fn an_amount_forgiven_in_two_parts_returns_nothing_and_is_withdrawn_at_once() {
    let mut life = subscribed(false);
    let payment = Payment::new("half".parse().unwrap(), 1_825, at("2027-01-02T00:00:00Z"));
    let invoice = life.only();
    let currency = invoice.currency;
    life.does(Command::Pay(Pay::new(invoice, payment, currency)), "2027-01-02T00:00:00Z");
    life.corrects(Correction::WriteOff(life.only()), "2027-01-02T00:00:00Z");
    life.reverses(life.only(), "2027-01-03T00:00:00Z");
    life.corrects(Correction::WriteOff(life.only()), "2027-01-03T00:00:00Z");
    assert_eq!(life.only().forgiven_cents(), 3_650);
    life.detaches("2027-01-16T12:00:00Z");
    assert_eq!(life.balance("USD"), 0, "nothing was paid, so there is no balance");
    life.corrects(Correction::WithdrawWriteOff(life.only()), "2027-01-17T00:00:00Z");
    life.corrects(Correction::WithdrawWriteOff(life.only()), "2027-01-17T00:00:00Z");
    let withdrawn = life.events.iter().filter(|event| event.kind.name() == "write_off_withdrawn").count();
    assert_eq!((withdrawn, life.due()), (1, vec![3_275]));
}

#[test]
fn a_later_due_date_ends_dunning_and_an_earlier_one_is_refused() {
    let mut life = subscribed(false);
    life.live_until("2027-01-16T00:00:00Z");
    assert_eq!(life.state(), State::PastDue);
    let earlier = Correction::MoveDueDate(life.only(), at("2027-01-07T00:00:00Z"));
    assert!(matches!(life.refuses(earlier, "2027-01-16T00:00:00Z"), Rejection::InvalidField { field: "due_at", .. }));
    life.corrects(Correction::MoveDueDate(life.only(), at("2027-01-30T00:00:00Z")), "2027-01-16T00:00:00Z");
    assert_eq!(life.state(), State::Active);
    life.live_until("2027-01-31T00:00:00Z");
    assert_eq!(life.only().due_at, at("2027-01-30T00:00:00Z"));
}

#[test]
fn all_open_invoices_are_postponed_together_and_none_is_moved_forward() {
    let mut life = subscribed(false);
    let charge = |when| {
        let (description, currency) = ("Migration".parse().unwrap(), "USD".parse().unwrap());
        Correction::Charge(OneOff { description, amount_cents: 5_000, currency, when })
    };
    life.live_until("2027-01-16T00:00:00Z");
    life.corrects(charge(Invoiced::Now), "2027-01-16T00:00:00Z");
    let due = |life: &Life| life.aggregate.deployment.open_invoices.iter().map(|open| open.due_at).collect::<Vec<_>>();
    assert_eq!(
        (life.state(), due(&life)),
        (State::PastDue, vec![at("2027-01-08T00:00:00Z"), at("2027-01-23T00:00:00Z")])
    );
    // An invoice that is due later stays, and the other one ends dunning.
    life.corrects(Correction::Postpone(Postponement::Until(at("2027-01-20T00:00:00Z"))), "2027-01-16T00:00:00Z");
    assert_eq!(
        (life.state(), due(&life)),
        (State::Active, vec![at("2027-01-20T00:00:00Z"), at("2027-01-23T00:00:00Z")])
    );
    let events = life.events.len();
    life.corrects(Correction::Postpone(Postponement::Until(at("2027-01-19T00:00:00Z"))), "2027-01-16T00:00:00Z");
    assert_eq!(life.events.len(), events, "nothing is due earlier");
    let past = Correction::Postpone(Postponement::Until(at("2027-01-16T00:00:00Z")));
    assert!(matches!(life.refuses(past, "2027-01-16T00:00:00Z"), Rejection::InvalidField { field: "due_at", .. }));
    // A week more: from the due date, or from now if the due date has passed.
    life.corrects(Correction::Postpone(Postponement::ByDays(7)), "2027-01-22T00:00:00Z");
    assert_eq!(due(&life), [at("2027-01-29T00:00:00Z"), at("2027-01-30T00:00:00Z")]);
    let kinds: Vec<_> = life.events.iter().rev().take(3).map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["state_changed", "invoice_due_date_changed", "invoice_due_date_changed"]);
    let invoices: Vec<_> = life.invoices.values().map(|invoice| invoice.due_at).collect();
    assert_eq!(invoices, due(&life));
    life.pays("2027-01-22T00:00:00Z");
    let events = life.events.len();
    life.corrects(Correction::Postpone(Postponement::ByDays(7)), "2027-01-22T00:00:00Z");
    assert_eq!(life.events.len(), events, "no invoice is open");
}

#[test]
fn more_invoices_than_a_transaction_holds_are_not_postponed() {
    let mut life = subscribed(true);
    let charge = |n: usize| {
        let (description, currency) = (format!("Part {n}").parse().unwrap(), "USD".parse().unwrap());
        Correction::Charge(OneOff { description, amount_cents: 100, currency, when: Invoiced::Now })
    };
    for n in 0..MAX_OPEN_INVOICES {
        life.corrects(charge(n), "2027-01-02T00:00:00Z");
    }
    life.corrects(Correction::Postpone(Postponement::ByDays(7)), "2027-01-02T00:00:00Z");
    let moved = life.events.iter().filter(|event| event.kind.name() == "invoice_due_date_changed").count();
    assert_eq!(moved, MAX_OPEN_INVOICES);
    // The clock can exceed the limit of commands.
    let open = &mut life.aggregate.deployment.open_invoices;
    let last = open.last().unwrap().clone();
    open.resize(MAX_POSTPONED + 1, last);
    let refused = life.refuses(Correction::Postpone(Postponement::ByDays(7)), "2027-01-02T00:00:00Z");
    assert_eq!(refused, Rejection::TooManyOpenInvoices);
}

#[test]
fn only_the_platform_corrects_and_the_provider_reverses() {
    let mut life = subscribed(true);
    let command = |correction| Command::Correct(Correct { correction, reason: None, notes: None });
    let invoice = life.only();
    let reference = invoice.payments[0].reference.clone();
    let reverse = || Correction::ReversePayment(invoice.clone(), reference.clone(), ReversalKind::Chargeback);
    for by in [Authority::TenantUser, Authority::DataPlane] {
        let refused = life.tries(by, command(reverse()), "2027-01-02T00:00:00Z");
        assert_eq!(refused, Err(Rejection::RoleNotPermitted), "{by:?}");
    }
    for by in [Authority::TenantUser, Authority::DataPlane, Authority::PaymentProvider] {
        let refused = life.tries(by, command(Correction::Credit(usd(1))), "2027-01-02T00:00:00Z");
        assert_eq!(refused, Err(Rejection::RoleNotPermitted), "{by:?}");
    }
    assert_eq!(life.tries(Authority::PaymentProvider, command(reverse()), "2027-01-02T00:00:00Z"), Ok(()));
}

#[test]
fn a_scheduled_resume_waits_for_the_last_of_several_overdue_invoices_and_bills_nothing_before() {
    let mut life = subscribed(false);
    // Due on 8 January; the pause is to end while the invoice is overdue.
    let resume_at = Some(Some(at("2027-01-20T00:00:00Z")));
    let pause = Transition { to_state: State::Paused, reason: None, notes: None, resume_at };
    life.does(Command::Transition(pause), "2027-01-05T00:00:00Z");
    let charge = OneOff {
        description: "Migration".parse().unwrap(),
        amount_cents: 1_000,
        currency: "USD".parse().unwrap(),
        when: Invoiced::Now,
    };
    // Due on 1 February, after the day of the resume.
    life.corrects(Correction::Charge(charge), "2027-01-25T00:00:00Z");
    life.corrects(Correction::Credit(usd(3_650)), "2027-02-03T00:00:00Z");
    life.sweep(at("2027-02-03T00:00:00Z"));
    assert_eq!((life.state(), life.due()), (State::Paused, vec![1_000]));
    life.pays("2027-02-05T00:00:00Z");
    life.sweep(at("2027-02-05T00:00:00Z"));
    assert_eq!(life.state(), State::Active);
    // 24 of February's 28 days: 2,900 x 24/28 and 750 x 24/28.
    assert_eq!(life.due(), [2_486 + 643]);
}
