//! The promise: among concurrent callers, each change happens once, entirely, and in one order.

use std::sync::Arc;

use arcadia_domain::{DeploymentId, State, replay};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::client::send;
use crate::harness::world::id_of;
use crate::harness::{Fault, Reply, World, environment};

/// The number of concurrent callers.
const CALLERS: usize = 32;

/// Requests transitions all at once.
async fn transitions(world: &World, id: &str, if_match: Option<&str>, target: impl Fn(usize) -> State) -> Vec<Reply> {
    let path = format!("/deployments/{id}/transition");
    let requests = (0..CALLERS).map(|caller| {
        let body = json!({"to_state": target(caller), "reason": format!("caller {caller}")});
        let request = world.request(reqwest::Method::POST, &path, &world.user).json(&body);
        send(match if_match {
            Some(tag) => request.header("if-match", tag),
            None => request,
        })
    });
    join_all(requests).await
}

fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

/// Checks that the history has no gaps and leads to the stored state.
async fn check_history(world: &World, id: &str, length: usize) {
    let events = world.events(id).await;
    assert_eq!(events.len(), length);
    let id: DeploymentId = id.parse().unwrap();
    let stored = world.stored().await.into_iter().find(|deployment| deployment.id == id);
    assert_eq!(Some(replay(id, &events).unwrap().deployment), stored);
}

