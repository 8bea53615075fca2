//! Bodies of requests about operations on many deployments.

#[cfg(feature = "json-schema")]
use arcadia_domain::{Currency, DisplayName, MAX_PRICE_CENTS};
use arcadia_domain::{
    DeploymentId, Effective, InvalidValue, Invoiced, MAX_OPERATION_RATE, MAX_POSTPONEMENT_DAYS, Notes,
    OperationCommand, OperationKind, Postponement, Proration, Reason, ShortCode, State, TenantId,
};
use serde_json::Value;

use super::body;
use super::fields::{Fields, Unread, amount, boolean, integer, text, timestamp};
#[cfg(feature = "json-schema")]
use super::times::Moment;

body! {
    /// The body of `POST /operations`.
    StartOperationRequest {
        /// The deployments: those that meet every condition. At least one condition is required.
        filter: OperationFilterRequest = object(OperationFilterRequest::read),
        /// The command.
        command: OperationCommand = object(read_command) [with = "CommandSchema"],
        /// Reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
        /// Deployments per second. Default: 100.
        rate_per_second: Option<u32> = optional(integer(1, i64::from(MAX_OPERATION_RATE)))
            [range(min = 1, max = MAX_OPERATION_RATE), extend("default" = arcadia_domain::DEFAULT_OPERATION_RATE)],
        /// Return how many deployments match and what the first ones would get, without storing anything.
        dry_run: Option<bool> = optional(boolean),
    }
    checked a_credit_has_a_reason
}

body! {
    /// The deployments of an operation.
    [extend("minProperties" = 1)]
    OperationFilterRequest {
        /// Only deployments of this tenant.
        tenant_id: Option<TenantId> = optional(text),
        /// Only deployments in this state.
        state: Option<State> = optional(text),
        /// Only deployments with a live subscription to this plan.
        plan_code: Option<ShortCode> = optional(text),
        /// Only deployments subscribed to this version of the plan. Requires `plan_code`.
        plan_version: Option<u32> = optional(integer(1, i64::from(u32::MAX))) [range(min = 1)],
        /// Only these deployments. One that is repeated counts once.
        ids: Option<Vec<DeploymentId>> = list(text) [length(min = 1, max = arcadia_domain::MAX_OPERATION_IDS)],
    }
    checked a_filter_has_a_condition
}

body! {
    /// The body of `POST /operations/{operation_id}/stop`.
    StopOperationRequest {}
}

fn a_filter_has_a_condition(fields: &mut Fields) {
    if fields.len("ids") == Some(0) {
        fields.fail("ids", InvalidValue::new("empty", "must name at least one deployment"));
    }
    if fields.has("plan_version") && !fields.has("plan_code") {
        fields.miss("plan_code");
    }
    if !["tenant_id", "state", "plan_code", "ids"].iter().any(|name| fields.has(name)) {
        fields.fail_whole(InvalidValue::new("empty", "must have at least one condition"));
    }
}

fn a_credit_has_a_reason(fields: &mut Fields) {
    let is_credit = |value: &Value| Ok(value["type"] == "credit");
    if fields.peek("command", is_credit) == Some(true) && !fields.has("reason") {
        fields.miss("reason");
    }
}

