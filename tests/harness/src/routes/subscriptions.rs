//! The subscription of a deployment: its plan, its add-ons, its discount and its end.

use arcadia_functions::Audience::{Admins, Everyone};
use arcadia_store::schema::{DUE_INDEX, STATE_INDEX, TENANT_INDEX};

use super::Due::{Cancellation, PlanChange, Renewal};
use super::Ready::{Bare, Cancelling, Changing, Discounted, Paid};
use super::deployments::present;
use super::{Row, row};
use crate::floor::Entry::{Appears, Goes, Moves, Rewritten};
use crate::floor::{ADDON, COUPON, DEPLOYMENT, EVENT, INVOICE, INVOICE_STAYS, Read, SUBSCRIPTION};

pub const ROWS: &[Row] = &[
    row("subscribe_deployment", Everyone)
        .on(Bare)
        .body(r#"{"plan_code": "studio", "addons": ["storage_50gb", "seats_10"]}"#)
        .reads(|t| {
            let tenant = t.tenant_partition();
            let offer = [
                ("PLAN#studio", "#PLAN"),
                (&tenant, "TRIAL#studio"),
                (&tenant, "#DUNNING_POLICY"),
                ("ADDON#storage_50gb", "#ADDON"),
                ("ADDON#seats_10", "#ADDON"),
            ];
            let offer = offer.map(|(pk, sk)| (pk.to_owned(), sk.to_owned()));
            vec![present(t), Read::records("the plan, the tenant's trial of it and policy, 2 add-ons", offer)]
        })
        .writes(&[
            ("deployment", &[(TENANT_INDEX, Rewritten), (DUE_INDEX, Appears)]),
            // It is listed as one of its plan.
            ("subscription", &[(STATE_INDEX, Appears)]),
            ADDON,
            ADDON,
            INVOICE,
            EVENT,
            EVENT,
        ])
        .late(Cancellation, &["subscribed", "invoice_opened"]),
    row("attach_addon", Everyone)
        .on(Paid)
        .body(r#"{"addon_code": "storage_50gb"}"#)
        .reads(|t| vec![present(t), Read::record("the add-on as it is sold", "ADDON#storage_50gb", "#ADDON")])
        .writes(&[DEPLOYMENT, SUBSCRIPTION, ADDON, EVENT])
        .late(Renewal, &["addon_attached"]),
    // The invoice stores how much of it was credited.
    row("detach_addon", Everyone)
        .on(Paid)
        .body("{}")
        .reads(|t| vec![present(t)])
        .writes(&[DEPLOYMENT, SUBSCRIPTION, ADDON, INVOICE_STAYS, EVENT])
        .late(Renewal, &["addon_detached"]),
    row("change_plan", Everyone)
        .on(Paid)
        .body(r#"{"plan_code": "team"}"#)
        .reads(|t| {
            let policy = (t.tenant_partition(), "#DUNNING_POLICY".to_owned());
            let keys = [("PLAN#team".to_owned(), "#PLAN".to_owned()), policy];
            vec![present(t), Read::records("the plan and the tenant's policy", keys)]
        })
        .writes(&[DEPLOYMENT, ("subscription", &[(STATE_INDEX, Moves)]), INVOICE_STAYS, EVENT])
        // The renewal's invoice is unpaid: it is lowered, and the new charge is invoiced at once.
        .late(Renewal, &["plan_changed", "invoice_opened"]),
    // It is no longer listed among those that will change to the plan.
    row("withdraw_plan_change", Everyone)
        .on(Changing)
        .body("{}")
        .reads(|t| vec![present(t), kept_version()])
        .writes(&[DEPLOYMENT, ("subscription", &[(DUE_INDEX, Goes)]), EVENT])
        .refused_late(PlanChange, 409),
    row("cancel_subscription", Everyone)
        .on(Paid)
        .body("{}")
        .reads(|t| vec![present(t)])
        .writes(&[DEPLOYMENT, SUBSCRIPTION, EVENT])
        .late(Renewal, &["cancellation_scheduled"]),
    row("withdraw_cancellation", Everyone)
        .on(Cancelling)
        .body("{}")
        .reads(|t| vec![present(t), kept_version()])
        .writes(&[DEPLOYMENT, SUBSCRIPTION, EVENT])
        .refused_late(Cancellation, 409),
    row("grant_discount", Admins)
        .on(Paid)
        .body(r#"{"coupon": "partner", "reason": "a partner"}"#)
        .reads(|t| vec![present(t), Read::record("the coupon", "COUPON#partner", "#COUPON")])
        .writes(&[DEPLOYMENT, SUBSCRIPTION, COUPON, EVENT])
        .late(Renewal, &["discount_granted"]),
    row("remove_discount", Admins)
        .on(Discounted)
        .body(r#"{"reason": "not a partner any more"}"#)
        .reads(|t| vec![present(t)])
        .writes(&[DEPLOYMENT, SUBSCRIPTION, EVENT])
        .late(Renewal, &["discount_removed"]),
];

/// A subscription that goes on takes its plan version, or a later one that replaced it.
fn kept_version() -> Read {
    Read::record("the plan version that it comes back to", "PLAN#studio", "VERSION#0000000001")
}
