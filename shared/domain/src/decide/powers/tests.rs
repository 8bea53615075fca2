//! Random histories: after any commands of the platform, no command of a tenant's user has an effect that the table of
//! powers denies.

use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::super::tests::{addon, admin, at, change_plan, new_deployment, plan, subscribe, tenant_user};
use super::super::{AnnouncePrice, Transition, decide};
use super::*;
use crate::aggregate::{Aggregate, Change};
use crate::event::EventKind;
use crate::lifecycle::Standing;
use crate::period::{AnchorMode, Interval};
use crate::values::SubscriptionAddonId;

/// One step of a history: a command, its role, and the seconds since the step before.
#[derive(Debug, Clone)]
struct Step {
    by_platform: bool,
    ask: Ask,
    seconds: i64,
}

#[derive(Debug, Clone)]
enum Ask {
    Move(State),
    Subscribe { plan: usize, older: bool },
    Change { plan: usize, older: bool, effective: Effective, proration: Proration },
    WithdrawChange,
    Announce(i64),
    Cancel(Effective),
    WithdrawCancellation,
    MoveTrialEnd(i64),
    Hold(bool),
    Attach,
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let effective = || prop::sample::select(vec![Effective::Immediate, Effective::PeriodEnd]);
    let proration = prop::sample::select(vec![Proration::Prorate, Proration::None]);
    let ask = prop_oneof![
        4 => prop::sample::select(State::ALL.to_vec()).prop_map(Ask::Move),
        3 => (0..3_usize, any::<bool>()).prop_map(|(plan, older)| Ask::Subscribe { plan, older }),
        5 => (0..3_usize, any::<bool>(), effective(), proration)
            .prop_map(|(plan, older, effective, proration)| Ask::Change { plan, older, effective, proration }),
        2 => Just(Ask::WithdrawChange),
        3 => (0..40_i64).prop_map(Ask::Announce),
        2 => effective().prop_map(Ask::Cancel),
        2 => Just(Ask::WithdrawCancellation),
        1 => (-10..40_i64).prop_map(Ask::MoveTrialEnd),
        1 => any::<bool>().prop_map(Ask::Hold),
        1 => Just(Ask::Attach),
        5 => Just(Ask::Tick),
    ];
    let step = (any::<bool>(), ask, 1..2_000_000_i64);
    prop::collection::vec(step.prop_map(|(by_platform, ask, seconds)| Step { by_platform, ask, seconds }), 1..50)
}

/// A plan with an older, cheaper version, and one of its two versions.
fn offer(index: usize, older: bool) -> (Plan, PlanVersion) {
    let first = plan(index);
    let old = first.newest_version.clone().unwrap();
    let (now, new) =
        first.publish(old.price_cents * 2, old.currency, Interval::Month, old.trial_days, first.created_at);
    (now, if older { old } else { new })
}

fn command(ask: &Ask, n: usize, now: Timestamp) -> Option<Command> {
    Some(match ask {
        Ask::Tick => return None,
        Ask::Move(to_state) => {
            Command::Transition(Transition { to_state: *to_state, reason: None, notes: None, resume_at: None })
        }
        Ask::Subscribe { plan, older } => {
            let (plan, version) = offer(*plan, *older);
            let Command::Subscribe(subscribe) = subscribe(plan, &[], AnchorMode::Calendar) else { unreachable!() };
            Command::Subscribe(Subscribe { version, ..subscribe })
        }
        Ask::Change { plan, older, effective, proration } => {
            let (plan, version) = offer(*plan, *older);
            let Command::ChangePlan(change) = change_plan(plan, *effective, *proration, false) else { unreachable!() };
            Command::ChangePlan(ChangePlan { version, ..change })
        }
        Ask::WithdrawChange => Command::WithdrawPlanChange,
        Ask::Announce(days) => {
            let (_, version) = offer(0, false);
            let (terms, effective_from) = (PlanTerms::from(&version), now + TimeDelta::days(*days));
            Command::AnnouncePrice(AnnouncePrice { terms, replaces: 1, effective_from })
        }
        Ask::Cancel(effective) => Command::CancelSubscription(*effective),
        Ask::WithdrawCancellation => Command::WithdrawCancellation,
        Ask::MoveTrialEnd(days) => Command::ExtendTrial(now + TimeDelta::days(*days)),
        Ask::Hold(held) => {
            Command::Update(UpdateDeployment { billing_action_suspended: Some(*held), ..UpdateDeployment::default() })
        }
        Ask::Attach => Command::AttachAddon(SubscriptionAddonId::new(Uuid::from_u128(10_000 + n as u128)), addon(0)),
    })
}

