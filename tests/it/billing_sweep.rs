//! The promise: a sweep costs only the due work, may be delivered any number of times, and is not held up by a
//! deployment that it cannot work on.

use std::collections::BTreeMap;
use std::time::Duration;

use arcadia_domain::{Action, DeploymentId, NextAction, State};
use arcadia_functions::billing::sweep::{self, Report};
use arcadia_functions::runtime::{App, Clock as _};
use arcadia_store::item::{Item, string};
use arcadia_store::{POSTPONED_SINCE, keys, metrics};
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::{Builder, Uuid};

use crate::harness::billing::{Billing, overwrite, text};
use crate::harness::world::id_of;
use crate::harness::{Fault, Random, lambda};

const JANUARY: &str = "2027-01-01T00:00:00Z";
const FEBRUARY: &str = "2027-02-01T00:00:00Z";
/// The longest run that Lambda allows a function.
const LONG: Duration = Duration::from_secs(900);

/// The number of partitions of the due index.
const SHARDS: usize = 16;

/// A world in which `count` free subscriptions renew in February.
async fn renewing(count: usize) -> (Billing, Vec<String>) {
    let billing = Billing::at(JANUARY).await;
    let ids = billing.fill(count, "free").await;
    billing.set_time(FEBRUARY);
    (billing, ids)
}

/// Insists that each subscription has renewed exactly `times`, with an invoice for each period.
async fn check_renewed(billing: &Billing, ids: &[String], times: usize) {
    for id in ids {
        let books = billing.books(id).await;
        assert_eq!((books.count("renewed"), books.invoices.len()), (times, times + 1), "{id}");
        assert_eq!(books.events.len(), 3 + 2 * times, "{id}");
    }
}

fn message(id: &str, body: &str) -> Value {
    json!({"messageId": id, "body": body})
}

#[tokio::test]
async fn a_second_sweep_looks_once_into_each_shard_and_writes_nothing() {
    let (billing, ids) = renewing(40).await;
    assert_eq!(billing.sweep().await, Report { due: 40, steps: 40, ..Report::default() });
    let contents = billing.contents().await;
    billing.dynamodb.clear();
    assert_eq!(billing.sweep().await, Report::default());
    assert_eq!(billing.dynamodb.operations(), vec!["Query"; SHARDS]);
    let mut partitions: Vec<Value> =
        billing.dynamodb.seen().iter().map(|seen| seen.body["ExpressionAttributeValues"][":pk"]["S"].clone()).collect();
    partitions.sort_by_key(Value::to_string);
    partitions.dedup();
    assert_eq!(partitions.len(), SHARDS);
    assert_eq!(billing.contents().await, contents);
    check_renewed(&billing, &ids, 1).await;
}

#[tokio::test]
async fn more_than_a_page_is_due_in_one_shard() {
    let mut billing = Billing::at(JANUARY).await;
    let store = billing.app.store.clone().with_due_shards(1);
    billing.app = App { store, ..billing.app.clone() };
    let due = sweep::PAGE + 50;
    let ids = billing.fill(due, "free").await;
    billing.set_time(FEBRUARY);
    billing.dynamodb.clear();
    assert_eq!(billing.sweep().await, Report { due, steps: due, ..Report::default() });
    let seen = billing.dynamodb.seen();
    let looks = seen.iter().filter(|seen| seen.body["IndexName"] == "GSI3").count();
    assert_eq!(looks, 2, "pages");
    assert_eq!(billing.due().await, 0);
    check_renewed(&billing, &ids[..50], 1).await;
}

