//! The rules of subscriptions: subscribe, add-ons, change of plan, cancellation, trial.

use chrono::TimeDelta;

use super::powers::stands;
use super::{Context, Rejection, require_ahead};
use crate::domain::aggregate::Change;
use crate::domain::catalog::{Addon, CatalogStatus, Plan, PlanVersion};
use crate::domain::event::{Changed, EventKind};
use crate::domain::invoice::{bill_period, bill_rest};
use crate::domain::lifecycle::State;
use crate::domain::money::Currency;
use crate::domain::period::AnchorMode;
use crate::domain::policy::DunningPolicy;
use crate::domain::subscription::{
    Line, MAX_ADDONS, MAX_UNBILLED_LINES, PendingChange, PlanTerms, Subscription, SubscriptionAddon, SubscriptionStatus,
};
use crate::domain::values::{DeploymentId, SubscriptionAddonId, SubscriptionId, Timestamp};

/// How many open invoices a deployment can have before its own users cannot cause another.
pub const MAX_OPEN_INVOICES: usize = 24;

/// How many old and new add-ons one transaction of at most 100 writes has room for, beside the deployment, the
/// subscription, events, the trial claim, invoices and an idempotency record.
pub const MAX_REPLACED_ADDONS: usize = 90;

/// When something takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Effective {
    /// Now.
    Immediate,
    /// At the end of the current period, or of the trial.
    PeriodEnd,
}

/// What an immediate change of plan does about the rest of the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Proration {
    /// The old plan is given back and the new one charged, each by the second.
    Prorate,
    /// Nothing: the new price counts from the next period on.
    None,
}

/// Subscribe a deployment to a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// The new subscription's identity.
    pub id: SubscriptionId,
    /// The plan, as the catalog has it now.
    pub plan: Plan,
    /// The version of it.
    pub version: PlanVersion,
    /// Add-ons as the catalog has them now, and the identities they get on the subscription.
    pub addons: Vec<(SubscriptionAddonId, Addon)>,
    /// Where periods begin.
    pub anchor_mode: AnchorMode,
    /// When the trial ends, if not as the plan version says; only for `platform_admin`.
    pub trial_ends_at: Option<Timestamp>,
    /// The deployment by which the tenant has had its one trial of this plan, if it has.
    pub trial_claimed_by: Option<DeploymentId>,
    /// The tenant's policy.
    pub dunning_policy: DunningPolicy,
}

/// Change to another plan version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePlan {
    /// The plan, as the catalog has it now.
    pub plan: Plan,
    /// The version of it.
    pub version: PlanVersion,
    /// When.
    pub effective: Effective,
    /// What about the rest of the period.
    pub proration: Proration,
    /// Drop add-ons of another currency instead of refusing.
    pub drop_incompatible: bool,
}

impl std::str::FromStr for Effective {
    type Err = crate::domain::InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "immediate" => Ok(Self::Immediate),
            "period_end" => Ok(Self::PeriodEnd),
            _ => Err(Self::Err { code: "invalid_effective", detail: "must be immediate or period_end" }),
        }
    }
}

impl std::str::FromStr for Proration {
    type Err = crate::domain::InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "prorate" => Ok(Self::Prorate),
            "none" => Ok(Self::None),
            _ => Err(Self::Err { code: "invalid_proration", detail: "must be prorate or none" }),
        }
    }
}

pub(super) fn subscribe(context: &Context<'_>, command: Subscribe) -> Result<Change, Rejection> {
    let Subscribe { id, plan, version, addons, anchor_mode, trial_ends_at, trial_claimed_by, dunning_policy } = command;
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
    // A deployment that is itself in trial can subscribe again to the plan it tries.
    let claims_already = deployment.state == State::Trial && trial_claimed_by == Some(deployment.id);
    let trial_used = trial_claimed_by.is_some() && !claims_already;
    let trial_ends_at = trial_end(context, &plan, &version, trial_ends_at, trial_used)?;
    let mut subscription = Subscription::begin(id, PlanTerms::from(&version), anchor_mode, trial_ends_at, context.at);
    let invoices = bill_period(&mut subscription, &snapshots, deployment.id, &dunning_policy, context.at);
    let mut kinds = vec![EventKind::Subscribed { subscription, addons: snapshots, dunning_policy }];
    kinds.extend(invoices.into_iter().map(|invoice| EventKind::InvoiceOpened { invoice }));
    Ok(Change { trial_of: trial_ends_at.filter(|_| !claims_already).map(|_| plan.code), ..context.change_by(kinds) })
}

/// When a new subscription's trial ends, if it gets one. A deployment that is itself in trial keeps its own end.
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
        // Over, but not ended yet by the clock: no trial is left.
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
    if let Some(pending) = subscription.pending_change.as_ref().filter(|pending| !pending.drop_incompatible) {
        require_currency(&addon, pending.terms.currency)?;
    }
    let charge = subscription.addon_charge(&addon, context.at);
    owe(&mut subscription, charge)?;
    Ok(context.change_by([EventKind::AddonAttached { addon, subscription }]))
}

pub(super) fn detach_addon(context: &Context<'_>, id: SubscriptionAddonId) -> Result<Change, Rejection> {
    let mut subscription = active_subscription(context)?;
    let addon = context.aggregate.addons.iter().find(|addon| addon.id == id);
    let addon = addon.cloned().ok_or(Rejection::AddonNotAttached)?;
    // What was attached can be detached, however much waits: the limit is on attaching.
    let credit = subscription.addon_credit(&addon, context.at);
    subscription.unbilled_lines.extend(credit.filter(|line| line.amount_cents != 0));
    Ok(context.change_by([EventKind::AddonDetached { addon, subscription }]))
}