/// Checks that a change by a tenant's user has no effect that the table denies.
fn check(before: &Aggregate, change: &Change, now: Timestamp) -> Result<(), TestCaseError> {
    let after = &change.after;
    let (was, is) = (before.live_subscription(), after.live_subscription());
    prop_assert_eq!(before.deployment.billing_action_suspended, after.deployment.billing_action_suspended);
    prop_assert_eq!(before.deployment.trial_ends_at, after.deployment.trial_ends_at);
    let standing: Standing = before.deployment.standing(now);
    for event in &change.events {
        match &event.kind {
            EventKind::Subscribed { subscription, .. } => prop_assert_eq!(subscription.terms.plan_version, 2),
            EventKind::PlanChanged { from, to, .. } => {
                // A change that the platform scheduled takes effect also when a tenant's move ends the period.
                let scheduled = before.subscription.as_ref().and_then(|s| s.pending_change.as_ref());
                let is_scheduled = scheduled.is_some_and(|pending| pending.terms == *to);
                prop_assert!(to.plan_version == 2 || to == from || is_scheduled, "an older version: {:?}", to);
            }
            EventKind::TrialExtended { .. } => prop_assert!(false, "a trial's end was moved"),
            EventKind::StateChanged { .. } => {
                let resumes = event.from_state == Some(State::Paused) && event.to_state == Some(State::Active);
                prop_assert!(!resumes || !(standing.is_overdue || standing.is_held), "resumed with {:?}", standing);
            }
            _ => {}
        }
    }
    // A schedule of the platform still exists or has taken effect, unless the whole subscription has ended.
    if let (Some(was), Some(is)) = (was, is)
        && was.id == is.id
    {
        let by_platform = |by: Authority| by == Authority::PlatformAdmin;
        if let Some(pending) = was.pending_change.as_ref().filter(|pending| by_platform(pending.scheduled_by)) {
            // An immediate change to another plan ends an announced price.
            let has_left = pending.is_announced() && is.terms != was.terms;
            let stands = is.pending_change.as_ref() == Some(pending);
            prop_assert!(stands || has_left || is.terms == pending.terms, "{:?}", is);
        }
        if was.cancel_scheduled_by.is_some_and(by_platform) {
            prop_assert!(is.cancel_at.is_some() && is.cancel_scheduled_by.is_some_and(by_platform));
        }
        let scheduled_anew = is.pending_change.as_ref().filter(|_| was.pending_change.is_none());
        prop_assert!(scheduled_anew.is_none_or(|pending| pending.scheduled_by == Authority::TenantUser));
    }
    prop_assert!(is.is_none_or(|is| is.cancel_at.is_some() == is.cancel_scheduled_by.is_some()));
    Ok(())
}

proptest! {
    #[test]
    fn a_power_that_the_table_denies_a_tenant_has_no_effect(trial in any::<bool>(), steps in steps()) {
        let mut now = at("2026-01-31T10:00:00Z");
        let (mut aggregate, _) = new_deployment(if trial { State::Trial } else { State::Active }, now);
        for (n, Step { by_platform, ask, seconds }) in steps.iter().enumerate() {
            now += TimeDelta::seconds(*seconds);
            let actor = if *by_platform { admin() } else { tenant_user() };
            let change = match command(ask, n, now) {
                Some(command) => decide(&aggregate, command, &actor, None, now).ok().flatten(),
                None => crate::step(&aggregate, None, now).unwrap(),
            };
            let Some(change) = change else { continue };
            if !by_platform && !matches!(ask, Ask::Tick) {
                check(&aggregate, &change, now)?;
            }
            aggregate = change.after;
        }
    }
}

/// The roles of machines can only give their own commands, for any deployment.
#[test]
fn machines_give_no_command_but_their_own() {
    let now = at("2026-11-10T00:00:00Z");
    let (aggregate, _) = new_deployment(State::Active, now);
    let buy = subscribe(plan(0), &[], AnchorMode::Calendar);
    let subscribed = decide(&aggregate, buy, &admin(), None, now).unwrap().unwrap().after;
    let asks = [
        Ask::Subscribe { plan: 1, older: false },
        Ask::Change { plan: 1, older: false, effective: Effective::PeriodEnd, proration: Proration::Prorate },
        Ask::WithdrawChange,
        Ask::Announce(9),
        Ask::Cancel(Effective::Immediate),
        Ask::WithdrawCancellation,
        Ask::MoveTrialEnd(9),
        Ask::Hold(true),
        Ask::Attach,
        Ask::Move(State::Paused),
    ];
    for authority in [Authority::PaymentProvider, Authority::DataPlane] {
        let actor = Actor { id: "machine".to_owned(), authority };
        for (n, ask) in asks.iter().enumerate() {
            let command = command(ask, n, now).unwrap();
            let refused = decide(&subscribed, command, &actor, None, now).unwrap_err();
            let is_refused = matches!(
                refused,
                Rejection::RoleNotPermitted
                    | Rejection::FieldNotPermitted { .. }
                    | Rejection::TransitionNotPermitted { .. }
            );
            assert!(is_refused, "{ask:?} by {authority:?}: {refused}");
        }
    }
}
