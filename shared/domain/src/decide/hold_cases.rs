//! Cases of a tenant's rules: the pauses by its hold and by the lack of a subscription, the resumptions after them, and
//! the deployments that they do not change. Every history is audited after every commit.

use chrono::TimeDelta;

use super::cases::Life;
use super::fixtures::{actor, at, created, new_deployment};
use super::*;
use crate::{Action, PausedBy, UnsubscribedRule, upcoming};

const EVERYONE: [Authority; 2] = [Authority::TenantUser, Authority::PlatformAdmin];

fn rules(version: u64, held: bool) -> Command {
    Command::FollowTenant(TenantRules { version, held, unsubscribed: None, ..TenantRules::default() })
}

fn to(to_state: State) -> Command {
    Command::Transition(Transition { to_state, reason: None, notes: None, resume_at: None })
}

impl Life {
    fn tenant_held(&mut self, now: &str) {
        let version = self.aggregate.deployment.tenant_rules.version + 1;
        self.does(rules(version, true), now);
    }

    fn tenant_released(&mut self, now: &str) {
        let version = self.aggregate.deployment.tenant_rules.version + 1;
        self.does(rules(version, false), now);
    }

    /// The states of the events after `sequence`, and the reasons of the moves.
    fn moves_after(&self, sequence: u64) -> Vec<(State, &str)> {
        let later = self.events.iter().filter(|event| event.sequence > sequence);
        later.filter_map(|e| Some((e.to_state?, e.reason.as_ref().map_or("", |reason| reason.as_str())))).collect()
    }

    fn pause_of(&self) -> Option<PausedBy> {
        self.aggregate.deployment.paused_by
    }
}

#[test]
fn a_hold_pauses_what_is_active_and_its_release_resumes_just_that() {
    let mut life = Life::new("2027-01-01T00:00:00Z");
    life.subscribes("studio", &[], "2027-01-01T00:00:00Z");
    life.pays("2027-01-01T00:00:00Z");
    life.tenant_held("2027-01-10T00:00:00Z");
    assert_eq!((life.state(), life.pause_of()), (State::Paused, Some(PausedBy::TenantHold)));
    assert_eq!(life.moves_after(0).last(), Some(&(State::Paused, "tenant_held")));
    let held = life.aggregate.deployment.version;
    for by in EVERYONE {
        assert_eq!(life.tries(by, to(State::Active), "2027-01-11T00:00:00Z"), Err(Rejection::TenantHeld));
        assert!(!allowed_transitions(&life.aggregate.deployment, by, at("2027-01-11")).contains(&State::Active));
    }
    // The time of a hold is not billed: the next period opens at the release.
    life.live_until("2027-03-16T12:00:00Z");
    assert_eq!((life.aggregate.deployment.version, life.due()), (held, vec![]));
    life.tenant_released("2027-03-16T12:00:00Z");
    assert_eq!((life.state(), life.pause_of()), (State::Active, None));
    assert_eq!((life.moves_after(held), life.due()), (vec![(State::Active, "tenant_released")], vec![1_450]));

    // A deployment that its tenant had paused stays paused.
    life.moves(State::Paused, "2027-03-17T00:00:00Z");
    life.tenant_held("2027-03-18T00:00:00Z");
    assert_eq!((life.state(), life.pause_of()), (State::Paused, None));
    life.tenant_released("2027-03-19T00:00:00Z");
    assert_eq!(life.state(), State::Paused);
    life.tries(Authority::PlatformAdmin, to(State::Active), "2027-03-19T00:00:00Z").unwrap();
}

