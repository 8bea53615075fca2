//! The promise: a POST that is sent again under its `Idempotency-Key` is executed once and replayed byte for byte, for
//! 24 hours, whatever happened in between. A key is worth nothing to another caller.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::billing::Billing;
use crate::harness::client::{PREFIX, send};
use crate::harness::routes::{rows, stock};
use crate::harness::world::{ACME, START, id_of, token, user};
use crate::harness::{Fault, Reply, World};

const KEY: &str = "idempotency-key";
const WRITE: &str = "TransactWriteItems";
/// How often the store sends a commit that DynamoDB cancels for a temporary reason.
const COMMIT_ATTEMPTS: usize = 5;
/// The number of callers that send the same request at once.
const SENDERS: usize = 32;

async fn post(world: &World, token: &str, key: &str, path: &str, body: &Value) -> Reply {
    send(world.request(Method::POST, path, token).header(KEY, key).json(body)).await
}

async fn start() -> (World, String) {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    world.dynamodb.clear();
    (world, format!("/deployments/{id}/transition"))
}

/// The parts of an answer that a replay must repeat: all except the id of the request itself.
fn told(reply: &Reply) -> (u16, String, String, String) {
    let header = |name| reply.header(name).to_owned();
    (reply.status, header("etag"), header("location"), reply.text.clone())
}

#[track_caller]
fn check_replay(first: &Reply, again: &Reply) {
    assert_eq!(again.header("idempotent-replayed"), "true", "{}", again.text);
    assert_eq!(told(again), told(first));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
}

#[tokio::test]
async fn every_post_is_carried_out_once_and_replayed_to_the_byte() {
    let world = Billing::at(START).await;
    stock(&world).await;
    for (n, row) in rows().filter(|row| row.route().method == Method::POST).enumerate() {
        let target = row.ready(&world, ACME, n).await;
        let path = row.path_for(&target);
        let path = path.strip_prefix(PREFIX).expect("a path of the API");
        let body = row.body_for(&target).unwrap_or(json!({}));
        let first = post(&world, &world.admin, row.handler, path, &body).await;
        assert!(first.status < 300, "{}: {}", row.handler, first.text);
        assert_eq!(first.header("idempotent-replayed"), "");
        world.clock.shift(TimeDelta::minutes(5));
        let before = world.contents().await;
        for _ in 0..2 {
            check_replay(&first, &post(&world, &world.admin, row.handler, path, &body).await);
        }
        assert_eq!(world.contents().await, before, "{} was executed again", row.handler);
        let other = json!({"tenant_id": ACME, "slug": "x"});
        let other = post(&world, &world.admin, row.handler, "/deployments", &other).await;
        other.expect_problem(422, "idempotency_key_reused");
        assert_eq!(world.contents().await, before);
    }
}

#[tokio::test]
async fn a_replay_is_the_first_answer_whatever_happened_since() {
    let (world, path) = start().await;
    let pause = json!({"to_state": "paused", "reason": "holidays"});
    let first = post(&world, &world.user, "k", &path, &pause).await;
    world.post(&path, &world.user, json!({"to_state": "active"})).await.expect(200);
    check_replay(&first, &post(&world, &world.user, "k", &path, &pause).await);
    let id = first.body["deployment"]["id"].as_str().unwrap();
    let shown = world.get(&format!("/deployments/{id}"), &world.user).await.expect(200);
    assert_eq!(shown["deployment"]["state"], "active");
    // It is replayed even if the move is refused by now, or its `If-Match` version has passed.
    world.post(&path, &world.user, json!({"to_state": "cancelled"})).await.expect(200);
    check_replay(&first, &post(&world, &world.user, "k", &path, &pause).await);
    let request =
        |key: &str| world.request(Method::POST, &path, &world.user).header(KEY, key).header("if-match", "\"4\"");
    let reactivate = json!({"to_state": "active"});
    let revived = send(request("m").json(&reactivate)).await;
    assert_eq!(revived.status, 200, "{}", revived.text);
    check_replay(&revived, &send(request("m").json(&reactivate)).await);
    send(request("n").json(&pause)).await.expect_problem(412, "precondition_failed");
}