/// A command on each deployment.
#[cfg(feature = "json-schema")]
#[derive(schemars::JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case", deny_unknown_fields, rename = "OperationCommandRequest")]
#[allow(dead_code, reason = "it is never made")]
enum CommandSchema {
    /// Move each deployment to another state.
    Transition {
        /// The state to enter.
        to_state: State,
    },
    /// Change the plan version of each live subscription.
    ChangePlan {
        /// Code of the new plan.
        plan_code: ShortCode,
        /// Version of the new plan.
        #[schemars(range(min = 1))]
        plan_version: u32,
        /// When the change takes effect. Default: `immediate`.
        effective: Option<Effective>,
        /// How an immediate change bills the rest of the period. Default: `prorate`.
        proration: Option<Proration>,
        /// Drop add-ons of another currency instead of rejecting the change.
        drop_incompatible: Option<bool>,
    },
    /// Change each deployment's own fields.
    Update {
        /// Hold: whether scheduled steps leave its state unchanged.
        billing_action_suspended: bool,
    },
    /// Grant each deployment balance, such as for an outage. Requires `reason`.
    Credit {
        /// Amount, in minor units.
        #[schemars(range(min = 1, max = MAX_PRICE_CENTS))]
        amount_cents: i64,
        /// Currency of the amount.
        currency: Currency,
    },
    /// Charge each deployment once.
    Charge {
        /// Description on the invoice.
        description: DisplayName,
        /// Amount, in minor units.
        #[schemars(range(min = 1, max = MAX_PRICE_CENTS))]
        amount_cents: i64,
        /// Currency of the amount.
        currency: Currency,
        /// When it is invoiced. Default: `next_invoice`.
        when: Option<Invoiced>,
    },
    /// Give every open invoice of each deployment a later due date. Exactly one of `due_at` and `days` is required.
    /// Invoices in any other status keep theirs, and a deployment without an open invoice that this postpones is
    /// unchanged.
    DueDate {
        /// The new due date, in the future. An invoice that is due then or later keeps its due date.
        due_at: Option<Moment>,
        /// Days that each invoice is postponed by, counted from its due date, or from now on if it is overdue.
        #[schemars(range(min = 1, max = MAX_POSTPONEMENT_DAYS))]
        days: Option<u32>,
    },
    /// Grant the subscription of each deployment the discount of a coupon, within the coupon's limits: each grant counts
    /// as a redemption. Deployments are taken one after another.
    Discount {
        /// Code of the coupon.
        coupon: ShortCode,
    },
    /// Copy the rules of its tenant (the hold, `unsubscribed_after_days`, the tax rate) to each deployment, as they are when
    /// its turn comes.
    CopyTenantRules {},
}

/// The error of a command that only the publication of a version starts.
const ANNOUNCED_BY_A_VERSION: InvalidValue =
    InvalidValue::new("invalid_command", "is announce_price: publish a plan version that replaces another");

fn read_command(fields: &mut Fields) -> Result<OperationCommand, Unread> {
    Ok(match fields.required("type", text)? {
        OperationKind::Transition => OperationCommand::Transition { to_state: fields.required("to_state", text)? },
        OperationKind::ChangePlan => {
            let plan_code = fields.required("plan_code", text);
            let plan_version = fields.required("plan_version", integer(1, i64::from(u32::MAX)));
            let effective = fields.optional("effective", text).unwrap_or(Effective::Immediate);
            let proration = fields.optional("proration", text).unwrap_or(Proration::Prorate);
            let drop_incompatible = fields.optional("drop_incompatible", boolean).unwrap_or_default();
            OperationCommand::ChangePlan {
                plan_code: plan_code?,
                plan_version: plan_version?,
                effective,
                proration,
                drop_incompatible,
            }
        }
        OperationKind::AnnouncePrice => fields.required("type", |_| Err(ANNOUNCED_BY_A_VERSION))?,
        OperationKind::Update => {
            let billing_action_suspended = fields.required("billing_action_suspended", boolean)?;
            OperationCommand::Update { billing_action_suspended }
        }
        OperationKind::Credit => {
            let amount_cents = fields.required("amount_cents", amount);
            let currency = fields.required("currency", text);
            OperationCommand::Credit { amount_cents: amount_cents?, currency: currency? }
        }
        OperationKind::Charge => {
            let description = fields.required("description", text);
            let amount_cents = fields.required("amount_cents", amount);
            let currency = fields.required("currency", text);
            let when = fields.optional("when", text).unwrap_or(Invoiced::NextInvoice);
            OperationCommand::Charge {
                description: description?,
                amount_cents: amount_cents?,
                currency: currency?,
                when,
            }
        }
        OperationKind::DueDate => OperationCommand::DueDate { postponement: read_postponement(fields)? },
        OperationKind::Discount => OperationCommand::Discount { coupon: fields.required("coupon", text)? },
        OperationKind::CopyTenantRules => OperationCommand::CopyTenantRules,
    })
}

/// Exactly one of `due_at` and `days`.
fn read_postponement(fields: &mut Fields) -> Result<Postponement, Unread> {
    let read_days = integer(1, i64::from(MAX_POSTPONEMENT_DAYS));
    if !fields.has("days") {
        // It can be null.
        let _: Option<u32> = fields.optional("days", read_days);
        return Ok(Postponement::Until(fields.required("due_at", timestamp)?));
    }
    let days = fields.required("days", read_days);
    if fields.optional("due_at", timestamp).is_some() {
        fields.fail("due_at", InvalidValue::new("not_allowed", "is not allowed with days"));
    }
    Ok(Postponement::ByDays(days?))
}
