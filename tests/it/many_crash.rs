//! The promise: an operation whose worker is killed at any of its requests is finished by the next one, with nothing left
//! out and nothing done twice.

use std::sync::Arc;

use arcadia_functions::operations::run::{Turned, Worker};
use arcadia_functions::runtime::{App, Clock as _};
use arcadia_store::Store;
use chrono::TimeDelta;
use serde_json::json;

use crate::harness::billing::Billing;
use crate::harness::trap::{Stop, Trap};
use crate::harness::world::{ACME, START};
use crate::harness::{Random, dynamodb, table};
use crate::many::{finish, results, show, start};

/// How many deployments there are.
const DEPLOYMENTS: usize = 60;
/// Of so many the command has nothing to change, and so many refuse it.
const UNCHANGED: usize = 7;
const REFUSED: usize = 5;
/// How often a worker is killed.
const KILLS: usize = 40;

/// Works on until it has ended.
async fn work(billing: &Billing, app: &App, id: &str) {
    let Some(mut worker) = Worker::start(app, id.parse().expect("an id")).await.expect("an operation") else { return };
    while let Turned::NextAt(at) = worker.turn().await.expect("a page") {
        billing.clock.shift((at - billing.clock.now()).max(TimeDelta::zero()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_worker_has_left_the_next_one_does_and_nothing_twice() {
    let mut random = Random::from_seed();
    let billing = Billing::at(START).await;
    let ids = billing.fill(DEPLOYMENTS, "free").await;
    for id in &ids[..UNCHANGED] {
        billing.transition(id, &billing.admin, json!({"to_state": "paused"})).await.expect(200);
    }
    for id in &ids[UNCHANGED..UNCHANGED + REFUSED] {
        for to_state in ["cancelled", "archived"] {
            billing.transition(id, &billing.admin, json!({"to_state": to_state})).await.expect(200);
        }
    }
    let command = json!({"type": "transition", "to_state": "paused"});
    let body = json!({"filter": {"tenant_id": ACME}, "command": command, "rate_per_second": 7});
    let id = start(&billing, body).await;
    let trap = Trap::start(dynamodb::endpoint()).await;
    let mut kills = 0;
    while kills < KILLS {
        // A worker of its own, as the next process would be; few requests pass, so that it is killed at each kind.
        let store = Store::new(table::client(&trap.endpoint), billing.app.store.table());
        let app = App { store, clock: Arc::clone(&billing.app.clock), ..billing.app.clone() };
        let stop = *random.pick(&[Stop::Before, Stop::After]);
        let reached = trap.arm_any(random.below(10), stop);
        tokio::select! {
            reached = reached => reached.expect("the trap"),
            () = work(&billing, &app, &id) => break,
        }
        kills += 1;
    }
    finish(&billing, &billing.app, &id).await;
    let operation = show(&billing, &id).await;
    println!("killed {kills} times: {operation}");
    assert!(kills > KILLS / 2, "it ended before it was killed often: {kills}");
    let counts = &operation["counts"];
    assert_eq!(operation["status"], "completed");
    let done = DEPLOYMENTS - UNCHANGED - REFUSED;
    assert_eq!(*counts, json!({"done": done, "unchanged": UNCHANGED, "refused": REFUSED}));
    let results = results(&billing, &id).await;
    assert_eq!(results.len(), DEPLOYMENTS);
    for (n, id) in ids.iter().enumerate() {
        let expected = match n {
            0..UNCHANGED => "unchanged",
            UNCHANGED..=11 => "refused",
            _ => "done",
        };
        assert_eq!(results[id].0, expected, "{n}");
        let books = billing.books(id).await;
        let moves = if expected == "refused" { 2 } else { 1 };
        assert_eq!(books.count("state_changed"), moves, "{n}");
    }
}
