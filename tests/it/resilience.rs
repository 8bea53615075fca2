//! The promise: a change is made once or not at all, and the caller is told which, even if DynamoDB's response is lost,
//! another transaction collides, or capacity is short.

use std::collections::HashSet;
use std::sync::Arc;

use axum::http::StatusCode;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::world::id_of;
use crate::harness::{Fault, Reply, World};

const WRITE: &str = "TransactWriteItems";
/// The most attempts that the SDK makes of a request that fails other than by a cancellation.
const SDK_ATTEMPTS: usize = 3;
/// How often the store sends a commit that DynamoDB cancels for a temporary reason.
const COMMIT_ATTEMPTS: usize = 5;
const FOREVER: usize = usize::MAX;

/// A world with an active deployment; the proxy's record of requests is empty.
async fn start() -> (World, String) {
    let world = World::start().await;
    let id = id_of(&world.create("shop").await);
    world.dynamodb.clear();
    (world, id)
}

async fn pause(world: &World, id: &str) -> Reply {
    world.transition(id, &world.user, json!({"to_state": "paused"})).await
}

/// Checks that the commit was sent `times` times, each time as the same request.
fn check_sent(world: &World, times: usize) {
    let seen = world.dynamodb.seen();
    let sent: Vec<&Value> = seen.iter().filter(|seen| seen.operation == WRITE).map(|seen| &seen.body).collect();
    assert_eq!(sent.len(), times);
    let tokens: HashSet<&str> = sent.iter().map(|body| body["ClientRequestToken"].as_str().unwrap()).collect();
    assert_eq!(tokens.len(), 1, "a commit keeps its token");
    assert!(sent.windows(2).all(|pair| pair[0] == pair[1]), "a commit is sent again as it was");
}

