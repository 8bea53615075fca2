//! The lifecycle map: all moves between states and who may make them, as data. When scheduled moves are due is in
//! `clock`; powers other than moves are in `powers`.

use Permission::{Platform, Tenant, TenantNothingOverdue, TenantOwingNothing};
use State::{Active, Archived, Cancelled, PastDue, Paused, Suspended, Trial};
use serde::Serialize;

use super::actor::{Authority, Grant};

/// All moves. A move that is not listed is not possible.
pub const MOVES: &[Move] = &[
    Move::new(Trial, Active, Tenant),
    Move::new(Trial, Cancelled, Tenant),
    Move::new(Active, Paused, Tenant),
    Move::new(Active, PastDue, Platform),
    Move::new(Active, Cancelled, Tenant),
    Move::new(Paused, Active, TenantNothingOverdue),
    Move::new(Paused, Cancelled, Tenant),
    Move::new(PastDue, Active, Platform),
    Move::new(PastDue, Suspended, Platform),
    Move::new(PastDue, Cancelled, Tenant),
    Move::new(Suspended, Active, Platform),
    Move::new(Suspended, Cancelled, Tenant),
    Move::new(Cancelled, Active, TenantOwingNothing),
    Move::new(Cancelled, Archived, Platform),
];

/// The states that a deployment can be created in; the first is the default.
pub const INITIAL_STATES: &[State] = &[Active, Trial];

named! {
    /// The state of a deployment.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum State("invalid_state") {
        /// Runs free of charge until its trial ends.
        Trial = "trial",
        /// Runs and is billed.
        Active = "active",
        /// Runs, but an invoice is unpaid after its due date.
        PastDue = "past_due",
        /// Stopped on request or by a rule of its tenant; no new period is billed.
        Paused = "paused",
        /// Stopped because invoices stayed unpaid.
        Suspended = "suspended",
        /// Ended; can still be reactivated.
        Cancelled = "cancelled",
        /// Ended permanently; only its records remain.
        Archived = "archived",
    }
}

/// Who may make a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// The platform and the tenant's own users.
    Tenant,
    /// The platform, and the tenant's own users while the deployment owes nothing and is not on hold.
    TenantOwingNothing,
    /// The platform, and the tenant's own users while the deployment has no overdue invoice and is not on hold.
    TenantNothingOverdue,
    /// `platform_admin` and the billing functions.
    Platform,
}

/// The facts about a deployment at a moment that the permission of a move can depend on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it has an open or uncollectible invoice.
    pub owes: bool,
    /// Whether it has an overdue invoice.
    pub is_overdue: bool,
    /// Whether it is on hold: `billing_action_suspended`.
    pub is_held: bool,
}

/// Why a caller may not make a move of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// The role never makes this move.
    Role,
    /// The deployment owes.
    Owing,
    /// The deployment has an overdue invoice.
    Overdue,
    /// The deployment is on hold.
    Held,
}

/// One move of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The state it leaves.
    pub from: State,
    /// The state it enters.
    pub to: State,
    /// Who may make it.
    pub permission: Permission,
}

impl Move {
    const fn new(from: State, to: State, permission: Permission) -> Self {
        Self { from, to, permission }
    }
}

impl Permission {
    /// Whether `authority` may make the move, given the deployment's `standing`.
    #[must_use]
    pub const fn permits(self, authority: Authority, standing: Standing) -> bool {
        self.barrier(authority, standing).is_none()
    }

    /// Why `authority` may not make the move, given the deployment's `standing`; `None` if it may.
    #[must_use]
    pub const fn barrier(self, authority: Authority, standing: Standing) -> Option<Barrier> {
        match authority {
            Authority::PlatformAdmin | Authority::Billing => None,
            Authority::PaymentProvider | Authority::DataPlane => Some(Barrier::Role),
            Authority::TenantUser => match self {
                Self::Tenant => None,
                Self::TenantOwingNothing if standing.owes => Some(Barrier::Owing),
                Self::TenantNothingOverdue if standing.is_overdue => Some(Barrier::Overdue),
                Self::TenantOwingNothing | Self::TenantNothingOverdue if standing.is_held => Some(Barrier::Held),
                Self::TenantOwingNothing | Self::TenantNothingOverdue => None,
                Self::Platform => Some(Barrier::Role),
            },
        }
    }