pub(super) fn change_plan(context: &Context<'_>, command: ChangePlan) -> Result<Option<Change>, Rejection> {
    let ChangePlan { plan: _, version, effective, proration, drop_incompatible } = command;
    let subscription = active_subscription(context)?;
    let terms = PlanTerms::from(&version);
    if !drop_incompatible {
        for addon in &context.aggregate.addons {
            require_currency(addon, terms.currency)?;
        }
    }
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
            let pending = PendingChange { terms, drop_incompatible, requested_at, scheduled_by };
            let subscription = Subscription { pending_change: Some(pending), ..subscription };
            Ok(Some(context.change_by([EventKind::PlanChangeScheduled { subscription }])))
        }
        Effective::Immediate => change_now(context, subscription, terms, proration).map(Some),
    }
}

fn change_now(
    context: &Context<'_>,
    old: Subscription,
    terms: PlanTerms,
    proration: Proration,
) -> Result<Change, Rejection> {
    let at = context.at;
    let same_interval = terms.interval == old.terms.interval;
    let begins_period = !same_interval && !old.in_trial();
    if terms.currency != old.terms.currency && proration == Proration::Prorate && !old.in_trial() {
        return Err(Rejection::CurrencyChange);
    }
    let (kept, dropped): (Vec<_>, Vec<_>) =
        context.aggregate.addons.iter().partition(|addon| addon.currency == terms.currency);
    let mut new = Subscription { terms, pending_change: None, ..old.clone() };
    let mut credits: Vec<Line> = Vec::new();
    let mut charges: Vec<Line> = Vec::new();
    if proration == Proration::Prorate {
        credits.extend(old.plan_credit(at));
    }
    if same_interval {
        let charge = new.plan_charge(at).filter(|_| proration == Proration::Prorate);
        if proration == Proration::Prorate {
            new.billed_price_cents = new.terms.price_cents;
        } else if new.terms.currency != old.terms.currency {
            // What was billed in one currency is never given back in another.
            new.billed_price_cents = 0;
        }
        charges.extend(charge);
        for line in credits.iter().chain(&charges) {
            owe(&mut new, Some(line.clone()))?;
        }
    } else {
        // Another interval begins a new period, which is billed as every period is: in full, not as a difference.
        if proration == Proration::Prorate {
            credits.extend(kept.iter().filter_map(|addon| old.addon_credit(addon, at)));
        }
        for line in &credits {
            owe(&mut new, Some(line.clone()))?;
        }
        if begins_period {
            new.begin_billing(at);
            charges.extend(new.plan_charge(at));
            charges.extend(kept.iter().filter_map(|addon| new.addon_charge(addon, at)));
        }
    }
    let kept: Vec<SubscriptionAddon> = kept.into_iter().cloned().collect();
    let mut invoices = Vec::new();
    if begins_period {
        let deployment = context.deployment();
        if deployment.open_invoices.len() >= MAX_OPEN_INVOICES {
            return Err(Rejection::TooManyOpenInvoices);
        }
        // Within the second in which the old period was first billed, the number is taken, and the store refuses.
        invoices = bill_period(&mut new, &kept, deployment.id, &deployment.dunning_policy, at);
    }
    let mut kinds = vec![EventKind::PlanChanged {
        from: old.terms,
        to: new.terms.clone(),
        lines: credits.into_iter().chain(charges).filter(|line| line.amount_cents != 0).collect(),
        dropped_addons: dropped.iter().map(|addon| addon.id).collect(),
        subscription: new,
    }];
    kinds.extend(invoices.into_iter().map(|invoice| EventKind::InvoiceOpened { invoice }));
    Ok(context.change_by(kinds))
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
        // A pause has used the paid period up, or will have by the time it is over.
        Effective::PeriodEnd if is_scheduled || subscription.current_period_end > context.at => {
            subscription.cancel_at = subscription.cancel_at.or(Some(subscription.current_period_end));
            subscription.cancel_scheduled_by = Some(context.actor.authority);
            Ok(Some(context.change_by([EventKind::CancellationScheduled { subscription }])))
        }
        Effective::PeriodEnd | Effective::Immediate => {
            Ok(Some(context.change_by(end(context, subscription, context.at))))
        }
    }
}

/// Ends a subscription and bills what still waits.
pub(super) fn end(context: &Context<'_>, mut subscription: Subscription, at: Timestamp) -> Vec<EventKind> {
    subscription.cancel(at);
    let deployment = context.deployment();
    let invoices = bill_rest(&mut subscription, deployment.id, &deployment.dunning_policy, at, context.at);
    let mut kinds = vec![EventKind::SubscriptionCancelled { subscription }];
    kinds.extend(invoices.into_iter().map(|invoice| EventKind::InvoiceOpened { invoice }));
    kinds
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

fn live_subscription(context: &Context<'_>) -> Result<Subscription, Rejection> {
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

/// Puts a line on the next invoice, unless it comes to nothing.
fn owe(subscription: &mut Subscription, line: Option<Line>) -> Result<(), Rejection> {
    let Some(line) = line.filter(|line| line.amount_cents != 0) else { return Ok(()) };
    if subscription.unbilled_lines.len() >= MAX_UNBILLED_LINES {
        return Err(Rejection::TooManyChanges);
    }
    subscription.unbilled_lines.push(line);
    Ok(())
}