/// Checks that the pause was made, once.
async fn check_paused_once(world: &World, id: &str, reply: Reply) {
    let body = reply.expect(200);
    assert_eq!((&body["event"]["sequence"], &body["deployment"]["version"]), (&json!(2), &json!(2)));
    let shown = world.get(&format!("/deployments/{id}"), &world.user).await.expect(200);
    assert_eq!(shown["deployment"], body["deployment"]);
    assert_eq!(shown["events"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_the_change_is_made_once() {
    for lost in [Fault::BreakOff, Fault::ServerError] {
        for times in 1..SDK_ATTEMPTS {
            let (world, id) = start().await;
            world.dynamodb.plan(WRITE, times, lost.clone());
            let reply = pause(&world, &id).await;
            check_sent(&world, times + 1);
            check_paused_once(&world, &id, reply).await;
        }
    }
}

#[tokio::test]
async fn answers_that_are_lost_again_and_again_are_reported_and_the_change_is_made_once() {
    for lost in [Fault::BreakOff, Fault::ServerError] {
        for times in [SDK_ATTEMPTS, SDK_ATTEMPTS + 1, FOREVER] {
            let (world, id) = start().await;
            world.dynamodb.plan(WRITE, times, lost.clone());
            expect_unavailable(pause(&world, &id).await);
            check_sent(&world, SDK_ATTEMPTS);
            // It was made, and a caller that retries as told learns that.
            let made = world.contents().await;
            let again = pause(&world, &id).await;
            assert_eq!(again.header("etag"), "\"2\"");
            let body = again.expect(200);
            assert_eq!((&body["event"], &body["deployment"]["state"]), (&Value::Null, &json!("paused")));
            assert_eq!(world.events(&id).await.len(), 2);
            assert_eq!(world.contents().await, made);
        }
    }
}

#[tokio::test]
async fn a_writer_knows_its_own_write_when_dynamodb_has_forgotten_the_token() {
    for lost in [Fault::BreakOff, Fault::ServerError] {
        let (world, id) = start().await;
        world.dynamodb.plan(WRITE, 1, lost.clone());
        world.dynamodb.plan(WRITE, 1, Fault::ForgetToken);
        let reply = pause(&world, &id).await;
        check_sent(&world, 2);
        check_paused_once(&world, &id, reply).await;

        // The same for the creation of a deployment.
        world.dynamodb.clear();
        world.dynamodb.plan(WRITE, 1, lost.clone());
        world.dynamodb.plan(WRITE, 1, Fault::ForgetToken);
        let reply = world.post("/deployments", &world.user, json!({"slug": "other"})).await;
        check_sent(&world, 2);
        let created = reply.expect(201)["deployment"].take();
        assert_eq!(world.events(&id_of(&created)).await.len(), 1);
        assert_eq!(world.stored().await.len(), 2);
    }
}

#[tokio::test]
async fn a_resource_whose_answer_was_lost_is_added_once() {
    let (world, id) = start().await;
    world.dynamodb.plan(WRITE, SDK_ATTEMPTS - 1, Fault::BreakOff);
    let body = json!({"kind": "bucket", "provider_reference": "b"});
    let path = format!("/deployments/{id}/resources");
    let added = world.post(&path, &world.data_plane, body).await.expect(201);
    check_sent(&world, SDK_ATTEMPTS);
    let listed = world.collect(&path, &world.user, "resources").await;
    assert_eq!(listed, [added["resource"].clone()]);
    assert_eq!(world.stored().await[0].live_resources, 1);
}

#[tokio::test]
async fn a_collision_is_tried_again_under_the_same_token() {
    for codes in [
        &["TransactionConflict", "None"][..],
        &["None", "TransactionConflict"],
        &["TransactionConflict", "TransactionConflict"],
        &["ThrottlingError", "None"],
        &["ProvisionedThroughputExceeded", "TransactionConflict"],
        &["None", "None"],
    ] {
        for times in [1, COMMIT_ATTEMPTS - 1] {
            let (world, id) = start().await;
            world.dynamodb.plan(WRITE, times, Fault::cancelled(codes));
            let reply = pause(&world, &id).await;
            check_sent(&world, times + 1);
            check_paused_once(&world, &id, reply).await;
        }
    }
}

/// Insists on a 503 with `Retry-After`.
#[track_caller]
fn expect_unavailable(reply: Reply) {
    let seconds: u32 = reply.header("retry-after").parse().expect("Retry-After in seconds");
    assert!((1..=60).contains(&seconds));
    reply.expect_problem(503, "unavailable");
}

#[tokio::test]
async fn collisions_without_end_are_reported_and_leave_no_trace() {
    let (world, id) = start().await;
    let before = world.contents().await;
    world.dynamodb.plan(WRITE, FOREVER, Fault::cancelled(&["TransactionConflict", "None"]));
    expect_unavailable(pause(&world, &id).await);
    // The SDK does not retry a cancelled transaction; the store does.
    check_sent(&world, COMMIT_ATTEMPTS);
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn conflicts_of_a_busy_deployment_are_not_judged_yet() {
    let (world, id) = start().await;
    // The existing event may be this commit's own: only the deployment could tell.
    world.dynamodb.plan(WRITE, 1, Fault::cancelled(&["TransactionConflict", "ConditionalCheckFailed"]));
    pause(&world, &id).await.expect(200);
    check_sent(&world, 2);
    assert_eq!(world.check(&id).await.deployment.version, 2);
}

#[tokio::test]
async fn shortage_without_end_is_reported_and_leaves_no_trace() {
    let faults = [
        Fault::named("ThrottlingException"),
        Fault::named("ProvisionedThroughputExceededException"),
        Fault::named("RequestLimitExceeded"),
        Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR, json!({})),
        Fault::Answer(StatusCode::SERVICE_UNAVAILABLE, Value::Null),
    ];
    for fault in faults {
        let (world, id) = start().await;
        let before = world.contents().await;
        world.dynamodb.plan(WRITE, FOREVER, fault.clone());
        expect_unavailable(pause(&world, &id).await);
        check_sent(&world, SDK_ATTEMPTS);
        assert_eq!(world.contents().await, before, "{fault:?}");
        world.dynamodb.clear();
        check_paused_once(&world, &id, pause(&world, &id).await).await;

        for operation in ["Query", "GetItem", "BatchGetItem"] {
            world.dynamodb.plan(operation, FOREVER, fault.clone());
        }
        let path = format!("/deployments/{id}");
        for path in [&path, &format!("{path}/events"), "/deployments", "/deployments?slug=shop"] {
            expect_unavailable(world.get(path, &world.user).await);
        }
        expect_unavailable(world.patch(&path, &world.user, json!({"display_name": "Shop"})).await);
        expect_unavailable(world.get("/deployments", &world.admin).await);
    }
}

#[tokio::test]
async fn a_failed_condition_is_never_tried_again() {
    let (world, id) = start().await;
    world.post("/deployments", &world.user, json!({"slug": "shop"})).await.expect_problem(409, "slug_taken");
    assert_eq!(world.dynamodb.count(WRITE), 1);

    world.dynamodb.clear();
    world.dynamodb.plan(WRITE, 2, Fault::Gather(Arc::new(Barrier::new(2))));
    let mut replies = join_all([pause(&world, &id), pause(&world, &id)]).await;
    replies.sort_by_key(|reply| reply.status);
    assert_eq!(world.dynamodb.count(WRITE), 2);
    let [moved, overtaken] = <[Reply; 2]>::try_from(replies).unwrap();
    check_paused_once(&world, &id, moved).await;
    overtaken.expect_problem(409, "version_conflict");

    // A failed condition outweighs a collision on another item.
    for codes in [&["ConditionalCheckFailed", "TransactionConflict"], &["ConditionalCheckFailed", "ThrottlingError"]] {
        world.dynamodb.clear();
        world.dynamodb.plan(WRITE, 1, Fault::cancelled(codes));
        let reply = world.transition(&id, &world.user, json!({"to_state": "active"})).await;
        reply.expect_problem(409, "version_conflict");
        assert_eq!(world.dynamodb.count(WRITE), 1);
    }
}

#[tokio::test]
async fn a_refusal_is_not_tried_again_and_not_told_to_the_caller() {
    let (world, id) = start().await;
    for fault in [Fault::named("AccessDeniedException"), Fault::named("ValidationException")] {
        world.dynamodb.clear();
        world.dynamodb.plan(WRITE, FOREVER, fault);
        let problem = pause(&world, &id).await.expect_problem(500, "internal");
        assert!(!problem.to_string().contains("Exception"), "{problem}");
        assert_eq!(world.dynamodb.count(WRITE), 1);
    }
}
