//! Events: everything that ever happened to a deployment, numbered 1..n, from which its present state follows.

use serde::{Deserialize, Serialize};

use super::deployment::{Deployment, Template};
use super::lifecycle::State;
use super::values::{
    DeploymentId, DisplayName, Notes, Reason, ResourceId, ShortCode, Slug, TemplateVersion, TenantId, Timestamp,
};

/// One change of a deployment, as stored and as told to callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the deployment's history: 1, 2, 3 and so on without gaps.
    pub sequence: u64,
    /// What happened, as `type` and `data`.
    #[serde(flatten)]
    pub kind: EventKind,
    /// The state that was left; null unless the state changed.
    pub from_state: Option<State>,
    /// The state that was entered; null unless the state changed or the deployment was created.
    pub to_state: Option<State>,
    /// Why, in the actor's words.
    pub reason: Option<Reason>,
    /// The token's subject, or `system:billing`.
    pub actor: String,
    /// Remarks of the actor.
    pub notes: Option<Notes>,
    /// When.
    pub occurred_at: Timestamp,
}

/// What happened, with what is needed to repeat it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum EventKind {
    /// The deployment came to be, in the event's `to_state`.
    Created {
        /// See [`Deployment::tenant_id`].
        tenant_id: TenantId,
        /// See [`Deployment::slug`].
        slug: Slug,
        /// See [`Deployment::display_name`].
        display_name: DisplayName,
        /// See [`Deployment::region`].
        region: ShortCode,
        /// See [`Deployment::llm_mode`].
        llm_mode: Option<ShortCode>,
        /// See [`Template::code`].
        template_code: Option<ShortCode>,
        /// See [`Template::version`].
        template_version: Option<TemplateVersion>,
        /// See [`Deployment::trial_ends_at`].
        trial_ends_at: Option<Timestamp>,
    },
    /// It moved from the event's `from_state` to its `to_state`.
    StateChanged {
        /// See [`Deployment::resume_at`].
        resume_at: Option<Timestamp>,
    },
    /// Some of its own fields changed.
    Updated(Updated),
    /// A cloud resource was recorded.
    ResourceAdded {
        /// Which.
        resource_id: ResourceId,
        /// What it is.
        kind: ShortCode,
    },
    /// A cloud resource was deleted.
    ResourceDeleted {
        /// Which.
        resource_id: ResourceId,
        /// What it was.
        kind: ShortCode,
    },
}

/// The fields that an update changed; the others are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Updated {
    /// See [`Deployment::display_name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Changed<DisplayName>>,
    /// See [`Deployment::region`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Changed<ShortCode>>,
    /// See [`Deployment::llm_mode`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_mode: Option<Changed<Option<ShortCode>>>,
    /// See [`Template::code`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_code: Option<Changed<Option<ShortCode>>>,
    /// See [`Template::version`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_version: Option<Changed<Option<TemplateVersion>>>,
    /// See [`Deployment::billing_action_suspended`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_action_suspended: Option<Changed<bool>>,
}

/// A field's value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed<T> {
    /// Before.
    pub from: T,
    /// After.
    pub to: T,
}

impl<T: PartialEq + Clone> Changed<T> {
    /// The change from `from` to `to`, if there is one.
    pub fn between(from: &T, to: &T) -> Option<Self> {
        (from != to).then(|| Self { from: from.clone(), to: to.clone() })
    }
}

/// Why a list of events is no deployment's history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// There is no event, or the first is not `created`.
    #[error("a history begins with `created`")]
    NotCreated,
    /// An event is missing or out of order.
    #[error("event {expected} is missing, found {found}")]
    Gap {
        /// The sequence that should have come.
        expected: u64,
        /// The sequence that came.
        found: u64,
    },
    /// An event does not follow from the state before it.
    #[error("event {sequence} does not follow from the events before it")]
    Inconsistent {
        /// The event.
        sequence: u64,
    },
}

/// Folds a deployment's whole history, oldest first, into its present state.
///
/// # Errors
/// [`ReplayError`] if the events are not numbered 1..n or contradict each other.
pub fn replay(id: DeploymentId, events: &[Event]) -> Result<Deployment, ReplayError> {
    let (first, rest) = events.split_first().ok_or(ReplayError::NotCreated)?;
    let mut deployment = created(id, first)?;
    for event in rest {
        apply(&mut deployment, event)?;
    }
    Ok(deployment)
}

fn created(id: DeploymentId, event: &Event) -> Result<Deployment, ReplayError> {
    let EventKind::Created {
        tenant_id,
        slug,
        display_name,
        region,
        llm_mode,
        template_code,
        template_version,
        trial_ends_at,
    } = event.kind.clone()
    else {
        return Err(ReplayError::NotCreated);
    };
    if event.sequence != 1 {
        return Err(ReplayError::Gap { expected: 1, found: event.sequence });
    }
    Ok(Deployment {
        id,
        tenant_id,
        slug,
        display_name,
        region,
        state: event.to_state.ok_or(ReplayError::NotCreated)?,
        state_since: event.occurred_at,
        llm_mode,
        billing_action_suspended: false,
        template: template_code.zip(template_version).map(|(code, version)| Template { code, version }),
        trial_ends_at,
        resume_at: None,
        live_resources: 0,
        open_invoices: 0,
        version: 1,
        created_at: event.occurred_at,
        updated_at: event.occurred_at,
    })
}

/// Brings `deployment` from the state before `event` to the state after it.
///
/// # Errors
/// [`ReplayError`] if the event is not the next one, or contradicts the state.
pub(super) fn apply(deployment: &mut Deployment, event: &Event) -> Result<(), ReplayError> {
    let expected = deployment.version + 1;
    if event.sequence != expected {
        return Err(ReplayError::Gap { expected, found: event.sequence });
    }
    let inconsistent = ReplayError::Inconsistent { sequence: event.sequence };
    match &event.kind {
        EventKind::Created { .. } => return Err(inconsistent),
        EventKind::StateChanged { resume_at } => {
            if event.from_state != Some(deployment.state) {
                return Err(inconsistent);
            }
            deployment.state = event.to_state.ok_or(inconsistent)?;
            deployment.state_since = event.occurred_at;
            deployment.resume_at = *resume_at;
        }
        EventKind::Updated(updated) => apply_update(deployment, updated),
        EventKind::ResourceAdded { .. } => {
            deployment.live_resources = deployment.live_resources.checked_add(1).ok_or(inconsistent)?;
        }
        EventKind::ResourceDeleted { .. } => {
            deployment.live_resources = deployment.live_resources.checked_sub(1).ok_or(inconsistent)?;
        }
    }
    deployment.version = event.sequence;
    deployment.updated_at = event.occurred_at;
    Ok(())
}

fn apply_update(deployment: &mut Deployment, updated: &Updated) {
    let Updated { display_name, region, llm_mode, template_code, template_version, billing_action_suspended } =
        updated.clone();
    set(&mut deployment.display_name, display_name);
    set(&mut deployment.region, region);
    set(&mut deployment.llm_mode, llm_mode);
    set(&mut deployment.billing_action_suspended, billing_action_suspended);
    let (mut code, mut version) = deployment.template.take().map(|t| (t.code, t.version)).unzip();
    set(&mut code, template_code);
    set(&mut version, template_version);
    deployment.template = code.zip(version).map(|(code, version)| Template { code, version });
}

fn set<T>(field: &mut T, changed: Option<Changed<T>>) {
    if let Some(changed) = changed {
        *field = changed.to;
    }
}
