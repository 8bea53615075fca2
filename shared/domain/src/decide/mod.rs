//! Decisions: `decide` applies every rule to a command and returns the events and the new state, for `arcadia_store`
//! to commit in one transaction. It reads no clock and writes nothing.
//!
//! This module has the rules of deployments. Subscriptions are in [`subscriptions`], their discounts in [`discounts`],
//! price changes with notice in [`prices`], invoices and scheduled steps in [`billing`], charges and credits in
//! [`books`], and the permission to give a command in [`powers`].

mod billing;
mod books;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod correction_cases;
mod corrections;
#[cfg(test)]
mod discount_cases;
mod discounts;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod hold_cases;
mod powers;
#[cfg(test)]
mod price_cases;
mod prices;
mod rejection;
mod subscriptions;
#[cfg(test)]
mod tax_cases;
#[cfg(test)]
mod tests;

use crate::actor::{Actor, Authority};
use crate::aggregate::{Aggregate, Change, replay};
use crate::catalog::Addon;
use crate::charge::ChargeChanges;
use crate::deployment::{Deployment, PausedBy, Template};
use crate::event::{Changed, Created, Event, EventKind, Updated};
use crate::invoice::{Invoice, Payment};
use crate::lifecycle::{INITIAL_STATES, Move, State};
use crate::money::Currency;
use crate::policy::DunningPolicy;
use crate::resource::Resource;
use crate::tenant_rules::TenantRules;
use crate::values::{
    DeploymentId, DisplayName, Notes, Reason, ShortCode, SubscriptionAddonId, TemplateVersion, Timestamp,
};

pub use billing::{MAX_GIVEN_UP_AT_ONCE, MAX_OPEN_INVOICES_BY_CLOCK, MAX_UNCOLLECTIBLE_INVOICES, next_invoices, step};
pub use books::{MAX_BALANCE_CENTS, MAX_SETTLED_INVOICES};
pub use corrections::{
    Correct, Correction, CreditNote, Extent, MAX_POSTPONED, MAX_POSTPONEMENT_DAYS, OneOff, PayBack, Postponement,
};
pub use discounts::{GrantDiscount, RemoveDiscount};
pub use prices::{AnnouncePrice, replace_version};
pub use rejection::Rejection;
pub use subscriptions::{ChangePlan, Effective, MAX_OPEN_INVOICES, MAX_REPLACED_ADDONS, Proration, Subscribe};

/// The most live resources of a deployment.
pub const MAX_LIVE_RESOURCES: u32 = 500;

/// How far ahead a caller may set a time, in days: 100 years.
const MAX_DAYS_AHEAD: i64 = 36_525;

/// A command on an existing deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Move it to another state.
    Transition(Transition),
    /// Change some of its own fields.
    Update(UpdateDeployment),
    /// Record a cloud resource.
    AddResource(Resource),
    /// Record that a cloud resource, as read, was deleted.
    DeleteResource(Resource),
    /// Subscribe it to a plan.
    Subscribe(Subscribe),
    /// Attach an add-on of the catalog, under this id.
    AttachAddon(SubscriptionAddonId, Addon),
    /// Detach an add-on.
    DetachAddon(SubscriptionAddonId),
    /// Change the plan or its version.
    ChangePlan(ChangePlan),
    /// Announce that the price changes.
    AnnouncePrice(AnnouncePrice),
    /// Withdraw the scheduled change of plan.
    WithdrawPlanChange,
    /// Cancel the subscription.
    CancelSubscription(Effective),
    /// Withdraw the scheduled cancellation.
    WithdrawCancellation,
    /// Move the end of the running trial.
    ExtendTrial(Timestamp),
    /// Record a payment of an invoice.
    Pay(Pay),
    /// Void an invoice, as read.
    Void(Invoice),
    /// Correct what was charged or paid.
    Correct(Correct),
    /// Copy the rules of its tenant to it, as read.
    FollowTenant(TenantRules),
    /// Grant the subscription a discount.
    GrantDiscount(GrantDiscount),
    /// Remove the discount of the subscription.
    RemoveDiscount(RemoveDiscount),
}

/// A payment to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pay {
    /// The invoice, as read.
    pub invoice: Invoice,
    /// The payment.
    pub payment: Payment,
    /// The currency of the payment.
    pub currency: Currency,
    /// The use of the part beyond the amount due.
    pub overpayment: Overpayment,
}

