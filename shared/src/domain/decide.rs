//! `decide`: every rule about what may happen to a deployment. It reads no clock and writes nothing; its answer is
//! the new state together with the events that led there, for [`crate::store`] to commit as one.
//!
//! The new state is always made by applying the events to the old one, so that replaying a history cannot disagree
//! with the record beside it.

use super::actor::{Actor, Authority};
use super::deployment::{Deployment, Template};
use super::event::{self, Changed, Event, EventKind, Updated, replay};
use super::lifecycle::{INITIAL_STATES, State};
use super::resource::Resource;
use super::values::{DeploymentId, DisplayName, Notes, Reason, ShortCode, Slug, TemplateVersion, TenantId, Timestamp};

/// The most live resources one deployment can have.
pub const MAX_LIVE_RESOURCES: u32 = 500;

/// The furthest that a caller may set a time ahead, in days: 100 years.
const MAX_DAYS_AHEAD: i64 = 36_525;

/// Everything that decisions about one deployment rest on, as one query reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// The deployment itself.
    pub deployment: Deployment,
}

/// What somebody wants done to an existing deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Move it to another state.
    Transition(Transition),
    /// Change some of its own fields.
    Update(UpdateDeployment),
    /// Record a cloud resource.
    AddResource(Resource),
    /// Mark a cloud resource, as it stands now, as deleted.
    DeleteResource(Resource),
}

/// What somebody wants created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateDeployment {
    /// See [`Deployment::id`].
    pub id: DeploymentId,
    /// See [`Deployment::tenant_id`].
    pub tenant_id: TenantId,
    /// See [`Deployment::slug`].
    pub slug: Slug,
    /// The slug, when left out.
    pub display_name: Option<DisplayName>,
    /// See [`Deployment::region`].
    pub region: ShortCode,
    /// `active`, when left out.
    pub state: Option<State>,
    /// See [`Deployment::llm_mode`].
    pub llm_mode: Option<ShortCode>,
    /// Goes with `template_version`.
    pub template_code: Option<ShortCode>,
    /// Goes with `template_code`.
    pub template_version: Option<TemplateVersion>,
    /// Goes with the state `trial`.
    pub trial_ends_at: Option<Timestamp>,
}

/// A move to another state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The state to enter.
    pub to_state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// Remarks.
    pub notes: Option<Notes>,
    /// When a pause shall end by itself.
    pub resume_at: Option<Timestamp>,
}

/// New values of a deployment's own fields: `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateDeployment {
    /// See [`Deployment::display_name`].
    pub display_name: Option<DisplayName>,
    /// See [`Deployment::region`].
    pub region: Option<ShortCode>,
    /// See [`Deployment::llm_mode`].
    pub llm_mode: Option<Option<ShortCode>>,
    /// See [`Template::code`].
    pub template_code: Option<Option<ShortCode>>,
    /// See [`Template::version`].
    pub template_version: Option<Option<TemplateVersion>>,
    /// See [`Deployment::billing_action_suspended`].
    pub billing_action_suspended: Option<bool>,
}

/// What is to be written, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The version and state that the decision rests on; `None` for a deployment that must not exist yet.
    pub basis: Option<(u64, State)>,
    /// The deployment as it will be.
    pub deployment: Deployment,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// A resource as it will be.
    pub resource: Option<Resource>,
}

/// Why something may not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The map has no such move.
    #[error("a deployment cannot move from {from} to {to}")]
    InvalidTransition {
        /// The present state.
        from: State,
        /// The state that was asked for.
        to: State,
        /// The states that can be reached instead.
        allowed: Vec<State>,
    },
    /// The map has the move, but not for this caller.
    #[error("you may not move this deployment from {from} to {to}")]
    TransitionNotPermitted {
        /// The present state.
        from: State,
        /// The state that was asked for.
        to: State,
        /// The states that this caller can reach.
        allowed: Vec<State>,
    },
    /// It still has live resources.
    #[error("a deployment with live resources cannot be archived; it has {count}")]
    LiveResources {
        /// How many.
        count: u32,
    },
    /// Archived deployments never change.
    #[error("an archived deployment cannot be changed")]
    Archived,
    /// It has as many live resources as it may have.
    #[error("a deployment can have at most {MAX_LIVE_RESOURCES} live resources")]
    TooManyResources,
    /// A deployment begins in `active` or `trial`.
    #[error("a deployment can only be created in active or trial, not in {0}")]
    InvalidInitialState(State),
    /// A field does not go with the rest.
    #[error("{detail}")]
    InvalidField {
        /// Which, by the name it has in requests.
        field: &'static str,
        /// A stable code.
        code: &'static str,
        /// What is expected instead.
        detail: &'static str,
    },
    /// Only `platform_admin` may set the field.
    #[error("only platform_admin may set {field}")]
    FieldNotPermitted {
        /// Which, by the name it has in requests.
        field: &'static str,
    },
}