    /// Whether `authority` may make the move, in the words of the table of powers.
    #[must_use]
    pub const fn grant(self, authority: Authority) -> Grant {
        match authority {
            Authority::PlatformAdmin | Authority::Billing => Grant::Always,
            Authority::PaymentProvider | Authority::DataPlane => Grant::Never,
            Authority::TenantUser => match self {
                Self::Tenant => Grant::Always,
                Self::TenantOwingNothing => Grant::Limited("while the deployment owes nothing and no hold is on it"),
                Self::TenantNothingOverdue => {
                    Grant::Limited("while no invoice of the deployment is overdue and no hold is on it")
                }
                Self::Platform => Grant::Never,
            },
        }
    }
}

impl State {
    /// Whether it is a state of the dunning ladder; settling the last overdue invoice ends it.
    #[must_use]
    pub const fn is_dunning(self) -> bool {
        match self {
            PastDue | Suspended => true,
            Trial | Active | Paused | Cancelled | Archived => false,
        }
    }

    /// The moves that leave this state, in the order of the map.
    pub fn moves(self) -> impl Iterator<Item = &'static Move> {
        MOVES.iter().filter(move |m| m.from == self)
    }

    /// The states that can be reached from this one in one move.
    #[must_use]
    pub fn targets(self) -> Vec<Self> {
        self.moves().map(|m| m.to).collect()
    }

    /// The move from this state to `to`; `None` if the map does not have it.
    #[must_use]
    pub fn move_to(self, to: Self) -> Option<&'static Move> {
        self.moves().find(|m| m.to == to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the design, written out a second time by hand.
    const MAP: &[(State, &[State])] = &[
        (Trial, &[Active, Cancelled]),
        (Active, &[Paused, PastDue, Cancelled]),
        (Paused, &[Active, Cancelled]),
        (PastDue, &[Active, Suspended, Cancelled]),
        (Suspended, &[Active, Cancelled]),
        (Cancelled, &[Active, Archived]),
        (Archived, &[]),
    ];

    #[test]
    fn all_pairs_of_states_agree_with_the_map() {
        for from in State::ALL {
            let (_, targets) = MAP.iter().find(|(state, _)| *state == from).unwrap();
            for to in State::ALL {
                assert_eq!(from.move_to(to).is_some(), targets.contains(&to), "{from} -> {to}");
            }
            assert_eq!(from.targets().len(), targets.len(), "{from} lists a move twice");
        }
    }

    #[test]
    fn tenants_neither_enter_dunning_states_by_hand_nor_leave_them_but_by_leaving() {
        let (at_ease, at_worst) = (Standing::default(), Standing { owes: true, is_overdue: true, is_held: true });
        for m in MOVES {
            let dunning = m.to.is_dunning() || (m.from.is_dunning() && m.to != Cancelled);
            let by_tenant = m.permission.permits(Authority::TenantUser, at_ease);
            assert_eq!(by_tenant, !dunning && m.to != Archived, "{} -> {}", m.from, m.to);
            let leaves = m.to == Cancelled;
            assert!(m.permission.permits(Authority::TenantUser, at_worst) || !leaves, "leaving is always possible");
            assert!(m.permission.permits(Authority::PlatformAdmin, at_worst));
            for role in [Authority::PaymentProvider, Authority::DataPlane] {
                assert_eq!(m.permission.barrier(role, at_ease), Some(Barrier::Role));
            }
        }
    }

    #[test]
    fn tenants_come_back_only_when_nothing_stands_against_it() {
        let barrier =
            |from: State, standing| from.move_to(Active).unwrap().permission.barrier(Authority::TenantUser, standing);
        let at_ease = Standing::default();
        let (owing, held) = (Standing { owes: true, ..at_ease }, Standing { is_held: true, ..at_ease });
        let overdue = Standing { owes: true, is_overdue: true, is_held: false };
        for (from, standing, expected) in [
            (Cancelled, owing, Some(Barrier::Owing)),
            (Cancelled, at_ease, None),
            (Cancelled, held, Some(Barrier::Held)),
            (Paused, at_ease, None),
            (Paused, owing, None),
            (Paused, overdue, Some(Barrier::Overdue)),
            (Paused, held, Some(Barrier::Held)),
            (Paused, Standing { is_held: true, ..overdue }, Some(Barrier::Overdue)),
            (Trial, overdue, None),
        ] {
            assert_eq!(barrier(from, standing), expected, "{from}, {standing:?}");
        }
    }

    #[test]
    fn names_are_read_back_and_match_serde() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse::<State>().unwrap(), state);
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!("deleted".parse::<State>().unwrap_err().code, "invalid_state");
    }
}
