//! The rules of subscriptions: subscribing, add-ons, changes of plan, cancellation and trials. Scheduled steps are in
//! [`super::billing`].

use chrono::TimeDelta;

use super::billing::{Moved, end, move_to};
use super::books::Books;
use super::powers::stands;
use super::{Context, Rejection, require_ahead};
use crate::aggregate::Change;
use crate::catalog::{Addon, CatalogStatus, Plan, PlanVersion};
use crate::charge::Charge;
use crate::deployment::PausedBy;
use crate::event::{Changed, EventKind};
use crate::lifecycle::State;
use crate::money::Currency;
use crate::period::AnchorMode;
use crate::subscription::{MAX_ADDONS, PendingChange, PlanTerms, Subscription, SubscriptionAddon, SubscriptionStatus};
use crate::values::{DeploymentId, SubscriptionAddonId, SubscriptionId, Timestamp};

/// The most open invoices of a deployment for commands; [`super::MAX_OPEN_INVOICES_BY_CLOCK`] is the limit for
/// scheduled steps.
pub const MAX_OPEN_INVOICES: usize = 24;

/// The most old and new add-ons of a new subscription, together, and the most dropped add-ons and existing invoices of a
/// change of plan: a transaction has at most 100 writes, and needs some for the deployment, the subscription, events, the
/// trial claim, a new invoice and an idempotency record.
pub const MAX_REPLACED_ADDONS: usize = 90;

named! {
    /// The time when a change of plan or a cancellation takes effect.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum Effective("invalid_effective") {
        /// Immediately.
        Immediate = "immediate",
        /// At the end of the current period or of the trial.
        PeriodEnd = "period_end",
    }
}

named! {
    /// How an immediate change of plan bills the rest of the period.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum Proration("invalid_proration") {
        /// The rest of the old plan is credited and the rest of the new one charged, by the second.
        Prorate = "prorate",
        /// Neither credit nor charge: the new price applies from the next period on.
        None = "none",
    }
}

/// The command that subscribes a deployment to a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// The id of the new subscription.
    pub id: SubscriptionId,
    /// The plan, as read from the catalog.
    pub plan: Plan,
    /// The version of the plan.
    pub version: PlanVersion,
    /// The add-ons, as read from the catalog, with their ids on the subscription.
    pub addons: Vec<(SubscriptionAddonId, Addon)>,
    /// The rule for the anchor.
    pub anchor_mode: AnchorMode,
    /// The end of the trial, instead of the plan version's; only for `platform_admin`.
    pub trial_ends_at: Option<Timestamp>,
    /// The deployment that used the tenant's one trial of this plan, if any.
    pub trial_claimed_by: Option<DeploymentId>,
}

/// The command that changes a subscription to another plan version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePlan {
    /// The plan, as read from the catalog.
    pub plan: Plan,
    /// The version of the plan.
    pub version: PlanVersion,
    /// When the change takes effect.
    pub effective: Effective,
    /// How the rest of the period is billed.
    pub proration: Proration,
    /// Whether to drop add-ons of another currency instead of refusing the change.
    pub drop_incompatible: bool,
    /// The deployment that used the tenant's one trial of this plan, if any.
    pub trial_claimed_by: Option<DeploymentId>,
}

pub(super) fn subscribe(context: &Context<'_>, command: Subscribe) -> Result<Change, Rejection> {
    if context.deployment().paused_by != Some(PausedBy::Unsubscribed) {
        return subscribe_running(context, command);
    }
    let resumed = resume_to_subscribe(context)?;
    let subscribed = subscribe_running(&Context { aggregate: &resumed.after, ..*context }, command)?;
    Ok(subscribed.preceded_by(resumed))
}