impl Pay {
    /// A payment that is refused if it exceeds the amount due.
    #[must_use]
    pub const fn new(invoice: Invoice, payment: Payment, currency: Currency) -> Self {
        Self { invoice, payment, currency, overpayment: Overpayment::Refuse }
    }
}

named! {
    /// The use of the part of a payment beyond the amount due.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum Overpayment("invalid_overpayment") {
        /// The payment is refused.
        Refuse = "refuse",
        /// It becomes balance.
        Balance = "balance",
    }
}

/// The command that creates a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateDeployment {
    /// See [`Deployment::id`].
    pub id: DeploymentId,
    /// The initial state. The default is `active`.
    pub state: Option<State>,
    /// Its fields. `trial_ends_at` is required for the state `trial` and not allowed for others; `template_code` and
    /// `template_version` require each other; `tenant_rules` are as read.
    pub created: Created,
}

/// A move to another state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The state to enter.
    pub to_state: State,
    /// The reason.
    pub reason: Option<Reason>,
    /// Notes.
    pub notes: Option<Notes>,
    /// When the pause ends automatically. `None` keeps the present time of a paused deployment, `Some(None)` clears it.
    pub resume_at: Option<Option<Timestamp>>,
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

/// The states that `authority` can move `deployment` to at `now`.
#[must_use]
pub fn allowed_transitions(deployment: &Deployment, authority: Authority, now: Timestamp) -> Vec<State> {
    // As in `decide`: the clock of this machine can be behind the one that made the last event.
    let standing = deployment.standing(now.max(deployment.updated_at));
    let is_allowed = |m: &&Move| m.permission.permits(authority, standing) && obstacle(deployment, m.to).is_none();
    deployment.state.moves().filter(is_allowed).map(|m| m.to).collect()
}

/// Why a deployment cannot move to `to` now, for every caller. Only the release of its tenant ends a pause under a hold,
/// and only a subscription one for the lack of it, as long as the rule exists.
fn obstacle(deployment: &Deployment, to: State) -> Option<Rejection> {
    let Deployment { state: State::Paused, paused_by, tenant_rules, .. } = deployment else { return None };
    if to != State::Active {
        return None;
    }
    if tenant_rules.held {
        return Some(Rejection::TenantHeld);
    }
    let needs_subscription = *paused_by == Some(PausedBy::Unsubscribed) && tenant_rules.unsubscribed.is_some();
    needs_subscription.then_some(Rejection::SubscriptionRequired)
}

/// Decides on a new deployment.
///
/// # Errors
/// A [`Rejection`] if the caller may not create it so, if its tenant is held, or if its fields do not fit together.
pub fn create(command: CreateDeployment, actor: &Actor, now: Timestamp) -> Result<Change, Rejection> {
    let CreateDeployment { id, state, created } = command;
    let state = state.unwrap_or(State::Active);
    powers::admit_creation(actor, state, created.trial_ends_at)?;
    if created.tenant_rules.held {
        return Err(Rejection::TenantHeld);
    }
    if !INITIAL_STATES.contains(&state) {
        return Err(Rejection::InvalidInitialState(state));
    }
    match (state == State::Trial, created.trial_ends_at) {
        (true, None) => return Err(invalid("trial_ends_at", "required", "is required for a trial")),
        (false, Some(_)) => return Err(invalid("trial_ends_at", "not_allowed", "is only for the state trial")),
        (true, Some(at)) => require_ahead("trial_ends_at", at, now)?,
        (false, None) => {}
    }
    require_both(created.template_code.as_ref(), created.template_version.as_ref())?;
    let first = Event {
        sequence: 1,
        commit_last: 1,
        from_state: None,
        to_state: Some(state),
        reason: "created".parse().ok(),
        actor: actor.id.clone(),
        notes: None,
        occurred_at: now,
        kind: EventKind::Created(created),
        entries: Vec::new(),
        charges: None,
    };
    let events = vec![first];
    match replay(id, &events) {
        Ok(after) => Ok(Change {
            before: None,
            after,
            events,
            resource: None,
            resource_read: None,
            opens_account: true,
            trial_of: None,
            invoice: None,
            invoice_read: None,
            movement: None,
            redeems: None,
        }),
        Err(error) => unreachable!("a creation is a history of one event: {error}"),
    }
}

/// Decides on a command; `None` if it changes nothing. `policy` is the tenant's dunning policy, if it was read; a
/// change that issues an invoice ([`Change::issues_invoice`]) must be decided with it.
///
/// # Errors
/// A [`Rejection`] if a rule forbids it.
pub fn decide(
    aggregate: &Aggregate,
    command: Command,
    actor: &Actor,
    policy: Option<DunningPolicy>,
    now: Timestamp,
) -> Result<Option<Change>, Rejection> {
    decide_with(aggregate, command, actor, Read { policy, successor: None }, now)
}

