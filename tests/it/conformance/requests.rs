//! The HTTP request of a simulated one.

use arcadia_domain::{InvoiceNumber, PaymentReference};
use arcadia_functions::Route;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::client::PREFIX;
use crate::simulation::commands::{GOODWILL, MIGRATION, MIGRATION_CENTS};
use crate::simulation::wishes::{ADDON, Act, Wish};

/// A request over HTTP.
#[derive(Debug, Clone)]
pub struct Sending {
    pub method: Method,
    /// The path after `/api/v1`.
    pub path: String,
    /// The body; null for none.
    pub body: Value,
}

impl Sending {
    /// The request of a wish; `None` for a command that only an operation gives.
    pub fn of(wish: &Wish) -> Option<Self> {
        let route = wish.route()?;
        let body = match wish {
            Wish::Create { tenant_id, slug, trial_ends_at } => {
                let state = trial_ends_at.map(|_| "trial");
                without_nulls(json!({
                    "tenant_id": tenant_id, "slug": slug, "state": state, "trial_ends_at": trial_ends_at,
                }))
            }
            Wish::Do(_, act) => body(act)?,
        };
        Some(Self { method: route.method.clone(), path: path(route, wish), body })
    }

    /// The same request about other ids.
    pub fn translated(self, translate: impl Fn(&str) -> String) -> Self {
        let body = serde_json::from_str(&translate(&self.body.to_string())).expect("JSON");
        Self { path: translate(&self.path), body, ..self }
    }
}

/// The path of a route with the values of its parameters.
fn path(route: &Route, wish: &Wish) -> String {
    let path = route.path.trim_start_matches(PREFIX).to_owned();
    let Wish::Do(id, act) = wish else { return path };
    let path = path.replace("{id}", &id.to_string());
    let path = path.replace("{number}", act.invoice().map_or("", InvoiceNumber::as_str));
    match act {
        Act::DeleteResource(id) => path.replace("{resource_id}", &id.to_string()),
        Act::Detach(id) => path.replace("{addon_id}", &id.to_string()),
        Act::Reverse { reference, .. } => path.replace("{reference}", PaymentReference::as_str(reference)),
        _ => path,
    }
}

/// The body of a command; `None` if only an operation gives it.
fn body(act: &Act) -> Option<Value> {
    let body = match act {
        Act::Transition { to, resume_at } => json!({"to_state": to, "resume_at": resume_at}),
        Act::Update { name, suspend } => json!({"display_name": name, "billing_action_suspended": suspend}),
        Act::AddResource => json!({"kind": "database", "provider_reference": "db-1"}),
        Act::Subscribe { plan, addons, anchor_mode, trial_ends_at } => json!({
            "plan_code": plan, "addons": vec![ADDON; *addons], "anchor": anchor_mode, "trial_ends_at": trial_ends_at,
        }),
        Act::Attach => json!({"addon_code": ADDON}),
        Act::ChangePlan { plan, effective, proration } => {
            json!({"plan_code": plan, "effective": effective, "proration": proration})
        }
        Act::Cancel(effective) => json!({"effective": effective}),
        Act::ExtendTrial { to } => json!({"trial_ends_at": to}),
        Act::Pay { number: _, reference, amount_cents, currency } => {
            json!({"reference": reference, "amount_cents": amount_cents, "currency": currency})
        }
        Act::Charge { when } => json!({
            "description": MIGRATION, "amount_cents": MIGRATION_CENTS, "currency": "USD", "when": when,
        }),
        Act::Grant { cents } => json!({"amount_cents": cents, "currency": "USD", "reason": GOODWILL}),
        Act::CreditNote { number: _, reference } => {
            json!({"refund": reference.as_ref().map(|_| true), "reference": reference})
        }
        Act::Refund { reference, cents } => json!({"reference": reference, "amount_cents": cents, "currency": "USD"}),
        Act::Reverse { .. } => json!({"kind": "chargeback"}),
        Act::MoveDueDate { number: _, to } => json!({"due_at": to}),
        Act::GrantDiscount(code) => json!({"coupon": code}),
        Act::Void(_) | Act::WriteOff(_) => json!({}),
        Act::DeleteResource(_)
        | Act::Detach(_)
        | Act::WithdrawPlanChange
        | Act::WithdrawCancellation
        | Act::WithdrawWriteOff(_)
        | Act::RemoveDiscount => Value::Null,
        Act::Operation(_) => return None,
    };
    Some(without_nulls(body))
}

/// An object without its null members.
fn without_nulls(mut body: Value) -> Value {
    if let Value::Object(members) = &mut body {
        members.retain(|_, value| !value.is_null());
    }
    body
}
