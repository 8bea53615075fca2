//! Invoices, payments, dunning policies, accounts, the schedule and the figures of the business.

use arcadia_api::answer::{
    AccountAnswer, AttentionList, DunningPolicyAnswer, InvoiceAnswer, InvoiceList, InvoiceRowList, ScheduleList,
    SettledInvoiceAnswer, SummaryAnswer, TenantList,
};
use arcadia_api::body::{PutDunningPolicyRequest, RecordPaymentRequest, RemarksRequest};
use arcadia_domain::Power;
use serde_json::json;

use crate::operation::Operation;

pub const INVOICES: &str = "Invoices";
const TENANTS: &str = "Tenants";

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            INVOICES,
            "list_invoices",
            "List a deployment's invoices",
            "Newest first, including their lines and payments.",
        )
        .ok::<InvoiceList<'static>>("A page of invoices."),
        Operation::new(INVOICES, "show_invoice", "Show an invoice", "Includes its lines and payments.")
            .ok::<InvoiceAnswer<'static>>("The invoice."),
        Operation::new(
            INVOICES,
            "record_payment",
            "Record a payment",
            "In full or in part. Repeating a payment with the same reference, amount and currency has no further \
             effect. With `overpayment` `balance`, the excess over the amount due becomes balance. When no invoice is \
             overdue any more, a `past_due` or `suspended` deployment returns to `active`.",
        )
        .body::<RecordPaymentRequest>([(
            "in part",
            json!({
                "reference": "wire-2027-000017", "amount_cents": 1000, "currency": "USD", "value_date": "2027-01-14",
            }),
        )])
        .versioned::<SettledInvoiceAnswer<'static>>("The current invoice and its deployment.")
        .if_match()
        .problems(&[
            "invoice_not_open",
            "overpayment",
            "payment_currency",
            "payment_reference_reused",
            "payment_reversed",
            "too_many_payments",
            "too_much_balance",
            "version_conflict",
        ])
        .powers(&[Power::RecordPayments]),
        Operation::new(
            INVOICES,
            "void_invoice",
            "Void an invoice",
            "Cancels an invoice without payments that should not have been issued. Repeating the request writes \
             nothing and is not an error.",
        )
        .optional_body::<RemarksRequest>(true, [("with a reason", json!({"reason": "issued by mistake"}))])
        .versioned::<SettledInvoiceAnswer<'static>>("The current invoice and its deployment.")
        .if_match()
        .problems(&["invoice_balance_used", "invoice_has_payments", "version_conflict"])
        .powers(&[Power::Void]),
        Operation::new(
            INVOICES,
            "find_invoices",
            "Find invoices across deployments",
            "A tenant's users see their own tenant's invoices; platform_admin sees all, or those of `tenant_id`. \
             Overdue invoices are sorted by due date, longest overdue first; open and uncollectible invoices, and void \
             invoices across tenants, by due date, latest first; all others by time of issue, newest first. A page can \
             contain fewer than `limit` invoices and still have a `next_cursor`. One tenant's open, overdue and \
             uncollectible invoices can be listed only up to 10,000 deployments. With `Accept: text/csv` the page is \
             CSV (RFC 4180) with a header line, and `Link` with `rel=\"next\"` is the URL of the next page.",
        )
        .ok::<InvoiceRowList<'static>>("A page of invoices.")
        .csv()
        .problems(&["not_found", "tenant_not_permitted", "too_many_deployments"]),
        Operation::new(
            TENANTS,
            "list_schedule",
            "List scheduled steps",
            "The next scheduled step of each deployment, earliest first; a deployment's `upcoming` lists all of its \
             steps. A tenant's users see their own tenant's steps; platform_admin sees all, or those of `tenant_id`. \
             One tenant's steps can be listed only up to 10,000 deployments.",
        )
        .ok::<ScheduleList<'static>>("A page of steps.")
        .problems(&["tenant_not_permitted", "too_many_deployments"]),
        Operation::new(
            TENANTS,
            "list_attention",
            "List deployments that need a person",
            "Deployments that are on hold, that are cancelled but still have live resources, that the sweep has \
             postponed because a step failed, or with an event that could not be published in the last 14 days. \
             Longest waiting first. A page can contain fewer than `limit` deployments and still have a `next_cursor`.",
        )
        .ok::<AttentionList<'static>>("A page of deployments that need a person."),
        Operation::new(
            TENANTS,
            "show_summary",
            "Show the figures of the whole business",
            "Deployments by state, subscriptions by plan, recurring revenue with its changes since the start of the \
             month, overdue amounts, and the progress of scheduled work. The progress is as of now. The other figures \
             are as of a full hour, at most two hours ago; in the local program they are as of now.",
        )
        .ok::<SummaryAnswer>("The figures."),
        Operation::new(
            TENANTS,
            "list_tenants",
            "List tenants",
            "All tenants with a set field, or that ever had a deployment, by id, with the number of deployments that \
             are not archived and the open and overdue amounts. Both are null for a tenant with more than 10,000 \
             deployments.",
        )
        .ok::<TenantList>("A page of tenants."),
        Operation::new(
            TENANTS,
            "show_account",
            "Show a tenant's account",
            "Adds up the tenant's stored deployments, up to 10,000: the number in each state, open and overdue \
             amounts, the balance, and the next invoices. With `month` it includes a statement of up to 10,000 \
             invoices: the amount owed at the start of the month; amounts invoiced, credited, voided, written off, \
             paid, granted and paid back, by the time of recording; and the amount owed at the end. The statement of a \
             past month never changes.",
        )
        .ok::<AccountAnswer<'static>>("The account.")
        .problems(&["too_many_deployments", "too_many_invoices"]),
        Operation::new(
            TENANTS,
            "show_dunning_policy",
            "Show a tenant's dunning policy",
            "The default policy if none is set.",
        )
        .versioned::<DunningPolicyAnswer>("The policy, with the version of the tenant."),
        Operation::new(
            TENANTS,
            "put_dunning_policy",
            "Set a tenant's dunning policy",
            "Deadlines that already run do not move. A deployment takes over the days with the next invoice that is \
             issued while no other is open.",
        )
        .body::<PutDunningPolicyRequest>([(
            "patient",
            json!({
                "payment_terms_days": 14,
                "past_due_after_days": 3,
                "suspended_after_days": 21,
                "cancelled_after_days": 60,
                "archived_after_days": 90,
            }),
        )])
        .versioned::<DunningPolicyAnswer>("The current policy, with the version of the tenant.")
        .if_match()
        .problems(&["version_conflict"]),
    ]
}