/// Every second caller pauses, the others cancel.
fn mixed(caller: usize) -> State {
    if caller.is_multiple_of(2) { State::Paused } else { State::Cancelled }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_callers_on_one_version_exactly_one_succeeds() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let replies = transitions(&world, &id, Some("\"1\""), mixed).await;
    let (overtaken, stale) = (count(&replies, 409), count(&replies, 412));
    println!("conflicts at the commit: {overtaken}, stale when read: {stale}");
    assert_eq!((count(&replies, 200), overtaken + stale), (1, CALLERS - 1));
    for reply in replies {
        match reply.status {
            200 => assert_eq!(reply.expect(200)["event"]["sequence"], 2),
            409 => assert_eq!(reply.expect_problem(409, "version_conflict")["errors"], Value::Null),
            _ => assert_eq!(reply.expect_problem(412, "precondition_failed")["current_version"], 2),
        }
    }
    check_history(&world, &id, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_commits_on_one_version_exactly_one_succeeds() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    // All callers have read version 1 before any of them writes.
    world.dynamodb.clear();
    world.dynamodb.plan("TransactWriteItems", CALLERS, Fault::Gather(Arc::new(Barrier::new(CALLERS))));
    let replies = transitions(&world, &id, None, mixed).await;
    assert_eq!((count(&replies, 200), count(&replies, 409)), (1, CALLERS - 1));
    assert_eq!(world.dynamodb.operations().len(), 2 * CALLERS, "a lost race is not retried");
    check_history(&world, &id, 2).await;
}

/// The same again and again, each round on a new deployment; `ROUNDS=<n>` sets the number of rounds.
#[tokio::test(flavor = "multi_thread")]
async fn in_every_round_exactly_one_of_the_commits_on_one_version_succeeds() {
    const ROUNDS: usize = 20;
    let rounds = environment("ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a whole number"));
    let world = World::start().await;
    let (mut won, mut lost) = (0, 0);
    for round in 0..rounds {
        let id = id_of(&world.create(&format!("shop-{round}")).await);
        world.dynamodb.clear();
        world.dynamodb.plan("TransactWriteItems", CALLERS, Fault::Gather(Arc::new(Barrier::new(CALLERS))));
        let replies = transitions(&world, &id, None, mixed).await;
        assert_eq!((count(&replies, 200), count(&replies, 409)), (1, CALLERS - 1), "round {round}");
        let winner = replies.iter().find(|reply| reply.status == 200).unwrap().body["event"].clone();
        let events = world.events(&id).await;
        assert_eq!((events.len(), json!(events[1])), (2, winner), "round {round}");
        assert_eq!(replay(id.parse().unwrap(), &events), Ok(world.load(&id).await), "round {round}");
        won += 1;
        lost += CALLERS - 1;
    }
    println!("{rounds} rounds of {CALLERS} writers: {won} won, {lost} lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_of_the_same_change_write_it_once() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let replies = transitions(&world, &id, None, |_| State::Paused).await;
    let moved = replies.iter().filter(|reply| reply.status == 200 && !reply.body["event"].is_null()).count();
    assert_eq!(moved, 1);
    assert_eq!(count(&replies, 200) + count(&replies, 409), CALLERS);
    check_history(&world, &id, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_creations_of_one_slug_exactly_one_succeeds() {
    let world = World::start().await;
    world.dynamodb.plan("TransactWriteItems", CALLERS, Fault::Gather(Arc::new(Barrier::new(CALLERS))));
    let creations = (0..CALLERS).map(|_| world.post("/deployments", &world.user, json!({"slug": "shop"})));
    let replies = join_all(creations).await;
    assert_eq!((count(&replies, 201), count(&replies, 409)), (1, CALLERS - 1));
    for reply in replies.into_iter().filter(|reply| reply.status == 409) {
        reply.expect_problem(409, "slug_taken");
    }
    assert_eq!(world.stored().await.len(), 1);
    assert_eq!(world.contents().await.len(), 5, "a deployment, its claim, its event, its tenant's account and limits");
    assert_eq!(world.dynamodb.count("TransactWriteItems"), CALLERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_every_kind_leave_a_history_without_gaps() {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    let path = format!("/deployments/{id}");
    let changes = (0..CALLERS).map(|caller| {
        let (world, id, path) = (&world, &id, &path);
        async move {
            match caller % 4 {
                0 => world.transition(id, &world.user, json!({"to_state": "paused"})).await,
                1 => world.transition(id, &world.user, json!({"to_state": "active"})).await,
                2 => world.patch(path, &world.user, json!({"display_name": format!("shop {caller}")})).await,
                _ => {
                    let body = json!({"kind": "database", "provider_reference": format!("db-{caller}")});
                    world.post(&format!("{path}/resources"), &world.data_plane, body).await
                }
            }
        }
    });
    let replies = join_all(changes).await;
    for reply in &replies {
        assert!([200, 201, 409].contains(&reply.status), "{}", reply.text);
    }
    let unchanged = replies.iter().filter(|r| r.status == 200 && r.body.get("event") == Some(&Value::Null)).count();
    let changed = count(&replies, 200) + count(&replies, 201) - unchanged;
    assert!(changed >= 1);
    check_history(&world, &id, 1 + changed).await;
    let resources = world.collect(&format!("{path}/resources"), &world.user, "resources").await;
    assert_eq!(resources.len(), count(&replies, 201));
}

/// A pause that is committed between the two reads of a deployment and its history, in either order.
#[tokio::test]
async fn the_records_of_one_answer_are_of_one_moment() {
    for held in 0..2 {
        let world = World::start().await;
        let id = id_of(&world.create("shop").await);
        world.dynamodb.clear();
        world.dynamodb.plan("Query", held, Fault::Gather(Arc::new(Barrier::new(1))));
        let barrier = Arc::new(Barrier::new(2));
        world.dynamodb.plan("Query", 1, Fault::Gather(Arc::clone(&barrier)));
        let path = format!("/deployments/{id}");
        let pause = async {
            while world.dynamodb.count("Query") < 2 {
                tokio::task::yield_now().await;
            }
            world.transition(&id, &world.user, json!({"to_state": "paused"})).await.expect(200);
            barrier.wait().await;
        };
        let (shown, ()) = tokio::join!(world.get(&path, &world.user), pause);
        let shown = shown.expect(200);
        let (version, events) = (&shown["deployment"]["version"], shown["events"].as_array().unwrap());
        assert_eq!(&events[0]["sequence"], version, "the later read: {held}");
        assert_eq!(events[0]["to_state"], shown["deployment"]["state"], "the later read: {held}");
        assert_eq!(json!(events.len()), *version, "the later read: {held}");
    }
}
