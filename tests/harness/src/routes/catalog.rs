//! The catalog: plans, add-ons and coupons, and its history.

use arcadia_functions::Audience::{Admins, Everyone};
use arcadia_store::schema::TENANT_INDEX;

use super::{Position, Row, Target, row};
use crate::floor::Entry::Rewritten;
use crate::floor::{CATALOG_EVENT, COUPON, Read, Write};

pub const ROWS: &[Row] = &[
    row("list_plans", Everyone).list(Position::Code).reads(|_| vec![Read::page("a page of all plans", "PLANS")]),
    row("show_plan", Everyone).list(Position::Sequence).reads(|t| {
        let versions = Read::range("a page of its versions", "PLAN#studio", "VERSION#");
        plan(t).into_iter().chain([versions]).collect()
    }),
    row("put_plan", Admins).body(r#"{"name": "Studio for teams"}"#).reads(plan).writes(&[PLAN, CATALOG_EVENT]),
    row("publish_plan_version", Admins)
        .body(r#"{"price_cents": 3900, "currency": "USD", "interval": "month"}"#)
        .reads(plan)
        .writes(&[PLAN, ("plan_version", &[]), CATALOG_EVENT]),
    row("list_addons", Everyone).list(Position::Code).reads(|_| vec![Read::page("a page of all add-ons", "ADDONS")]),
    row("show_addon", Everyone).reads(addon),
    row("put_addon", Admins)
        .body(r#"{"name": "More storage", "price_cents": 990, "currency": "USD", "quantity": 50, "unit": "GB"}"#)
        .reads(addon)
        .writes(&[("addon", &[(TENANT_INDEX, Rewritten)]), CATALOG_EVENT]),
    row("list_coupons", Admins).list(Position::Code).reads(|_| vec![Read::page("a page of all coupons", "COUPONS")]),
    row("show_coupon", Admins).reads(coupon),
    row("put_coupon", Admins)
        .body(r#"{"name": "All partners", "percent_basis_points": 2000, "duration": "forever"}"#)
        .reads(coupon)
        .writes(&[COUPON, CATALOG_EVENT]),
    row("list_catalog_events", Admins)
        .list(Position::Catalog)
        .reads(|_| vec![Read::page("a page of all events", "CATALOG_EVENTS")]),
];

const PLAN: Write = ("plan", &[(TENANT_INDEX, Rewritten)]);

fn plan(_: &Target) -> Vec<Read> {
    vec![Read::record("the plan", "PLAN#studio", "#PLAN")]
}

fn addon(_: &Target) -> Vec<Read> {
    vec![Read::record("the add-on", "ADDON#storage_50gb", "#ADDON")]
}

fn coupon(_: &Target) -> Vec<Read> {
    vec![Read::record("the coupon", "COUPON#partner", "#COUPON")]
}
