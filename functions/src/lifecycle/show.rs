//! `GET /lifecycle`: shows the lifecycle map and who may make each transition.

use std::borrow::Cow;

use arcadia_api::answer::{Lifecycle, LifecycleState, LifecycleTransition};
use arcadia_domain::lifecycle::{INITIAL_STATES, Move, Standing};
use arcadia_domain::{Authority, Named, State};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

#[allow(clippy::unused_async, reason = "every handler has the same form")]
pub async fn handle(_: &App, _: &Call) -> Result<Answer, Error> {
    let states = State::ALL.map(|state| LifecycleState {
        state,
        description: Cow::Borrowed(state.description()),
        initial: INITIAL_STATES.contains(&state),
        transitions: state.moves().map(transition_view).collect(),
    });
    Ok(Answer::ok(json!(Lifecycle { states: states.into() })))
}

fn transition_view(step: &Move) -> LifecycleTransition {
    let at_ease = Standing::default();
    let permitted: Vec<Authority> =
        Authority::ALL.into_iter().filter(|authority| step.permission.permits(*authority, at_ease)).collect();
    // The authorities that may not make the move while the deployment is in this standing.
    let kept_by = |standing: Standing| -> Vec<Authority> {
        permitted.iter().copied().filter(|authority| !step.permission.permits(*authority, standing)).collect()
    };
    LifecycleTransition {
        to_state: step.to,
        only_while_nothing_is_owed: kept_by(Standing { owes: true, ..at_ease }),
        only_while_nothing_is_overdue: kept_by(Standing { is_overdue: true, ..at_ease }),
        only_while_not_held: kept_by(Standing { is_held: true, ..at_ease }),
        permitted,
    }
}
