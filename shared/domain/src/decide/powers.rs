//! The guards: whether a caller may give a command, by the table of powers. All other rules are checked after these.
//! Moves of the lifecycle map are not checked here.

use super::{
    ChangePlan, Command, Context, Correct, Correction, Effective, Proration, Rejection, Subscribe, UpdateDeployment,
};
use crate::actor::{Actor, Authority, Grant};
use crate::catalog::{CatalogStatus, Plan, PlanVersion, VersionStatus};
use crate::lifecycle::State;
use crate::powers::Power;
use crate::subscription::{PlanTerms, Subscription};
use crate::values::Timestamp;

#[cfg(test)]
mod tests;

/// Refuses a command for which its caller does not have the power. [`super::transition`] checks moves by the lifecycle
/// map.
pub(super) fn admit(context: &Context<'_>, command: &Command) -> Result<(), Rejection> {
    match command {
        Command::Transition(_) => Ok(()),
        Command::Update(update) => admit_update(context, update),
        Command::AddResource(_) | Command::DeleteResource(_) => require_role(context.actor, Power::RecordResources),
        Command::Subscribe(subscribe) => admit_subscribe(context, subscribe),
        Command::ChangePlan(change) => admit_change(context, change),
        // It chooses the version for everyone.
        Command::AnnouncePrice(_) => require_role(context.actor, Power::ChooseVersion),
        Command::AttachAddon(..) | Command::DetachAddon(_) | Command::CancelSubscription(_) => {
            require_role(context.actor, Power::Buy)
        }
        Command::WithdrawPlanChange => {
            let pending = context.aggregate.live_subscription().and_then(|live| live.pending_change.as_ref());
            require_own_schedule(context.actor, pending.map(|pending| pending.scheduled_by))
        }
        Command::WithdrawCancellation => {
            let live = context.aggregate.live_subscription();
            require_own_schedule(context.actor, live.and_then(|live| live.cancel_scheduled_by))
        }
        Command::ExtendTrial(_) => require_field(context.actor, Power::SetTrial, "trial_ends_at"),
        Command::Pay(_) => require_role(context.actor, Power::RecordPayments),
        Command::Void(_) => require_role(context.actor, Power::Void),
        Command::Correct(Correct { correction: Correction::ReversePayment(..), .. }) => {
            require_role(context.actor, Power::RecordPayments)
        }
        Command::Correct(_) => require_role(context.actor, Power::Correct),
        Command::FollowTenant(_) => require_role(context.actor, Power::HoldTenant),
        Command::GrantDiscount(_) | Command::RemoveDiscount(_) => require_role(context.actor, Power::Discount),
    }
}

/// Refuses a new deployment in `trial`, or with `trial_ends_at`, from a caller who may not set trials.
pub(super) fn admit_creation(actor: &Actor, state: State, trial_ends_at: Option<Timestamp>) -> Result<(), Rejection> {
    if state == State::Trial {
        return require_field(actor, Power::SetTrial, "state to trial");
    }
    match trial_ends_at {
        Some(_) => require_field(actor, Power::SetTrial, "trial_ends_at"),
        None => Ok(()),
    }
}

/// Whether repeating a schedule changes nothing. It does change something if the platform repeats a schedule of a
/// tenant's user: from then on, the schedule belongs to the platform.
pub(super) const fn stands(actor: &Actor, scheduled_by: Authority) -> bool {
    match scheduled_by {
        Authority::TenantUser => matches!(actor.authority, Authority::TenantUser),
        Authority::PlatformAdmin | Authority::PaymentProvider | Authority::DataPlane | Authority::Billing => true,
    }
}

fn admit_update(context: &Context<'_>, update: &UpdateDeployment) -> Result<(), Rejection> {
    match update.billing_action_suspended {
        Some(_) => require_field(context.actor, Power::Hold, "billing_action_suspended"),
        None => Ok(()),
    }
}

fn admit_subscribe(context: &Context<'_>, command: &Subscribe) -> Result<(), Rejection> {
    require_role(context.actor, Power::Buy)?;
    if command.trial_ends_at.is_some() {
        require_field(context.actor, Power::SetTrial, "trial_ends_at")?;
    }
    require_version(context, &command.plan, &command.version)
}