#[test]
fn a_deployment_that_becomes_active_under_a_hold_is_paused_in_the_same_commit() {
    let both = |entered| vec![(entered, "settled"), (State::Paused, "tenant_held")];
    // A payment does not lift a hold.
    let mut life = Life::new("2027-01-01T00:00:00Z");
    life.subscribes("studio", &[], "2027-01-01T00:00:00Z");
    life.live_until("2027-01-09T00:00:00Z");
    assert_eq!(life.state(), State::PastDue);
    life.tenant_held("2027-01-10T00:00:00Z");
    assert_eq!(life.state(), State::PastDue, "dunning continues");
    let held = life.aggregate.deployment.version;
    life.pays("2027-01-11T00:00:00Z");
    assert_eq!((life.state(), life.moves_after(held)), (State::Paused, both(State::Active)));
    let last = life.events.last().unwrap();
    assert_eq!(last.sequence, last.commit_last);
    assert!(life.events.iter().rev().take(3).all(|event| event.commit_last == last.sequence), "one commit");

    // Nor does a reactivation.
    life.moves(State::Cancelled, "2027-01-12T00:00:00Z");
    let cancelled = life.aggregate.deployment.version;
    life.tries(Authority::TenantUser, to(State::Active), "2027-01-13T00:00:00Z").unwrap();
    let moves = vec![(State::Active, ""), (State::Paused, "tenant_held")];
    assert_eq!((life.moves_after(cancelled), life.pause_of()), (moves, Some(PausedBy::TenantHold)));

    // Nor does the end of a trial, which is a scheduled step.
    let mut life = Life::create(State::Trial, Some("2027-01-15T00:00:00Z"), "2027-01-01T00:00:00Z");
    life.subscribes("studio", &[], "2027-01-02T00:00:00Z");
    life.tenant_held("2027-01-03T00:00:00Z");
    assert_eq!(life.state(), State::Trial);
    let held = life.aggregate.deployment.version;
    life.live_until("2027-01-16T00:00:00Z");
    let moves = vec![(State::Active, "trial_ended"), (State::Paused, "tenant_held")];
    assert_eq!((life.state(), life.moves_after(held)), (State::Paused, moves));
}

#[test]
fn no_period_opens_under_a_hold_by_a_payment_or_the_end_of_a_trial() {
    // A payment after a suspension.
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.live_until("2027-01-25");
    assert_eq!(life.state(), State::Suspended);
    life.tenant_held("2027-01-25");
    life.pays("2027-02-05");
    assert_eq!((life.state(), life.due()), (State::Paused, vec![]));
    life.tenant_released("2027-03-10");
    assert_eq!((life.state(), life.due()), (State::Active, vec![2_058]), "22 of 31 days");

    // The end of a deployment's own trial, by its step and by hand.
    for ends_at in ["2027-01-15", "2027-01-10"] {
        let mut life = Life::create(State::Trial, Some("2027-01-15"), "2027-01-01");
        life.subscribes("studio", &[], "2027-01-02");
        life.tenant_held("2027-01-03");
        if ends_at == "2027-01-10" {
            life.moves(State::Active, ends_at);
        }
        life.live_until("2027-01-16");
        assert_eq!((life.state(), life.due()), (State::Paused, vec![]), "{ends_at}");
        life.live_until("2027-02-28");
        assert!(!life.aggregate.deployment.has_had_revenue, "its first revenue is new, and not reactivated");
        life.tenant_released("2027-03-01");
        assert_eq!((life.state(), life.due()), (State::Active, vec![2_900]), "{ends_at}");
    }

    // A reactivation is a wish of its caller, and begins anew at once.
    let mut life = Life::new("2027-01-01");
    life.subscribes("studio", &[], "2027-01-01");
    life.pays("2027-01-01");
    life.moves(State::Cancelled, "2027-01-12");
    life.tenant_held("2027-01-13");
    life.tries(Authority::TenantUser, to(State::Active), "2027-02-15").unwrap();
    assert_eq!((life.state(), life.due()), (State::Paused, vec![1_450]));
}

#[test]
fn a_scheduled_end_of_a_pause_waits_for_the_release() {
    let mut life = Life::new("2027-01-01T00:00:00Z");
    life.subscribes("studio", &[], "2027-01-01T00:00:00Z");
    life.pays("2027-01-01T00:00:00Z");
    life.pauses_until(Some("2027-02-01T00:00:00Z"), "2027-01-05T00:00:00Z");
    life.tenant_held("2027-01-10T00:00:00Z");
    assert!(upcoming(&life.aggregate).iter().all(|next| next.action != Action::Resume));
    life.live_until("2027-03-16T12:00:00Z");
    assert_eq!(life.state(), State::Paused);
    life.tenant_released("2027-03-16T12:00:00Z");
    assert_eq!(life.state(), State::Paused, "its own pause ends by its own step");
    life.live_until("2027-03-16T12:05:00Z");
    assert_eq!((life.state(), life.due()), (State::Active, vec![1_450]), "billed from the release on");
    // A caller cannot set an end of a pause by the hold.
    life.tenant_held("2027-03-17T00:00:00Z");
    let until = Some(Some(at("2027-04-01")));
    let later = Transition { to_state: State::Paused, reason: None, notes: None, resume_at: until };
    let refused = life.tries(Authority::PlatformAdmin, Command::Transition(later), "2027-03-17T00:00:00Z");
    assert_eq!(refused, Err(Rejection::TenantHeld));
    life.moves(State::Paused, "2027-03-17T00:00:00Z");
    assert_eq!(life.pause_of(), Some(PausedBy::TenantHold), "pausing it again changes nothing");
}