#[tokio::test]
async fn a_sweep_takes_a_query_for_each_shard_and_further_page() {
    const SHARDS: u8 = 4;
    const FURTHER_PAGES: usize = 2;
    let mut billing = Billing::at(JANUARY).await;
    let store = billing.app.store.clone().with_due_shards(SHARDS);
    billing.app = App { store, ..billing.app.clone() };
    let id = id_of(&billing.create("shop").await);
    // An index can lag behind its table: these deployments are due in the index, but not in the table.
    let item = billing.partition(&id).await.remove("#DEPLOYMENT").unwrap();
    let mut ids = (0..).map(|_| billing.app.new_id(billing.clock.now()));
    let mut copies = Vec::new();
    for (shard, count) in [(0, FURTHER_PAGES * sweep::PAGE + 1), (1, 3)] {
        for id in ids.by_ref().filter(|id| id.as_bytes()[15] % SHARDS == shard).take(count) {
            let due = keys::due_sort_key(billing.clock.now(), DeploymentId::new(id));
            copies.push(copy(&item, id, &[("GSI3PK", keys::due_partition(shard)), ("GSI3SK", due)]));
        }
    }
    let due = copies.len();
    put_all(&billing, copies).await;
    let contents = billing.contents().await;
    billing.dynamodb.clear();
    assert_eq!(billing.sweep().await, Report { due, ..Report::default() });
    let looks = billing.dynamodb.seen().iter().filter(|seen| seen.body["IndexName"] == "GSI3").count();
    assert_eq!(looks, usize::from(SHARDS) + FURTHER_PAGES);
    assert_eq!(billing.dynamodb.count("Query"), looks + due, "and each deployment is read once");
    assert_eq!(billing.dynamodb.seen().len(), looks + due, "nothing else is read, and nothing written");
    assert_eq!(billing.contents().await, contents);
}

/// A stored deployment under another id and with other attributes.
fn copy(item: &Item, id: Uuid, others: &[(&str, String)]) -> Item {
    let mut copy = item.clone();
    copy.insert("PK".to_owned(), string(keys::partition(DeploymentId::new(id))));
    for name in ["id", "GSI1SK", "GSI2SK"] {
        copy.insert(name.to_owned(), string(id.to_string()));
    }
    copy.extend(others.iter().map(|(name, value)| ((*name).to_owned(), string(value))));
    copy
}

/// Writes items past the product, in the largest batches that DynamoDB accepts.
async fn put_all(billing: &Billing, items: Vec<Item>) {
    const MAX_BATCH: usize = 25;
    for batch in items.chunks(MAX_BATCH) {
        let puts = batch.iter().map(|item| {
            let put = PutRequest::builder().set_item(Some(item.clone())).build().expect("a put");
            WriteRequest::builder().put_request(put).build()
        });
        let write = billing.direct.batch_write_item().request_items(billing.app.store.table(), puts.collect());
        let unwritten = write.send().await.expect("a write by the test").unprocessed_items;
        assert!(unwritten.is_none_or(|left| left.is_empty()));
    }
}

#[tokio::test]
async fn ids_spread_evenly_over_the_shards() {
    const IDS: usize = 100_000;
    /// The most that the fullest shard may have, in percent of the mean.
    const MAX_PERCENT: usize = 115;
    let mut random = Random::from_seed();
    let billing = Billing::at(JANUARY).await;
    let mut now = billing.clock.now();
    let mut made = Vec::new();
    let mut seeded = Vec::new();
    for _ in 0..IDS {
        now += TimeDelta::milliseconds(i64::try_from(random.below(2_000)).unwrap());
        // Ids as the product makes them, and from a seed: a UUIDv7 is a time in milliseconds, the rest is random.
        made.push(billing.app.new_id(now));
        let bytes = std::array::from_fn(|_| u8::try_from(random.below(256)).unwrap());
        let millis = u64::try_from(now.timestamp_millis()).unwrap();
        seeded.push(Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid());
    }
    for (how, ids) in [("as the product makes them", made), ("from the seed", seeded)] {
        let due = |id: DeploymentId| keys::due_index(NextAction { action: Action::Renew, at: now }, id, 64).pk;
        let state = |id: DeploymentId| keys::state_index(State::Active, id).pk;
        check_spread(&format!("due shards, ids {how}"), 64, &ids, MAX_PERCENT, due);
        check_spread(&format!("state shards, ids {how}"), usize::from(keys::STATE_SHARDS), &ids, MAX_PERCENT, state);
    }
}