fn admit_change(context: &Context<'_>, command: &ChangePlan) -> Result<(), Rejection> {
    require_role(context.actor, Power::Buy)?;
    match command.proration {
        Proration::Prorate => {}
        Proration::None => require_field(context.actor, Power::SkipProration, "proration to none")?,
    }
    let pending = context.aggregate.live_subscription().and_then(|live| live.pending_change.as_ref());
    if let Some(pending) = pending {
        // Repeating the scheduled change replaces nothing.
        let is_same = command.effective == Effective::PeriodEnd
            && pending.terms == PlanTerms::from(&command.version)
            && pending.drop_incompatible == command.drop_incompatible;
        if is_same {
            return Ok(());
        }
        // A change to another plan is possible despite an announced price. A change to the present terms would withdraw
        // the announcement.
        let leaves = command.effective == Effective::Immediate
            && pending.is_announced()
            && context
                .aggregate
                .live_subscription()
                .is_some_and(|live| live.terms != PlanTerms::from(&command.version));
        if !leaves {
            require_own_schedule(context.actor, Some(pending.scheduled_by))?;
        }
    }
    require_version(context, &command.plan, &command.version)
}

/// Refuses a version that is neither the newest of a plan on sale nor that of the live subscription, unless the caller
/// may choose any version. A closed version is refused to everyone who does not have it.
fn require_version(context: &Context<'_>, plan: &Plan, version: &PlanVersion) -> Result<(), Rejection> {
    let has = |live: &Subscription| live.terms == PlanTerms::from(version);
    match version.status {
        VersionStatus::Closed if !context.aggregate.live_subscription().is_some_and(has) => {
            let PlanVersion { plan_code, version, .. } = version.clone();
            return Err(Rejection::PlanVersionClosed { plan_code, version });
        }
        VersionStatus::Offered | VersionStatus::Closed => {}
    }
    let is_newest = plan.newest_version.as_ref().is_some_and(|newest| newest.version == version.version);
    match Power::ChooseVersion.grant(context.actor.authority) {
        Grant::Always => Ok(()),
        Grant::Limited(_) if context.aggregate.live_subscription().is_some_and(has) => Ok(()),
        Grant::Limited(_) => match plan.status {
            CatalogStatus::Retired => Err(Rejection::PlanRetired(plan.code.clone())),
            CatalogStatus::Active if is_newest => Ok(()),
            CatalogStatus::Active => Err(not_newest(version)),
        },
        Grant::Never => Err(not_newest(version)),
    }
}

fn not_newest(version: &PlanVersion) -> Rejection {
    Rejection::PlanVersionNotPermitted { plan_code: version.plan_code.clone(), version: version.version }
}

/// Refuses to withdraw or replace a schedule of another role. If nothing is scheduled, a later rule refuses.
fn require_own_schedule(actor: &Actor, scheduled_by: Option<Authority>) -> Result<(), Rejection> {
    let is_own = scheduled_by.is_none_or(|by| by == actor.authority);
    match Power::TakeBack.grant(actor.authority) {
        Grant::Always => Ok(()),
        Grant::Limited(_) if is_own => Ok(()),
        Grant::Limited(_) => Err(Rejection::ScheduledByPlatform),
        Grant::Never => Err(Rejection::RoleNotPermitted),
    }
}

fn require_role(actor: &Actor, power: Power) -> Result<(), Rejection> {
    if has(actor, power) { Ok(()) } else { Err(Rejection::RoleNotPermitted) }
}

fn require_field(actor: &Actor, power: Power, field: &'static str) -> Result<(), Rejection> {
    if has(actor, power) { Ok(()) } else { Err(Rejection::FieldNotPermitted { field }) }
}

/// Whether `actor` has a power. A limited power does not count.
fn has(actor: &Actor, power: Power) -> bool {
    match power.grant(actor.authority) {
        Grant::Always => true,
        Grant::Limited(_) | Grant::Never => false,
    }
}