/// Resumes a deployment that is paused for the lack of a subscription, by the rules of every resumption.
fn resume_to_subscribe(context: &Context<'_>) -> Result<Change, Rejection> {
    let (deployment, authority) = (context.deployment(), context.actor.authority);
    let (from, to) = (deployment.state, State::Active);
    if deployment.tenant_rules.held {
        return Err(Rejection::TenantHeld);
    }
    let barrier = from.move_to(to).and_then(|step| step.permission.barrier(authority, deployment.standing(context.at)));
    if let Some(barrier) = barrier {
        let allowed = super::allowed_transitions(deployment, authority, context.at);
        return Err(Rejection::TransitionNotPermitted { from, to, barrier, allowed });
    }
    Ok(context.change(move_to(context, Moved::by_rule(to, "subscribed", context.at))))
}

fn subscribe_running(context: &Context<'_>, command: Subscribe) -> Result<Change, Rejection> {
    let Subscribe { id, plan, version, addons, anchor_mode, trial_ends_at, trial_claimed_by } = command;
    let deployment = context.deployment();
    if context.aggregate.live_subscription().is_some() {
        return Err(Rejection::AlreadySubscribed);
    }
    if SubscriptionStatus::of(deployment.state) != SubscriptionStatus::Active {
        return Err(Rejection::NotSubscribable(deployment.state));
    }
    if addons.len() > MAX_ADDONS {
        return Err(Rejection::TooManyAddons);
    }
    if addons.len() + context.aggregate.addons.len() > MAX_REPLACED_ADDONS {
        return Err(Rejection::TooManyReplacedAddons);
    }
    let snapshots = addons.iter().map(|(id, addon)| snapshot(*id, addon, version.currency, context.at));
    let snapshots: Vec<SubscriptionAddon> = snapshots.collect::<Result<_, _>>()?;
    // A deployment in its own trial can subscribe again to the plan whose trial it used.
    let claims_already = deployment.state == State::Trial && trial_claimed_by == Some(deployment.id);
    let trial_used = trial_claimed_by.is_some() && !claims_already;
    let trial_ends_at = trial_end(context, &plan, &version, trial_ends_at, trial_used)?;
    let mut subscription = Subscription::begin(id, PlanTerms::from(&version), anchor_mode, trial_ends_at, context.at);
    let mut books = Books::new(context);
    books.bill_period(&mut subscription, &snapshots);
    let dunning_policy = books.dunning_policy();
    let subscribed = context.event(EventKind::Subscribed { subscription, addons: snapshots, dunning_policy });
    let trial_of = trial_ends_at.filter(|_| !claims_already).map(|_| plan.code);
    Ok(Change { trial_of, ..context.change(books.finish(subscribed)) })
}

/// The end of a new subscription's trial; `None` without a trial. A deployment in its own trial keeps the end of that.
fn trial_end(
    context: &Context<'_>,
    plan: &Plan,
    version: &PlanVersion,
    wished: Option<Timestamp>,
    used: bool,
) -> Result<Option<Timestamp>, Rejection> {
    if let Some(at) = wished {
        require_ahead("trial_ends_at", at, context.at)?;
        if context.deployment().state == State::Trial {
            let detail = "is only for a deployment that is not in trial itself";
            return Err(super::invalid("trial_ends_at", "not_allowed", detail));
        }
    }
    let trial = if context.deployment().state == State::Trial {
        // A trial that is over, although its step has not been taken yet, is not continued.
        context.deployment().trial_ends_at.filter(|end| *end > context.at)
    } else {
        wished
    };
    match trial {
        Some(_) if used => Err(Rejection::TrialUsed(plan.code.clone())),
        Some(at) => Ok(Some(at)),
        None if used || version.trial_days == 0 || context.deployment().state == State::Trial => Ok(None),
        None => Ok(context.at.checked_add_signed(TimeDelta::days(i64::from(version.trial_days)))),
    }
}