/// What a decision needs of other records, if it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// The tenant's dunning policy.
    pub policy: Option<DunningPolicy>,
    /// The price change that the subscription missed; see [`Change::returns_to`].
    pub successor: Option<AnnouncePrice>,
}

/// [`decide()`] with all that was read.
///
/// # Errors
/// As [`decide()`].
pub fn decide_with(
    aggregate: &Aggregate,
    command: Command,
    actor: &Actor,
    read: Read,
    now: Timestamp,
) -> Result<Option<Change>, Rejection> {
    // Times in a history never go back, even if the clock of this machine is behind another's.
    let at = now.max(aggregate.deployment.updated_at);
    let context = Context { aggregate, actor, policy: read.policy, successor: read.successor.as_ref(), at };
    powers::admit(&context, &command)?;
    let is_limited = is_limited(&command);
    let Some(change) = dispatch(&context, command)? else { return Ok(None) };
    let change = prices::tell_returned(&context, change);
    let mut change = billing::follow_rules(&context, billing::end_dunning(&context, change));
    if let Some(invoice) = &mut change.invoice {
        for event in &change.events {
            invoice.follow(event);
        }
    }
    let open = change.after.deployment.open_invoices.len();
    let opens = open > MAX_OPEN_INVOICES && open > aggregate.deployment.open_invoices.len();
    // A charge that waits is an invoice of the next pause.
    let waits = open >= MAX_OPEN_INVOICES && waiting(&change.after) > waiting(aggregate);
    if is_limited && (opens || waits) {
        return Err(Rejection::TooManyOpenInvoices);
    }
    Ok(Some(change))
}

/// The number of charges that wait for an invoice.
fn waiting(aggregate: &Aggregate) -> usize {
    aggregate.subscription.iter().flat_map(|subscription| &subscription.charges).filter(|charge| charge.waits()).count()
}

fn dispatch(context: &Context<'_>, command: Command) -> Result<Option<Change>, Rejection> {
    match command {
        Command::Transition(command) => transition(context, command),
        Command::Update(command) => update(context, command),
        Command::AddResource(resource) => add_resource(context, resource).map(Some),
        Command::DeleteResource(resource) => delete_resource(context, resource),
        Command::Subscribe(command) => subscriptions::subscribe(context, command).map(Some),
        Command::AttachAddon(id, addon) => subscriptions::attach_addon(context, id, &addon).map(Some),
        Command::DetachAddon(id) => subscriptions::detach_addon(context, id).map(Some),
        Command::ChangePlan(command) => subscriptions::change_plan(context, command),
        Command::AnnouncePrice(command) => prices::announce(context, command),
        Command::WithdrawPlanChange => subscriptions::withdraw_plan_change(context).map(Some),
        Command::CancelSubscription(effective) => subscriptions::cancel(context, effective),
        Command::WithdrawCancellation => subscriptions::withdraw_cancellation(context).map(Some),
        Command::ExtendTrial(ends_at) => subscriptions::extend_trial(context, ends_at),
        Command::Pay(command) => billing::pay(context, command),
        Command::Void(invoice) => billing::void(context, invoice),
        Command::Correct(command) => corrections::correct(context, command),
        Command::FollowTenant(rules) => Ok(follow_tenant(context, rules)),
        Command::GrantDiscount(command) => discounts::grant(context, command).map(Some),
        Command::RemoveDiscount(command) => discounts::remove(context, command),
    }
}

/// Whether the limit on open invoices applies to a command. It does not apply to payments, voiding, corrections and the
/// rules of the tenant, which state facts, nor to moves that stop a deployment: that is always possible.
const fn is_limited(command: &Command) -> bool {
    match command {
        Command::Transition(Transition { to_state: State::Paused | State::Suspended | State::Cancelled, .. })
        | Command::CancelSubscription(_)
        | Command::AnnouncePrice(_)
        | Command::Pay(_)
        | Command::Void(_)
        | Command::FollowTenant(_) => false,
        Command::Correct(Correct { correction, .. }) => matches!(correction, Correction::Charge(_)),
        Command::Transition(_)
        | Command::Update(_)
        | Command::AddResource(_)
        | Command::DeleteResource(_)
        | Command::Subscribe(_)
        | Command::AttachAddon(..)
        | Command::DetachAddon(_)
        | Command::ChangePlan(_)
        | Command::WithdrawPlanChange
        | Command::WithdrawCancellation
        | Command::ExtendTrial(_)
        | Command::GrantDiscount(_)
        | Command::RemoveDiscount(_) => true,
    }
}

