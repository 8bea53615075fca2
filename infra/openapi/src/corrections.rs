//! Corrections: charges made once, credits, credit notes, refunds, reversals, write-offs and later due dates.

use arcadia_api::answer::{ChargeAnswer, DeploymentAnswer, RefundAnswer, SettledInvoiceAnswer};
use arcadia_api::body::{
    AddChargeRequest, GrantCreditRequest, IssueCreditNoteRequest, RefundBalanceRequest, RemarksRequest,
    ReversePaymentRequest, UpdateInvoiceRequest,
};
use arcadia_domain::Power;
use serde_json::json;

use crate::billing::INVOICES;
use crate::operation::Operation;

/// The operations on a deployment's balance.
fn of_balance() -> Vec<Operation> {
    vec![
        Operation::new(
            INVOICES,
            "add_charge",
            "Charge an amount once",
            "For example for a migration. The charge waits for the next invoice of the live subscription, or is \
             invoiced at once. A deployment that has ended its subscription can still be charged at once.",
        )
        .body::<AddChargeRequest>([(
            "now",
            json!({"description": "Migration", "amount_cents": 5000, "currency": "USD", "when": "now"}),
        )])
        .versioned::<ChargeAnswer<'static>>("The charge and the current deployment.")
        .if_match()
        .problems(&[
            "deployment_archived",
            "not_subscribed",
            "too_many_changes",
            "too_many_open_invoices",
            "version_conflict",
        ])
        .powers(&[Power::Correct]),
        Operation::new(
            INVOICES,
            "grant_credit",
            "Grant a credit",
            "Adds to the balance, for example for an outage. The credit settles open invoices of its currency at once, \
             oldest first; the rest waits for the next ones. To credit a charge, issue a credit note instead.",
        )
        .body::<GrantCreditRequest>([(
            "for an outage",
            json!({"amount_cents": 500, "currency": "USD", "reason": "outage on 2 January"}),
        )])
        .versioned::<DeploymentAnswer<'static>>("The current deployment.")
        .if_match()
        .problems(&["too_much_balance", "version_conflict"])
        .powers(&[Power::Correct]),
        Operation::new(
            INVOICES,
            "refund_balance",
            "Record a refund",
            "Records that money was paid back from the balance. With `invoice`, a credit note of the amount is issued \
             in the same transaction, and the returned amount is paid back. Repeating a refund with the same \
             reference, amount and currency has no further effect.",
        )
        .body::<RefundBalanceRequest>([
            ("out of the balance", json!({"reference": "refund-17", "amount_cents": 100, "currency": "USD"})),
            (
                "of an invoice",
                json!({
                    "reference": "refund-18", "amount_cents": 100, "currency": "USD",
                    "invoice": "20270115100000-5b0c4e8a9d27-USD", "reason": "asked for",
                }),
            ),
        ])
        .versioned::<RefundAnswer<'static>>("The refund and the current deployment.")
        .if_match()
        .problems(&[
            "insufficient_balance",
            "invoice_void",
            "payment_currency",
            "payment_reference_reused",
            "refund_exceeds_paid",
            "too_many_credits",
            "version_conflict",
        ])
        .powers(&[Power::Correct]),
    ]
}

pub fn operations() -> Vec<Operation> {
    let mut operations = of_balance();
    operations.extend([
        Operation::new(
            INVOICES,
            "update_invoice",
            "Move an invoice's due date",
            "To a later time. If no invoice is overdue any more, a `past_due` or `suspended` deployment returns to \
             `active`.",
        )
        .body::<UpdateInvoiceRequest>([(
            "a month more",
            json!({"due_at": "2099-12-31T00:00:00Z", "reason": "asked for"}),
        )])
        .versioned::<SettledInvoiceAnswer<'static>>("The current invoice and its deployment.")
        .if_match()
        .problems(&["invoice_not_open", "version_conflict"])
        .powers(&[Power::Correct]),
        Operation::new(
            INVOICES,
            "reverse_payment",
            "Reverse a payment",
            "The invoice is owed again with its old due date, and dunning counts from the reversal. If the deployment \
             is `cancelled` or `archived`, the invoice becomes `uncollectible`. A part of the payment that had become \
             balance is owed as well. Repeating the request writes nothing and is not an error; another kind is \
             refused.",
        )
        .body::<ReversePaymentRequest>([("a chargeback", json!({"kind": "chargeback"}))])
        .versioned::<SettledInvoiceAnswer<'static>>("The current invoice and its deployment.")
        .if_match()
        .problems(&["payment_reversed", "version_conflict"])
        .powers(&[Power::RecordPayments]),
        Operation::new(
            INVOICES,
            "issue_credit_note",
            "Credit charges of an invoice",
            "In full or in part. The credit first lowers the amount due, then the written-off amount; a settled part \
             becomes balance, or is paid back with `refund`. The credit includes its tax, at the rate of the \
             invoice.",
        )
        .optional_body::<IssueCreditNoteRequest>(
            true,
            [
                ("the whole invoice", json!({"reason": "wrong price"})),
                ("one charge in part", json!({"lines": [{"charge": "2-0", "amount_cents": 100}]})),
            ],
        )
        .versioned::<SettledInvoiceAnswer<'static>>("The current invoice and its deployment.")
        .if_match()
        .problems(&[
            "credit_exceeds_charge",
            "invoice_void",
            "nothing_to_credit",
            "payment_reference_reused",
            "refund_exceeds_paid",
            "too_many_credits",
            "unknown_charge",
            "version_conflict",
        ])
        .powers(&[Power::Correct]),
        Operation::new(
            INVOICES,
            "write_off_invoice",
            "Write an invoice off",
            "Forgives the amount due. Its charges stand; payments, credits and balance on it stay. If no invoice is \
             overdue any more, a `past_due` or `suspended` deployment returns to `active`. Repeating the request \
             writes nothing and is not an error.",
        )
        .optional_body::<RemarksRequest>(true, [("with a reason", json!({"reason": "goodwill"}))])
        .versioned::<SettledInvoiceAnswer<'static>>("The current invoice and its deployment.")
        .if_match()
        .problems(&["invoice_not_open", "too_many_write_offs", "version_conflict"])
        .powers(&[Power::Correct]),
        Operation::new(
            INVOICES,
            "withdraw_write_off",
            "Withdraw a write-off",
            "The invoice is owed again with its old due date, and dunning counts from now. Repeating the request \
             writes nothing and is not an error.",
        )
        .optional_body::<RemarksRequest>(true, [("with a reason", json!({"reason": "wrong invoice"}))])
        .versioned::<SettledInvoiceAnswer<'static>>("The current invoice and its deployment.")
        .if_match()
        .problems(&["invoice_void", "nothing_forgiven", "version_conflict"])
        .powers(&[Power::Correct]),
    ]);
    operations
}
