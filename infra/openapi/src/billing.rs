//! Invoices, payments and dunning policies.

use arcadia_api::{
    AccountView, AttentionView, DeploymentView, InvoiceRowView, InvoiceView, ScheduleEntryView, SummaryView, TenantView,
};
use arcadia_domain::{Currency, DunningPolicy, MAX_POLICY_DAYS, PaymentReference, Power};
use schemars::JsonSchema;
use serde_json::json;

use crate::operation::Operation;
use crate::schema::NextCursor;

const INVOICES: &str = "Invoices";
const TENANTS: &str = "Tenants";

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RecordPaymentRequest {
    /// The payer's or provider's name for it; the same reference is the same payment.
    reference: PaymentReference,
    /// What was paid, in minor units; at most what is due.
    #[schemars(range(min = 1))]
    amount_cents: i64,
    /// The invoice's currency.
    currency: Currency,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct VoidInvoiceRequest {}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PutDunningPolicyRequest {
    /// From issue to due date.
    #[schemars(range(max = MAX_POLICY_DAYS))]
    payment_terms_days: u32,
    /// From the due date to `past_due`.
    #[schemars(range(max = MAX_POLICY_DAYS))]
    past_due_after_days: u32,
    /// From the due date to `suspended`; more than to `past_due`.
    #[schemars(range(max = MAX_POLICY_DAYS))]
    suspended_after_days: u32,
    /// From the due date to `cancelled`; more than to `suspended`.
    #[schemars(range(max = MAX_POLICY_DAYS))]
    cancelled_after_days: u32,
    /// From `cancelled` to `archived`.
    #[schemars(range(min = 1, max = MAX_POLICY_DAYS))]
    archived_after_days: u32,
}

#[derive(JsonSchema)]
#[schemars(rename = "InvoiceList")]
struct List {
    invoices: Vec<InvoiceView<'static>>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "InvoiceRowList")]
struct Found {
    invoices: Vec<InvoiceRowView<'static>>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "InvoiceAnswer")]
struct One {
    invoice: InvoiceView<'static>,
}

#[derive(JsonSchema)]
#[schemars(rename = "SettledInvoiceAnswer")]
struct Settled {
    invoice: InvoiceView<'static>,
    /// Its deployment, which may run again now.
    deployment: DeploymentView<'static>,
}

#[derive(JsonSchema)]
#[schemars(rename = "DunningPolicyAnswer")]
struct Policy {
    dunning_policy: DunningPolicy,
}

#[derive(JsonSchema)]
#[schemars(rename = "ScheduleList")]
struct Schedule {
    schedule: Vec<ScheduleEntryView<'static>>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "AttentionList")]
struct AttentionBody {
    attention: Vec<AttentionView<'static>>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "SummaryAnswer")]
struct SummaryBody {
    summary: SummaryView,
}

#[derive(JsonSchema)]
#[schemars(rename = "TenantList")]
struct Tenants {
    tenants: Vec<TenantView>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "AccountAnswer")]
struct Account {
    account: AccountView<'static>,
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            INVOICES,
            "list_invoices",
            "List a deployment's invoices",
            "Newest first, with their lines and payments.",
        )
        .ok::<List>("A page of invoices."),
        Operation::new(INVOICES, "show_invoice", "Show an invoice", "With its lines and payments.")
            .ok::<One>("The invoice."),
        Operation::new(
            INVOICES,
            "record_payment",
            "Record a payment",
            "In full or in part. The same reference with the same amount and currency is the same payment, however often \
             it is reported. When nothing is open any more, a deployment that was past due or suspended runs again.",
        )
        .body::<RecordPaymentRequest>([(
            "in part",
            json!({"reference": "wire-2027-000017", "amount_cents": 1000, "currency": "USD"}),
        )])
        .versioned::<Settled>("The invoice and its deployment as they are now.")
        .if_match()
        .problems(&[
            "invoice_not_open",
            "overpayment",
            "payment_currency",
            "payment_reference_reused",
            "too_many_payments",
            "version_conflict",
        ])
        .powers(&[Power::RecordPayments]),
        Operation::new(
            INVOICES,
            "void_invoice",
            "Void an invoice",
            "Takes back an open invoice that should not have been issued and of which nothing was paid. To do so twice \
             is no error and writes nothing.",
        )
        .optional_body::<VoidInvoiceRequest>(false, [("nothing to say", json!({}))])
        .versioned::<Settled>("The invoice and its deployment as they are now.")
        .if_match()
        .problems(&["invoice_has_payments", "invoice_not_open", "version_conflict"])
        .powers(&[Power::Void]),
        Operation::new(
            INVOICES,
            "find_invoices",
            "Find invoices across deployments",
            "A tenant's users see their own tenant's; platform_admin sees everyone's, or those of `tenant_id`. What is overdue \
             comes by due date, the longest overdue first; what is open or uncollectible by due date, the latest first, and \
             so does what is void of everyone's; all else by the time of issue, the newest first. A page can hold fewer than \
             `limit` and still have a `next_cursor`. A tenant's open, overdue and uncollectible invoices are found by its \
             deployments, of 10,000 at most. With `Accept: text/csv` the page comes as CSV (RFC 4180) with a line of names, \
             and the next page's address as `Link` with `rel=\"next\"`.",
        )
        .ok::<Found>("A page of invoices.")
        .csv()
        .problems(&["not_found", "tenant_not_permitted", "too_many_deployments"]),
        Operation::new(
            TENANTS,
            "list_schedule",
            "List what the clock will do",
            "The next step of each deployment, the earliest first; a deployment's `upcoming` has all that lie ahead of it. \
             A tenant's users see their own tenant's; platform_admin sees all, or those of `tenant_id`. Of one tenant \
             it is read from the list of its deployments, of 10,000 at most.",
        )
        .ok::<Schedule>("A page of steps.")
        .problems(&["tenant_not_permitted", "too_many_deployments"]),
        Operation::new(
            TENANTS,
            "list_attention",
            "List what needs a person",
            "Deployments that are held, that are cancelled while resources of them still run, that the sweep has put off \
             because a step failed, or of which an event could not be published in the last 14 days; the longest first. \
             A page can hold fewer than `limit` and still have a `next_cursor`.",
        )
        .ok::<AttentionBody>("A page of deployments that need a person."),
        Operation::new(
            TENANTS,
            "show_summary",
            "Show the figures of the whole business",
            "Deployments by state, subscriptions by plan, recurring revenue with its movements since the month began, what is \
             overdue, and how far the clock's work is. All but the last is of a full hour, at most two hours ago; of now in \
             the local program.",
        )
        .ok::<SummaryBody>("The figures."),
        Operation::new(
            TENANTS,
            "list_tenants",
            "List tenants",
            "Everyone who ever had a deployment, by id, with how many there are that are not archived, and what is open and \
             overdue. Of a tenant with more than 10,000 deployments both are null.",
        )
        .ok::<Tenants>("A page of tenants."),
        Operation::new(
            TENANTS,
            "show_account",
            "Show all that a tenant has and owes",
            "Added up from its deployments as they are stored, of 10,000 at most: how many are in each state, what is open \
             and overdue, what stands to its credit, and the next invoices. With `month` also a statement: what was owed when \
             the month began, what was invoiced, credited, taken back and paid, by when that was recorded, and what is owed \
             when it ends, from all invoices of the tenant, of 10,000 at most. The statement of a month that is over never \
             changes.",
        )
        .ok::<Account>("The account.")
        .problems(&["too_many_deployments", "too_many_invoices"]),
        Operation::new(
            TENANTS,
            "show_dunning_policy",
            "Show a tenant's dunning policy",
            "The default that counts, if none was set.",
        )
        .ok::<Policy>("The policy."),
        Operation::new(
            TENANTS,
            "put_dunning_policy",
            "Set a tenant's dunning policy",
            "No deadline that already runs moves: a deployment takes the policy over with its next period.",
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
        .ok::<Policy>("The policy as it is now."),
    ]
}
