//! Operations on many deployments.

use arcadia_api::{OperationPreviewView, OperationResultView, OperationView};
use arcadia_domain::{
    Currency, DEFAULT_OPERATION_RATE, DeploymentId, DisplayName, Effective, Invoiced, MAX_OPERATION_IDS,
    MAX_OPERATION_RATE, MAX_POSTPONEMENT_DAYS, MAX_PRICE_CENTS, Matching, Notes, Proration, Reason, ShortCode, State,
    TenantId,
};
use schemars::JsonSchema;
use serde_json::json;

use crate::operation::Operation;
use crate::schema::{Moment, NextCursor};

const OPERATIONS: &str = "Operations";

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StartOperationRequest {
    /// The deployments: those that meet every condition. At least one condition is required.
    filter: FilterRequest,
    /// The command.
    command: CommandRequest,
    /// Reason, stored in the events.
    reason: Option<Reason>,
    /// Notes, stored in the events.
    notes: Option<Notes>,
    /// Deployments per second. Default: 100.
    #[schemars(range(min = 1, max = MAX_OPERATION_RATE), extend("default" = DEFAULT_OPERATION_RATE))]
    rate_per_second: Option<u32>,
    /// Return how many deployments match and what the first ones would get, without storing anything.
    dry_run: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "OperationFilterRequest", extend("minProperties" = 1))]
struct FilterRequest {
    /// Only deployments of this tenant.
    tenant_id: Option<TenantId>,
    /// Only deployments in this state.
    state: Option<State>,
    /// Only deployments with a live subscription to this plan.
    plan_code: Option<ShortCode>,
    /// Only deployments subscribed to this version of the plan. Requires `plan_code`.
    #[schemars(range(min = 1))]
    plan_version: Option<u32>,
    /// Only these deployments. One that is repeated counts once.
    #[schemars(length(min = 1, max = MAX_OPERATION_IDS))]
    ids: Option<Vec<DeploymentId>>,
}

#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case", deny_unknown_fields, rename = "OperationCommandRequest")]
enum CommandRequest {
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

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StopOperationRequest {}

#[derive(JsonSchema)]
#[schemars(rename = "OperationAnswer")]
struct One {
    operation: OperationView<'static>,
}

#[derive(JsonSchema)]
#[schemars(rename = "OperationDryRun")]
struct DryRun {
    /// Always true.
    dry_run: bool,
    /// Number of deployments that match.
    matching: Matching,
    /// The results that the first deployments would get, at most 10.
    preview: Vec<OperationPreviewView>,
}

#[derive(JsonSchema)]
#[schemars(rename = "OperationList")]
struct List {
    operations: Vec<OperationView<'static>>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "OperationResultList")]
struct Results {
    results: Vec<OperationResultView<'static>>,
    next_cursor: NextCursor,
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            OPERATIONS,
            "list_operations",
            "List operations",
            "Operations on many deployments, newest first, each with its progress.",
        )
        .ok::<List>("A page of operations."),
        Operation::new(
            OPERATIONS,
            "start_operation",
            "Start an operation on many deployments",
            "Gives a command to every deployment that the filter selects, each as a single command by the caller: with \
             its due steps taken first, by the same rules and with the same events. The work begins within a minute \
             and goes on at `rate_per_second`. Every deployment gets one result, even if a worker is interrupted. The \
             list is read again until a pass that began a minute after the start finds no deployment without a \
             result. A dry run stores nothing.",
        )
        .body::<StartOperationRequest>([
            (
                "hold for an outage",
                json!({
                    "filter": {"tenant_id": "acme"},
                    "command": {"type": "update", "billing_action_suspended": true},
                    "reason": "outage of 14 February",
                }),
            ),
            (
                "a week more to pay",
                json!({
                    "filter": {"state": "past_due"},
                    "command": {"type": "due_date", "days": 7},
                    "reason": "payment provider was down",
                }),
            ),
            (
                "move to a new version",
                json!({
                    "filter": {"plan_code": "studio", "plan_version": 1},
                    "command": {
                        "type": "change_plan", "plan_code": "studio", "plan_version": 2, "effective": "period_end",
                    },
                    "rate_per_second": 50,
                    "dry_run": true,
                }),
            ),
        ])
        .ok::<DryRun>("A dry run: how many deployments match, and what the first ones would get.")
        .accepted::<One>("The operation, which runs.")
        .link("show_operation", [("operation_id", "$response.body#/operation/id")])
        .link("list_operation_results", [("operation_id", "$response.body#/operation/id")])
        .link("stop_operation", [("operation_id", "$response.body#/operation/id")])
        .problems(&["too_many_ids", "too_many_operations"]),
        Operation::new(
            OPERATIONS,
            "show_operation",
            "Show an operation",
            "With the number of results by outcome, and an estimate of the deployments that have none yet.",
        )
        .ok::<One>("The operation."),
        Operation::new(
            OPERATIONS,
            "list_operation_results",
            "List the results of an operation",
            "By deployment id, each refusal with its problem. A page can contain fewer than `limit` results and still \
             have a `next_cursor`. With `Accept: text/csv` the page is CSV (RFC 4180) with a header line, and `Link` \
             with `rel=\"next\"` is the URL of the next page.",
        )
        .ok::<Results>("A page of results.")
        .csv(),
        Operation::new(
            OPERATIONS,
            "stop_operation",
            "Stop an operation",
            "The deployments of the page in progress still get their results; all later ones stay as they are. \
             Stopping an operation that has ended changes nothing and is not an error.",
        )
        .optional_body::<StopOperationRequest>(false, [("nothing to say", json!({}))])
        .ok::<One>("The operation: it stops, or had ended before.")
        .problems(&["version_conflict"]),
    ]
}