#[test]
fn the_ladder_goes_on_under_a_hold_and_after_it() {
    let mut life = Life::new("2027-01-01T00:00:00Z");
    life.subscribes("studio", &[], "2027-01-01T00:00:00Z");
    life.tenant_held("2027-01-05T00:00:00Z");
    let mut released = life.clone();
    life.live_until("2027-02-10T00:00:00Z");
    assert_eq!(life.state(), State::Cancelled, "30 days after the due date");
    life.tenant_released("2027-02-11T00:00:00Z");
    assert_eq!((life.state(), life.pause_of()), (State::Cancelled, None), "it is no longer paused");

    released.live_until("2027-01-20T00:00:00Z");
    assert_eq!(released.state(), State::Paused);
    released.tenant_released("2027-01-20T00:00:00Z");
    released.sweep(at("2027-01-20T00:00:00Z"));
    assert_eq!(released.state(), State::PastDue, "it is overdue, as after a resumption by the platform");
}

#[test]
fn rules_are_followed_once_in_order_and_by_the_platform_alone() {
    let mut life = Life::new("2027-01-01T00:00:00Z");
    for by in [Authority::TenantUser, Authority::PaymentProvider, Authority::DataPlane] {
        assert_eq!(life.tries(by, rules(1, true), "2027-01-02"), Err(Rejection::RoleNotPermitted));
    }
    life.does(rules(3, false), "2027-01-02T00:00:00Z");
    let released = life.aggregate.clone();
    for known in [2, 3] {
        life.does(rules(known, true), "2027-01-03T00:00:00Z");
        assert_eq!(life.aggregate, released, "a late copy changes nothing");
    }
    life.does(rules(4, true), "2027-01-04T00:00:00Z");
    assert_eq!(life.state(), State::Paused);
    life.moves(State::Cancelled, "2027-01-05T00:00:00Z");
    life.moves(State::Archived, "2027-01-06T00:00:00Z");
    let archived = life.aggregate.clone();
    life.does(rules(5, false), "2027-01-07T00:00:00Z");
    assert_eq!(life.aggregate, archived);
}

/// The creation of a deployment of a tenant with these rules.
fn with_rules(tenant_rules: TenantRules) -> CreateDeployment {
    CreateDeployment { created: Created { tenant_rules, ..created() }, ..new_deployment(State::Active, None) }
}

#[test]
fn nothing_is_created_for_a_held_tenant() {
    for by in EVERYONE {
        let held = TenantRules { version: 2, held: true, unsubscribed: None, ..TenantRules::default() };
        let command = with_rules(held);
        assert_eq!(create(command, &actor(by), at("2027-01-01")).unwrap_err(), Rejection::TenantHeld);
        let command = with_rules(TenantRules { version: 3, ..TenantRules::default() });
        let created = create(command, &actor(by), at("2027-01-01")).unwrap().after;
        assert_eq!(created.deployment.tenant_rules.version, 3, "an older copy does not reach it");
    }
}

/// The rule that pauses after 30 days without a subscription, as set at a time.
fn after_30_days(version: u64, since: &str) -> TenantRules {
    let unsubscribed = Some(UnsubscribedRule { after_days: 30, since: at(since) });
    TenantRules { version, unsubscribed, ..TenantRules::default() }
}

fn unsubscribed(since: &str) -> Life {
    let mut life = Life::new("2027-01-01T00:00:00Z");
    life.does(Command::FollowTenant(after_30_days(1, since)), since);
    life
}

fn next(life: &Life) -> Option<(Action, Timestamp)> {
    life.aggregate.next_action().map(|next| (next.action, next.at))
}

