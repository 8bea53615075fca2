//! The promise: the next sweep finishes the work of a sweep that was killed at any point. Nothing is lost or done
//! twice.

use std::process::Stdio;

use arcadia_domain::Timestamp;
use arcadia_functions::runtime::Clock as _;
use chrono::{Months, TimeDelta};
use futures_util::{StreamExt as _, stream};
use tokio::process::{Child, Command};

use crate::harness::billing::Billing;
use crate::harness::programs::program;
use crate::harness::trap::{Stop, Trap};
use crate::harness::{Random, dynamodb};

/// The number of deployments due at the beginning of each month.
const DUE: usize = 500;
/// The number of months.
const MONTHS: u32 = 2;
/// How often each month's sweep is killed and restarted, at a random point of the remaining work.
const KILLS: usize = 20;
/// The number of concurrent requests.
const CONCURRENCY: usize = 16;

/// Starts the program's sweep of a table, for the given moment.
fn start_sweep(at: Timestamp, endpoint: &str, table: &str) -> Child {
    let mut command = Command::new(program());
    command.args(["sweep", "--log", "off", "--at", &at.to_rfc3339()]);
    command.args(["--dynamodb-endpoint", endpoint, "--table", table]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().expect("the program")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_sweep_finishes_the_work_of_a_killed_one_and_does_nothing_twice() {
    let mut random = Random::from_seed();
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let ids = billing.fill(DUE, "free").await;
    let trap = Trap::start(dynamodb::endpoint()).await;
    let start = billing.clock.now();
    for month in 1..=MONTHS {
        let now = start + Months::new(month);
        billing.clock.shift(now - billing.clock.now());
        // The transactions let through before each kill. Transactions in flight beside the stopped one are not counted.
        let mut points = Vec::new();
        for kill in 0..KILLS {
            let left = billing.due().await;
            let passing = random.below(2 * left / (KILLS - kill + 1) + 1);
            points.push((left, passing));
            let stop = *random.pick(&[Stop::Before, Stop::After]);
            let reached = trap.arm(passing, stop);
            let mut sweep = start_sweep(now, &trap.endpoint, billing.app.store.table());
            tokio::select! {
                _ = reached => {}
                // No work was left, or fewer transactions than were to be let through.
                ended = sweep.wait() => assert!(ended.expect("the sweep exits").success() && billing.due().await == 0),
            }
            sweep.kill().await.expect("a kill -9");
        }
        let steps = billing.sweep().await.steps;
        println!("month {month}: killed at (due, transactions) {points:?}, left {steps}");
        assert_eq!((points[0].0, billing.due().await), (DUE, 0));
    }
    let books = stream::iter(&ids).map(|id| billing.books(id)).buffer_unordered(CONCURRENCY);
    let checked = books.map(|books| {
        let periods: Vec<_> = books.invoices.values().map(|i| (i.billed_from, i.billed_to)).collect();
        let expected: Vec<_> = (0..=MONTHS).map(|n| (start + Months::new(n), start + Months::new(n + 1))).collect();
        assert_eq!(periods, expected, "{}", books.aggregate.deployment.id);
        assert_eq!(books.count("renewed"), MONTHS as usize);
        assert!(books.aggregate.next_action().is_some_and(|next| next.at - billing.clock.now() > TimeDelta::zero()));
    });
    assert_eq!(checked.count().await, DUE);
}
