//! The promise: a sweep costs what is due, is delivered as often as may be without harm, and is not held up by a
//! deployment that it cannot work on.

use std::time::Duration;

use arcadia_functions::billing::sweep::{self, Report};
use arcadia_shared::runtime::App;
use arcadia_shared::store::items::string;
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::billing::{Billing, overwrite, text};
use crate::harness::{Fault, Random};

const JANUARY: &str = "2027-01-01T00:00:00Z";
const FEBRUARY: &str = "2027-02-01T00:00:00Z";
/// As long as Lambda lets a function run.
const LONG: Duration = Duration::from_secs(900);

/// Over how many partitions the due index is spread.
const SHARDS: usize = 16;

/// A world in which `count` free subscriptions renew in February.
async fn renewing(count: usize) -> (Billing, Vec<String>) {
    let billing = Billing::at(JANUARY).await;
    let ids = billing.fill(count, "free").await;
    billing.set_time(FEBRUARY);
    (billing, ids)
}

/// Insists that each has renewed exactly `times`, with an invoice for each period.
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
    let ids = billing.fill(450, "free").await;
    billing.set_time(FEBRUARY);
    billing.dynamodb.clear();
    assert_eq!(billing.sweep().await, Report { due: 450, steps: 450, ..Report::default() });
    let seen = billing.dynamodb.seen();
    let looks = seen.iter().filter(|seen| seen.body["IndexName"] == "GSI3").count();
    assert_eq!(looks, 3, "pages of 200");
    assert_eq!(billing.due().await, 0);
    check_renewed(&billing, &ids[..50], 1).await;
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
    // A shard whose index does not answer is named too, and done with the next delivery.
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
        items.get_mut("#DEPLOYMENT").unwrap().insert("GSI3SK".to_owned(), string(until));
        expected.push(items);
    }
    let report = billing.sweep_anyhow().await;
    assert_eq!(report, Report { due: 20, steps: 17, postponed: 3, ..Report::default() });
    for (id, expected) in damaged.iter().zip(&expected) {
        assert_eq!(&billing.partition(id).await, expected, "nothing but its place in the index has changed");
    }
    check_renewed(&billing, healthy, 1).await;
    billing.clock.shift(TimeDelta::milliseconds(3_599_999));
    assert_eq!(billing.sweep_anyhow().await, Report::default(), "it is left alone");
    billing.clock.shift(TimeDelta::milliseconds(1));
    let again = billing.sweep_anyhow().await;
    assert_eq!(again, Report { due: 3, postponed: 3, ..Report::default() }, "and looked at after the hour");
    let item = &billing.partition(&damaged[0]).await["#DEPLOYMENT"];
    assert_eq!(text(item, "GSI3SK"), Some(format!("2027-02-01T02:00:00.000Z#{}", damaged[0])));
    // Repaired, it goes on where it was.
    overwrite(&billing, &damaged[0], "#DEPLOYMENT", "state", Some("active")).await;
    overwrite(&billing, &damaged[2], "#SUBSCRIPTION", "type", Some("subscription")).await;
    billing.clock.shift(TimeDelta::hours(1));
    let repaired = billing.sweep_anyhow().await;
    assert_eq!(repaired, Report { due: 3, steps: 2, postponed: 1, ..Report::default() });
    check_renewed(&billing, &[damaged[0].clone(), damaged[2].clone()], 1).await;
}

#[tokio::test]
async fn what_dynamodb_does_not_answer_for_is_done_by_the_next_sweep() {
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
        let denied = n == 2;
        // The SDK sends what was throttled three times, and a cancelled transaction is sent five times.
        billing.dynamodb.plan("TransactWriteItems", if denied { 1 } else { 100 }, fault);
        let report = billing.sweep_anyhow().await;
        assert_eq!((report.due, report.steps + report.unanswered), (20, 20), "{report:?}");
        assert!(report.unanswered > 0 && (!denied || report.unanswered == 1), "{report:?}");
        assert_eq!(billing.due().await, report.unanswered, "they are due still, and not put off");
        billing.dynamodb.clear();
        let report = billing.sweep().await;
        assert_eq!((report.due, report.steps, billing.due().await), (report.steps, report.due, 0));
        renewed += 1;
        check_renewed(&billing, &ids, renewed).await;
    }
    // Likewise if what is to be read does not arrive: the index answers, the deployment does not.
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
