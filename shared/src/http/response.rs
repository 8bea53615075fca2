//! Answers.

use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::{
    Aggregate, Deployment, Invoice, NextAction, PendingChange, PlanTerms, Subscription, SubscriptionAddon, Template,
    sum,
};
use crate::store::DeploymentRow;

/// What a handler answers with when all went well.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
    /// The version of the deployment that the body shows, for `ETag`.
    pub version: Option<u64>,
    /// Where what was created can be found.
    pub location: Option<String>,
    /// Whether it was given before, and nothing has been done now.
    pub replayed: bool,
}

impl Answer {
    /// A plain answer.
    #[must_use]
    pub const fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body, version: None, location: None, replayed: false }
    }

    /// An answer that shows a deployment in its present version.
    #[must_use]
    pub const fn versioned(body: Value, version: u64) -> Self {
        Self { status: StatusCode::OK, body, version: Some(version), location: None, replayed: false }
    }

    /// An answer to a creation.
    pub fn created(body: Value, version: u64, location: impl Into<String>) -> Self {
        let (version, location) = (Some(version), Some(location.into()));
        Self { status: StatusCode::CREATED, body, version, location, replayed: false }
    }
}

/// A deployment as callers see it.
#[must_use]
pub fn deployment_view(aggregate: &Aggregate) -> Value {
    view(&aggregate.deployment, aggregate.next_action())
}

/// A deployment as callers see it in a list, with what it has bought in short.
#[must_use]
pub fn deployment_row_view(row: &DeploymentRow) -> Value {
    let mut body = view(&row.deployment, row.next_action);
    if let Value::Object(body) = &mut body {
        body.insert("subscription".to_owned(), json!(row.subscription));
    }
    body
}

/// The subscription of a deployment as callers see it, with its add-ons; null if there never was one.
#[must_use]
pub fn subscription_view(aggregate: &Aggregate) -> Value {
    aggregate.subscription.as_ref().map_or(Value::Null, |subscription| subscribed_view(subscription, &aggregate.addons))
}

fn subscribed_view(subscription: &Subscription, addons: &[SubscriptionAddon]) -> Value {
    let Subscription {
        id,
        terms: PlanTerms { plan_code, plan_version, price_cents, currency, interval },
        status,
        anchor_mode,
        anchor,
        cycle_index,
        current_period_start,
        current_period_end,
        billed_from,
        billed_price_cents: _,
        cancelled_with_deployment: _,
        trial_ends_at,
        cancel_at,
        cancelled_at,
        pending_change,
        unbilled_lines,
        created_at,
    } = subscription;
    let pending_change = pending_change.as_ref().map(|pending| {
        let PendingChange { terms, drop_incompatible, requested_at } = pending;
        let PlanTerms { plan_code, plan_version, price_cents, currency, interval } = terms;
        json!({
            "plan_code": plan_code,
            "plan_version": plan_version,
            "price_cents": price_cents,
            "currency": currency,
            "interval": interval,
            "drop_incompatible": drop_incompatible,
            "requested_at": requested_at,
            "effective_at": current_period_end,
        })
    });
    let recurring_cents = sum(std::iter::once(*price_cents).chain(addons.iter().map(|addon| addon.price_cents)));
    json!({
        "id": id,
        "plan_code": plan_code,
        "plan_version": plan_version,
        "price_cents": price_cents,
        "currency": currency,
        "interval": interval,
        "recurring_cents": recurring_cents,
        "status": status,
        "anchor": anchor_mode,
        "anchor_at": anchor.anchor_at,
        "anchor_day": anchor.anchor_day,
        "cycle_index": cycle_index,
        "current_period_start": current_period_start,
        "current_period_end": current_period_end,
        "billed_from": billed_from,
        "trial_ends_at": trial_ends_at,
        "cancel_at": cancel_at,
        "cancelled_at": cancelled_at,
        "pending_change": pending_change,
        "unbilled_lines": unbilled_lines,
        "created_at": created_at,
        "addons": addons,
    })
}

/// An invoice as callers see it.
#[must_use]
pub fn invoice_view(invoice: &Invoice) -> Value {
    let mut body = json!(invoice);
    if let Value::Object(body) = &mut body {
        body.insert("due_cents".to_owned(), json!(invoice.due_cents()));
    }
    body
}

fn view(deployment: &Deployment, next: Option<NextAction>) -> Value {
    let Deployment {
        id,
        tenant_id,
        slug,
        display_name,
        region,
        state,
        state_since,
        llm_mode,
        billing_action_suspended,
        template,
        trial_ends_at,
        resume_at,
        live_resources,
        open_invoices,
        uncollectible_invoices,
        dunning_policy: _,
        version,
        created_at,
        updated_at,
    } = deployment;
    let (template_code, template_version) = template.as_ref().map(|Template { code, version }| (code, version)).unzip();
    json!({
        "id": id,
        "tenant_id": tenant_id,
        "slug": slug,
        "display_name": display_name,
        "region": region,
        "state": state,
        "state_since": state_since,
        "llm_mode": llm_mode,
        "billing_action_suspended": billing_action_suspended,
        "template_code": template_code,
        "template_version": template_version,
        "trial_ends_at": trial_ends_at,
        "resume_at": resume_at,
        "live_resources": live_resources,
        "open_invoices": open_invoices,
        "uncollectible_invoices": uncollectible_invoices,
        "next_action": next.map(|next| next.action),
        "next_action_at": next.map(|next| next.at),
        "version": version,
        "created_at": created_at,
        "updated_at": updated_at,
    })
}
