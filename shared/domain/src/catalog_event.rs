//! Events of the catalog: each change of a plan, an add-on or a coupon, with who made it. Granting a coupon is not a
//! change of the catalog but an event of the deployment that gets the discount.

use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::catalog::{Addon, Plan, PlanVersion};
use super::coupon::Coupon;
use super::event::Changed;
use super::values::{OperationId, ShortCode, Timestamp};

/// One change of a record of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct CatalogEvent {
    /// The revision of the record that the change made: 1, 2, 3 and so on without gaps.
    pub revision: u64,
    /// The kind of change, as `type` and `data`.
    #[serde(flatten)]
    pub kind: CatalogEventKind,
    /// The actor: the token's subject.
    pub actor: String,
    /// When the event occurred.
    pub occurred_at: Timestamp,
}

/// The kind of change of a record of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum CatalogEventKind {
    /// A plan was created.
    PlanCreated {
        /// The plan.
        plan: Plan,
    },
    /// A plan was renamed, retired or reactivated.
    PlanUpdated(Changed<Plan>),
    /// A version of a plan was published.
    PlanVersionPublished {
        /// The version.
        plan_version: PlanVersion,
        /// The version that it replaces, closed; null if it replaces none.
        replaced: Option<PlanVersion>,
        /// The operation that announces the new price; null if it replaces no version.
        operation_id: Option<OperationId>,
    },
    /// An add-on was created.
    AddonCreated {
        /// The add-on.
        addon: Addon,
    },
    /// An add-on was changed, retired or reactivated.
    AddonUpdated(Changed<Addon>),
    /// A coupon was created.
    CouponCreated {
        /// The coupon.
        coupon: Coupon,
    },
    /// A coupon was changed, retired or reactivated.
    CouponUpdated(Changed<Coupon>),
}

/// A record of the catalog, by its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogRecord {
    /// A plan.
    Plan(ShortCode),
    /// An add-on.
    Addon(ShortCode),
    /// A coupon.
    Coupon(ShortCode),
}

impl CatalogEvent {
    /// The event of a plan's creation, or of its change from `before`.
    #[must_use]
    pub fn of_plan(before: Option<Plan>, plan: Plan, actor: &Actor) -> Self {
        let (revision, at) = (plan.revision, plan.updated_at);
        let kind = match before {
            None => CatalogEventKind::PlanCreated { plan },
            Some(from) => CatalogEventKind::PlanUpdated(Changed { from, to: plan }),
        };
        Self::new(kind, revision, actor, at)
    }

    /// The event of an add-on's creation, or of its change from `before`.
    #[must_use]
    pub fn of_addon(before: Option<Addon>, addon: Addon, actor: &Actor) -> Self {
        let (revision, at) = (addon.revision, addon.updated_at);
        let kind = match before {
            None => CatalogEventKind::AddonCreated { addon },
            Some(from) => CatalogEventKind::AddonUpdated(Changed { from, to: addon }),
        };
        Self::new(kind, revision, actor, at)
    }

    /// The event of a coupon's creation, or of its change from `before`.
    #[must_use]
    pub fn of_coupon(before: Option<Coupon>, coupon: Coupon, actor: &Actor) -> Self {
        let (revision, at) = (coupon.revision, coupon.updated_at);
        let kind = match before {
            None => CatalogEventKind::CouponCreated { coupon },
            Some(from) => CatalogEventKind::CouponUpdated(Changed { from, to: coupon }),
        };
        Self::new(kind, revision, actor, at)
    }

    /// The event of the publication of `plan_version`, which made `plan`. `replaced` is the version that it replaces, with
    /// the operation that announces the new price.
    #[must_use]
    pub fn of_publication(
        plan: &Plan,
        plan_version: PlanVersion,
        replaced: Option<(PlanVersion, OperationId)>,
        actor: &Actor,
    ) -> Self {
        let (replaced, operation_id) = replaced.unzip();
        let kind = CatalogEventKind::PlanVersionPublished { plan_version, replaced, operation_id };
        Self::new(kind, plan.revision, actor, plan.updated_at)
    }

    fn new(kind: CatalogEventKind, revision: u64, actor: &Actor, occurred_at: Timestamp) -> Self {
        Self { revision, kind, actor: actor.id.clone(), occurred_at }
    }

    /// The record that changed.
    #[must_use]
    pub fn record(&self) -> CatalogRecord {
        match &self.kind {
            CatalogEventKind::PlanCreated { plan } => CatalogRecord::Plan(plan.code.clone()),
            CatalogEventKind::PlanUpdated(changed) => CatalogRecord::Plan(changed.to.code.clone()),
            CatalogEventKind::PlanVersionPublished { plan_version, .. } => {
                CatalogRecord::Plan(plan_version.plan_code.clone())
            }
            CatalogEventKind::AddonCreated { addon } => CatalogRecord::Addon(addon.code.clone()),
            CatalogEventKind::AddonUpdated(changed) => CatalogRecord::Addon(changed.to.code.clone()),
            CatalogEventKind::CouponCreated { coupon } => CatalogRecord::Coupon(coupon.code.clone()),
            CatalogEventKind::CouponUpdated(changed) => CatalogRecord::Coupon(changed.to.code.clone()),
        }
    }
}

impl CatalogEventKind {
    /// Its `type`, as stored and published.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PlanCreated { .. } => "plan_created",
            Self::PlanUpdated(_) => "plan_updated",
            Self::PlanVersionPublished { .. } => "plan_version_published",
            Self::AddonCreated { .. } => "addon_created",
            Self::AddonUpdated(_) => "addon_updated",
            Self::CouponCreated { .. } => "coupon_created",
            Self::CouponUpdated(_) => "coupon_updated",
        }
    }
}

impl CatalogRecord {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> &ShortCode {
        match self {
            Self::Plan(code) | Self::Addon(code) | Self::Coupon(code) => code,
        }
    }

    /// What it is: `plan`, `addon` or `coupon`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Plan(_) => "plan",
            Self::Addon(_) => "addon",
            Self::Coupon(_) => "coupon",
        }
    }
}