/// The input of a decision.
struct Context<'a> {
    aggregate: &'a Aggregate,
    actor: &'a Actor,
    /// The tenant's dunning policy, if it was read.
    policy: Option<DunningPolicy>,
    /// The price change that the subscription missed, if it was read.
    successor: Option<&'a AnnouncePrice>,
    at: Timestamp,
}

impl Context<'_> {
    const fn deployment(&self) -> &Deployment {
        &self.aggregate.deployment
    }

    fn event(&self, kind: EventKind) -> Event {
        Event {
            sequence: self.deployment().version + 1,
            commit_last: self.deployment().version + 1,
            kind,
            entries: Vec::new(),
            charges: None,
            from_state: None,
            to_state: None,
            reason: None,
            actor: self.actor.id.clone(),
            notes: None,
            occurred_at: self.at,
        }
    }

    /// The change that these events make, in this order. It numbers them.
    fn change(&self, mut events: Vec<Event>) -> Change {
        let mut after = self.aggregate.clone();
        let commit_last = after.deployment.version + events.len() as u64;
        for event in &mut events {
            event.sequence = after.deployment.version + 1;
            event.commit_last = commit_last;
            debug_assert!(event.charges.is_none(), "an event is made once: its charges were taken out of it");
            event.charges = event.kind.subscription_mut().map(|subscription| {
                let kept = after.subscription.as_ref().map_or(&[][..], |kept| &kept.charges);
                ChargeChanges::between(kept, &std::mem::take(&mut subscription.charges))
            });
            if let Err(error) = after.apply(event) {
                unreachable!("an event made from a deployment follows from it: {error}");
            }
        }
        let before = Some(self.aggregate.clone());
        let (resource, resource_read, trial_of, invoice, invoice_read) = (None, None, None, None, None);
        let (opens_account, movement, redeems) = (false, None, None);
        Change {
            before,
            after,
            events,
            resource,
            resource_read,
            opens_account,
            trial_of,
            invoice,
            invoice_read,
            movement,
            redeems,
        }
    }

    fn change_by(&self, kinds: impl IntoIterator<Item = EventKind>) -> Change {
        self.change(kinds.into_iter().map(|kind| self.event(kind)).collect())
    }
}

impl Change {
    /// The change with further events, which are decided on the deployment after it.
    fn then(mut self, context: &Context<'_>, more: impl FnOnce(&Context<'_>) -> Vec<Event>) -> Self {
        let next = Context { aggregate: &self.after, ..*context };
        let Self { after, events, .. } = next.change(more(&next));
        self.events.extend(events);
        for event in &mut self.events {
            event.commit_last = after.deployment.version;
        }
        self.after = after;
        self
    }

    /// The change of a command that was decided after `first`, as one change with it.
    fn preceded_by(self, first: Self) -> Self {
        let mut events = first.events;
        events.extend(self.events);
        for event in &mut events {
            event.commit_last = self.after.deployment.version;
        }
        Self { before: first.before, events, ..self }
    }
}

fn transition(context: &Context<'_>, command: Transition) -> Result<Option<Change>, Rejection> {
    let deployment = context.deployment();
    let (from, to) = (deployment.state, command.to_state);
    if from == to {
        return pause_until(context, command);
    }
    let authority = context.actor.authority;
    let allowed = || allowed_transitions(deployment, authority, context.at);
    let Some(step) = from.move_to(to) else {
        return Err(Rejection::InvalidTransition { from, to, allowed: allowed() });
    };
    if let Some(barrier) = step.permission.barrier(authority, deployment.standing(context.at)) {
        return Err(Rejection::TransitionNotPermitted { from, to, barrier, allowed: allowed() });
    }
    if let Some(obstacle) = obstacle(deployment, to) {
        return Err(obstacle);
    }
    if to == State::Archived && deployment.live_resources > 0 {
        return Err(Rejection::LiveResources { count: deployment.live_resources });
    }
    if to == State::Archived && !deployment.open_invoices.is_empty() {
        return Err(Rejection::OpenInvoices { count: deployment.open_invoices.len() });
    }
    if let Some(resume_at) = command.resume_at.flatten() {
        if to != State::Paused {
            return Err(invalid("resume_at", "not_allowed", "is only for the state paused"));
        }
        require_ahead("resume_at", resume_at, context.at)?;
    }
    let Transition { to_state: _, reason, notes, resume_at } = command;
    let (resume_at, effective_at) = (resume_at.flatten(), context.at);
    let moved = billing::Moved { to, reason, notes, resume_at, paused_by: None, effective_at };
    let events = prices::move_of_returned(context, &moved);
    Ok(Some(context.change(events.unwrap_or_else(|| billing::move_to(context, moved)))))
}