#[tokio::test]
async fn a_call_that_had_nothing_to_do_does_nothing_later_either() {
    let (world, path) = start().await;
    let activate = json!({"to_state": "active"});
    let first = post(&world, &world.user, "k", &path, &activate).await;
    assert_eq!(first.body["event"], Value::Null);
    assert_eq!(world.dynamodb.operations(), ["PutItem", "Query"]);
    world.post(&path, &world.user, json!({"to_state": "paused"})).await.expect(200);
    let before = world.contents().await;
    check_replay(&first, &post(&world, &world.user, "k", &path, &activate).await);
    assert_eq!(world.contents().await, before);
    // A request that changes nothing is replayed the same.
    let pause = json!({"to_state": "paused"});
    let first = post(&world, &world.user, "l", &path, &pause).await;
    check_replay(&first, &post(&world, &world.user, "l", &path, &pause).await);
    post(&world, &world.user, "l", &path, &activate).await.expect_problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_dry_run_takes_no_key_up() {
    let (world, path) = start().await;
    let before = world.contents().await;
    let rehearsal = json!({"to_state": "paused", "dry_run": true});
    for _ in 0..2 {
        let reply = post(&world, &world.user, "k", &path, &rehearsal).await;
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, ""));
    }
    assert_eq!(world.contents().await, before);
    post(&world, &world.user, "k", &path, &json!({"to_state": "paused"})).await.expect(200);
}

#[tokio::test]
async fn a_refused_request_takes_no_key_up() {
    let (world, path) = start().await;
    post(&world, &world.user, "k", &path, &json!({"to_state": "archived"}))
        .await
        .expect_problem(422, "invalid_transition");
    post(&world, &world.user, "k", &path, &json!({"to_state": 7})).await.expect_problem(422, "validation_failed");
    post(&world, &world.user, "k", &path, &json!({"to_state": "paused"})).await.expect(200);
}

#[tokio::test]
async fn of_many_equal_requests_at_once_one_is_executed_and_all_get_the_same_answer() {
    for round in 0..4 {
        let (world, path) = start().await;
        let (path, body) = match round % 2 {
            0 => (path, json!({"to_state": "paused"})),
            _ => ("/deployments".to_owned(), json!({"slug": "other"})),
        };
        world.dynamodb.plan(WRITE, SENDERS, Fault::Gather(Arc::new(Barrier::new(SENDERS))));
        let replies = join_all((0..SENDERS).map(|_| post(&world, &world.user, "k", &path, &body))).await;
        let first = replies.iter().filter(|reply| reply.header("idempotent-replayed").is_empty());
        assert_eq!(first.count(), 1, "exactly one request was executed");
        assert!(replies.iter().all(|reply| told(reply) == told(&replies[0])));
        assert!(replies[0].status < 300, "{}", replies[0].text);
        // Each reads its records once: the deployment, or whether the tenant has an account.
        let reads = world.dynamodb.count("Query") + world.dynamodb.count("GetItem");
        assert_eq!((world.dynamodb.operations().len(), reads), (world.dynamodb.count(WRITE) + reads, SENDERS));
    }
}