pub(super) fn attach_addon(context: &Context<'_>, id: SubscriptionAddonId, addon: &Addon) -> Result<Change, Rejection> {
    let mut subscription = active_subscription(context)?;
    if context.aggregate.addons.len() >= MAX_ADDONS {
        return Err(Rejection::TooManyAddons);
    }
    let addon = snapshot(id, addon, subscription.terms.currency, context.at)?;
    let mut books = Books::new(context);
    books.charge(&mut subscription, Some(&addon), context.at)?;
    books.bill_changes(&mut subscription);
    Ok(context.change(books.finish(context.event(EventKind::AddonAttached { addon, subscription }))))
}

pub(super) fn detach_addon(context: &Context<'_>, id: SubscriptionAddonId) -> Result<Change, Rejection> {
    let mut subscription = active_subscription(context)?;
    let addon = context.aggregate.addons.iter().find(|addon| addon.id == id);
    let addon = addon.cloned().ok_or(Rejection::AddonNotAttached)?;
    let mut books = Books::new(context);
    books.credit(&mut subscription, context.at, |charge| charge.addon_id == Some(id));
    Ok(context.change(books.finish(context.event(EventKind::AddonDetached { addon, subscription }))))
}

pub(super) fn change_plan(context: &Context<'_>, command: ChangePlan) -> Result<Option<Change>, Rejection> {
    let ChangePlan { plan: _, version, effective, proration, drop_incompatible, trial_claimed_by } = command;
    let subscription = active_subscription(context)?;
    let terms = PlanTerms::from(&version);
    if !drop_incompatible {
        for addon in &context.aggregate.addons {
            require_currency(addon, terms.currency)?;
        }
    }
    // Without proration nothing of the period is credited, so another interval can begin only after it.
    let waits_for_end = proration == Proration::None && terms.interval != subscription.terms.interval;
    let effective = if waits_for_end && !subscription.in_trial() { Effective::PeriodEnd } else { effective };
    let pending = subscription.pending_change.as_ref();
    let is_same = |known: &PendingChange| known.terms == terms && known.drop_incompatible == drop_incompatible;
    match effective {
        Effective::PeriodEnd
            if pending.is_some_and(|known| is_same(known) && stands(context.actor, known.scheduled_by)) =>
        {
            Ok(None)
        }
        Effective::PeriodEnd | Effective::Immediate if terms == subscription.terms => {
            Ok(if pending.is_some() { Some(withdraw_plan_change(context)?) } else { None })
        }
        Effective::PeriodEnd => {
            let (requested_at, scheduled_by) = (context.at, context.actor.authority);
            let pending = PendingChange { terms, drop_incompatible, requested_at, scheduled_by, effective_from: None };
            let subscription = Subscription { pending_change: Some(pending), ..subscription };
            Ok(Some(context.change_by([EventKind::PlanChangeScheduled { subscription }])))
        }
        Effective::Immediate if subscription.in_trial() => {
            change_in_trial(context, subscription, &version, trial_claimed_by).map(Some)
        }
        Effective::Immediate => change_now(context, subscription, terms, proration).map(Some),
    }
}

