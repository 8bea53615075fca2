//! Cases of tax, with the amounts worked out by hand. Every history is audited after every commit.

use super::cases::{Life, storage};
use super::fixtures::{actor, at, coupon};
use super::*;
use crate::{Amount, Entry, EventKind, InvoiceNumber, Invoiced, LineKind, tax_cents};

impl Life {
    /// Copies a tax rate of the tenant to the deployment.
    fn taxed_at(&mut self, tax_rate_basis_points: u32, now: &str) {
        let rules = self.aggregate.deployment.tenant_rules;
        let version = rules.version + 1;
        self.does(Command::FollowTenant(TenantRules { version, tax_rate_basis_points, ..rules }), now);
    }

    fn newest(&self) -> Invoice {
        let newest = self.invoices.values().max_by_key(|invoice| (invoice.issued_at, &invoice.number));
        newest.unwrap().clone()
    }

    /// The sum of the lines before tax, and the tax, of the newest invoice.
    fn sums(&self) -> (i64, i64) {
        let newest = self.newest();
        (newest.total_cents - newest.tax_cents(), newest.tax_cents())
    }

    fn corrects_tax(&mut self, correction: Correction, now: &str) -> Result<(), Rejection> {
        let command = Command::Correct(Correct { correction, reason: None, notes: None });
        self.tries(Authority::PlatformAdmin, command, now)
    }

    fn credits(&mut self, number: &InvoiceNumber, extent: Extent, refund: Option<&str>, now: &str) {
        let pay_back = refund.map(pay_back);
        let invoice = self.invoices[number].clone();
        self.corrects_tax(Correction::CreditNote(CreditNote { invoice, extent, pay_back }), now).unwrap();
    }

    /// The credited amount of an invoice's charges, and of its tax.
    fn credited(&self, number: &InvoiceNumber) -> (i64, i64) {
        let invoice = &self.invoices[number];
        let tax = invoice.tax_cents() - invoice.taxed().unwrap().tax_cents;
        (invoice.credited_cents - tax, tax)
    }
}

fn pay_back(reference: &str) -> PayBack {
    PayBack { reference: reference.parse().unwrap(), known: None }
}

/// A deployment with a tax rate, and studio (2,900) and storage (750) from 1 January on.
fn subscribed(rate: u32, pays: bool) -> Life {
    let mut life = Life::new("2027-01-01");
    life.taxed_at(rate, "2027-01-01");
    life.subscribes("studio", &[storage()], "2027-01-01");
    if pays {
        life.pays("2027-01-01");
    }
    life
}

/// The defect that this finds: tax rounded for each line is 358 + 93 = 451 at 12.34 percent, one more than the tax on
/// the sum.
#[test]
fn tax_is_on_the_sum_of_the_lines_and_rounded_once() {
    let life = subscribed(1_900, false);
    assert_eq!((life.sums(), life.due()), ((3_650, 694), vec![4_344]), "693.5, half up");
    let mut life = subscribed(710, true);
    assert_eq!(life.sums(), (3_650, 259), "259.15");
    let line = life.newest().lines.pop().unwrap();
    assert_eq!((line.kind, line.code.as_str(), line.tax_rate_basis_points), (LineKind::Tax, "tax", Some(710)));
    assert_eq!((line.from, line.to), (at("2027-01-01"), at("2027-02-01")));
    life.taxed_at(1_234, "2027-01-20");
    assert_eq!(life.newest().tax_cents(), 259, "an invoice keeps its rate");
    life.live_until("2027-02-01");
    assert_eq!(life.sums(), (3_650, 450), "450.41; by line it is 358 + 93");
    life.pays("2027-02-01");
    life.taxed_at(0, "2027-02-02");
    life.live_until("2027-03-01");
    assert_eq!((life.sums(), life.newest().tax_line()), ((3_650, 0), None));
}

#[test]
fn a_deployment_has_the_rate_from_its_creation_and_takes_no_older_one() {
    let tenant_rules = TenantRules { version: 3, tax_rate_basis_points: 1_900, ..TenantRules::default() };
    let command = fixtures::new_deployment(State::Active, None);
    let command = CreateDeployment { created: Created { tenant_rules, ..fixtures::created() }, ..command };
    let created = create(command, &actor(Authority::PlatformAdmin), at("2027-01-01")).unwrap().after;
    assert_eq!(created.deployment.tenant_rules.tax_rate_basis_points, 1_900);
    let older = Command::FollowTenant(TenantRules { version: 2, ..TenantRules::default() });
    let decided = decide(&created, older, &actor(Authority::PlatformAdmin), None, at("2027-01-02"));
    assert_eq!(decided, Ok(None));
}

