//! Price changes with notice: a new version of a plan replaces an offered one, which is closed, and the change is announced
//! to every subscription of it. When it takes effect is in [`Subscription::change_at`].

use super::billing::{Moved, move_to};
use super::{Context, Rejection, invalid, require_within_reach};
use crate::actor::Authority;
use crate::aggregate::Change;
use crate::catalog::{PlanVersion, VersionStatus};
use crate::event::{Event, EventKind};
use crate::subscription::{PendingChange, PlanTerms, Subscription};
use crate::values::Timestamp;

/// The command that announces a price change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncePrice {
    /// The terms of the new version. Plan, currency and interval are those of the closed one.
    pub terms: PlanTerms,
    /// The closed version.
    pub replaces: u32,
    /// The moment from which the subscription changes at its first period boundary.
    pub effective_from: Timestamp,
}

/// Closes a version that a new one of the same plan replaces; returns the closed version.
///
/// # Errors
/// A [`Rejection`] that names the field `replaces` or `effective_from`.
pub fn replace_version(
    old: &PlanVersion,
    new: &PlanVersion,
    effective_from: Timestamp,
    now: Timestamp,
) -> Result<PlanVersion, Rejection> {
    match old.status {
        VersionStatus::Offered => {}
        VersionStatus::Closed => return Err(invalid("replaces", "closed", "is closed already")),
    }
    if old.currency != new.currency {
        return Err(invalid("replaces", "other_currency", "must be a version in the same currency"));
    }
    if old.interval != new.interval {
        return Err(invalid("replaces", "other_interval", "must be a version with the same interval"));
    }
    if effective_from < now {
        return Err(invalid("effective_from", "in_past", "must not be in the past"));
    }
    require_within_reach("effective_from", effective_from, now)?;
    let (status, replaced_by) = (VersionStatus::Closed, Some(new.version));
    Ok(PlanVersion { status, replaced_by, effective_from: Some(effective_from), ..old.clone() })
}

/// Announces the price change that a subscription missed while it was cancelled, or had a schedule of its customer.
pub(super) fn tell_returned(context: &Context<'_>, change: Change) -> Change {
    let Some(successor) = context.successor.filter(|_| change.returns_to().is_some()) else { return change };
    change.then(context, |context| match announcement(context, successor.clone()) {
        Ok(Some(told)) => vec![Event { reason: "price_change".parse().ok(), ..told }],
        Ok(None) | Err(_) => Vec::new(),
    })
}

/// The events of a move that restarts a subscription whose plan version was replaced meanwhile, if the move begins a
/// period that has the new price already.
pub(super) fn move_of_returned(context: &Context<'_>, moved: &Moved) -> Option<Vec<Event>> {
    let AnnouncePrice { terms, replaces, effective_from } = context.successor?.clone();
    let mut told = context.aggregate.clone();
    let cancelled = told.subscription.as_mut().filter(|last| !last.is_live())?;
    if !cancelled.next_terms().is_version(&terms.plan_code, replaces) {
        return None;
    }
    let (requested_at, scheduled_by) = (context.at, Authority::PlatformAdmin);
    let effective_from = Some(effective_from);
    cancelled.pending_change =
        Some(PendingChange { terms, drop_incompatible: false, requested_at, scheduled_by, effective_from });
    let events = move_to(&Context { aggregate: &told, ..*context }, moved.clone());
    events.iter().any(|event| matches!(event.kind, EventKind::PlanChanged { .. })).then_some(events)
}

/// Announces a price change: schedules it for the first boundary from its moment on.
///
/// - A scheduled change to the closed version becomes one to the new version; if a customer scheduled it, on the same day
///   and still the customer's.
/// - A customer's own change to the new version keeps its day, but can no longer be withdrawn.
/// - Any other scheduled change and a scheduled cancellation stay, and the price does not change.
pub(super) fn announce(context: &Context<'_>, command: AnnouncePrice) -> Result<Option<Change>, Rejection> {
    Ok(announcement(context, command)?.map(|event| context.change(vec![event])))
}

fn announcement(context: &Context<'_>, command: AnnouncePrice) -> Result<Option<Event>, Rejection> {
    let AnnouncePrice { terms, replaces, effective_from } = command;
    let subscription = context.aggregate.live_subscription().cloned().ok_or(Rejection::NotSubscribed)?;
    if subscription.terms == terms {
        return Ok(None);
    }
    if subscription.cancel_at.is_some() {
        return Err(Rejection::CancellationScheduled);
    }
    let is_replaced = |known: &PlanTerms| known.is_version(&terms.plan_code, replaces);
    let announced = PendingChange {
        terms: terms.clone(),
        drop_incompatible: false,
        requested_at: context.at,
        scheduled_by: Authority::PlatformAdmin,
        effective_from: Some(effective_from),
    };
    let (from, pending) = match subscription.pending_change.clone() {
        None if is_replaced(&subscription.terms) => (subscription.terms.clone(), announced),
        None => return Ok(None),
        Some(known) if known.terms == terms && known.scheduled_by == announced.scheduled_by => return Ok(None),
        // It is due at the end of the period, so the earliest moment is that of the announcement.
        Some(known) if known.terms == terms => {
            let effective_from = known.effective_from.or(Some(context.at));
            (subscription.terms.clone(), PendingChange { effective_from, ..announced })
        }
        Some(known) if is_replaced(&known.terms) && known.is_announced() => (known.terms, announced),
        Some(known) if is_replaced(&known.terms) => {
            (known.terms.clone(), PendingChange { terms: terms.clone(), ..known })
        }
        Some(known) => {
            let PlanTerms { plan_code, plan_version: version, .. } = known.terms;
            return Err(Rejection::OwnChangeScheduled { plan_code, version });
        }
    };
    let subscription = Subscription { pending_change: Some(pending), ..subscription };
    let effective_at = subscription.change_at().unwrap_or(subscription.current_period_end);
    Ok(Some(context.event(EventKind::PriceChangeAnnounced { from, to: terms, effective_at, subscription })))
}