#[tokio::test]
async fn of_many_requests_under_one_key_at_once_one_is_carried_out() {
    let (world, _) = start().await;
    world.dynamodb.plan(WRITE, SENDERS, Fault::Gather(Arc::new(Barrier::new(SENDERS))));
    let bodies: Vec<Value> = (0..SENDERS).map(|n| json!({"slug": format!("s-{n}")})).collect();
    let replies = join_all(bodies.iter().map(|body| post(&world, &world.user, "k", "/deployments", body))).await;
    let (done, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 201);
    assert_eq!(done.len(), 1);
    for reply in refused {
        reply.expect_problem(422, "idempotency_key_reused");
    }
    assert_eq!(world.stored().await.len(), 2);
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_answered_when_it_is_sent_again() {
    for lost in [Fault::BreakOff, Fault::ServerError] {
        let (world, path) = start().await;
        let pause = json!({"to_state": "paused"});
        world.dynamodb.plan(WRITE, usize::MAX, lost);
        post(&world, &world.user, "k", &path, &pause).await.expect_problem(503, "unavailable");
        world.dynamodb.clear();
        let made = world.contents().await;
        let first = post(&world, &world.user, "k", &path, &pause).await;
        assert_eq!(first.header("idempotent-replayed"), "true");
        assert_eq!(first.body["event"]["sequence"], 2, "the answer has the event: {}", first.text);
        assert_eq!(world.contents().await, made);
    }
}

#[tokio::test]
async fn a_key_that_is_in_use_without_end_is_a_conflict_and_leaves_no_trace() {
    let (world, path) = start().await;
    let before = world.contents().await;
    let pause = json!({"to_state": "paused"});
    world.dynamodb.plan(WRITE, COMMIT_ATTEMPTS, Fault::cancelled(&["None", "None", "TransactionConflict"]));
    let reply = post(&world, &world.user, "k", &path, &pause).await;
    assert_ne!(reply.header("retry-after"), "");
    reply.expect_problem(409, "idempotency_key_in_use");
    assert_eq!((world.dynamodb.count(WRITE), world.contents().await), (COMMIT_ATTEMPTS, before));
    post(&world, &world.user, "k", &path, &pause).await.expect(200);
    // A failed look-up of a key does not count as an unused key.
    for operation in ["GetItem", "PutItem"] {
        world.dynamodb.plan(operation, usize::MAX, Fault::named("ThrottlingException"));
    }
    post(&world, &world.user, "l", &path, &pause).await.expect_problem(503, "unavailable");
    world.dynamodb.clear();
    world.dynamodb.plan("PutItem", usize::MAX, Fault::named("TransactionConflictException"));
    post(&world, &world.user, "l", &path, &pause).await.expect_problem(503, "unavailable");
}

#[tokio::test]
async fn a_key_counts_for_24_hours_also_while_the_record_is_still_there() {
    let (world, path) = start().await;
    let pause = json!({"to_state": "paused"});
    let first = post(&world, &world.user, "k", &path, &pause).await;
    world.post(&path, &world.user, json!({"to_state": "active"})).await.expect(200);
    world.clock.shift(TimeDelta::hours(24) - TimeDelta::seconds(1));
    check_replay(&first, &post(&world, &world.user, "k", &path, &pause).await);
    world.clock.shift(TimeDelta::seconds(1));
    let again = post(&world, &world.user, "k", &path, &pause).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, ""));
    assert_eq!(again.body["event"]["sequence"], 4);
    check_replay(&again, &post(&world, &world.user, "k", &path, &pause).await);
    // Nor does an expired record turn a refusal into a success.
    world.clock.shift(TimeDelta::hours(24));
    world.post(&path, &world.user, json!({"to_state": "cancelled"})).await.expect(200);
    post(&world, &world.user, "k", &path, &pause).await.expect_problem(422, "invalid_transition");
}

#[tokio::test]
async fn a_key_belongs_to_its_tenant_and_its_user() {
    let world = World::start().await;
    let mut made = Vec::new();
    for (token, slug) in [
        (user(ACME), "shop"),
        (user("globex"), "shop"),
        (token("eve", "tenant_user", Some(ACME)), "eve"),
        // A former administrator who is now a user of acme does not get the earlier answers.
        (token("ada", "tenant_user", Some(ACME)), "ada"),
    ] {
        let reply = post(&world, &token, "k", "/deployments", &json!({"slug": slug})).await;
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (201, ""), "{}", reply.text);
        made.push((token, json!({"slug": slug}), reply));
    }
    let of_admin = json!({"slug": "admin", "tenant_id": ACME});
    post(&world, &world.admin, "k", "/deployments", &of_admin).await.expect(201);
    for (token, body, first) in &made {
        check_replay(first, &post(&world, token, "k", "/deployments", body).await);
    }
    // Another tenant's key does not reveal that it was used: the refusal is the same as without it.
    let stranger = user("initech");
    let id = id_of(&made[0].2.body["deployment"]);
    let path = format!("/deployments/{id}/transition");
    let pause = json!({"to_state": "paused"});
    post(&world, &world.user, "p", &path, &pause).await.expect(200);
    let with = post(&world, &stranger, "p", &path, &pause).await;
    let without = world.post(&path, &stranger, pause).await;
    assert_eq!(told(&with), told(&without));
    with.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_key_of_another_form_is_refused_before_anything_is_read() {
    let (world, path) = start().await;
    let pause = json!({"to_state": "paused"});
    for bad in ["", &"x".repeat(256), "a,b", "a, a", "a,"] {
        let reply = post(&world, &world.user, bad, &path, &pause).await;
        reply.expect_problem(400, "invalid_idempotency_key");
    }
    // API Gateway, and the local gateway, join repeated headers with a comma.
    let twice = world.request(Method::POST, &path, &world.user).json(&pause).header(KEY, "a").header(KEY, "a");
    send(twice).await.expect_problem(400, "invalid_idempotency_key");
    assert_eq!(world.dynamodb.seen(), []);
    let other_method = world.request(Method::GET, "/deployments", &world.user).header(KEY, "");
    send(other_method).await.expect(200);
    post(&world, &world.user, &"x".repeat(255), &path, &pause).await.expect(200);
}