/// The states that `authority` can move `deployment` to.
#[must_use]
pub fn allowed_transitions(deployment: &Deployment, authority: Authority) -> Vec<State> {
    let owes = deployment.open_invoices > 0;
    deployment.state.moves().filter(|m| m.permission.permits(authority, owes)).map(|m| m.to).collect()
}

/// Decides on a new deployment.
///
/// # Errors
/// A [`Rejection`] if its fields do not go together.
pub fn create(command: CreateDeployment, actor: &Actor, now: Timestamp) -> Result<Change, Rejection> {
    let state = command.state.unwrap_or(State::Active);
    if !INITIAL_STATES.contains(&state) {
        return Err(Rejection::InvalidInitialState(state));
    }
    match (state == State::Trial, command.trial_ends_at) {
        (true, None) => return Err(invalid("trial_ends_at", "required", "is required for a trial")),
        (false, Some(_)) => return Err(invalid("trial_ends_at", "not_allowed", "is only for the state trial")),
        (true, Some(at)) => require_ahead("trial_ends_at", at, now)?,
        (false, None) => {}
    }
    require_both(command.template_code.as_ref(), command.template_version.as_ref())?;
    let created = Event {
        sequence: 1,
        from_state: None,
        to_state: Some(state),
        reason: "created".parse().ok(),
        actor: actor.id.clone(),
        notes: None,
        occurred_at: now,
        kind: EventKind::Created {
            tenant_id: command.tenant_id,
            display_name: command.display_name.unwrap_or_else(|| command.slug.as_display_name()),
            slug: command.slug,
            region: command.region,
            llm_mode: command.llm_mode,
            template_code: command.template_code,
            template_version: command.template_version,
            trial_ends_at: command.trial_ends_at,
        },
    };
    let events = vec![created];
    match replay(command.id, &events) {
        Ok(deployment) => Ok(Change { basis: None, deployment, events, resource: None }),
        Err(error) => unreachable!("a creation is a history of one event: {error}"),
    }
}

