//! Subscriptions: plan, add-ons, plan changes and cancellation.

use arcadia_api::answer::{AttachAddonAnswer, ChangePlanAnswer, SubscribeAnswer, SubscriptionAnswer};
use arcadia_api::body::{
    AttachAddonRequest, CancelSubscriptionRequest, ChangePlanRequest, RemarksRequest, SubscribeRequest,
};
use arcadia_domain::Power;
use serde_json::json;

use crate::operation::Operation;

const TAG: &str = "Subscriptions";
/// Links from the response of `subscribe_deployment` to its invoice.
const FIRST_INVOICE: [(&str, &str); 2] = [("id", "$request.path.id"), ("number", "$response.body#/invoice/number")];

pub fn operations() -> Vec<Operation> {
    vec![
        subscribe(),
        Operation::new(
            TAG,
            "attach_addon",
            "Attach an add-on",
            "Copies the add-on's current prices and quantity, which stay fixed. The rest of the period is charged on \
             the next invoice, or immediately if a credit reduced an unpaid invoice in this period.",
        )
        .body::<AttachAddonRequest>([("storage", json!({"addon_code": "storage_50gb"}))])
        .created::<AttachAddonAnswer<'static>>("The attached add-on.")
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
            "Credits the unused part of its charges: the credit reduces the amount due, and a part already paid \
             becomes balance.",
        )
        .optional_body::<RemarksRequest>(true, [("with a reason", json!({"reason": "not needed any more"}))])
        .versioned::<SubscriptionAnswer<'static>>("The subscription without it.")
        .if_match()
        .problems(&["not_subscribed", "subscription_paused", "version_conflict"])
        .powers(&[Power::Buy]),
        change_plan(),
        Operation::new(
            TAG,
            "withdraw_plan_change",
            "Withdraw a scheduled plan change",
            "The subscription keeps its current plan.",
        )
        .optional_body::<RemarksRequest>(true, [("with a reason", json!({"reason": "changed their mind"}))])
        .versioned::<SubscriptionAnswer<'static>>("The subscription without the change.")
        .if_match()
        .problems(&["no_pending_change", "not_subscribed", "scheduled_by_platform", "version_conflict"])
        .powers(&[Power::TakeBack]),
        Operation::new(
            TAG,
            "cancel_subscription",
            "Cancel a subscription",
            "At the end of its period or trial, or immediately. The deployment stays. Repeating a cancellation at the \
             end of the period writes nothing.",
        )
        .optional_body::<CancelSubscriptionRequest>(true, [("at the end", json!({"effective": "period_end"}))])
        .versioned::<SubscriptionAnswer<'static>>("The current subscription.")
        .link("withdraw_cancellation", [("id", "$request.path.id")])
        .if_match()
        .problems(&["not_subscribed", "version_conflict"])
        .powers(&[Power::Buy]),
        Operation::new(
            TAG,
            "withdraw_cancellation",
            "Withdraw a scheduled cancellation",
            "The subscription renews at the end of its period.",
        )
        .optional_body::<RemarksRequest>(true, [("with a reason", json!({"reason": "they stay"}))])
        .versioned::<SubscriptionAnswer<'static>>("The subscription without the cancellation.")
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
        "With up to 50 add-ons. All prices and quantities are copied and stay fixed. Without a trial, the rest of the \
         first period is invoiced immediately.",
    )
    .body::<SubscribeRequest>([
        ("studio", json!({"plan_code": "studio", "addons": ["storage_50gb"]})),
        ("anchored", json!({"plan_code": "studio", "plan_version": 1, "anchor": "now"})),
    ])
    .created::<SubscribeAnswer<'static>>("The subscription and its first invoice.")
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
        "deployment_held",
        "field_not_permitted",
        "invoice_overdue",
        "not_subscribable",
        "plan_retired",
        "plan_version_closed",
        "plan_version_not_permitted",
        "tenant_held",
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
        "Immediately or at the end of the period. An immediate change credits the rest of the old plan and charges the \
         new one, by the second. A change of interval starts a new period, which is invoiced immediately, or without \
         proration after the current one. A change to the current plan withdraws a scheduled change.",
    )
    .body::<ChangePlanRequest>([
        ("upgrade", json!({"plan_code": "team", "dry_run": true})),
        ("later", json!({"plan_code": "team", "effective": "period_end"})),
    ])
    .versioned::<ChangePlanAnswer<'static>>(
        "The subscription after the change. In a dry run, the state it would have, with the stored version as `ETag`.",
    )
    .link("withdraw_plan_change", [("id", "$request.path.id")])
    .if_match()
    .problems(&[
        "currency_change",
        "currency_mismatch",
        "field_not_permitted",
        "not_subscribed",
        "plan_retired",
        "plan_version_closed",
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
