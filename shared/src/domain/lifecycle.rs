//! The lifecycle map: which moves exist and who may make them, as data, in this one place.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::actor::Authority;
use super::values::InvalidValue;

use Permission::{Platform, Tenant, TenantOwingNothing};
use State::{Active, Archived, Cancelled, PastDue, Paused, Suspended, Trial};

/// Every move there is. What is not listed does not happen.
pub const MOVES: &[Move] = &[
    Move::new(Trial, Active, Tenant),
    Move::new(Trial, Cancelled, Tenant),
    Move::new(Active, Paused, Tenant),
    Move::new(Active, PastDue, Platform),
    Move::new(Active, Cancelled, Tenant),
    Move::new(Paused, Active, Tenant),
    Move::new(Paused, Cancelled, Tenant),
    Move::new(PastDue, Active, Platform),
    Move::new(PastDue, Suspended, Platform),
    Move::new(PastDue, Cancelled, Platform),
    Move::new(Suspended, Active, Platform),
    Move::new(Suspended, Cancelled, Platform),
    Move::new(Cancelled, Active, TenantOwingNothing),
    Move::new(Cancelled, Archived, Platform),
];

/// The states a deployment may be created in; the first is the default.
pub const INITIAL_STATES: &[State] = &[Active, Trial];

/// Where a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum State {
    /// Runs free of charge until its trial ends.
    Trial,
    /// Runs and is billed.
    Active,
    /// Runs, but an invoice is unpaid after its due date.
    PastDue,
    /// Stopped at the tenant's wish; no new period is billed.
    Paused,
    /// Stopped because invoices stayed unpaid.
    Suspended,
    /// Ended; can still be reactivated.
    Cancelled,
    /// Gone for good; only its records remain.
    Archived,
}

/// Who may make a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// The platform and the tenant's own users.
    Tenant,
    /// The platform, and the tenant's own users while no invoice of the deployment is open.
    TenantOwingNothing,
    /// `platform_admin` and the billing functions.
    Platform,
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
    /// Whether someone with `authority` may make the move, on a deployment that owes money or not.
    #[must_use]
    pub const fn permits(self, authority: Authority, owes: bool) -> bool {
        match authority {
            Authority::PlatformAdmin | Authority::Billing => true,
            Authority::PaymentProvider => false,
            Authority::TenantUser => match self {
                Self::Tenant => true,
                Self::TenantOwingNothing => !owes,
                Self::Platform => false,
            },
        }
    }
}

impl State {
    /// Every state, in the order of a deployment's life.
    pub const ALL: [Self; 7] = [Trial, Active, PastDue, Paused, Suspended, Cancelled, Archived];

    /// The name on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Trial => "trial",
            Active => "active",
            PastDue => "past_due",
            Paused => "paused",
            Suspended => "suspended",
            Cancelled => "cancelled",
            Archived => "archived",
        }
    }

    /// What the state means, in a sentence.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Trial => "Runs free of charge until its trial ends.",
            Active => "Runs and is billed.",
            PastDue => "Runs, but an invoice is unpaid after its due date.",
            Paused => "Stopped at the tenant's wish; no new period is billed.",
            Suspended => "Stopped because invoices stayed unpaid.",
            Cancelled => "Ended; can still be reactivated.",
            Archived => "Gone for good; only its records remain.",
        }
    }

    /// Whether it is a step of the dunning ladder, which the last open invoice's payment ends.
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

    /// The move from this state to `to`, if the map has it.
    #[must_use]
    pub fn move_to(self, to: Self) -> Option<&'static Move> {
        self.moves().find(|m| m.to == to)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(InvalidValue {
            code: "invalid_state",
            detail: "must be one of trial, active, past_due, paused, suspended, cancelled, archived",
        })
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
    fn tenants_neither_enter_nor_leave_dunning_states_by_hand() {
        for m in MOVES {
            let dunning = [m.from, m.to].iter().any(|s| matches!(s, PastDue | Suspended));
            let by_tenant = m.permission.permits(Authority::TenantUser, false);
            assert_eq!(by_tenant, !dunning && m.to != Archived, "{} -> {}", m.from, m.to);
            assert!(m.permission.permits(Authority::PlatformAdmin, true));
            assert!(!m.permission.permits(Authority::PaymentProvider, false));
        }
        let reactivation = Cancelled.move_to(Active).unwrap().permission;
        assert!(!reactivation.permits(Authority::TenantUser, true), "not while money is owed");
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
