//! A deployment: one hosted app instance, and the unit that is billed.

use super::invoice::OpenInvoice;
use super::lifecycle::{Standing, State};
use super::policy::DunningPolicy;
use super::values::{DeploymentId, DisplayName, ShortCode, Slug, TemplateVersion, TenantId, Timestamp};

/// The present state of one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its identity, for good.
    pub id: DeploymentId,
    /// Who owns it, for good.
    pub tenant_id: TenantId,
    /// Its name in URLs, unique within the tenant, for good.
    pub slug: Slug,
    /// What people call it.
    pub display_name: DisplayName,
    /// Where it runs.
    pub region: ShortCode,
    /// Where it stands in its lifecycle.
    pub state: State,
    /// When it entered that state.
    pub state_since: Timestamp,
    /// How it reaches its language model, such as `managed` or `byo_key`.
    pub llm_mode: Option<ShortCode>,
    /// While true, no scheduled function changes the state.
    pub billing_action_suspended: bool,
    /// What it was built from.
    pub template: Option<Template>,
    /// When its trial ends or ended; set if and only if it was created in `trial`.
    pub trial_ends_at: Option<Timestamp>,
    /// When a pause ends by itself; only ever set while `paused`.
    pub resume_at: Option<Timestamp>,
    /// Cloud resources that are not deleted.
    pub live_resources: u32,
    /// Invoices that are issued and neither paid, void nor given up, oldest first.
    pub open_invoices: Vec<OpenInvoice>,
    /// Invoices that were given up and not paid since.
    pub uncollectible_invoices: u32,
    /// The tenant's policy as it was copied here last; it moves no deadline that already runs.
    pub dunning_policy: DunningPolicy,
    /// The sequence of its last event, so 1 after creation. Every change raises it.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its last event occurred.
    pub updated_at: Timestamp,
}

impl Deployment {
    /// Whether an invoice of it waits for payment, or was given up.
    #[must_use]
    pub const fn owes(&self) -> bool {
        !self.open_invoices.is_empty() || self.uncollectible_invoices > 0
    }

    /// Whether an open invoice's due date has come.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.open_invoices.iter().any(|open| open.due_at <= now)
    }

    /// What the permission of a move can depend on, at `now`.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        Standing { owes: self.owes(), is_overdue: self.is_overdue(now), is_held: self.billing_action_suspended }
    }
}

/// A template and its version: always both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Which template.
    pub code: ShortCode,
    /// Which version of it.
    pub version: TemplateVersion,
}
