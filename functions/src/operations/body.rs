//! The body of `POST /operations`: a filter, a command, and how to carry it out.

use std::collections::BTreeSet;

use arcadia_domain::{
    DEFAULT_OPERATION_RATE, DeploymentId, Effective, InvalidValue, Invoiced, MAX_OPERATION_IDS, MAX_OPERATION_RATE,
    MAX_POSTPONEMENT_DAYS, OperationCommand, OperationFilter, Postponement, Proration, StartOperation,
};

use crate::Error;
use crate::http::fields::{Unread, amount, boolean, integer, list, text, timestamp};
use crate::http::{Call, Fields};

/// A request to start an operation.
pub struct Started {
    /// The request.
    pub request: StartOperation,
    /// The deployments that it names by id, each once.
    pub ids: Option<Vec<DeploymentId>>,
    /// Whether it is a dry run.
    pub dry_run: bool,
}

/// The type of a command, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Transition,
    ChangePlan,
    Update,
    Credit,
    Charge,
    DueDate,
    Discount,
    CopyTenantRules,
}

impl std::str::FromStr for Kind {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "transition" => Ok(Self::Transition),
            "change_plan" => Ok(Self::ChangePlan),
            "update" => Ok(Self::Update),
            "credit" => Ok(Self::Credit),
            "charge" => Ok(Self::Charge),
            "due_date" => Ok(Self::DueDate),
            "discount" => Ok(Self::Discount),
            "copy_tenant_rules" => Ok(Self::CopyTenantRules),
            _ => Err(InvalidValue {
                code: "invalid_command",
                detail: "must be one of transition, change_plan, update, credit, charge, due_date, discount, copy_tenant_rules",
            }),
        }
    }
}

/// Reads the body.
///
/// # Errors
/// [`Error`] if the body is malformed, or names too many ids.
pub fn read(call: &Call) -> Result<Started, Error> {
    let mut fields = call.fields()?;
    let filter = fields.object("filter", read_filter);
    let command = fields.object("command", read_command);
    let reason = fields.optional("reason", text);
    let notes = fields.optional("notes", text);
    if matches!(command, Ok(OperationCommand::Credit { .. })) && reason.is_none() {
        fields.miss("reason");
    }
    let rate = fields.optional("rate_per_second", integer(1, i64::from(MAX_OPERATION_RATE)));
    let dry_run = fields.optional("dry_run", boolean).unwrap_or_default();
    fields.finish()?;
    let (filter, ids) = filter?;
    if ids.as_ref().is_some_and(|ids| ids.len() > MAX_OPERATION_IDS) {
        let detail = format!("the filter names more than {MAX_OPERATION_IDS} ids");
        return Err(Error::malformed("too_many_ids", detail));
    }
    let rate_per_second = rate.unwrap_or(DEFAULT_OPERATION_RATE);
    Ok(Started { request: StartOperation { filter, command: command?, reason, notes, rate_per_second }, ids, dry_run })
}

fn read_filter(fields: &mut Fields) -> Result<(OperationFilter, Option<Vec<DeploymentId>>), Unread> {
    let ids = fields.optional("ids", list(text::<DeploymentId>));
    let filter = OperationFilter {
        tenant_id: fields.optional("tenant_id", text),
        state: fields.optional("state", text),
        plan_code: fields.optional("plan_code", text),
        plan_version: fields.optional("plan_version", integer(1, i64::from(u32::MAX))),
        ids: None,
    };
    if filter.plan_version.is_some() && filter.plan_code.is_none() {
        fields.miss("plan_code");
    }
    if ids.as_ref().is_some_and(Vec::is_empty) {
        fields.fail("ids", InvalidValue { code: "empty", detail: "must name at least one deployment" });
    }
    let unique: Option<Vec<DeploymentId>> =
        ids.map(|ids| ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect());
    let filter = OperationFilter { ids: unique.as_ref().map(Vec::len), ..filter };
    if !filter.has_condition() {
        fields.fail_whole(InvalidValue { code: "empty", detail: "must have at least one condition" });
    }
    Ok((filter, unique))
}

fn read_command(fields: &mut Fields) -> Result<OperationCommand, Unread> {
    Ok(match fields.required("type", text)? {
        Kind::Transition => OperationCommand::Transition { to_state: fields.required("to_state", text)? },
        Kind::ChangePlan => {
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
        Kind::Update => {
            let billing_action_suspended = fields.required("billing_action_suspended", boolean)?;
            OperationCommand::Update { billing_action_suspended }
        }
        Kind::Credit => {
            let amount_cents = fields.required("amount_cents", amount);
            let currency = fields.required("currency", text);
            OperationCommand::Credit { amount_cents: amount_cents?, currency: currency? }
        }
        Kind::Charge => {
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
        Kind::DueDate => OperationCommand::DueDate { postponement: read_postponement(fields)? },
        Kind::Discount => OperationCommand::Discount { coupon: fields.required("coupon", text)? },
        Kind::CopyTenantRules => OperationCommand::CopyTenantRules,
    })
}

/// Exactly one of `due_at` and `days`.
fn read_postponement(fields: &mut Fields) -> Result<Postponement, Unread> {
    if !fields.has("days") {
        return Ok(Postponement::Until(fields.required("due_at", timestamp)?));
    }
    let days = fields.required("days", integer(1, i64::from(MAX_POSTPONEMENT_DAYS)));
    if fields.optional("due_at", timestamp).is_some() {
        fields.fail("due_at", InvalidValue { code: "not_allowed", detail: "is not allowed with days" });
    }
    Ok(Postponement::ByDays(days?))
}
