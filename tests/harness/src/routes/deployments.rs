//! A deployment itself, its events and its resources.

use arcadia_domain::Power::RecordResources;
use arcadia_functions::Audience::{Admins, Everyone, Holders, Watchers};
use arcadia_store::schema::{DUE_INDEX, STATE_INDEX, TENANT_INDEX};

use super::Due::{Renewal, TrialEnd};
use super::Ready::{Bare, Equipped, InTrial, Paid};
use super::{Position, Row, Target, further, row};
use crate::floor::Entry::{Appears, Goes, Moves, Rewritten};
use crate::floor::{DEPLOYMENT, DUE_ELSEWHERE, EVENT, Read, SUBSCRIPTION, TENANT_LIMITS, Write};

pub const ROWS: &[Row] = &[
    row("create_deployment", Everyone)
        .on(Bare)
        .body(r#"{"tenant_id": "{tenant_id}", "slug": "made-with-a-name-that-has-a-length-00{n}"}"#)
        .reads(|t| vec![Read::record("the tenant's limits", t.tenant_partition(), "#LIMITS")])
        .writes(&[CREATED, SLUG, EVENT, TENANT_LIMITS]),
    further("create_deployment", "a tenant's first")
        .body(
            r#"{"tenant_id": "0192f0c1-2345-7abc-8def-00000first{n}",
                "slug": "made-with-a-name-that-has-a-length-00{n}"}"#,
        )
        // It finds nothing, which costs as much as a record.
        .reads(|_| vec![Read::record("the tenant's limits", "TENANT#nobody", "#LIMITS")])
        .writes(&[CREATED, SLUG, EVENT, TENANT_LIMITS, ("account", &[(TENANT_INDEX, Appears)])]),
    row("show_deployment", Watchers).on(Paid).reads(|t| vec![present(t), events(t)]),
    row("update_deployment", Everyone)
        .on(Paid)
        .body(r#"{"display_name": "The shop"}"#)
        .reads(|t| vec![present(t)])
        .writes(&[DEPLOYMENT, EVENT])
        .late(Renewal, &["updated"]),
    // A paused deployment is not billed, so nothing is due any more.
    row("transition_deployment", Everyone)
        .on(Paid)
        .body(r#"{"to_state": "paused", "reason": "holidays"}"#)
        .reads(|t| vec![present(t)])
        .writes(&[
            ("deployment", &[(TENANT_INDEX, Rewritten), (STATE_INDEX, Moves), (DUE_INDEX, Goes)]),
            SUBSCRIPTION,
            EVENT,
        ])
        .late(Renewal, &["paused by ada as holidays"]),
    // Each event names its tenant.
    row("list_events", Everyone).list(Position::Sequence).on(Paid).reads(|t| vec![events(t)]),
    row("list_resources", Watchers)
        .list(Position::Id)
        .on(Equipped)
        .reads(|t| vec![owner(t), Read::range("a page of its resources", t.partition(), "RESOURCE#")]),
    row("create_resource", Holders(RecordResources))
        .on(Equipped)
        .body(r#"{"kind": "database", "provider_reference": "db-3"}"#)
        .reads(|t| vec![present(t)])
        .writes(&[DEPLOYMENT, RESOURCE, EVENT])
        .late(Renewal, &["resource_added"]),
    row("delete_resource", Holders(RecordResources))
        .on(Equipped)
        .reads(|t| vec![present(t), Read::record("the resource", t.partition(), format!("RESOURCE#{}", t.part))])
        .writes(&[DEPLOYMENT, RESOURCE, EVENT])
        .late(Renewal, &["resource_deleted"]),
    row("extend_trial", Admins)
        .on(InTrial)
        .body(r#"{"trial_ends_at": "2027-03-01T00:00:00Z"}"#)
        .reads(|t| vec![present(t)])
        .writes(&[DUE_ELSEWHERE, SUBSCRIPTION, EVENT])
        .refused_late(TrialEnd, 409),
];

const CREATED: Write = ("deployment", &[(TENANT_INDEX, Appears), (STATE_INDEX, Appears)]);
const SLUG: Write = ("slug_claim", &[(TENANT_INDEX, Appears)]);
const RESOURCE: Write = ("resource", &[]);

/// The records that a decision rests on.
pub fn present(t: &Target) -> Read {
    Read::range("its present state", t.partition(), "#")
}

/// The record that names the tenant.
pub fn owner(t: &Target) -> Read {
    Read::record("whose it is", t.partition(), "#DEPLOYMENT")
}

fn events(t: &Target) -> Read {
    Read::range("a page of its events", t.partition(), "EVENT#")
}
