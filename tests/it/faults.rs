//! The promise: whatever DynamoDB's failures, no acknowledged change is lost, nothing happens twice, and nothing
//! happens
//! that no client requested. Clients and the clock work on the same deployments for months while requests fail, first
//! with
//! each kind of failure alone, then with all of them together. Then the books are compared with the answers.
//!
//! `OPERATIONS=<n>` makes every run longer, `SEED=<n>` repeats its choices.

mod audit;
mod customer;
mod ledger;

use arcadia_functions::billing::sweep::Report;
use arcadia_store::MAX_READS;
use audit::Audit;
use chrono::TimeDelta;
use customer::Customer;
use futures_util::future::join_all;
use ledger::{Ledger, Outcome, Tally};
use serde_json::json;
use tokio::time::Duration;

use crate::harness::billing::Billing;
use crate::harness::weather::{Kind, Weather};
use crate::harness::world::START;
use crate::harness::{Random, environment, table};

/// The number of operations of a run with one kind of failure, unless the environment sets another.
const OPERATIONS: usize = 150;
/// The number of operations of the run with all kinds.
const OPERATIONS_OF_ALL: usize = 500;
/// The number of concurrent clients.
const CLIENTS: usize = 16;
/// The number of deployments at the start.
const DEPLOYMENTS: usize = 12;
/// How long the product waits for an answer of DynamoDB in runs where some never come: longer than a busy machine
/// takes.
const HASTE: Duration = Duration::from_secs(3);
/// The rate, in a thousand requests, of answers that never come. It is low because each of them costs a wait.
const UNANSWERED: (Kind, usize) = (Kind::Unanswered, 3);
/// More sweeps than it takes to catch up with everything.
const MAX_SWEEPS: usize = 100;

/// Runs clients and the clock under failures, then compares the table with the answers.
async fn endure(rates: &[(Kind, usize)], operations: usize) {
    let mut random = Random::from_seed();
    let operations = environment("OPERATIONS").map_or(operations, |text| text.parse().expect("a whole number"));
    let patience = if rates.contains(&UNANSWERED) { HASTE } else { table::PATIENCE };
    let billing = Billing::at_with(START, patience).await;
    for plan_code in ["tryout", "taster"] {
        billing.sell_plan(plan_code, &[json!({"price_cents": 1_900, "trial_days": 14})]).await;
    }
    let ledger = Ledger::new(billing, operations);
    for _ in 0..DEPLOYMENTS {
        let number = ledger.draw().expect("a number");
        let creation = Customer::new(&ledger, random.fork()).create(number);
        ledger.perform(creation).await;
    }
    ledger.billing.dynamodb.begin(Weather::new(random.fork(), rates));
    join_all((0..CLIENTS).map(|_| Customer::new(&ledger, random.fork()).live())).await;
    let injected = ledger.billing.dynamodb.calm().await;
    let Tally { operations, unavailable, conflicts, steps } = ledger.tally();
    let exhausted = ledger.billing.dynamodb.exhausted();
    println!(
        "{operations} operations, {steps} steps of the clock, faults {injected:?}, {unavailable} times unavailable, \
         {exhausted} times at the last attempt, {conflicts} conflicts"
    );
    // A failure this rare need not happen in a short run.
    let mut kinds = rates.iter().filter(|rate| **rate != UNANSWERED).map(|(kind, _)| kind);
    assert!(kinds.all(|kind| injected.contains_key(kind)), "{injected:?}");
    // A longer run uses up the SDK's retry quota of a process (500 tokens, 5 for each retry). With a short timeout, a
    // busy machine times out as well. Then the number of 503 answers cannot be predicted.
    if patience == table::PATIENCE && operations <= OPERATIONS {
        // A read is given up only after it was torn at every attempt.
        let torn = injected.get(&Kind::Torn).map_or(0, |torn| torn / MAX_READS as usize);
        assert!(unavailable <= exhausted + torn, "a request was given up while it had attempts left");
    }
    come_to_rest(&ledger.billing).await;
    let audit = Audit::read(&ledger).await;
    audit.check(&ledger);
    let entries = ledger::lock(&ledger.entries);
    let mut keyed = entries.iter().filter(|entry| entry.operation.has_key());
    assert!(!keyed.any(|entry| matches!(entry.outcome, Outcome::Unknown)), "a request with a key has a known outcome");
}

/// Sweeps until nothing is due, and insists that another sweep then does nothing.
async fn come_to_rest(billing: &Billing) {
    // A deployment that was postponed for an hour is due again.
    billing.clock.shift(TimeDelta::hours(2));
    let mut sweeps = 0;
    while billing.sweep().await != Report::default() {
        sweeps += 1;
        assert!(sweeps < MAX_SWEEPS, "sweeps do not end");
    }
    let contents = billing.contents().await;
    billing.dynamodb.clear();
    assert_eq!(billing.sweep().await, Report::default());
    assert!(billing.dynamodb.operations().iter().all(|operation| operation == "Query"));
    assert_eq!(billing.contents().await, contents);
}

/// Declares a test for a kind of failure, at a rate in a thousand of the requests that it can happen to.
macro_rules! endures {
    ($($name:ident: $kind:ident $rate:literal;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                endure(&[(Kind::$kind, $rate)], OPERATIONS).await;
            }
        )+
    };
}

endures! {
    nothing_is_lost_or_doubled_when_throttled: Throttled 200;
    nothing_is_lost_or_doubled_when_transactions_conflict: Conflict 200;
    nothing_is_lost_or_doubled_when_cancelled_for_mixed_reasons: Mixed 200;
    nothing_is_lost_or_doubled_when_dynamodb_fails: ErrorBefore 200;
    nothing_is_lost_or_doubled_when_dynamodb_fails_but_has_done_it: ErrorAfter 200;
    nothing_is_lost_or_doubled_when_requests_arrive_late: Late 200;
    nothing_is_lost_or_doubled_when_connections_are_reset_before: ResetBefore 200;
    nothing_is_lost_or_doubled_when_connections_are_reset_after: ResetAfter 200;
    nothing_is_lost_or_doubled_when_answers_break_off: Truncated 200;
    nothing_is_lost_or_doubled_when_tokens_are_forgotten: Forgotten 200;
    nothing_is_lost_or_doubled_when_keys_stay_unread: Unprocessed 500;
    nothing_is_lost_or_doubled_when_reads_are_torn: Torn 300;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_answers_are_slow_or_never_come() {
    endure(&[(Kind::Slow, 200), UNANSWERED], OPERATIONS).await;
}

/// Failures that only some requests can have get a higher rate.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_in_all_weathers_at_once() {
    let rates = [
        (Kind::Throttled, 25),
        (Kind::Conflict, 25),
        (Kind::Mixed, 25),
        (Kind::ErrorBefore, 20),
        (Kind::ErrorAfter, 20),
        (Kind::Slow, 25),
        (Kind::Late, 20),
        (Kind::ResetBefore, 20),
        (Kind::ResetAfter, 20),
        (Kind::Truncated, 20),
        (Kind::Forgotten, 25),
        (Kind::Unprocessed, 150),
        (Kind::Torn, 100),
        UNANSWERED,
    ];
    endure(&rates, OPERATIONS_OF_ALL).await;
}
