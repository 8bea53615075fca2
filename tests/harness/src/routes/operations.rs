//! Operations on many deployments, and the lifecycle map.

use arcadia_domain::State;
use arcadia_functions::Audience::{Admins, Everyone};
use arcadia_store::schema::TENANT_INDEX;

use super::Ready::{Listed, Operated};
use super::lists::states;
use super::{Position, Row, Target, further, row};
use crate::floor::Entry::Rewritten;
use crate::floor::{OPERATION, RUNNING, Read};

pub const ROWS: &[Row] = &[
    row("list_operations", Admins)
        .list(Position::Id)
        .on(Operated)
        .reads(|_| vec![Read::page("a page of all operations", "OPERATIONS")]),
    row("start_operation", Admins)
        .on(Listed)
        .body(
            r#"{"filter": {"tenant_id": "{tenant_id}"},
                "command": {"type": "update", "billing_action_suspended": true}}"#,
        )
        .reads(|t| vec![Read::page("how many match", t.tenant_partition())])
        .writes(&[OPERATION, RUNNING]),
    further("start_operation", "of a state")
        .body(r#"{"filter": {"state": "active"}, "command": {"type": "update", "billing_action_suspended": true}}"#)
        .reads(|_| vec![states("how many there are in every shard of the state", &[State::Active])])
        .writes(&[OPERATION, RUNNING]),
    row("show_operation", Admins).on(Operated).reads(operation),
    // The sort keys of results are ids.
    row("list_operation_results", Admins)
        .list(Position::Id)
        .on(Operated)
        .reads(|t| vec![Read::range("a page of its results", partition(t), "0")]),
    row("stop_operation", Admins).on(Operated).reads(operation).writes(&[("operation", &[(TENANT_INDEX, Rewritten)])]),
    row("show_lifecycle", Everyone),
];

fn partition(t: &Target) -> String {
    format!("OPERATION#{}", t.part)
}

fn operation(t: &Target) -> Vec<Read> {
    vec![Read::record("the operation", partition(t), "#OPERATION")]
}
