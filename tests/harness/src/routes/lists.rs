//! Lists across deployments and tenants.

use arcadia_domain::{Attention, InvoiceStatus, State};
use arcadia_functions::Audience::{Admins, Everyone};
use arcadia_store::keys::{
    DEFAULT_DUE_SHARDS, STATE_SHARDS, attention_partitions, due_partition, invoices_by_status_partition,
    invoices_partition, tenants_partition,
};
use arcadia_store::schema::{DUE_INDEX, STATE_INDEX, TENANT_INDEX};

use super::Ready::Listed;
use super::{Position, Row, Target, further, row};
use crate::floor::Read;

pub const ROWS: &[Row] = &[
    row("list_deployments", Everyone)
        .list(Position::Id)
        .on(Listed)
        .reads(|t| vec![Read::page("a page of the tenant", t.tenant_partition())]),
    further("list_deployments", "by slug").on(Listed).query("tenant_id={tenant_id}&slug=listed-0").reads(|t| {
        let claim = Read::record("who has the slug", t.tenant_partition(), "SLUG#listed-0");
        vec![claim, Read::range("its present state", &t.listed[0].0, "#")]
    }),
    further("list_deployments", "everyone's")
        .on(Listed)
        .query("")
        .reads(|t| vec![states("a page of every state and shard", &State::ALL), listed(t)]),
    further("list_deployments", "everyone's active")
        .on(Listed)
        .query("state=active")
        .reads(|t| vec![states("a page of every shard of the state", &[State::Active]), listed(t)]),
    further("list_deployments", "everyone's of a plan").on(Listed).query("plan_code=studio").reads(|t| {
        let shards = (0..STATE_SHARDS).map(|shard| format!("PLAN#studio#{shard:03}"));
        vec![Read::entries("a page of every shard of the plan", STATE_INDEX, shards), listed(t)]
    }),
    row("find_invoices", Everyone)
        .list(Position::Issued)
        .on(Listed)
        .reads(|t| vec![Read::page("a page of the tenant's invoices", format!("{}#INVOICES", t.tenant_partition()))]),
    // Each deployment stores what it owes, and nothing is owed.
    further("find_invoices", "a tenant's overdue")
        .on(Listed)
        .query("tenant_id={tenant_id}&status=overdue")
        .reads(|t| vec![deployments(t)]),
    further("find_invoices", "everyone's").on(Listed).query("").reads(|t| {
        let shards = (0..DEFAULT_DUE_SHARDS).map(invoices_partition);
        let page = Read::entries("a page of every shard of all invoices", STATE_INDEX, shards);
        vec![page, Read::listed("those invoices", &t.billed)]
    }),
    further("find_invoices", "everyone's overdue").on(Listed).query("status=overdue").reads(|_| {
        let shards = (0..DEFAULT_DUE_SHARDS).map(|shard| invoices_by_status_partition(InvoiceStatus::Open, shard));
        vec![Read::entries("a page of every shard of what is open", DUE_INDEX, shards)]
    }),
    row("list_schedule", Everyone).list(Position::Due).on(Listed).reads(|t| vec![deployments(t)]),
    further("list_schedule", "everyone's").on(Listed).query("").reads(|t| {
        let shards = (0..DEFAULT_DUE_SHARDS).map(due_partition);
        vec![Read::entries("a page of every shard of the due index", DUE_INDEX, shards), listed(t)]
    }),
    row("list_tenants", Admins).list(Position::Tenant).on(Listed).reads(|t| {
        let shards = (0..STATE_SHARDS).map(tenants_partition);
        vec![
            Read::entries("a page of every shard of all tenants", TENANT_INDEX, shards),
            Read::page("the deployments of each", t.tenant_partition()),
        ]
    }),
    row("list_attention", Admins).list(Position::Attention).reads(|_| {
        let shards = Attention::ALL.into_iter().flat_map(attention_partitions);
        vec![Read::partitions("the traces of every reason", shards)]
    }),
    row("show_summary", Admins).reads(|t| {
        let shards = (0..DEFAULT_DUE_SHARDS).map(due_partition);
        vec![
            Read::range("the totals", "FIGURES", "TOTAL#"),
            Read::range("the movements of the month", "FIGURES", "MONTH#"),
            Read::range("the hours since", "FIGURES", "HOUR#"),
            Read::range("those hours again, so that all is of one moment", "FIGURES", "HOUR#"),
            Read::entries_until("what is due first in each shard", DUE_INDEX, shards, &t.until),
            Read::range("what is put off", "ATTENTION#postponed#000", ""),
            Read::range("what is not published", "ATTENTION#not_published#000", ""),
        ]
    }),
];

fn deployments(t: &Target) -> Read {
    Read::page("the tenant's deployments", t.tenant_partition())
}

fn listed(t: &Target) -> Read {
    Read::listed("those deployments", &t.listed)
}

/// All shards of states.
pub fn states(words: &'static str, states: &[State]) -> Read {
    let shards = |state| (0..STATE_SHARDS).map(move |shard| format!("STATE#{state}#{shard:03}"));
    Read::entries(words, STATE_INDEX, states.iter().flat_map(shards))
}