/// A move to the present state changes nothing, except the end of a pause.
fn pause_until(context: &Context<'_>, command: Transition) -> Result<Option<Change>, Rejection> {
    let deployment = context.deployment();
    let Transition { to_state, reason, notes, resume_at } = command;
    let Some(resume_at) = resume_at.filter(|_| to_state == State::Paused) else { return Ok(None) };
    let Some(resume_at) = Changed::between(&deployment.resume_at, &resume_at) else { return Ok(None) };
    match deployment.paused_by {
        Some(PausedBy::TenantHold) => return Err(Rejection::TenantHeld),
        Some(PausedBy::Unsubscribed) if resume_at.to.is_some() => return Err(Rejection::SubscriptionRequired),
        Some(PausedBy::Unsubscribed) | None => {}
    }
    if let Some(at) = resume_at.to {
        require_ahead("resume_at", at, context.at)?;
    }
    let updated = EventKind::Updated(Updated { resume_at: Some(resume_at), ..Updated::default() });
    Ok(Some(context.change(vec![Event { reason, notes, ..context.event(updated) }])))
}

fn update(context: &Context<'_>, command: UpdateDeployment) -> Result<Option<Change>, Rejection> {
    let deployment = context.deployment();
    let UpdateDeployment { display_name, region, llm_mode, template_code, template_version, billing_action_suspended } =
        command;
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
        resume_at: None,
        tenant_rules: None,
    };
    if updated == Updated::default() {
        return Ok(None);
    }
    Ok(Some(context.change_by([EventKind::Updated(updated)])))
}

/// Copies the rules of the tenant. Older rules never replace newer ones, so a copy that was under way when the tenant
/// was released does nothing afterwards.
fn follow_tenant(context: &Context<'_>, rules: TenantRules) -> Option<Change> {
    let Deployment { state, tenant_rules, .. } = context.deployment();
    if *state == State::Archived || rules.version <= tenant_rules.version {
        return None;
    }
    let tenant_rules = Changed::between(tenant_rules, &rules);
    Some(context.change_by([EventKind::Updated(Updated { tenant_rules, ..Updated::default() })]))
}

fn add_resource(context: &Context<'_>, resource: Resource) -> Result<Change, Rejection> {
    require_not_archived(context.deployment())?;
    if context.deployment().live_resources >= MAX_LIVE_RESOURCES {
        return Err(Rejection::TooManyResources);
    }
    let kind = EventKind::ResourceAdded { resource_id: resource.id, kind: resource.kind.clone() };
    let change = context.change_by([kind]);
    let added = Resource { version: change.after.deployment.version, ..resource };
    Ok(Change { resource: Some(added), ..change })
}

fn delete_resource(context: &Context<'_>, resource: Resource) -> Result<Option<Change>, Rejection> {
    if resource.deleted_at.is_some() {
        return Ok(None);
    }
    // The resource is read separately, and can be older than the deployment.
    if context.deployment().live_resources == 0 {
        return Err(Rejection::ResourceJustDeleted);
    }
    let kind = EventKind::ResourceDeleted { resource_id: resource.id, kind: resource.kind.clone() };
    let change = context.change_by([kind]);
    let deleted = Resource { deleted_at: Some(context.at), version: change.after.deployment.version, ..resource };
    Ok(Some(Change { resource: Some(deleted), resource_read: Some(resource.version), ..change }))
}

fn require_not_archived(deployment: &Deployment) -> Result<(), Rejection> {
    if deployment.state == State::Archived { Err(Rejection::Archived) } else { Ok(()) }
}

fn require_ahead(field: &'static str, at: Timestamp, now: Timestamp) -> Result<(), Rejection> {
    if at <= now {
        return Err(invalid(field, "not_in_future", "must be in the future"));
    }
    require_within_reach(field, at, now)
}

fn require_within_reach(field: &'static str, at: Timestamp, now: Timestamp) -> Result<(), Rejection> {
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
