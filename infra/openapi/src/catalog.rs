//! The catalog: plans and add-ons. And the lifecycle's map, which is as public.

use arcadia_domain::{
    Addon, Authority, CatalogStatus, Currency, DisplayName, Interval, IntervalPrices, MAX_PRICE_CENTS, MAX_QUANTITY,
    MAX_TRIAL_DAYS, Plan, PlanVersion, State,
};
use schemars::JsonSchema;
use serde_json::json;

use crate::operation::Operation;
use crate::schema::NextCursor;

const PLANS: &str = "Plans";
const ADDONS: &str = "Add-ons";
const LIFECYCLE: &str = "Lifecycle";

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PutPlanRequest {
    /// What people call it.
    name: DisplayName,
    /// Whether it can be newly bought; when left out, as it was, and `active` at first.
    status: Option<CatalogStatus>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PublishPlanVersionRequest {
    /// The price of one interval, in minor units.
    #[schemars(range(min = 0, max = MAX_PRICE_CENTS))]
    price_cents: i64,
    /// The currency of the price.
    currency: Currency,
    /// How often it is charged.
    interval: Interval,
    /// How many days a tenant's first subscription to the plan is free; 0, when left out.
    #[schemars(range(max = MAX_TRIAL_DAYS))]
    trial_days: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PutAddonRequest {
    /// What people call it.
    name: DisplayName,
    /// What it costs each interval of a plan whose interval has no price of its own, in minor units.
    #[schemars(range(min = 0, max = MAX_PRICE_CENTS))]
    price_cents: i64,
    /// What it costs each interval of a plan of that interval, in minor units.
    #[schemars(extend("minProperties" = 1))]
    interval_prices: Option<IntervalPrices>,
    /// The currency of the price.
    currency: Currency,
    /// How many units it grants.
    #[schemars(range(min = 1, max = MAX_QUANTITY))]
    quantity: i64,
    /// The unit, such as `GB`.
    unit: DisplayName,
    /// Whether it can be newly bought; when left out, as it was, and `active` at first.
    status: Option<CatalogStatus>,
}

#[derive(JsonSchema)]
#[schemars(rename = "PlanList")]
struct PlanList {
    plans: Vec<Plan>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "PlanAnswer")]
struct OnePlan {
    plan: Plan,
}

#[derive(JsonSchema)]
#[schemars(rename = "PlanDetails")]
struct PlanDetails {
    plan: Plan,
    /// A page of its published versions, newest first.
    versions: Vec<PlanVersion>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "PlanVersionAnswer")]
struct OneVersion {
    plan_version: PlanVersion,
}

#[derive(JsonSchema)]
#[schemars(rename = "AddonList")]
struct AddonList {
    addons: Vec<Addon>,
    next_cursor: NextCursor,
}

#[derive(JsonSchema)]
#[schemars(rename = "AddonAnswer")]
struct OneAddon {
    addon: Addon,
}

#[derive(JsonSchema)]
#[schemars(rename = "Lifecycle")]
struct Map {
    /// Every state, in the order of a deployment's life.
    states: Vec<MapState>,
}

#[derive(JsonSchema)]
#[schemars(rename = "LifecycleState")]
struct MapState {
    state: State,
    /// What it means, in a sentence.
    description: String,
    /// Whether a deployment can be created in it.
    initial: bool,
    /// The moves that leave it.
    transitions: Vec<MapMove>,
}

#[derive(JsonSchema)]
#[schemars(rename = "LifecycleTransition")]
struct MapMove {
    /// The state that the move enters.
    to_state: State,
    /// Who may make the move.
    permitted: Vec<Authority>,
    /// Which of them only while the deployment owes nothing.
    only_while_nothing_is_owed: Vec<Authority>,
    /// Which of them only while no invoice of the deployment is overdue.
    only_while_nothing_is_overdue: Vec<Authority>,
    /// Which of them only while no hold, `billing_action_suspended`, is on the deployment.
    only_while_not_held: Vec<Authority>,
}

pub fn operations() -> Vec<Operation> {
    let mut operations = plans();
    operations.extend([
        Operation::new(ADDONS, "list_addons", "List the catalog's add-ons", "By code, retired ones included.")
            .ok::<AddonList>("A page of add-ons."),
        Operation::new(ADDONS, "show_addon", "Show an add-on", "As the catalog has it now.")
            .versioned::<OneAddon>("The add-on."),
        Operation::new(
            ADDONS,
            "put_addon",
            "Create, reprice or retire an add-on",
            "Whoever has it attached keeps it as it was. If nothing differs, nothing is written.",
        )
        .body::<PutAddonRequest>([(
            "storage",
            json!({
                "name": "50 GB of storage", "price_cents": 750, "interval_prices": {"year": 7500}, "currency": "USD",
                "quantity": 50, "unit": "GB",
            }),
        )])
        .versioned::<OneAddon>("The add-on as it is now.")
        .created::<OneAddon>("The add-on as created.")
        .if_match()
        .problems(&["version_conflict"]),
        Operation::new(
            LIFECYCLE,
            "show_lifecycle",
            "Show the lifecycle",
            "Every state that a deployment can be in, every move between them, and who may make it.",
        )
        .ok::<Map>("The map.")
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
            "By code, each with its newest version, retired ones included.",
        )
        .ok::<PlanList>("A page of plans."),
        Operation::new(PLANS, "show_plan", "Show a plan", "With its published versions, newest first, page by page.")
            .versioned::<PlanDetails>("The plan."),
        Operation::new(
            PLANS,
            "put_plan",
            "Create, rename or retire a plan",
            "A plan is sold once a version of it is published. Who is subscribed to a retired plan keeps it. If nothing \
             differs, nothing is written.",
        )
        .body::<PutPlanRequest>([("studio", json!({"name": "Studio"}))])
        .versioned::<OnePlan>("The plan as it is now.")
        .created::<OnePlan>("The plan as created.")
        .if_match()
        .problems(&["version_conflict"]),
        Operation::new(
            PLANS,
            "publish_plan_version",
            "Publish a version of a plan",
            "For good: a version never changes, and who bought it keeps it. New subscriptions get the newest.",
        )
        .body::<PublishPlanVersionRequest>([(
            "monthly",
            json!({"price_cents": 2900, "currency": "USD", "interval": "month"}),
        )])
        .created::<OneVersion>("The version as published.")
        .if_match()
        .problems(&["plan_retired", "version_conflict"]),
    ]
}
