//! The invoices of a deployment, their payments, and corrections of what was charged.

use arcadia_domain::Power::RecordPayments;
use arcadia_functions::Audience::{Admins, Everyone, Holders};
use arcadia_store::schema::{DUE_INDEX, TENANT_INDEX};

use super::Due::{Overdue, Renewal};
use super::Ready::{Forgiven, InCredit, Paid, Renewed, Subscribed};
use super::deployments::{owner, present};
use super::{Position, Row, Target, row};
use crate::floor::Entry::{Appears, Rewritten};
use crate::floor::{DEPLOYMENT, DUE_ELSEWHERE, EVENT, INVOICE_MOVES, INVOICE_SETTLED, Read, SUBSCRIPTION, Write};

pub const ROWS: &[Row] = &[
    row("list_invoices", Everyone)
        .list(Position::InvoiceNumber)
        .on(Renewed)
        .reads(|t| vec![owner(t), Read::range("a page of its invoices", t.partition(), "INVOICE#")]),
    row("show_invoice", Everyone).on(Paid).reads(|t| {
        let keys = ["#DEPLOYMENT".to_owned(), format!("INVOICE#{}", t.part)].map(|sk| (t.partition(), sk));
        vec![Read::records("whose it is, and the invoice", keys)]
    }),
    row("record_payment", Holders(RecordPayments))
        .on(Subscribed)
        .body(r#"{"reference": "transfer-{n}", "amount_cents": "{due_cents}", "currency": "USD"}"#)
        .reads(invoice)
        .writes(&[DUE_ELSEWHERE, INVOICE_SETTLED, ("payment", &[]), EVENT])
        .late(Overdue, &["payment_received", "active by ada as settled"]),
    // The subscription's record no longer has the charges of the invoice.
    row("void_invoice", Admins)
        .on(Subscribed)
        .reads(invoice)
        .writes(&[DUE_ELSEWHERE, SUBSCRIPTION, INVOICE_MOVES, EVENT])
        .late(Overdue, &["invoice_voided", "active by ada as settled"]),
    row("add_charge", Admins)
        .on(Paid)
        .body(r#"{"description": "Migration", "amount_cents": 5000, "currency": "USD"}"#)
        .reads(|t| vec![present(t)])
        .writes(&[DEPLOYMENT, SUBSCRIPTION, EVENT])
        .late(Renewal, &["charge_added"]),
    row("grant_credit", Admins)
        .on(Paid)
        .body(r#"{"amount_cents": 500, "currency": "USD", "reason": "outage"}"#)
        .reads(|t| vec![present(t)])
        .writes(&[DEPLOYMENT, MOVEMENT, EVENT])
        .late(Renewal, &["credit_granted"]),
    // The renewal takes the balance.
    row("refund_balance", Admins)
        .on(InCredit)
        .body(r#"{"reference": "refund-{n}", "amount_cents": 500, "currency": "USD"}"#)
        // It finds nothing, which costs as much as a record.
        .reads(|t| vec![present(t), Read::record("whether the reference is known", t.partition(), "REFUND#nothing")])
        .writes(&[DEPLOYMENT, MOVEMENT, EVENT])
        .refused_late(Renewal, 409),
    row("update_invoice", Admins)
        .on(Subscribed)
        .body(r#"{"due_at": "2027-12-31T00:00:00Z"}"#)
        .reads(invoice)
        .writes(&[DUE_ELSEWHERE, INVOICE_MOVES, EVENT])
        .late(Overdue, &["invoice_due_date_changed", "active by ada as settled"]),
    // An overdue invoice has no payment.
    row("reverse_payment", Holders(RecordPayments))
        .on(Paid)
        .body(r#"{"kind": "chargeback"}"#)
        .reads(invoice)
        .writes(&[DUE_ELSEWHERE, ("invoice", &[(TENANT_INDEX, Rewritten), (DUE_INDEX, Appears)]), EVENT])
        .refused_late(Overdue, 404),
    // The subscription's record has the charges of the invoice.
    row("issue_credit_note", Admins)
        .on(Subscribed)
        .body(r#"{"reason": "wrong price"}"#)
        .reads(invoice)
        .writes(&[DUE_ELSEWHERE, SUBSCRIPTION, INVOICE_SETTLED, EVENT])
        .late(Overdue, &["credit_note_issued", "active by ada as settled"]),
    row("write_off_invoice", Admins)
        .on(Subscribed)
        .body(r#"{"reason": "goodwill"}"#)
        .reads(invoice)
        .writes(&[DUE_ELSEWHERE, SUBSCRIPTION, INVOICE_MOVES, EVENT])
        .late(Overdue, &["invoice_written_off", "active by ada as settled"]),
    // Nothing of an overdue invoice was written off, so nothing changes.
    row("withdraw_write_off", Admins)
        .on(Forgiven)
        .body(r#"{"reason": "wrong invoice"}"#)
        .reads(invoice)
        .writes(&[DUE_ELSEWHERE, SUBSCRIPTION, INVOICE_MOVES, EVENT])
        .late(Overdue, &[]),
];

/// A granted credit or a refund.
const MOVEMENT: Write = ("balance_movement", &[(TENANT_INDEX, Appears)]);

/// An invoice that changes is read after its deployment: an older one could hide a payment.
fn invoice(t: &Target) -> Vec<Read> {
    vec![present(t), Read::record("then the invoice", t.partition(), format!("INVOICE#{}", t.part))]
}
