//! The promise: whatever clients, sweeps, the network, clocks and crashes do, and in whatever order, the stored records
//! are consistent, an acknowledged request was executed exactly once, and a refused one never.
//!
//! The handling of requests and sweeps here is a copy of the functions' own, because the real handlers over the AWS SDK
//! are too slow for thousands of seeds. [`crate::conformance`] compares it with them, request by request: whoever changes
//! the functions changes the copy too.
//!
//! # Layout
//! [`run`] is one life of a small world, by a seed. [`api`] handles a request and [`sweep`] is a sweep, one request to the
//! table at a time; both take due steps by [`catch_up`] and commit by [`writer`]. [`wishes`] are the requests of clients,
//! [`commands`] the commands made of them, [`catalog`] the records that no request writes. [`table`] executes the store's
//! own transactions, with the expressions of [`expression`]. [`world`] is the network and the time, [`audit`] checks the
//! invariants.
//!
//! `SEED=<n> cargo test -p arcadia-tests --test it simulation` repeats one seed and prints each step; `SEEDS=<n>`
//! runs more of them.

pub mod api;
mod audit;
pub mod catalog;
mod catch_up;
pub mod commands;
mod expression;
pub mod run;
pub mod sweep;
mod table;
pub mod wishes;
pub mod world;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use arcadia_functions::runtime::local_client;
use arcadia_store::Store;
use run::Run;
use tokio::time::Instant;
use world::{Counts, Defect};

use crate::harness::environment;

/// The number of seeds unless `SEEDS` says otherwise.
const SEEDS: u64 = 1_500;
/// The number of seeds within which a defect has to be found.
const SEEDS_TO_FIND: u64 = 2_000;

/// The number of partitions of the simulated due index.
const DUE_SHARDS: u8 = 1;

/// A store that builds transactions and has no connection.
pub fn store() -> Store {
    Store::new(local_client("http://127.0.0.1:1"), "simulated").with_due_shards(DUE_SHARDS)
}

/// Runs the seeds below `seeds` on all cores until one fails. Returns the results, and the seed that failed with its
/// message.
pub fn each_seed<T: Send>(seeds: u64, run: impl Fn(u64) -> T + Sync) -> (Vec<T>, Option<(u64, String)>) {
    let next = AtomicU64::new(0);
    let results = Mutex::new((Vec::new(), None));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            let ran = catch_unwind(AssertUnwindSafe(|| run(seed)));
            let mut results = results.lock().expect("the results");
            match ran {
                Ok(result) => results.0.push(result),
                Err(panic) => {
                    next.store(seeds, Ordering::Relaxed);
                    let text = panic.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                    results.1 = Some((seed, text.unwrap_or_default()));
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    results.into_inner().expect("the results")
}

#[test]
fn every_seed_ends_well() {
    if let Some(seed) = environment("SEED") {
        let seed = seed.parse().expect("SEED is a whole number");
        println!("{:#?}", Run::new(seed, store(), None, true).finish());
        return;
    }
    let seeds = environment("SEEDS").map_or(SEEDS, |text| text.parse().expect("SEEDS is a whole number"));
    let started = Instant::now();
    let store = store();
    let (ran, failed) = each_seed(seeds, |seed| Run::new(seed, store.clone(), None, false).finish());
    let mut counts = Counts::default();
    ran.into_iter().for_each(|ran| counts.add(ran));
    println!("{seeds} seeds in {:?}: {counts:?}", started.elapsed());
    if let Some((seed, text)) = failed {
        panic!("to repeat: SEED={seed} cargo test -p arcadia-tests --test it simulation\n{text}");
    }
    let Counts {
        commits,
        sweep_steps,
        command_steps,
        crashes,
        lost,
        torn,
        late,
        recovered,
        busy,
        conflicts,
        replays,
        ..
    } = counts;
    for count in [commits, sweep_steps, command_steps, crashes, lost, torn, late, recovered, busy, conflicts, replays] {
        assert!(count > 0, "something never happened: {counts:?}");
    }
}

#[test]
fn each_defect_is_found() {
    if environment("SEED").is_some() {
        return;
    }
    let store = store();
    for defect in [
        Defect::ForgetsItsCommit,
        Defect::NoVersionCondition,
        Defect::NoRecordCondition,
        Defect::NoClaimCondition,
        Defect::NoReplay,
        Defect::NoVersionCheck,
        Defect::NoResourceCondition,
        Defect::LateClock,
        Defect::CreditOutlivesCharge,
        Defect::LosesBalance,
        Defect::EarlyRung,
    ] {
        let (_, failed) = each_seed(SEEDS_TO_FIND, |seed| Run::new(seed, store.clone(), Some(defect), false).finish());
        let Some((seed, text)) = failed else { panic!("{defect:?} is not found within {SEEDS_TO_FIND} seeds") };
        println!("{defect:?} is found by seed {seed}: {}", text.lines().next().unwrap_or_default());
    }
}
