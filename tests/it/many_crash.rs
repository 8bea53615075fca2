//! The promise: an operation whose worker is killed at any of its requests is finished by the next worker. No
//! deployment
//! is left out or changed twice.
//!
//! `DEPLOYMENTS=10000 cargo test -p arcadia-tests --test it many_crash` kills the worker's process with that many.

use std::collections::BTreeMap;
use std::sync::Arc;

use arcadia_domain::{OperationOutcome, OperationResult};
use arcadia_functions::operations::run::{Turned, Worker};
use arcadia_functions::runtime::{App, Clock as _};
use arcadia_store::item::{Item, string};
use arcadia_store::{Store, items, keys};
use chrono::TimeDelta;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::harness::billing::Billing;
use crate::harness::lambda::Function;
use crate::harness::trap::{Stop, Trap};
use crate::harness::world::{ACME, START};
use crate::harness::{Random, dynamodb, environment, table};
use crate::many::{finish, results, show, start};

/// The number of deployments.
const DEPLOYMENTS: usize = 60;
/// The numbers of deployments that the command does not change, and that refuse it.
const UNCHANGED: usize = 7;
const REFUSED: usize = 5;
/// How often a worker is killed.
const KILLS: usize = 40;
/// The number of deployments of the operation whose process is killed, unless `DEPLOYMENTS` sets another.
const DEPLOYMENTS_OF_PROCESS: usize = 400;
/// A day before every day on which the test can run.
const PAST: &str = "2026-01-01T00:00:00Z";
/// The least number of requests of a worker for each deployment.
const REQUESTS_OF_ONE: usize = 2;
/// The number of deployments that are read at a time.
const CONCURRENCY: usize = 16;

/// Works on an operation until it has ended.
async fn work(billing: &Billing, app: &App, id: &str) {
    let Some(mut worker) = Worker::start(app, id.parse().expect("an id")).await.expect("an operation") else { return };
    while let Turned::NextAt(at) = worker.turn().await.expect("a page") {
        billing.clock.shift((at - billing.clock.now()).max(TimeDelta::zero()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_worker_finishes_the_work_of_a_killed_one_and_does_nothing_twice() {
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
        // A new worker, as the next process would have. It makes few requests before it is killed, so that every
        // request is hit.
        let store = Store::new(table::client(&trap.endpoint), billing.app.store.table());
        let app = App { store, clock: Arc::clone(&billing.app.clock), ..billing.app.clone() };
        let stop = *random.pick(&[Stop::Before, Stop::After]);
        let reached = trap.arm_any(random.below(10), stop);
        tokio::select! {
            // A client that timed out on the stopped request ended the worker; that counts as killed.
            _ = reached => {}
            () = work(&billing, &app, &id) => break,
        }
        kills += 1;
    }
    finish(&billing, &billing.app, &id).await;
    let operation = show(&billing, &id).await;
    println!("killed {kills} times: {operation}");
    assert!(kills > KILLS / 2, "the operation ended after only {kills} kills");
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

/// The result of every deployment that has one, read past the product.
async fn outcomes(billing: &Billing, id: &str) -> BTreeMap<String, OperationResult> {
    let query = billing.direct.query().table_name(billing.app.store.table()).consistent_read(true);
    let (first, last) = keys::operation_results_after(None).into_inner();
    let query = query.key_condition_expression("PK = :pk AND SK BETWEEN :first AND :last");
    let partition = keys::operation_partition(id.parse().expect("an id"));
    let query = query.expression_attribute_values(":pk", string(partition));
    let query = query.expression_attribute_values(":first", string(first));
    let found = query.expression_attribute_values(":last", string(last)).into_paginator().items().send();
    let found: Vec<Item> = found.collect::<Result<_, _>>().await.expect("a Query by the test");
    let results = found.into_iter().map(|item| items::to_operation_result(item).expect("a result"));
    results.map(|result| (result.deployment_id.to_string(), result)).collect()
}

/// The worker is the deployed function in a process of its own. Its clock is the machine's; the deployments are of a
/// past day and have nothing due, so the test is the same on every day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_process_finishes_the_work_of_a_killed_one_and_credits_nothing_twice() {
    let mut random = Random::from_seed();
    let deployments = environment("DEPLOYMENTS").map(|text| text.parse().expect("DEPLOYMENTS is a whole number"));
    let deployments: usize = deployments.unwrap_or(DEPLOYMENTS_OF_PROCESS);
    let billing = Billing::at(PAST).await;
    let ids = billing.fill_unsubscribed(deployments).await;
    let command = json!({"type": "credit", "amount_cents": 900, "currency": "USD"});
    let filter = json!({"tenant_id": ACME});
    let body = json!({"filter": filter, "command": command, "rate_per_second": 400, "reason": "outage"});
    let id = start(&billing, body).await;
    let trap = Trap::start(dynamodb::endpoint()).await;
    let mut points = Vec::new();
    while points.len() < KILLS {
        // The requests let through before each kill. Requests in flight beside the stopped one are not counted.
        let left = deployments - outcomes(&billing, &id).await.len();
        let passing = random.below(2 * REQUESTS_OF_ONE * left / (KILLS - points.len() + 1) + 1);
        let stop = *random.pick(&[Stop::Before, Stop::After]);
        let reached = trap.arm_any(passing, stop);
        let mut function = Function::on_table("operations_run", (&trap.endpoint, billing.app.store.table())).await;
        function.send(json!({}));
        tokio::select! {
            // On a slow machine the worker can time out on the stopped request while DynamoDB executes it.
            reached = reached => points.extend(reached.ok().map(|()| (left, passing))),
            // The work in flight at the kill before has been done meanwhile, or the worker timed out.
            answer = function.answer() => {
                let error = &answer["errorMessage"];
                assert!(error.is_null() || error == "DynamoDB did not answer", "{answer}");
            }
        }
        function.kill().await;
    }
    let done = outcomes(&billing, &id).await;
    let by_killed = done.len();
    // From here on the test's own worker continues.
    let last = done.values().map(|result| result.at).max().expect("a result");
    billing.clock.shift(last - billing.clock.now());
    println!("{by_killed} of {deployments} by workers that were killed, at (left, requests) {points:?}");
    assert!(by_killed > deployments / 2, "the killed workers did too little: {by_killed}");
    finish(&billing, &billing.app, &id).await;
    let operation = show(&billing, &id).await;
    assert_eq!(operation["status"], "completed");
    assert_eq!(operation["counts"], json!({"done": deployments, "unchanged": 0, "refused": 0}));
    let results = outcomes(&billing, &id).await;
    assert_eq!(results.len(), deployments);
    // Each history is audited.
    let billing = &billing;
    let books = stream::iter(&ids).map(|id| async move { (id, billing.books(id).await) }).buffer_unordered(CONCURRENCY);
    let checked = books.map(|(id, books)| {
        assert_eq!((results[id].outcome, books.count("credit_granted")), (OperationOutcome::Done, 1), "{id}");
    });
    assert_eq!(checked.count().await, deployments);
}
