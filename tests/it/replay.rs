//! The promise: after any calls, a deployment's events are numbered 1..n without gaps, and folding them gives the
//! stored records.

use arcadia_api::DeploymentView;
use arcadia_domain::{DeploymentId, EventKind, State, replay};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::world::id_of;
use crate::harness::{Random, Reply, World};

/// The number of calls.
const CALLS: usize = 200;
/// The number of deployments.
const DEPLOYMENTS: usize = 4;

/// Sends a random command, not always a legal one.
async fn act(world: &World, random: &mut Random, id: &str) -> Reply {
    let token = if random.below(4) == 0 { &world.user } else { &world.admin };
    match random.below(10) {
        0..=3 => {
            let mut body = json!({"to_state": random.pick(&State::ALL), "dry_run": random.below(8) == 0});
            if random.below(3) == 0 {
                body["resume_at"] = world.clock.ahead(TimeDelta::days(30)).into();
            }
            if random.below(2) == 0 {
                body["reason"] = "größer, \"schöner\"".into();
                body["notes"] = "line\n\tline".into();
            }
            world.transition(id, token, body).await
        }
        4..=6 => {
            let mut body = json!({});
            let fields = [
                ("display_name", [json!("Shop"), json!("商店")]),
                ("region", [json!("eu-central-1"), json!("us-east-1")]),
                ("llm_mode", [json!("managed"), Value::Null]),
                ("template_code", [json!("store"), Value::Null]),
                ("template_version", [json!("1.0"), Value::Null]),
                ("billing_action_suspended", [json!(true), json!(false)]),
            ];
            for (name, values) in fields {
                if random.below(3) == 0 {
                    body[name] = random.pick(&values).clone();
                }
            }
            world.patch(&format!("/deployments/{id}"), token, body).await
        }
        7..=8 => {
            let kind = random.pick(&["database", "bucket"]);
            let body = json!({"kind": kind, "provider_reference": format!("{kind}-{}", random.below(100))});
            world.post(&format!("/deployments/{id}/resources"), &world.data_plane, body).await
        }
        _ => {
            let resources = world.collect(&format!("/deployments/{id}/resources"), token, "resources").await;
            let resource_id = match resources.len() {
                0 => id.to_owned(),
                count => id_of(&resources[random.below(count)]),
            };
            world.delete(&format!("/deployments/{id}/resources/{resource_id}"), &world.data_plane).await
        }
    }
}

#[tokio::test]
async fn folding_the_events_of_any_history_gives_what_is_stored() {
    let mut random = Random::from_seed();
    let world = World::start().await;
    let mut ids = Vec::new();
    for n in 0..DEPLOYMENTS {
        let state = if n % 2 == 0 { State::Active } else { State::Trial };
        ids.push(world.create_in(&format!("shop-{n}"), state).await);
    }
    for call in 0..CALLS {
        // Clocks of different machines disagree, so time may also go back.
        let seconds = i64::try_from(random.below(120)).unwrap() - 20;
        world.clock.shift(TimeDelta::seconds(seconds));
        let id = random.pick(&ids).clone();
        let reply = act(&world, &mut random, &id).await;
        assert!(reply.status < 500, "call {call}: {}", reply.text);
        if random.below(10) == 0 {
            check(&world, &id).await;
        }
    }
    let mut kinds = [0; 5];
    for id in &ids {
        check(&world, id).await;
        for event in world.events(id).await {
            kinds[match event.kind {
                EventKind::Created(_) => 0,
                EventKind::StateChanged { .. } => 1,
                EventKind::Updated(_) => 2,
                EventKind::ResourceAdded { .. } => 3,
                EventKind::ResourceDeleted { .. } => 4,
                other => panic!("unexpected event: {other:?}"),
            }] += 1;
        }
    }
    println!("events by kind: {kinds:?}");
    assert!(kinds[..4].iter().all(|count| *count > 0), "the history has too few kinds of events: {kinds:?}");
}

/// Compares the events, the stored records, and the answers.
async fn check(world: &World, id: &str) {
    let events = world.events(id).await;
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=events.len() as u64).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|event| event.occurred_at), "time runs backwards in {id}");
    let deployment_id: DeploymentId = id.parse().unwrap();
    let folded = replay(deployment_id, &events).unwrap();
    let stored = world.stored().await.into_iter().find(|deployment| deployment.id == deployment_id);
    assert_eq!(Some(&folded.deployment), stored.as_ref());
    let shown = world.get(&format!("/deployments/{id}"), &world.admin).await.expect(200);
    assert_eq!(shown["deployment"], json!(DeploymentView::of(&folded)));
    let resources = world.collect(&format!("/deployments/{id}/resources?limit=100"), &world.admin, "resources").await;
    let live = resources.iter().filter(|resource| resource["deleted_at"].is_null()).count();
    assert_eq!(live as u64, u64::from(folded.deployment.live_resources));
}
