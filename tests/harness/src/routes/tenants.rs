//! A tenant: its fields, its policy, its hold, its history, its account.

use arcadia_functions::Audience::{Admins, Everyone};

use super::Ready::{Bare, Listed};
use super::{Position, Row, Target, row};
use crate::floor::{ACCOUNT, OPERATION, RUNNING, Read, TENANT_EVENT, TENANT_LIMITS};

pub const ROWS: &[Row] = &[
    row("show_account", Everyone).reads(|t| vec![Read::page("the tenant's deployments", t.tenant_partition())]),
    row("show_dunning_policy", Everyone).reads(policy),
    row("put_dunning_policy", Admins)
        .on(Bare)
        .body(
            r#"{"payment_terms_days": 7, "past_due_after_days": 1, "suspended_after_days": 14,
                "cancelled_after_days": 30, "archived_after_days": 90}"#,
        )
        .reads(policy)
        .writes(&[ACCOUNT, TENANT_EVENT, ("dunning_policy", &[])]),
    row("show_tenant", Everyone).on(Bare).reads(limits),
    row("put_tenant", Everyone)
        .on(Bare)
        .body(r#"{"billing_address": "Hafenstrasse 1, 20457 Hamburg", "email": "{n}@acme.example"}"#)
        .reads(limits)
        .writes(&[ACCOUNT, TENANT_EVENT]),
    row("hold_tenant", Admins).on(Listed).body(r#"{"reason": "abuse"}"#).reads(counted).writes(&[
        ACCOUNT,
        TENANT_EVENT,
        TENANT_LIMITS,
        OPERATION,
        RUNNING,
    ]),
    // The tenant was held by the row before.
    row("release_tenant", Admins).on(Listed).reads(counted).writes(&[
        ACCOUNT,
        TENANT_EVENT,
        TENANT_LIMITS,
        OPERATION,
        RUNNING,
    ]),
    row("list_tenant_events", Everyone)
        .list(Position::Sequence)
        .on(Bare)
        .reads(|t| vec![Read::range("a page of its events", t.tenant_partition(), "EVENT#")]),
];

fn policy(t: &Target) -> Vec<Read> {
    vec![account_and(t, "#DUNNING_POLICY", "the tenant and its policy")]
}

fn limits(t: &Target) -> Vec<Read> {
    vec![account_and(t, "#LIMITS", "the tenant and its limits")]
}

fn counted(t: &Target) -> Vec<Read> {
    let deployments = Read::page("how many deployments it has", t.tenant_partition());
    limits(t).into_iter().chain([deployments]).collect()
}

fn account_and(t: &Target, sk: &str, words: &'static str) -> Read {
    Read::records(words, ["#ACCOUNT", sk].map(|sk| (t.tenant_partition(), sk.to_owned())))
}