/// A change of plan within a trial; nothing was billed yet. A trial belongs to its plan: the trial of the new plan
/// counts from the creation of the subscription, and billing begins if the new plan has none, if that one is over or if
/// the tenant has used it. A deployment in its own trial keeps the end of that, and cannot change to a plan whose trial
/// another deployment has used.
fn change_in_trial(
    context: &Context<'_>,
    old: Subscription,
    version: &PlanVersion,
    trial_claimed_by: Option<DeploymentId>,
) -> Result<Change, Rejection> {
    let terms = PlanTerms::from(version);
    let deployment = context.deployment();
    let (is_in_own_trial, is_of_same_plan) = (deployment.state == State::Trial, terms.plan_code == old.terms.plan_code);
    let keeps_end = is_in_own_trial || is_of_same_plan;
    let mut trial_of = None;
    if is_in_own_trial && !is_of_same_plan {
        // As for a new subscription: the trial of the deployment is that of the plan too.
        match trial_claimed_by {
            None => trial_of = Some(terms.plan_code.clone()),
            Some(claimed_by) if claimed_by == deployment.id => {}
            Some(_) => return Err(Rejection::TrialUsed(terms.plan_code)),
        }
    }
    let (kept, dropped_addons) = divide(context, terms.currency);
    let (from, ended_announcement) = (old.terms.clone(), announced(&old));
    let mut new = Subscription { terms: terms.clone(), pending_change: None, ..old };
    let mut books = Books::new(context);
    books.fit_discount(&mut new);
    if !keeps_end {
        let days = TimeDelta::days(i64::from(version.trial_days));
        let ends_at = new.created_at.checked_add_signed(days).filter(|end| *end > context.at);
        if let Some(ends_at) = ends_at.filter(|_| trial_claimed_by.is_none()) {
            let cancel_at = new.cancel_at;
            new.extend_trial(ends_at);
            new.cancel_at = cancel_at;
            trial_of = Some(terms.plan_code.clone());
        } else {
            new.trial_ends_at = Some(context.at);
            new.begin_billing(context.at);
            books.bill_period(&mut new, &kept);
        }
    }
    let changed = EventKind::PlanChanged { from, to: terms, dropped_addons, ended_announcement, subscription: new };
    Ok(Change { trial_of, ..context.change(books.finish(context.event(changed))) })
}

/// A change of plan within a billed period.
fn change_now(
    context: &Context<'_>,
    old: Subscription,
    terms: PlanTerms,
    proration: Proration,
) -> Result<Change, Rejection> {
    let at = context.at;
    let same_interval = terms.interval == old.terms.interval;
    if terms.currency != old.terms.currency && proration == Proration::Prorate {
        return Err(Rejection::CurrencyChange);
    }
    let (kept, dropped_addons) = divide(context, terms.currency);
    let (from, ended_announcement) = (old.terms.clone(), announced(&old));
    let mut new = Subscription { pending_change: None, ..old };
    let mut books = Books::new(context);
    // A dropped add-on is credited like a detached one.
    books.credit(&mut new, at, |charge| charge.addon_id.is_some_and(|id| dropped_addons.contains(&id)));
    if same_interval {
        if proration == Proration::Prorate {
            books.credit(&mut new, at, Charge::is_of_plan);
        }
        new.terms = terms.clone();
        books.fit_discount(&mut new);
        if proration == Proration::Prorate {
            books.charge(&mut new, None, at)?;
            books.bill_changes(&mut new);
        }
    } else {
        // Another interval begins a new period, billed like every period.
        books.credit(&mut new, at, |_| true);
        new.terms = terms.clone();
        new.begin_billing(at);
        books.bill_period(&mut new, &kept);
    }
    if dropped_addons.len() + books.changed_invoices() > MAX_REPLACED_ADDONS {
        return Err(Rejection::TooManyReplacedAddons);
    }
    let changed = EventKind::PlanChanged { from, to: terms, dropped_addons, ended_announcement, subscription: new };
    Ok(context.change(books.finish(context.event(changed))))
}

/// The terms of the price change that was announced for a subscription.
fn announced(subscription: &Subscription) -> Option<PlanTerms> {
    subscription.pending_change.as_ref().filter(|pending| pending.is_announced()).map(|pending| pending.terms.clone())
}

/// The add-ons of a currency, and the ids of the others.
fn divide(context: &Context<'_>, currency: Currency) -> (Vec<SubscriptionAddon>, Vec<SubscriptionAddonId>) {
    let (kept, dropped): (Vec<_>, Vec<_>) =
        context.aggregate.addons.iter().cloned().partition(|addon| addon.currency == currency);
    (kept, dropped.into_iter().map(|addon| addon.id).collect())
}

