//! Every renewal at the same midnight: the prediction from the limits, and the sweep itself in virtual time with a stub
//! that has DynamoDB's latency and throttling. One shard with its share of the table stands for all, since all are
//! alike.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use arcadia_domain::Timestamp;
use arcadia_functions::billing::sweep::{CONCURRENCY, MARGIN, sweep_shards};
use tokio::time::Instant;

use crate::place::{Place, SetClock};
use crate::report::{Finding, Goal, Section};
use crate::stub::{Capacity, Settings, Stub};
use crate::sweeps::Tenancy;
use crate::{Failure, runtime};

/// The most deployments of a shard that are simulated; the time of the others is extrapolated.
const SIMULATED: usize = 60_000;
/// The latency of a read and of a transaction, as DynamoDB responds within a region.
const LATENCY: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(10)];
/// How often shards are dispatched.
const TICK: Duration = Duration::from_secs(300);
/// The write units a second of one partition in DynamoDB.
const PARTITION_UNITS: f64 = 1_000.0;
/// The write units of a renewal, in the table and its indexes; see docs/costs.md.
const STEP_UNITS: f64 = 18.0;
/// The part of them for the entry in the due index, which is deleted and written anew.
const STEP_UNITS_IN_SHARD: f64 = 2.0;

/// A setup to simulate.
struct Setup {
    what: &'static str,
    deployments: usize,
    shards: u8,
    /// The sweep function's time limit.
    timeout: Duration,
    /// The write units a second of the table.
    table_units: f64,
}

/// The outcome of a shard.
struct Drained {
    took: Duration,
    sweeps: usize,
    throttled: f64,
}

/// Measures the section.
pub fn measure() -> Result<Section, Failure> {
    let seconds = Duration::from_secs;
    let setups = [
        Setup { what: "as installed", deployments: 1_000_000, shards: 16, timeout: seconds(60), table_units: 40_000.0 },
        Setup {
            what: "as installed",
            deployments: 10_000_000,
            shards: 16,
            timeout: seconds(60),
            table_units: 40_000.0,
        },
        Setup {
            what: "longer sweeps",
            deployments: 10_000_000,
            shards: 16,
            timeout: seconds(300),
            table_units: 40_000.0,
        },
        Setup { what: "64 shards", deployments: 10_000_000, shards: 64, timeout: seconds(300), table_units: 40_000.0 },
        Setup {
            what: "a larger table",
            deployments: 10_000_000,
            shards: 64,
            timeout: seconds(300),
            table_units: 400_000.0,
        },
        Setup {
            what: "255 shards",
            deployments: 100_000_000,
            shards: 255,
            timeout: seconds(300),
            table_units: 1_600_000.0,
        },
    ];
    let (settings, now) = runtime().build()?.block_on(async { Tenancy::new(1).await?.settings(SIMULATED, 1).await })?;
    let mut table = String::from(
        "| deployments | setup | shards | timeout | table, units/s | bound by | expected | simulated | throttled a step |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let mut findings = Vec::new();
    for setup in &setups {
        let Setup { what, deployments, shards, timeout, table_units } = setup;
        let (bound, rate) = setup.bound();
        let of_a_shard = deployments / usize::from(*shards);
        let expected = setup.expected(rate);
        let simulated = settings_of(setup, &settings);
        let drained = runtime().start_paused(true).build()?.block_on(drain(&simulated, now, *timeout))?;
        let scale = of_a_shard as f64 / simulated.due as f64;
        let took = drained.took.mul_f64(scale);
        let _ = writeln!(
            table,
            "| {deployments} | {what} | {shards} | {timeout:?} | {table_units} | {bound} | {} | {} | {:.2} |",
            minutes(expected),
            minutes(took),
            drained.throttled,
        );
        let ratio = expected.as_secs_f64() / took.as_secs_f64();
        let detail = format!("{} sweeps of a shard were simulated", drained.sweeps);
        let what = format!("{deployments} due, {what}: expected / simulated time");
        findings.push(Finding::once(what, Goal::AtLeast(0.9), ratio, "", detail));
    }
    Ok(Section { name: "plan", findings, tables: vec![table] })
}

impl Setup {
    /// The lowest bound of a shard's sweep, and its steps a second.
    fn bound(&self) -> (&'static str, f64) {
        let [read, write] = LATENCY.map(|latency| latency.as_secs_f64());
        let bounds = [
            ("the sweep's own pace", CONCURRENCY as f64 / (read + write)),
            ("a partition of the due index", PARTITION_UNITS / STEP_UNITS_IN_SHARD),
            ("the table", self.table_units / STEP_UNITS / f64::from(self.shards)),
        ];
        bounds.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are three")
    }

    /// The predicted time of a shard: in each tick as many steps as a sweep can last, and then the rest.
    fn expected(&self, rate: f64) -> Duration {
        let of_a_shard = self.deployments as f64 / f64::from(self.shards);
        let of_a_tick = rate * (self.timeout - MARGIN).min(TICK).as_secs_f64();
        let ticks = (of_a_shard / of_a_tick).floor();
        TICK.mul_f64(ticks) + Duration::from_secs_f64((of_a_shard - ticks * of_a_tick) / rate)
    }
}

fn settings_of(setup: &Setup, settings: &Settings) -> Settings {
    let due = SIMULATED.min(setup.deployments / usize::from(setup.shards));
    let table = setup.table_units / STEP_UNITS / f64::from(setup.shards);
    let capacity = Capacity { table, shard: PARTITION_UNITS / STEP_UNITS_IN_SHARD };
    Settings { due, latency: LATENCY, capacity: Some(capacity), ..settings.clone() }
}

/// Sweeps a shard with each tick until nothing is due.
async fn drain(settings: &Settings, now: Timestamp, timeout: Duration) -> Result<Drained, Failure> {
    let stub = Stub::new(settings)?;
    let place = Place::on(stub.client(), "stub", Arc::new(SetClock::new(now)));
    let started = Instant::now();
    let mut tick = started;
    let mut sweeps = 0;
    while stub.due() > 0 {
        // A message that comes during the sweep of its shard waits for its end.
        tokio::time::sleep_until(tick).await;
        tick = tick.max(Instant::now() - TICK) + TICK;
        sweep_shards(&place.app, &[0], Instant::now() + timeout - MARGIN).await?;
        sweeps += 1;
    }
    let done = stub.done();
    Ok(Drained { took: started.elapsed(), sweeps, throttled: done.throttled as f64 / done.steps as f64 })
}

fn minutes(time: Duration) -> String {
    format!("{:.1} min", time.as_secs_f64() / 60.0)
}