#[test]
fn a_deployment_without_a_subscription_is_paused_in_time_and_resumed_by_one() {
    let mut life = unsubscribed("2027-01-10T00:00:00Z");
    assert_eq!(next(&life), Some((Action::PauseUnsubscribed, at("2027-02-09"))), "not before the rule was set");
    life.live_until("2027-02-08T23:59:59Z");
    assert_eq!(life.state(), State::Active);
    life.live_until("2027-02-10T00:00:00Z");
    assert_eq!((life.state(), life.pause_of()), (State::Paused, Some(PausedBy::Unsubscribed)));
    assert_eq!(life.moves_after(1), vec![(State::Paused, "unsubscribed")]);
    for by in EVERYONE {
        assert_eq!(life.tries(by, to(State::Active), "2027-02-11T00:00:00Z"), Err(Rejection::SubscriptionRequired));
        assert_eq!(allowed_transitions(&life.aggregate.deployment, by, at("2027-02-11")), [State::Cancelled]);
    }
    let paused = life.aggregate.deployment.version;
    life.subscribes("studio", &[], "2027-02-15T00:00:00Z");
    assert_eq!((life.state(), life.pause_of()), (State::Active, None));
    assert_eq!((life.moves_after(paused), life.due()), (vec![(State::Active, "subscribed")], vec![1_450]));
    let last = life.events.last().unwrap().sequence;
    assert!(life.events[2..].iter().all(|event| event.sequence == 3 || event.commit_last == last), "one commit");
    assert!(upcoming(&life.aggregate).iter().all(|next| next.action != Action::PauseUnsubscribed));

    // Billed days are subtracted from the count, and days of a pause do not count.
    life.pays("2027-02-15T00:00:00Z");
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-02-20T00:00:00Z");
    assert_eq!(next(&life), Some((Action::PauseUnsubscribed, at("2027-02-25"))));
    life.moves(State::Paused, "2027-02-21T00:00:00Z");
    life.moves(State::Active, "2027-03-01T00:00:00Z");
    assert_eq!(next(&life), Some((Action::PauseUnsubscribed, at("2027-03-05"))));
}

#[test]
fn short_subscriptions_and_pauses_do_not_extend_the_time_without_one() {
    // A cancellation and reactivation, or a subscription of one second, does not reset the count.
    let mut life = unsubscribed("2027-01-01T00:00:00Z");
    life.live_until("2027-02-01T00:00:00Z");
    assert_eq!(life.pause_of(), Some(PausedBy::Unsubscribed));
    life.moves(State::Cancelled, "2027-02-02T00:00:00Z");
    let before = life.aggregate.deployment.version;
    life.moves(State::Active, "2027-02-02T00:00:00Z");
    assert_eq!(life.moves_after(before), vec![(State::Active, ""), (State::Paused, "unsubscribed")]);
    life.subscribes("studio", &[], "2027-02-03T00:00:00Z");
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-02-03T00:00:00Z");
    assert_eq!(life.pause_of(), Some(PausedBy::Unsubscribed));
    // Small debts keep it past due: it is suspended when its days are used up, and paused once they are paid.
    let mut life = unsubscribed("2027-01-01T00:00:00Z");
    life.subscribes("studio", &[], "2027-01-20T00:00:00Z");
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-01-20T01:00:00Z");
    life.live_until("2027-01-31T00:30:00Z");
    assert_eq!(life.state(), State::PastDue);
    life.live_until("2027-01-31T02:00:00Z");
    assert_eq!(life.state(), State::Suspended);
    assert_eq!(life.events.last().unwrap().reason.as_ref().unwrap().as_str(), "unsubscribed");
    life.pays("2027-02-01T00:00:00Z");
    assert_eq!((life.state(), life.pause_of()), (State::Paused, Some(PausedBy::Unsubscribed)));
}

#[test]
fn the_time_without_a_subscription_does_not_begin_anew_for_who_subscribes_only_to_cancel() {
    let mut life = unsubscribed("2027-01-01T00:00:00Z");
    for day in ["2027-01-11", "2027-01-21", "2027-01-30"] {
        life.subscribes("studio", &[], &format!("{day}T00:00:00Z"));
        life.does(Command::CancelSubscription(Effective::Immediate), &format!("{day}T00:00:00Z"));
    }
    assert_eq!(next(&life), Some((Action::PauseUnsubscribed, at("2027-01-31"))));
    // Two billed days subtract two days. A late sweep ends the subscription, and the count continues from its end.
    life.subscribes("studio", &[], "2027-01-30T00:00:00Z");
    life.pays("2027-01-30T00:00:00Z");
    life.does(Command::CancelSubscription(Effective::PeriodEnd), "2027-01-30T00:00:00Z");
    let end = life.aggregate.live_subscription().unwrap().current_period_end;
    assert_eq!(end, at("2027-02-01"));
    life.sweep(end + TimeDelta::days(1));
    assert_eq!(next(&life), Some((Action::PauseUnsubscribed, end + TimeDelta::days(3))));
}

