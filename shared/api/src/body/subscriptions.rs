//! Bodies of requests about subscriptions.

use arcadia_domain::{AnchorMode, Effective, Notes, Proration, Reason, ShortCode, Timestamp};

use super::body;
use super::fields::{boolean, integer, text, timestamp};
#[cfg(feature = "json-schema")]
use super::times::Moment;

body! {
    /// The body of `POST /deployments/{id}/subscribe`.
    SubscribeRequest {
        /// Code of the plan.
        plan_code: ShortCode = required(text),
        /// Version of the plan. Default: the newest; any other is for platform_admin.
        plan_version: Option<u32> = optional(integer(1, i64::from(u32::MAX))) [range(min = 1)],
        /// Add-ons by code, each with a price in the plan's currency. A code can occur several times.
        addons: Option<Vec<ShortCode>> = list(text) [length(max = arcadia_domain::MAX_ADDONS)],
        /// How the anchor of the periods is chosen. Default: `calendar`.
        anchor: Option<AnchorMode> = optional(text),
        /// When the trial ends, instead of after the plan version's `trial_days`. Only for platform_admin. At most 100
        /// years ahead.
        trial_ends_at: Option<Timestamp> = optional(timestamp) [with = "Option<Moment>"],
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `POST /deployments/{id}/subscription/addons`.
    AttachAddonRequest {
        /// Code of the add-on.
        addon_code: ShortCode = required(text),
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `POST /deployments/{id}/subscription/change`.
    ChangePlanRequest {
        /// Code of the plan.
        plan_code: ShortCode = required(text),
        /// Version of the plan. Default: the newest. Any other than the newest and the current one is for platform_admin.
        plan_version: Option<u32> = optional(integer(1, i64::from(u32::MAX))) [range(min = 1)],
        /// When the change takes effect. Default: `immediate`.
        effective: Option<Effective> = optional(text),
        /// How an immediate change bills the rest of the period. Default: `prorate`; `none` is for platform_admin.
        proration: Option<Proration> = optional(text),
        /// Drop add-ons of another currency instead of rejecting the change.
        drop_incompatible: Option<bool> = optional(boolean),
        /// Return the result, with the exact charges and credits, without storing anything.
        dry_run: Option<bool> = optional(boolean),
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `POST /deployments/{id}/subscription/cancellation`.
    CancelSubscriptionRequest {
        /// When the cancellation takes effect. Default: `period_end`.
        effective: Option<Effective> = optional(text),
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `POST /deployments/{id}/subscription/discount`.
    GrantDiscountRequest {
        /// Code of the coupon.
        coupon: ShortCode = required(text),
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}
