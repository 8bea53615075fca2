//! The catalog's plans and add-ons, and the lifecycle map, which every caller may read too.

use arcadia_api::answer::{
    AddonAnswer, AddonList, CatalogEventList, Lifecycle, PlanAnswer, PlanDetails, PlanList, PlanVersionAnswer,
    PlanVersionDryRun,
};
use arcadia_api::body::{PublishPlanVersionRequest, PutAddonRequest, PutPlanRequest};
use serde_json::json;

use crate::operation::Operation;

const PLANS: &str = "Plans";
const ADDONS: &str = "Add-ons";
const CATALOG: &str = "Catalog";
const LIFECYCLE: &str = "Lifecycle";

pub fn operations() -> Vec<Operation> {
    let mut operations = plans();
    operations.extend([
        Operation::new(ADDONS, "list_addons", "List the catalog's add-ons", "By code, including retired ones.")
            .ok::<AddonList>("A page of add-ons."),
        Operation::new(ADDONS, "show_addon", "Show an add-on", "The catalog's current prices and quantity.")
            .versioned::<AddonAnswer<'static>>("The add-on."),
        Operation::new(
            ADDONS,
            "put_addon",
            "Create, reprice or retire an add-on",
            "Attached add-ons keep their prices and quantity. If nothing differs, nothing is written.",
        )
        .body::<PutAddonRequest>([(
            "storage",
            json!({
                "name": "50 GB of storage", "price_cents": 750, "interval_prices": {"year": 7500}, "currency": "USD",
                "quantity": 50, "unit": "GB",
            }),
        )])
        .versioned::<AddonAnswer<'static>>("The current add-on.")
        .created::<AddonAnswer<'static>>("The created add-on.")
        .if_match()
        .problems(&["version_conflict"]),
        Operation::new(
            CATALOG,
            "list_catalog_events",
            "List the catalog's history",
            "All changes of plans, add-ons and coupons, newest first, or with one of `plan`, `addon` and `coupon` \
             those of one record. The events of a record are numbered by its revisions, without gaps.",
        )
        .ok::<CatalogEventList>("A page of events.")
        .problems(&["conflicting_parameters"]),
        Operation::new(
            LIFECYCLE,
            "show_lifecycle",
            "Show the lifecycle",
            "All states of a deployment, all moves between them, and the roles that may make each move.",
        )
        .ok::<Lifecycle>("The lifecycle map.")
        .without_store(),
    ]);
    operations
}

fn plans() -> Vec<Operation> {
    vec![
        Operation::new(
            PLANS,
            "list_plans",
            "List the catalog's plans",
            "By code, including retired ones, each with its newest version.",
        )
        .ok::<PlanList>("A page of plans."),
        Operation::new(PLANS, "show_plan", "Show a plan", "Includes a page of its published versions, newest first.")
            .versioned::<PlanDetails<'static>>("The plan."),
        Operation::new(
            PLANS,
            "put_plan",
            "Create, rename or retire a plan",
            "A plan can be bought once a version is published. Subscriptions to a retired plan continue. If nothing \
             differs, nothing is written.",
        )
        .body::<PutPlanRequest>([("studio", json!({"name": "Studio"}))])
        .versioned::<PlanAnswer<'static>>("The current plan.")
        .created::<PlanAnswer<'static>>("The created plan.")
        .if_match()
        .problems(&["version_conflict"]),
        Operation::new(
            PLANS,
            "publish_plan_version",
            "Publish a version of a plan",
            "A published version never changes its price, and existing subscriptions keep it. New subscriptions get \
             the newest version. With `replaces`, the old version is closed in the same transaction and can no longer \
             be bought. An operation then announces the new price to each of its subscriptions, which changes at its \
             first period boundary from `effective_from` on. Tenants cannot withdraw that, but can cancel or change to \
             another plan. A dry run stores nothing.",
        )
        .body::<PublishPlanVersionRequest>([
            ("monthly", json!({"price_cents": 2900, "currency": "USD", "interval": "month"})),
            (
                "price change",
                json!({
                    "price_cents": 3900, "currency": "USD", "interval": "month", "replaces": 1,
                    "effective_from": "2031-03-01T00:00:00Z", "reason": "new prices", "dry_run": true,
                }),
            ),
        ])
        .ok::<PlanVersionDryRun<'static>>("A dry run: the version, and what its publication would do.")
        .created::<PlanVersionAnswer<'static>>("The published version.")
        .if_match()
        .problems(&["plan_retired", "price_change_running", "too_many_operations", "version_conflict"]),
    ]
}