#[test]
fn days_on_which_a_deployment_did_not_run_do_not_count_when_it_comes_back() {
    let mut life = unsubscribed("2027-01-01T00:00:00Z");
    life.subscribes("studio", &[], "2027-01-01T00:00:00Z");
    life.pays("2027-01-01T00:00:00Z");
    life.does(Command::CancelSubscription(Effective::PeriodEnd), "2027-01-05T00:00:00Z");
    life.moves(State::Cancelled, "2027-01-10T00:00:00Z");
    life.moves(State::Active, "2027-02-20T00:00:00Z");
    life.sweep(at("2027-02-20T00:00:00Z"));
    assert_eq!((life.state(), life.aggregate.live_subscription()), (State::Active, None));
    assert_eq!(next(&life), Some((Action::PauseUnsubscribed, at("2027-03-22"))));
}

#[test]
fn the_lack_of_a_subscription_pauses_neither_by_itself_nor_under_a_hold_of_the_deployment() {
    let mut life = Life::new("2027-01-01T00:00:00Z");
    assert_eq!(next(&life), None, "without a rule it is never paused");
    life.does(Command::FollowTenant(after_30_days(1, "2027-01-01")), "2027-01-01T00:00:00Z");
    let hold = |held| UpdateDeployment { billing_action_suspended: Some(held), ..UpdateDeployment::default() };
    life.does(Command::Update(hold(true)), "2027-01-02T00:00:00Z");
    assert_eq!(next(&life), None);
    life.does(Command::Update(hold(false)), "2027-03-01T00:00:00Z");
    life.sweep(at("2027-03-01T00:00:00Z"));
    assert_eq!(life.pause_of(), Some(PausedBy::Unsubscribed));
    // Without the rule, its pause can be resumed by hand and has no end that a caller could set.
    let until =
        Transition { to_state: State::Paused, reason: None, notes: None, resume_at: Some(Some(at("2027-04-01"))) };
    let refused = life.tries(Authority::TenantUser, Command::Transition(until), "2027-03-02T00:00:00Z");
    assert_eq!(refused, Err(Rejection::SubscriptionRequired));
    life.does(rules(2, false), "2027-03-02T00:00:00Z");
    assert_eq!(life.state(), State::Paused);
    life.tries(Authority::TenantUser, to(State::Active), "2027-03-02T00:00:00Z").unwrap();
    assert_eq!(next(&life), None);
}

#[test]
fn a_subscription_resumes_only_what_its_caller_may_resume() {
    let mut life = Life::new("2027-01-01T00:00:00Z");
    life.subscribes("studio", &[], "2027-01-01T00:00:00Z");
    life.does(Command::CancelSubscription(Effective::Immediate), "2027-01-02T00:00:00Z");
    let rule = after_30_days(1, "2027-01-02");
    life.does(Command::FollowTenant(TenantRules { version: 1, unsubscribed: None, ..rule }), "2027-01-02T00:00:00Z");
    life.pays("2027-01-02T00:00:00Z");
    life.does(Command::FollowTenant(TenantRules { version: 2, ..rule }), "2027-01-02T00:00:00Z");
    life.live_until("2027-02-02T00:00:00Z");
    assert_eq!(life.pause_of(), Some(PausedBy::Unsubscribed));
    let before = life.aggregate.clone();
    let subscribe = life.subscription_to("studio");
    life.does(Command::FollowTenant(TenantRules { version: 3, held: true, ..rule }), "2027-02-03T00:00:00Z");
    assert_eq!(life.pause_of(), Some(PausedBy::Unsubscribed), "the hold did not pause it");
    let refused = life.tries(Authority::PlatformAdmin, subscribe.clone(), "2027-02-03T00:00:00Z");
    assert_eq!(refused, Err(Rejection::TenantHeld));
    life.does(Command::FollowTenant(TenantRules { version: 4, ..rule }), "2027-02-04T00:00:00Z");
    assert_eq!((life.state(), life.pause_of()), (State::Paused, before.deployment.paused_by));
    let hold = UpdateDeployment { billing_action_suspended: Some(true), ..UpdateDeployment::default() };
    life.does(Command::Update(hold), "2027-02-04T00:00:00Z");
    let refused = life.tries(Authority::TenantUser, subscribe.clone(), "2027-02-04T00:00:00Z").unwrap_err();
    assert!(matches!(refused, Rejection::TransitionNotPermitted { .. }), "{refused:?}");
    life.does(subscribe, "2027-02-04T00:00:00Z");
    assert_eq!(life.state(), State::Active);
}