/// The defect that this finds: a credit without its tax keeps the tax on unused time.
#[test]
fn the_credit_of_a_part_gives_its_tax_back() {
    let mut life = subscribed(1_900, true);
    life.detaches("2027-01-16T12:00");
    assert_eq!(life.balance("USD"), 375 + 72, "622 is the tax of the remaining 3,275");
    life.changes_now("team", "2027-01-16T12:00");
    assert_eq!(life.balance("USD"), 447 + 1_450 + 275, "347 is the tax of 1,825");
    life.live_until("2027-02-01");
    assert_eq!(life.sums(), (4_950 + 9_900, 2_822), "2,821.5, half up");
    assert_eq!(life.due(), [14_850 + 2_822 - 2_172]);
}

#[test]
fn an_invoice_credited_in_full_has_no_tax_left() {
    let mut life = subscribed(1_900, false);
    let number = life.oldest();
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-01-01");
    assert_eq!((life.due(), life.balance("USD")), (vec![], 0), "nothing was paid, so there is no balance");
    assert_eq!(life.credited(&number), (3_650, 694));

    let mut life = subscribed(1_900, true);
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-01-01");
    assert_eq!(life.balance("USD"), 4_344);
}

#[test]
fn a_credit_keeps_the_rate_of_its_invoice() {
    let mut life = subscribed(1_900, true);
    life.taxed_at(700, "2027-01-10");
    life.detaches("2027-01-16T12:00");
    assert_eq!(life.balance("USD"), 447, "at 19 percent");
    life.attaches(storage(), "2027-01-16T12:00");
    life.live_until("2027-02-01");
    assert_eq!(life.sums(), (4_025, 282), "281.75");
}

#[test]
fn a_credit_note_credits_the_tax_with_its_charges() {
    let mut life = subscribed(1_900, true);
    let january = life.newest();
    let (number, plan, tax) = (january.number.clone(), january.lines[0].charge, january.lines[2].charge);
    let note = |extent| CreditNote { invoice: january.clone(), extent, pay_back: None };
    let refused = life.corrects_tax(Correction::CreditNote(note(Extent::Lines(vec![(tax, 1)]))), "2027-01-02");
    assert!(matches!(refused, Err(Rejection::InvalidField { field: "lines", code: "tax_line", .. })), "{refused:?}");
    life.credits(&number, Extent::Lines(vec![(plan, 1_000)]), None, "2027-01-02");
    assert_eq!((life.credited(&number), life.balance("USD")), ((1_000, 190), 1_190), "504 of 2,650 stand: 503.5");
    life.credits(&number, Extent::Whole, None, "2027-01-03");
    assert_eq!((life.credited(&number), life.balance("USD")), ((3_650, 694), 4_344));
    let mut again = CreditNote { invoice: life.newest(), extent: Extent::Whole, pay_back: None };
    let refused = life.corrects_tax(Correction::CreditNote(again.clone()), "2027-01-04");
    assert_eq!(refused, Err(Rejection::NothingToCredit));
    again.extent = Extent::Amount(1);
    again.pay_back = Some(pay_back("r-1"));
    let refused = life.corrects_tax(Correction::CreditNote(again), "2027-01-04");
    assert_eq!(refused, Err(Rejection::RefundExceedsPaid { paid_cents: 0 }));
}

#[test]
fn a_refund_of_an_amount_is_divided_at_the_rate_to_the_cent() {
    let mut life = subscribed(1_900, true);
    let number = life.newest().number;
    life.credits(&number, Extent::Amount(1_190), Some("r-1"), "2027-01-02");
    assert_eq!((life.credited(&number), life.balance("USD")), ((1_000, 190), 0));
    // Of 2,649 it is 503.31, and of 2,648 it is 503.12: 1 and 2 cents are 1 + 1 and 2 + 1.
    life.credits(&number, Extent::Amount(1), Some("r-2"), "2027-01-02");
    assert_eq!(life.credited(&number), (1_000, 191), "a single cent belongs to the tax");
    life.credits(&number, Extent::Amount(3_153), Some("r-3"), "2027-01-02");
    assert_eq!((life.credited(&number), life.balance("USD")), ((3_650, 694), 0), "all of it, to the cent");
    let paid_back: i64 = [1_190, 1, 3_153].iter().sum();
    assert_eq!(paid_back, life.invoices[&number].paid_cents);
}

/// A credit lowers the amount due, then the forgiven amount; only the settled part is returned, with its tax.
#[test]
fn an_unpaid_charge_returns_no_tax() {
    let mut life = subscribed(1_900, false);
    let invoice = life.newest();
    let payment = Payment::new("p-1".parse().unwrap(), 2_000, at("2027-01-02"));
    life.does(Command::Pay(Pay::new(invoice.clone(), payment, invoice.currency)), "2027-01-02");
    life.corrects_tax(Correction::WriteOff(life.newest()), "2027-01-03").unwrap();
    life.credits(&invoice.number, Extent::Whole, None, "2027-01-04");
    assert_eq!((life.balance("USD"), life.credited(&invoice.number)), (2_000, (3_650, 694)));
}

