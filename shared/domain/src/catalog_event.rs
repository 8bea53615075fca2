//! Events of the catalog: each change of a plan, an add-on or a coupon, with who made it. Granting a coupon is not a
//! change of the catalog but an event of the deployment that gets the discount.

use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::catalog::{Addon, Plan, PlanVersion};
use super::coupon::Coupon;
use super::event::Changed;
use super::values::{Notes, OperationId, Reason, ShortCode, Timestamp};

/// One change of a record of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct CatalogEvent {
    /// The revision of the record that the change made: 1, 2, 3 and so on without gaps.
    pub revision: u64,
    /// The kind of change, as `type` and `data`.
    #[serde(flatten)]
    pub kind: CatalogEventKind,
    /// The reason that the actor gave.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// The actor's notes.
    #[serde(default)]
    pub notes: Option<Notes>,
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

/// A record of the catalog that a caller puts: a plan, an add-on or a coupon.
pub trait CatalogItem: Clone + PartialEq {
    /// The number of its revisions.
    fn revision(&self) -> u64;
    /// It at a revision, which is made at `now` or at the time of the last one if that is later: times in a history never
    /// go back, even if the clock of this machine is behind another's.
    #[must_use]
    fn revised(self, revision: u64, now: Timestamp) -> Self;
    /// The event of its creation, or of its change from `before`.
    fn put(before: Option<Self>, after: Self, actor: &Actor) -> CatalogEvent;
}

macro_rules! catalog_item {
    ($item:ident $field:ident $created:ident $updated:ident) => {
        impl CatalogItem for $item {
            fn revision(&self) -> u64 {
                self.revision
            }

            fn revised(self, revision: u64, now: Timestamp) -> Self {
                Self { revision, updated_at: now.max(self.updated_at), ..self }
            }

            fn put(before: Option<Self>, $field: Self, actor: &Actor) -> CatalogEvent {
                let (revision, at) = ($field.revision, $field.updated_at);
                let kind = match before {
                    None => CatalogEventKind::$created { $field },
                    Some(from) => CatalogEventKind::$updated(Changed { from, to: $field }),
                };
                CatalogEvent::new(kind, revision, actor, at)
            }
        }
    };
}
catalog_item!(Plan plan PlanCreated PlanUpdated);
catalog_item!(Addon addon AddonCreated AddonUpdated);
catalog_item!(Coupon coupon CouponCreated CouponUpdated);

/// Decides on a record as a caller wants it, with the revision and the times of `before`: its next revision, or its
/// first, with the event. `None` if nothing differs.
#[must_use]
pub fn put_record<R: CatalogItem>(
    before: Option<R>,
    wanted: R,
    actor: &Actor,
    now: Timestamp,
) -> Option<(R, CatalogEvent)> {
    if before.as_ref() == Some(&wanted) {
        return None;
    }
    let after = wanted.revised(before.as_ref().map_or(1, |before| before.revision() + 1), now);
    Some((after.clone(), R::put(before, after, actor)))
}

impl CatalogEvent {
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
        Self { revision, kind, reason: None, notes: None, actor: actor.id.clone(), occurred_at }
    }

    /// The event with a reason and notes.
    #[must_use]
    pub fn because(self, reason: Option<Reason>, notes: Option<Notes>) -> Self {
        Self { reason, notes, ..self }
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

    /// The kind of record: `plan`, `addon` or `coupon`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Plan(_) => "plan",
            Self::Addon(_) => "addon",
            Self::Coupon(_) => "coupon",
        }
    }
}