/// Insists that every one of `shards` has ids, and none many more than the mean.
fn check_spread(what: &str, shards: usize, ids: &[Uuid], max_percent: usize, shard: impl Fn(DeploymentId) -> String) {
    let mut counts = BTreeMap::<String, usize>::new();
    for id in ids {
        *counts.entry(shard(DeploymentId::new(*id))).or_default() += 1;
    }
    let largest = counts.values().max().copied().unwrap_or_default();
    let thousandths = largest * shards * 1_000 / ids.len();
    println!("{what}: the fullest of {shards} has {}.{:03} of the mean", thousandths / 1_000, thousandths % 1_000);
    assert_eq!(counts.len(), shards, "{what}: {counts:?}");
    assert!(largest * shards * 100 <= ids.len() * max_percent, "{what}: {counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeps_of_the_same_shards_at_once_bill_once() {
    let (billing, ids) = renewing(60).await;
    for (round, at) in [FEBRUARY, "2027-03-01T00:00:00Z", "2027-04-01T00:00:00Z"].into_iter().enumerate() {
        billing.set_time(at);
        let reports = join_all((0..3).map(|_| billing.sweep())).await;
        let steps: usize = reports.iter().map(|report| report.steps).sum();
        assert_eq!(steps, ids.len(), "{reports:?}");
        assert_eq!(billing.due().await, 0);
        check_renewed(&billing, &ids, round + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_delivered_several_times_bill_once() {
    let mut random = Random::from_seed();
    let (billing, ids) = renewing(60).await;
    let mut messages = Vec::new();
    for shard in 0..SHARDS {
        for copy in 0..2 + random.below(4) {
            messages.push(message(&format!("{shard}-{copy}"), &json!({"shard": shard}).to_string()));
        }
    }
    for last in (1..messages.len()).rev() {
        messages.swap(last, random.below(last + 1));
    }
    // Three workers take the batches as they come.
    let batches: Vec<Value> = messages.chunks(10).map(|records| json!({"Records": records})).collect();
    for batches in batches.chunks(3) {
        for answer in join_all(batches.iter().map(|batch| sweep::handle(&billing.app, batch, LONG))).await {
            assert_eq!(answer.unwrap(), json!({"batchItemFailures": []}));
        }
    }
    assert_eq!(billing.due().await, 0);
    check_renewed(&billing, &ids, 1).await;
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_named_and_the_others_are_done() {
    let (billing, ids) = renewing(30).await;
    let bad = ["", "shard 3", "{}", r#"{"shard":-1}"#, r#"{"shard":"3"}"#, r#"{"shard":256}"#, "[3]"];
    let mut records: Vec<Value> =
        (0..SHARDS).map(|shard| message(&format!("good-{shard}"), &json!({"shard": shard}).to_string())).collect();
    for (n, body) in bad.iter().enumerate() {
        records.insert(2 * n, message(&format!("bad-{n}"), body));
    }
    records.push(json!({"messageId": "bad-7"}));
    let answer = sweep::handle(&billing.app, &json!({"Records": records}), LONG).await.unwrap();
    let failures: Vec<Value> = (0..=bad.len()).map(|n| json!({"itemIdentifier": format!("bad-{n}")})).collect();
    assert_eq!(answer, json!({"batchItemFailures": failures}));
    assert_eq!(billing.due().await, 0);
    check_renewed(&billing, &ids, 1).await;
    // A shard whose index does not respond is reported too, and done at the next delivery.
    billing.set_time("2027-03-01T00:00:00Z");
    billing.dynamodb.plan("Query", 1, Fault::named("AccessDeniedException"));
    let records = [message("first", r#"{"shard":0}"#), message("second", r#"{"shard":1}"#)];
    let event = json!({"Records": records});
    let answer = sweep::handle(&billing.app, &event, LONG).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "first"}]}));
    assert_eq!(sweep::handle(&billing.app, &event, LONG).await.unwrap(), json!({"batchItemFailures": []}));
    // Any other event sweeps every shard.
    let report = sweep::handle(&billing.app, &json!({}), LONG).await.unwrap();
    assert_eq!(report["unfinished"], false);
    assert_eq!(billing.due().await, 0);
    check_renewed(&billing, &ids, 2).await;
}

#[tokio::test]
async fn a_damaged_deployment_is_left_alone_for_an_hour_and_holds_nobody_up() {
    let mut billing = Billing::at(JANUARY).await;
    let store = billing.app.store.clone().with_due_shards(1);
    billing.app = App { store, ..billing.app.clone() };
    let ids = billing.fill(20, "free").await;
    billing.set_time(FEBRUARY);
    let (damaged, healthy) = ids.split_at(3);
    overwrite(&billing, &damaged[0], "#DEPLOYMENT", "state", Some("bogus")).await;
    overwrite(&billing, &damaged[1], "#SUBSCRIPTION", "record", Some("garbage")).await;
    overwrite(&billing, &damaged[2], "#SUBSCRIPTION", "type", Some("nonsense")).await;
    let mut expected = Vec::new();
    for id in damaged {
        let mut items = billing.partition(id).await;
        let until = format!("2027-02-01T01:00:00.000Z#{id}");
        let item = items.get_mut("#DEPLOYMENT").unwrap();
        item.insert("GSI3SK".to_owned(), string(until));
        item.insert(POSTPONED_SINCE.to_owned(), string("2027-02-01T00:00:00+00:00"));
        expected.push(items);
    }
    let report = billing.sweep_anyhow().await;
    assert_eq!(report, Report { due: 20, steps: 17, postponed: 3, ..Report::default() });
    for (id, expected) in damaged.iter().zip(&expected) {
        assert_eq!(
            &billing.partition(id).await,
            expected,
            "only its place in the index and the time of the first failure have changed"
        );
    }
    check_renewed(&billing, healthy, 1).await;
    let clock = &billing.get("/summary", &billing.admin).await.expect(200)["summary"]["clock"];
    assert_eq!(
        *clock,
        json!({"lag_seconds": 0, "postponed": 3}),
        "a postponed deployment counts for as long as it is postponed"
    );
    billing.clock.shift(TimeDelta::milliseconds(3_599_999));
    assert_eq!(billing.sweep_anyhow().await, Report::default(), "postponed deployments are skipped");
    billing.clock.shift(TimeDelta::milliseconds(1));
    let again = billing.sweep_anyhow().await;
    assert_eq!(again, Report { due: 3, postponed: 3, ..Report::default() }, "they are tried again after an hour");
    let item = &billing.partition(&damaged[0]).await["#DEPLOYMENT"];
    assert_eq!(text(item, "GSI3SK"), Some(format!("2027-02-01T02:00:00.000Z#{}", damaged[0])));
    // A repaired deployment continues where it was.
    overwrite(&billing, &damaged[0], "#DEPLOYMENT", "state", Some("active")).await;
    overwrite(&billing, &damaged[2], "#SUBSCRIPTION", "type", Some("subscription")).await;
    billing.clock.shift(TimeDelta::hours(1));
    let repaired = billing.sweep_anyhow().await;
    assert_eq!(repaired, Report { due: 3, steps: 2, postponed: 1, ..Report::default() });
    check_renewed(&billing, &[damaged[0].clone(), damaged[2].clone()], 1).await;
    let item = &billing.partition(&damaged[0]).await["#DEPLOYMENT"];
    assert_eq!(item.get(POSTPONED_SINCE), None, "a repaired deployment is no longer postponed");
}

#[tokio::test]
async fn to_postpone_the_200th_deployment_costs_as_much_as_the_first() {
    let (billing, ids) = renewing(200).await;
    let store = &billing.app.store;
    let mut due = Vec::new();
    for shard in 0..store.due_shards() {
        due.extend(store.due(shard, billing.clock.now(), None, ids.len()).await.unwrap().rows);
    }
    assert_eq!(due.len(), ids.len());
    let now = billing.clock.now();
    for (number, row) in due.iter().enumerate() {
        billing.dynamodb.clear();
        store.postpone(row, now, now + TimeDelta::hours(1)).await.unwrap();
        assert_eq!(billing.dynamodb.operations(), ["PutItem", "UpdateItem"], "{number}");
    }
    let page = billing.collect("/attention?kind=postponed", &billing.admin, "attention").await;
    assert_eq!(page.len(), ids.len());
}

#[tokio::test]
async fn a_deployment_whose_step_is_refused_for_good_is_left_alone_for_an_hour_and_holds_nobody_up() {
    let (billing, ids) = renewing(20).await;
    billing.dynamodb.plan("TransactWriteItems", 1, Fault::invalid("Put(note=a secret)"));
    let (report, counted) = metrics::collect(billing.sweep_anyhow()).await;
    assert_eq!(report, Report { due: 20, steps: 19, postponed: 1, ..Report::default() });
    let [refused, postponed] = [metrics::STEPS_REFUSED, metrics::POSTPONED].map(|name| counted.get(name));
    assert_eq!((refused, postponed), (Some(1), Some(1)));
    assert_eq!(billing.due().await, 0, "it is postponed");
    billing.clock.shift(TimeDelta::hours(1));
    assert_eq!(billing.sweep().await, Report { due: 1, steps: 1, ..Report::default() });
    check_renewed(&billing, &ids, 1).await;
}

#[tokio::test]
async fn no_line_that_is_logged_holds_what_dynamodb_was_sent() {
    const SECRET: &str = "Put(note=a secret), ";
    /// Longer than any line that the product logs.
    const MAX_LINE_LEN: usize = 1_000;
    // Long ago, since the binary uses the machine's clock.
    let billing = Billing::at("2026-01-01T00:00:00Z").await;
    let ids = billing.fill(3, "free").await;
    let call = lambda::event(&["update_deployment", &format!("id={}", ids[0])]);
    for (handler, event, level) in [("billing_sweep", json!({}), "ERROR"), ("update_deployment", call, "ERROR")] {
        let fault = Fault::invalid(&SECRET.repeat(10_000));
        billing.dynamodb.plan("TransactWriteItems", 1, fault);
        let table = (billing.dynamodb.endpoint.as_str(), billing.app.store.table());
        let ran = lambda::run(handler, Some(table), &[event]).await;
        let lines: Vec<String> = ran.logs.iter().map(Value::to_string).collect();
        let told: Vec<&Value> = ran.logs.iter().filter(|line| line["level"] == level).collect();
        assert!(!told.is_empty(), "{handler}: {lines:?}");
        for line in told {
            let error = line["error"].as_str().expect("a reason");
            assert!(error.contains("ValidationException"), "{handler}: {line}");
            assert!(error.contains("length less than or equal to 100"), "{handler}: {line}");
        }
        for line in &lines {
            assert!(line.len() < MAX_LINE_LEN && !line.contains("secret"), "{handler}: {line}");
            assert!(!line.contains("got no answer"), "{handler}: {line}");
        }
        if handler == "billing_sweep" {
            assert_eq!((&ran.answers[0]["due"], &ran.answers[0]["postponed"]), (&json!(3), &json!(1)), "{ran:?}");
            assert_eq!(ran.metrics[0]["StepsRefused"], 1, "{ran:?}");
        }
    }
}

#[tokio::test]
async fn the_next_sweep_takes_the_deployments_that_dynamodb_did_not_answer_for() {
    let (billing, ids) = renewing(20).await;
    let mut renewed = 0;
    for (n, fault) in [
        Fault::cancelled(&["ThrottlingError"]),
        Fault::named("ProvisionedThroughputExceededException"),
        Fault::named("AccessDeniedException"),
    ]
    .into_iter()
    .enumerate()
    {
        billing.set_time(&format!("2027-{:02}-01T00:00:00Z", n + 2));
        // The SDK sends a throttled request three times, and the store sends a cancelled transaction five times.
        billing.dynamodb.plan("TransactWriteItems", 100, fault);
        let report = billing.sweep_anyhow().await;
        assert_eq!(report, Report { due: 20, unanswered: 20, ..Report::default() }, "nothing gets done");
        assert_eq!(billing.due().await, 20, "they are still due, and not postponed");
        billing.dynamodb.clear();
        let report = billing.sweep().await;
        assert_eq!((report.due, report.steps, billing.due().await), (report.steps, report.due, 0));
        renewed += 1;
        check_renewed(&billing, &ids, renewed).await;
    }
    // The same if a read fails: the index responds, the deployment's partition does not.
    billing.set_time("2027-05-01T00:00:00Z");
    billing.dynamodb.plan("GetItem", 3, Fault::named("ProvisionedThroughputExceededException"));
    let report = billing.sweep_anyhow().await;
    assert_eq!((report.due, report.postponed), (20, 0), "{report:?}");
    assert_eq!(billing.due().await, report.unanswered);
    billing.dynamodb.clear();
    billing.sweep().await;
    check_renewed(&billing, &ids, renewed + 1).await;
}

#[tokio::test]
async fn unanswered_deployments_are_tried_again_while_the_sweep_makes_progress() {
    let (billing, ids) = renewing(20).await;
    billing.set_time("2027-03-01T00:00:00Z");
    // Two steps each. A refused write is not retried: the first pass commits five, the second all others.
    billing.dynamodb.plan("TransactWriteItems", 5, Fault::named("AccessDeniedException"));
    assert_eq!(billing.sweep_anyhow().await, Report { due: 20, steps: 40, ..Report::default() });
    check_renewed(&billing, &ids, 2).await;
}

#[tokio::test]
async fn an_answer_that_was_lost_bills_once() {
    let (billing, ids) = renewing(20).await;
    for (n, fault) in [Fault::BreakOff, Fault::ServerError].into_iter().enumerate() {
        billing.set_time(&format!("2027-{:02}-01T00:00:00Z", n + 2));
        billing.dynamodb.plan("TransactWriteItems", 10, fault);
        billing.dynamodb.plan("TransactWriteItems", 5, Fault::ForgetToken);
        billing.sweep_anyhow().await;
        billing.dynamodb.clear();
        billing.sweep().await;
        assert_eq!(billing.due().await, 0);
        check_renewed(&billing, &ids, n + 1).await;
    }
}

#[tokio::test]
async fn a_sweep_stops_before_its_time_is_up_and_loses_nothing() {
    let (billing, ids) = renewing(20).await;
    let contents = billing.contents().await;
    for time_left in [Duration::ZERO, Duration::from_secs(10)] {
        billing.dynamodb.clear();
        let report = sweep::handle(&billing.app, &json!({}), time_left).await.unwrap();
        assert_eq!((&report["unfinished"], &report["steps"]), (&json!(true), &json!(0)));
        assert_eq!(billing.dynamodb.operations(), Vec::<String>::new());
        let event = json!({"Records": [message("a", r#"{"shard":0}"#)]});
        sweep::handle(&billing.app, &event, time_left).await.unwrap();
    }
    assert_eq!(billing.contents().await, contents);
    let report = sweep::sweep(&billing.app, Instant::now() + LONG).await.unwrap();
    assert_eq!(report, Report { due: 20, steps: 20, ..Report::default() });
    check_renewed(&billing, &ids, 1).await;
}

#[tokio::test]
async fn a_deployment_that_others_keep_changing_stays_due() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    billing.set_time("2027-01-08T00:00:00Z");
    billing.dynamodb.plan("TransactWriteItems", usize::MAX, Fault::cancelled(&["ConditionalCheckFailed"]));
    let report = billing.sweep_anyhow().await;
    assert_eq!((report.due, report.steps, report.postponed, report.unanswered), (1, 0, 0, 1), "{report:?}");
    billing.dynamodb.clear();
    assert_eq!(billing.sweep().await.steps, 1);
    assert_eq!(billing.state(&id).await, "past_due");
}
