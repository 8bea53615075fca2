//! What a deployment has bought: its subscription, add-ons, changes of plan and cancellation.

use arcadia_api::{InvoiceView, SubscriptionAddonView, SubscriptionView};
use arcadia_domain::{AnchorMode, Effective, Event, Line, MAX_ADDONS, Power, Proration, ShortCode};
use schemars::JsonSchema;
use serde_json::json;

use crate::operation::Operation;
use crate::schema::Moment;

const TAG: &str = "Subscriptions";
/// Where the answer to `subscribe_deployment` has the invoice.
const FIRST_INVOICE: [(&str, &str); 2] = [("id", "$request.path.id"), ("number", "$response.body#/invoice/number")];

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SubscribeRequest {
    /// The plan.
    plan_code: ShortCode,
    /// Which of its versions; the newest, when left out. Any other is for platform_admin.
    #[schemars(range(min = 1))]
    plan_version: Option<u32>,
    /// Add-ons by code, each priced in the plan's currency. The same code can stand several times.
    #[schemars(length(max = MAX_ADDONS))]
    addons: Option<Vec<ShortCode>>,
    /// Where periods begin; `calendar`, when left out.
    anchor: Option<AnchorMode>,
    /// When the trial ends, if not as the plan's version says. Only for platform_admin. Within the next 100 years.
    trial_ends_at: Option<Moment>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AttachAddonRequest {
    /// The add-on.
    addon_code: ShortCode,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ChangePlanRequest {
    /// The plan.
    plan_code: ShortCode,
    /// Which of its versions; the newest, when left out. Any other than that and the present one is for platform_admin.
    #[schemars(range(min = 1))]
    plan_version: Option<u32>,
    /// When; `immediate`, when left out.
    effective: Option<Effective>,
    /// What an immediate change does about the rest of the period; `prorate`, when left out. `none` is for
    /// platform_admin.
    proration: Option<Proration>,
    /// Drop add-ons of another currency instead of refusing.
    drop_incompatible: Option<bool>,
    /// Only tell what would happen, with the exact lines.
    dry_run: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CancelSubscriptionRequest {
    /// When; `period_end`, when left out.
    effective: Option<Effective>,
}

#[derive(JsonSchema)]
#[schemars(rename = "SubscribeAnswer")]
struct Subscribed {
    subscription: SubscriptionView<'static>,
    /// The invoice for the first period; null during a trial.
    invoice: Option<InvoiceView<'static>>,
}

#[derive(JsonSchema)]
#[schemars(rename = "AttachAddonAnswer")]
struct Attached {
    /// The add-on, with the prices and the quantity that it has for good.
    addon: SubscriptionAddonView<'static>,
    subscription: SubscriptionView<'static>,
}

#[derive(JsonSchema)]
#[schemars(rename = "SubscriptionAnswer")]
struct One {
    subscription: SubscriptionView<'static>,
}

#[derive(JsonSchema)]
#[schemars(rename = "ChangePlanAnswer")]
struct Changed {
    subscription: SubscriptionView<'static>,
    /// The charges and credits that the change makes.
    lines: Vec<Line>,
    /// The invoice that is issued with it; null if none is, so that the charges wait for the next.
    invoice: Option<InvoiceView<'static>>,
    /// The change; null if nothing needed to change.
    event: Option<Event>,
    /// Whether nothing was stored.
    dry_run: bool,
}

pub fn operations() -> Vec<Operation> {
    vec![
        subscribe(),
        Operation::new(
            TAG,
            "attach_addon",
            "Attach an add-on",
            "At its present prices and quantity, which it keeps for good. The rest of the period is charged on the next \
             invoice, or at once if a credit lowered an unpaid invoice in this period.",
        )
        .body::<AttachAddonRequest>([("storage", json!({"addon_code": "storage_50gb"}))])
        .created::<Attached>("The add-on as attached.")
        .link("detach_addon", [("id", "$request.path.id"), ("addon_id", "$response.body#/addon/id")])
        .if_match()
        .problems(&[
            "addon_retired",
            "currency_mismatch",
            "not_subscribed",
            "subscription_paused",
            "too_many_addons",
            "too_many_changes",
            "too_many_open_invoices",
            "unknown_addon",
            "version_conflict",
        ])
        .powers(&[Power::Buy]),
        Operation::new(
            TAG,
            "detach_addon",
            "Detach an add-on",
            "What was charged for it and is not used is credited: it lowers what is due, and what was paid becomes balance.",
        )
        .versioned::<One>("The subscription without it.")
        .if_match()
        .problems(&["not_subscribed", "subscription_paused", "version_conflict"])
        .powers(&[Power::Buy]),
        change_plan(),
        Operation::new(
            TAG,
            "withdraw_plan_change",
            "Take a scheduled change of plan back",
            "The subscription goes on with the plan that it has.",
        )
        .versioned::<One>("The subscription without the change.")
        .if_match()
        .problems(&["no_pending_change", "not_subscribed", "scheduled_by_platform", "version_conflict"])
        .powers(&[Power::TakeBack]),
        Operation::new(
            TAG,
            "cancel_subscription",
            "Cancel a subscription",
            "At the end of its period or trial, or at once; the deployment stays. A second cancellation at the end of \
             the period writes nothing.",
        )
        .optional_body::<CancelSubscriptionRequest>(true, [("at the end", json!({"effective": "period_end"}))])
        .versioned::<One>("The subscription as it is now.")
        .link("withdraw_cancellation", [("id", "$request.path.id")])
        .if_match()
        .problems(&["not_subscribed", "version_conflict"])
        .powers(&[Power::Buy]),
        Operation::new(
            TAG,
            "withdraw_cancellation",
            "Take a scheduled cancellation back",
            "The subscription is renewed at the end of its period, as before.",
        )
        .versioned::<One>("The subscription without the cancellation.")
        .if_match()
        .problems(&["no_pending_cancellation", "not_subscribed", "scheduled_by_platform", "version_conflict"])
        .powers(&[Power::TakeBack]),
    ]
}

fn subscribe() -> Operation {
    Operation::new(
        TAG,
        "subscribe_deployment",
        "Subscribe a deployment to a plan",
        "With any number of add-ons. All prices and quantities are copied, for good. Without a trial, the rest of the \
         first period is invoiced at once.",
    )
    .body::<SubscribeRequest>([
        ("studio", json!({"plan_code": "studio", "addons": ["storage_50gb"]})),
        ("anchored", json!({"plan_code": "studio", "plan_version": 1, "anchor": "now"})),
    ])
    .created::<Subscribed>("The subscription, and its first invoice.")
    .link("list_invoices", [("id", "$request.path.id")])
    .link("show_invoice", FIRST_INVOICE)
    .link("record_payment", FIRST_INVOICE)
    .link("void_invoice", FIRST_INVOICE)
    .link("attach_addon", [("id", "$request.path.id")])
    .link("change_plan", [("id", "$request.path.id")])
    .link("cancel_subscription", [("id", "$request.path.id")])
    .if_match()
    .problems(&[
        "addon_retired",
        "already_subscribed",
        "currency_mismatch",
        "field_not_permitted",
        "not_subscribable",
        "plan_retired",
        "plan_version_not_permitted",
        "too_many_addons",
        "too_many_replaced_addons",
        "trial_used",
        "unknown_addon",
        "unknown_plan",
        "unknown_plan_version",
        "version_conflict",
    ])
    .powers(&[Power::Buy, Power::ChooseVersion, Power::SetTrial])
}

fn change_plan() -> Operation {
    Operation::new(
        TAG,
        "change_plan",
        "Change the plan",
        "At once or at the end of the period. An immediate change credits the rest of the old plan and charges the new \
         one, by the second; another interval begins a new period, which is invoiced at once, or without proration \
         after the present one. A change to the plan that it has takes a scheduled one back.",
    )
    .body::<ChangePlanRequest>([
        ("upgrade", json!({"plan_code": "team", "dry_run": true})),
        ("later", json!({"plan_code": "team", "effective": "period_end"})),
    ])
    .versioned::<Changed>("The subscription as it is now; in a dry run as it would be, under the version that it has.")
    .link("withdraw_plan_change", [("id", "$request.path.id")])
    .if_match()
    .problems(&[
        "currency_change",
        "currency_mismatch",
        "field_not_permitted",
        "not_subscribed",
        "plan_retired",
        "plan_version_not_permitted",
        "scheduled_by_platform",
        "subscription_paused",
        "too_many_changes",
        "too_many_open_invoices",
        "unknown_plan",
        "unknown_plan_version",
        "version_conflict",
    ])
    .powers(&[Power::Buy, Power::ChooseVersion, Power::SkipProration, Power::TakeBack])
}
