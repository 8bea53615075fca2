//! The promise: every pair of states behaves as the map says, for `platform_admin` and for a tenant's own users, and
//! callers can read the map.

use arcadia_domain::lifecycle::{INITIAL_STATES, MOVES, Permission, Standing};
use arcadia_domain::{Authority, State};
use serde_json::{Value, json};

use crate::harness::World;

/// Requests every move between two states, each on a fresh deployment.
async fn check_all_pairs(by: Authority) {
    let world = World::start().await;
    let token = if by == Authority::PlatformAdmin { &world.admin } else { &world.user };
    for from in State::ALL {
        for to in State::ALL {
            let slug = format!("{from}-{to}").replace('_', "-");
            let id = world.create_in(&slug, from).await;
            let history = world.events(&id).await;
            let reply = world.transition(&id, token, json!({"to_state": to})).await;
            let pair = format!("{from} -> {to} by {}", by.as_str());
            let step = MOVES.iter().find(|m| m.from == from && m.to == to);
            let moved = match step {
                None if from == to => {
                    assert_eq!(reply.expect(200)["event"], Value::Null, "{pair}");
                    false
                }
                None => {
                    let problem = reply.expect_problem(422, "invalid_transition");
                    assert_eq!(problem["allowed_transitions"], json!(targets(from, by)), "{pair}");
                    false
                }
                Some(step) if !step.permission.permits(by, Standing::default()) => {
                    let problem = reply.expect_problem(403, "transition_not_permitted");
                    assert_eq!(problem["allowed_transitions"], json!(targets(from, by)), "{pair}");
                    false
                }
                Some(_) => {
                    let event = reply.expect(200)["event"].take();
                    assert_eq!((&event["from_state"], &event["to_state"]), (&json!(from), &json!(to)), "{pair}");
                    true
                }
            };
            let shown = world.get(&format!("/deployments/{id}"), token).await.expect(200);
            assert_eq!(shown["deployment"]["state"], json!(if moved { to } else { from }), "{pair}");
            let events = shown["events"].as_array().map(Vec::len);
            assert_eq!(events, Some(history.len() + usize::from(moved)), "{pair}");
            if !moved {
                assert_eq!(shown["allowed_transitions"], json!(targets(from, by)), "{pair}");
            }
        }
    }
}

/// The states that `by` can reach from `from` while nothing is owed.
fn targets(from: State, by: Authority) -> Vec<State> {
    MOVES.iter().filter(|m| m.from == from && m.permission.permits(by, Standing::default())).map(|m| m.to).collect()
}

#[tokio::test]
async fn all_pairs_of_states_agree_with_the_map() {
    check_all_pairs(Authority::PlatformAdmin).await;
}

#[tokio::test]
async fn all_pairs_of_states_agree_with_what_tenants_may() {
    check_all_pairs(Authority::TenantUser).await;
}

/// Insists that acme's user cannot reactivate a deployment, does not see the move, and changes nothing.
async fn check_not_reactivated_by_its_tenant(world: &World, id: &str) {
    let before = world.contents().await;
    for dry_run in [true, false] {
        let refused = world.transition(id, &world.user, json!({"to_state": "active", "dry_run": dry_run})).await;
        assert_eq!(refused.expect_problem(403, "transition_not_permitted")["allowed_transitions"], json!([]));
    }
    assert_eq!(world.show(id).await["allowed_transitions"], json!([]));
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn a_tenant_that_owes_does_not_reactivate_by_itself() {
    let world = World::start().await;
    world.open_shop().await;
    let owing = async |slug: &str| {
        let id = world.create_subscribed(slug, json!({"plan_code": "studio"})).await;
        world.transition(&id, &world.user, json!({"to_state": "cancelled"})).await.expect(200);
        check_not_reactivated_by_its_tenant(&world, &id).await;
        id
    };
    let id = owing("forgiven").await;
    world.transition(&id, &world.admin, json!({"to_state": "active"})).await.expect(200);
    let id = owing("paid").await;
    world.settle_open_invoices(&id).await;
    world.transition(&id, &world.user, json!({"to_state": "active"})).await.expect(200);

    // An invoice that was given up is still owed.
    let id = owing("given-up").await;
    world.clock.shift(chrono::TimeDelta::days(40));
    let name = json!({"display_name": "Given up"});
    world.patch(&format!("/deployments/{id}"), &world.admin, name).await.expect(200);
    assert_eq!(world.show(&id).await["deployment"]["uncollectible_invoices"], 1);
    check_not_reactivated_by_its_tenant(&world, &id).await;
    world.transition(&id, &world.admin, json!({"to_state": "active"})).await.expect(200);
}

#[tokio::test]
async fn the_map_is_told_to_callers() {
    let world = World::start().await;
    let body = world.get("/lifecycle", &world.user).await.expect(200);
    let states = body["states"].as_array().unwrap();
    assert_eq!(states.len(), State::ALL.len());
    let mut told = Vec::new();
    for (state, expected) in states.iter().zip(State::ALL) {
        assert_eq!(state["state"], json!(expected));
        assert_eq!(state["initial"], INITIAL_STATES.contains(&expected));
        for step in state["transitions"].as_array().unwrap() {
            told.push((state["state"].clone(), step["to_state"].clone()));
            let permission = MOVES.iter().find(|m| json!(m.to) == step["to_state"] && m.from == expected).unwrap();
            for (list, conditions) in [
                ("only_while_nothing_is_owed", &[Permission::TenantOwingNothing][..]),
                ("only_while_nothing_is_overdue", &[Permission::TenantNothingOverdue]),
                ("only_while_not_held", &[Permission::TenantOwingNothing, Permission::TenantNothingOverdue]),
            ] {
                let is_conditional = conditions.contains(&permission.permission);
                let conditional = if is_conditional { json!(["tenant_user"]) } else { json!([]) };
                assert_eq!(step[list], conditional, "{expected} to {}, {list}", step["to_state"]);
            }
            let tenant_may = step["permitted"].as_array().unwrap().contains(&"tenant_user".into());
            assert_eq!(tenant_may, permission.permission != Permission::Platform);
        }
    }
    let map: Vec<_> = MOVES.iter().map(|m| (json!(m.from), json!(m.to))).collect();
    assert_eq!(told.len(), map.len());
    for step in map {
        assert!(told.contains(&step), "{step:?}");
    }
}
