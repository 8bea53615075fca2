//! Answers about the catalog, and the lifecycle map.

use std::borrow::Cow;

use arcadia_domain::{Addon, Authority, CatalogEvent, Coupon, Matching, OperationId, Plan, PlanVersion, State};

use super::{answer, page};
use crate::operation::OperationPreviewView;

page! {
    /// A page of the catalog's history.
    CatalogEventList {
        /// The events, newest first.
        events: Vec<CatalogEvent>,
    }
}

page! {
    /// A page of plans.
    PlanList {
        /// The plans, by code.
        plans: Vec<Plan>,
    }
}

answer! {
    /// A plan.
    PlanAnswer<'a> {
        /// The plan.
        plan: Cow<'a, Plan>,
    }
}

answer! {
    /// A plan with a page of its versions.
    PlanDetails<'a> {
        /// The plan.
        plan: Cow<'a, Plan>,
        /// A page of its published versions, newest first.
        versions: Vec<PlanVersion>,
        /// The `cursor` of the next page; null on the last page. It is opaque: do not parse it.
        next_cursor: Option<String>,
    }
}

answer! {
    /// A published version.
    PlanVersionAnswer<'a> {
        /// The version.
        plan_version: Cow<'a, PlanVersion>,
        /// The replaced version, which is closed; null if none was replaced.
        replaced: Option<Cow<'a, PlanVersion>>,
        /// Id of the operation that announces the new price to the subscriptions of the replaced version; null
        /// if none was replaced.
        operation_id: Option<OperationId>,
    }
}

answer! {
    /// What a publication would do.
    PlanVersionDryRun<'a> {
        /// Always true.
        dry_run: bool,
        /// The version.
        plan_version: Cow<'a, PlanVersion>,
        /// The version that would be replaced; null if none.
        replaced: Option<Cow<'a, PlanVersion>>,
        /// Number of subscriptions of the replaced version, and of those that will change to it; null if none is replaced.
        matching: Option<Matching>,
        /// The results that the first subscriptions would get, at most 10.
        preview: Vec<OperationPreviewView>,
    }
}

page! {
    /// A page of add-ons.
    AddonList {
        /// The add-ons, by code.
        addons: Vec<Addon>,
    }
}

answer! {
    /// An add-on.
    AddonAnswer<'a> {
        /// The add-on.
        addon: Cow<'a, Addon>,
    }
}

page! {
    /// A page of coupons.
    CouponList {
        /// The coupons, by code.
        coupons: Vec<Coupon>,
    }
}

answer! {
    /// A coupon.
    CouponAnswer<'a> {
        /// The coupon.
        coupon: Cow<'a, Coupon>,
    }
}

answer! {
    /// The lifecycle map.
    Lifecycle {
        /// All states, in the order of a deployment's life.
        states: Vec<LifecycleState>,
    }
}

answer! {
    /// A state of the lifecycle, and the moves out of it.
    LifecycleState {
        /// The state.
        state: State,
        /// Meaning of the state.
        description: Cow<'static, str>,
        /// Whether a deployment can be created in it.
        initial: bool,
        /// The moves out of this state.
        transitions: Vec<LifecycleTransition>,
    }
}

answer! {
    /// A move of the lifecycle, and who may make it.
    LifecycleTransition {
        /// The state that the move enters.
        to_state: State,
        /// The roles that may make the move.
        permitted: Vec<Authority>,
        /// The roles that may make it only while the deployment has no debt.
        only_while_nothing_is_owed: Vec<Authority>,
        /// The roles that may make it only while no invoice of the deployment is overdue.
        only_while_nothing_is_overdue: Vec<Authority>,
        /// The roles that may make it only while the deployment is not on hold (`billing_action_suspended`).
        only_while_not_held: Vec<Authority>,
    }
}
