//! Operations on many deployments.

use arcadia_api::answer::{OperationAnswer, OperationDryRun, OperationList, OperationResultList};
use arcadia_api::body::{StartOperationRequest, StopOperationRequest};
use serde_json::json;

use crate::operation::Operation;

const OPERATIONS: &str = "Operations";

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            OPERATIONS,
            "list_operations",
            "List operations",
            "Operations on many deployments, newest first, each with its progress.",
        )
        .ok::<OperationList<'static>>("A page of operations."),
        Operation::new(
            OPERATIONS,
            "start_operation",
            "Start an operation on many deployments",
            "Gives a command to every deployment that the filter selects, each as a single command by the caller: with \
             its due steps taken first, by the same rules and with the same events. The work begins within a minute \
             and continues at `rate_per_second`. Every deployment gets one result, even if a worker is interrupted. \
             The list is read again until a pass that began a minute after the start finds no deployment without a \
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
        .ok::<OperationDryRun>("A dry run: how many deployments match, and what the first ones would get.")
        .accepted::<OperationAnswer<'static>>("The operation, which runs.")
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
        .ok::<OperationAnswer<'static>>("The operation."),
        Operation::new(
            OPERATIONS,
            "list_operation_results",
            "List the results of an operation",
            "By deployment id, each refusal with its problem. A page can contain fewer than `limit` results and still \
             have a `next_cursor`. With `Accept: text/csv` the page is CSV (RFC 4180) with a header line, and `Link` \
             with `rel=\"next\"` is the URL of the next page.",
        )
        .ok::<OperationResultList<'static>>("A page of results.")
        .csv(),
        Operation::new(
            OPERATIONS,
            "stop_operation",
            "Stop an operation",
            "The deployments of the page in progress still get their results; later ones stay unchanged. \
             Stopping an operation that has ended changes nothing and is not an error.",
        )
        .optional_body::<StopOperationRequest>(false, [("without a reason", json!({}))])
        .ok::<OperationAnswer<'static>>("The operation: it stops, or had ended before.")
        .problems(&["version_conflict"]),
    ]
}