/// Decides on a command; `None` when nothing needs to change.
///
/// # Errors
/// A [`Rejection`] if a rule forbids it.
pub fn decide(
    aggregate: &Aggregate,
    command: Command,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<Change>, Rejection> {
    let deployment = &aggregate.deployment;
    match command {
        Command::Transition(command) => transition(deployment, command, actor, now),
        Command::Update(command) => update(deployment, command, actor, now),
        Command::AddResource(resource) => add_resource(deployment, resource, actor, now).map(Some),
        Command::DeleteResource(resource) => delete_resource(deployment, resource, actor, now),
    }
}

fn transition(
    deployment: &Deployment,
    command: Transition,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<Change>, Rejection> {
    let (from, to) = (deployment.state, command.to_state);
    if from == to {
        return Ok(None);
    }
    let Some(step) = from.move_to(to) else {
        return Err(Rejection::InvalidTransition { from, to, allowed: from.targets() });
    };
    if !step.permission.permits(actor.authority, deployment.open_invoices > 0) {
        let allowed = allowed_transitions(deployment, actor.authority);
        return Err(Rejection::TransitionNotPermitted { from, to, allowed });
    }
    if to == State::Archived && deployment.live_resources > 0 {
        return Err(Rejection::LiveResources { count: deployment.live_resources });
    }
    if let Some(at) = command.resume_at {
        if to != State::Paused {
            return Err(invalid("resume_at", "not_allowed", "is only for the state paused"));
        }
        require_ahead("resume_at", at, now)?;
    }
    let event = Event {
        from_state: Some(from),
        to_state: Some(to),
        reason: command.reason,
        notes: command.notes,
        ..next_event(deployment, EventKind::StateChanged { resume_at: command.resume_at }, actor, now)
    };
    Ok(Some(change(deployment, event, None)))
}

fn update(
    deployment: &Deployment,
    command: UpdateDeployment,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<Change>, Rejection> {
    let UpdateDeployment { display_name, region, llm_mode, template_code, template_version, billing_action_suspended } =
        command;
    if billing_action_suspended.is_some() && actor.authority != Authority::PlatformAdmin {
        return Err(Rejection::FieldNotPermitted { field: "billing_action_suspended" });
    }
    require_not_archived(deployment)?;
    let (code, version) = deployment.template.clone().map(|Template { code, version }| (code, version)).unzip();
    let new_code = template_code.unwrap_or_else(|| code.clone());
    let new_version = template_version.unwrap_or_else(|| version.clone());
    require_both(new_code.as_ref(), new_version.as_ref())?;
    let updated = Updated {
        display_name: display_name.and_then(|new| Changed::between(&deployment.display_name, &new)),
        region: region.and_then(|new| Changed::between(&deployment.region, &new)),
        llm_mode: llm_mode.and_then(|new| Changed::between(&deployment.llm_mode, &new)),
        template_code: Changed::between(&code, &new_code),
        template_version: Changed::between(&version, &new_version),
        billing_action_suspended: billing_action_suspended
            .and_then(|new| Changed::between(&deployment.billing_action_suspended, &new)),
    };
    if updated == Updated::default() {
        return Ok(None);
    }
    Ok(Some(change(deployment, next_event(deployment, EventKind::Updated(updated), actor, now), None)))
}

fn add_resource(
    deployment: &Deployment,
    resource: Resource,
    actor: &Actor,
    now: Timestamp,
) -> Result<Change, Rejection> {
    require_not_archived(deployment)?;
    if deployment.live_resources >= MAX_LIVE_RESOURCES {
        return Err(Rejection::TooManyResources);
    }
    let kind = EventKind::ResourceAdded { resource_id: resource.id, kind: resource.kind.clone() };
    Ok(change(deployment, next_event(deployment, kind, actor, now), Some(resource)))
}

fn delete_resource(
    deployment: &Deployment,
    resource: Resource,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<Change>, Rejection> {
    if resource.deleted_at.is_some() {
        return Ok(None);
    }
    let kind = EventKind::ResourceDeleted { resource_id: resource.id, kind: resource.kind.clone() };
    let deleted = Resource { deleted_at: Some(now), ..resource };
    Ok(Some(change(deployment, next_event(deployment, kind, actor, now), Some(deleted))))
}

fn next_event(deployment: &Deployment, kind: EventKind, actor: &Actor, now: Timestamp) -> Event {
    Event {
        sequence: deployment.version + 1,
        kind,
        from_state: None,
        to_state: None,
        reason: None,
        actor: actor.id.clone(),
        notes: None,
        // A clock that runs behind another's must not make time in a history run backwards.
        occurred_at: now.max(deployment.updated_at),
    }
}

fn change(before: &Deployment, event: Event, resource: Option<Resource>) -> Change {
    let mut deployment = before.clone();
    if let Err(error) = event::apply(&mut deployment, &event) {
        unreachable!("an event made from a deployment follows from it: {error}");
    }
    Change { basis: Some((before.version, before.state)), deployment, events: vec![event], resource }
}

fn require_not_archived(deployment: &Deployment) -> Result<(), Rejection> {
    if deployment.state == State::Archived { Err(Rejection::Archived) } else { Ok(()) }
}

fn require_ahead(field: &'static str, at: Timestamp, now: Timestamp) -> Result<(), Rejection> {
    if at <= now {
        return Err(invalid(field, "not_in_future", "must be in the future"));
    }
    if at.signed_duration_since(now).num_days() > MAX_DAYS_AHEAD {
        return Err(invalid(field, "too_far_ahead", "must be within the next 100 years"));
    }
    Ok(())
}

fn require_both(code: Option<&ShortCode>, version: Option<&TemplateVersion>) -> Result<(), Rejection> {
    match (code, version) {
        (Some(_), Some(_)) | (None, None) => Ok(()),
        (None, Some(_)) => Err(invalid("template_code", "required", "is required with template_version")),
        (Some(_), None) => Err(invalid("template_version", "required", "is required with template_code")),
    }
}

const fn invalid(field: &'static str, code: &'static str, detail: &'static str) -> Rejection {
    Rejection::InvalidField { field, code, detail }
}