pub(super) fn withdraw_plan_change(context: &Context<'_>) -> Result<Change, Rejection> {
    let mut subscription = live_subscription(context)?;
    subscription.pending_change.take().ok_or(Rejection::NoPendingChange)?;
    Ok(context.change_by([EventKind::PlanChangeWithdrawn { subscription }]))
}

pub(super) fn cancel(context: &Context<'_>, effective: Effective) -> Result<Option<Change>, Rejection> {
    let mut subscription = live_subscription(context)?;
    let is_scheduled = subscription.cancel_at.is_some();
    match effective {
        Effective::PeriodEnd
            if is_scheduled && subscription.cancel_scheduled_by.is_none_or(|by| stands(context.actor, by)) =>
        {
            Ok(None)
        }
        // During a pause the period can already be over; then the last arm cancels immediately.
        Effective::PeriodEnd if is_scheduled || subscription.current_period_end > context.at => {
            subscription.cancel_at = subscription.cancel_at.or(Some(subscription.current_period_end));
            subscription.cancel_scheduled_by = Some(context.actor.authority);
            Ok(Some(context.change_by([EventKind::CancellationScheduled { subscription }])))
        }
        Effective::PeriodEnd | Effective::Immediate => Ok(Some(context.change(end(context, subscription, context.at)))),
    }
}

pub(super) fn withdraw_cancellation(context: &Context<'_>) -> Result<Change, Rejection> {
    let mut subscription = live_subscription(context)?;
    subscription.cancel_at.take().ok_or(Rejection::NoPendingCancellation)?;
    subscription.cancel_scheduled_by = None;
    Ok(context.change_by([EventKind::CancellationWithdrawn { subscription }]))
}

pub(super) fn extend_trial(context: &Context<'_>, ends_at: Timestamp) -> Result<Option<Change>, Rejection> {
    let deployment = context.deployment();
    let mut subscription = context.aggregate.subscription.clone();
    let trial = subscription.as_mut().filter(|s| s.is_live() && s.in_trial());
    let own = deployment.trial_ends_at.filter(|_| deployment.state == State::Trial);
    let current = own.or_else(|| trial.as_ref().and_then(|s| s.trial_ends_at)).filter(|end| *end > context.at);
    let from = current.ok_or(Rejection::NoTrial)?;
    if ends_at == from {
        return Ok(None);
    }
    require_ahead("trial_ends_at", ends_at, context.at)?;
    if let Some(trial) = trial {
        trial.extend_trial(ends_at);
    }
    let kind = EventKind::TrialExtended { ends_at: Changed { from, to: ends_at }, subscription };
    Ok(Some(context.change_by([kind])))
}

pub(super) fn live_subscription(context: &Context<'_>) -> Result<Subscription, Rejection> {
    context.aggregate.live_subscription().cloned().ok_or(Rejection::NotSubscribed)
}

fn active_subscription(context: &Context<'_>) -> Result<Subscription, Rejection> {
    let subscription = live_subscription(context)?;
    match subscription.status {
        SubscriptionStatus::Active => Ok(subscription),
        SubscriptionStatus::Paused | SubscriptionStatus::Cancelled => Err(Rejection::SubscriptionPaused),
    }
}

fn snapshot(
    id: SubscriptionAddonId,
    addon: &Addon,
    currency: Currency,
    at: Timestamp,
) -> Result<SubscriptionAddon, Rejection> {
    match addon.status {
        CatalogStatus::Active => {}
        CatalogStatus::Retired => return Err(Rejection::AddonRetired(addon.code.clone())),
    }
    let addon = SubscriptionAddon::snapshot(id, addon, at);
    require_currency(&addon, currency)?;
    Ok(addon)
}

fn require_currency(addon: &SubscriptionAddon, expected: Currency) -> Result<(), Rejection> {
    if addon.currency == expected {
        return Ok(());
    }
    Err(Rejection::CurrencyMismatch { code: addon.code.clone(), currency: addon.currency, expected })
}
