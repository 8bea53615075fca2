//! `GET /lifecycle`: the map, and who may make each move.

use arcadia_shared::Error;
use arcadia_shared::domain::lifecycle::{INITIAL_STATES, Move};
use arcadia_shared::domain::{Authority, State};
use arcadia_shared::http::{Answer, Call};
use arcadia_shared::runtime::App;
use serde_json::{Value, json};

#[allow(clippy::unused_async, reason = "every handler has the same form")]
pub async fn handle(_: &App, _: &Call) -> Result<Answer, Error> {
    let states = State::ALL.map(|state| {
        json!({
            "state": state,
            "description": state.description(),
            "initial": INITIAL_STATES.contains(&state),
            "transitions": state.moves().map(transition_view).collect::<Vec<_>>(),
        })
    });
    Ok(Answer::ok(json!({"states": states})))
}

fn transition_view(step: &Move) -> Value {
    let permitted = |owes| Authority::ALL.into_iter().filter(move |a| step.permission.permits(*a, owes));
    let conditional: Vec<Authority> = permitted(false).filter(|a| !step.permission.permits(*a, true)).collect();
    json!({
        "to_state": step.to,
        "permitted": permitted(false).collect::<Vec<_>>(),
        "only_while_nothing_is_owed": conditional,
    })
}