#[test]
fn a_voided_invoice_is_without_its_tax_and_a_grant_has_none() {
    let mut life = subscribed(1_900, true);
    let usd = "USD".parse().unwrap();
    life.corrects_tax(Correction::Credit(Amount { amount_cents: 5_000, currency: usd }), "2027-01-20").unwrap();
    assert_eq!(life.balance("USD"), 5_000);
    life.live_until("2027-02-01");
    assert_eq!((life.due(), life.balance("USD")), (vec![], 5_000 - 4_344), "balance pays tax like every other cent");
    let number = life.newest().number;
    life.voids(&number, "2027-02-02");
    assert_eq!(life.balance("USD"), 5_000);
    life.detaches("2027-02-15");
    assert_eq!(life.balance("USD"), 5_000, "a voided charge returns neither its amount nor its tax");
}

#[test]
fn every_kind_of_invoice_has_tax() {
    let charge = |when| {
        let (description, currency) = ("Migration".parse().unwrap(), "USD".parse().unwrap());
        Correction::Charge(OneOff { description, amount_cents: 1_001, currency, when })
    };
    let mut life = subscribed(1_900, false);
    life.corrects_tax(charge(Invoiced::Now), "2027-01-02").unwrap();
    assert_eq!(life.sums(), (1_001, 190), "190.19");
    life.corrects_tax(charge(Invoiced::NextInvoice), "2027-01-02").unwrap();
    life.detaches("2027-01-03");
    life.attaches(storage(), "2027-01-03");
    assert_eq!(life.sums(), (702, 133), "invoiced at once, because the credit lowered an unpaid invoice; 133.38");
    life.changes_now("yearly", "2027-01-04");
    assert_eq!(life.sums().0, 28_762 + 744 + 1_001, "the year, its storage and the waiting charge");
    assert_eq!(life.sums().1, 5_796);
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-01-04");
    let events = life.events.iter().filter_map(|event| match &event.kind {
        EventKind::InvoiceOpened { invoice, .. } => Some(invoice),
        _ => None,
    });
    assert!(events.clone().count() >= 4 && events.clone().all(|invoice| invoice.tax_line().is_some()));
}

#[test]
fn an_invoice_of_zero_names_the_rate_and_has_no_tax() {
    let mut life = Life::new("2027-01-01");
    life.taxed_at(1_900, "2027-01-01");
    life.subscribes("studio", &[storage()], "2027-01-01");
    life.pays("2027-01-01");
    let command = GrantDiscount { coupon: coupon(Ok(10_000), None, &[]), reason: None, notes: None };
    life.does(Command::GrantDiscount(command), "2027-01-10");
    life.live_until("2027-02-01");
    let line = life.newest().tax_line().cloned().unwrap();
    assert_eq!((life.sums(), line.tax_rate_basis_points), ((0, 0), Some(1_900)));
    assert_eq!(life.subscription().charges.iter().filter(|charge| charge.tax.is_some()).count(), 0);
}

/// The preview of the next invoice includes its tax.
#[test]
fn the_next_invoice_is_foretold_with_tax() {
    let life = subscribed(1_900, true);
    let (_, foretold) = next_invoices(&life.aggregate).unwrap().unwrap();
    assert_eq!(foretold.iter().map(|invoice| invoice.total_cents).collect::<Vec<_>>(), [4_344]);
}

/// The audit finds tax that was rounded for each line, tax at another rate, and a credit that did not give its tax back.
#[test]
fn the_audit_finds_wrong_tax() {
    let mut life = subscribed(1_234, true);
    life.detaches("2027-01-16T12:00");
    let on_invoice = |edit: fn(&mut Invoice)| {
        move |event: &mut Event| {
            if let EventKind::InvoiceOpened { invoice, .. } = &mut event.kind {
                edit(invoice);
            }
        }
    };
    assert_eq!(life.violation(&|_| {}), None);
    let by_line = on_invoice(|invoice| {
        let by_line = invoice.lines[..2].iter().map(|line| tax_cents(line.amount_cents, 1_234)).sum();
        invoice.total_cents += by_line - invoice.lines[2].amount_cents;
        invoice.lines[2].amount_cents = by_line;
    });
    let of_other_rate = on_invoice(|invoice| invoice.lines[2].tax_rate_basis_points = Some(1_235));
    let without = on_invoice(|invoice| invoice.total_cents -= invoice.lines.pop().unwrap().amount_cents);
    let not_given_back = |event: &mut Event| {
        event
            .entries
            .retain(|entry| !matches!(entry, Entry::Credited { line, .. } if line.kind == LineKind::TaxCredit));
    };
    for edit in [&by_line as &dyn Fn(&mut Event), &of_other_rate, &without, &not_given_back] {
        let found = life.violation(edit);
        assert!(found.as_ref().is_some_and(|found| found.contains("the tax of invoice")), "{found:?}");
    }
}
