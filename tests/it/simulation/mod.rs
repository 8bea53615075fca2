//! The promise: whatever clients, sweeps, the network, clocks and crashes do, and in whichever order, what is stored is
//! whole, what was acknowledged happened exactly once, and what was refused never.
//!
//! # Layout
//! [`run`] is one life of a small world by a seed; [`api`] handles a request and [`sweep`] is a sweep, one request to
//! the table at a time; [`catch_up`] takes the due steps for both; [`writer`] sends a commit by the store's own rules; [`wishes`] are what clients want;
//! [`table`] executes the store's own transactions, with the expressions of [`expression`]; [`world`] is the network
//! and the time; [`audit`] is what must hold.
//!
//! `SEED=<n> cargo test -p arcadia-tests --test it simulation` repeats one seed and tells its story; `SEEDS=<n>` runs
//! more of them.

mod api;
mod audit;
mod catch_up;
mod expression;
mod run;
mod sweep;
mod table;
mod wishes;
mod world;
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

/// How many seeds are run unless `SEEDS` says otherwise.
const SEEDS: u64 = 1_500;
/// Within how many seeds a defect has to be found.
const SEEDS_TO_FIND: u64 = 2_000;

/// Over how many partitions the simulated due index is spread.
const DUE_SHARDS: u8 = 1;

/// A store that builds transactions and reaches nothing.
fn store() -> Store {
    Store::new(local_client("http://127.0.0.1:1"), "simulated").with_due_shards(DUE_SHARDS)
}

/// Runs seeds on all cores until one fails: what happened, and the seed that failed with what it said.
fn run_seeds(seeds: u64, defect: Option<Defect>) -> (Counts, Option<(u64, String)>) {
    let next = AtomicU64::new(0);
    let total = Mutex::new((Counts::default(), None));
    let store = store();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            let ran = catch_unwind(AssertUnwindSafe(|| Run::new(seed, store.clone(), defect, false).finish()));
            let mut total = total.lock().expect("the sum");
            match ran {
                Ok(counts) => total.0.add(counts),
                Err(panic) => {
                    next.store(seeds, Ordering::Relaxed);
                    let text = panic.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                    total.1 = Some((seed, text.unwrap_or_default()));
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
    total.into_inner().expect("the sum")
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
    let (counts, failed) = run_seeds(seeds, None);
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
        let (_, failed) = run_seeds(SEEDS_TO_FIND, Some(defect));
        let Some((seed, text)) = failed else { panic!("{defect:?} is not found within {SEEDS_TO_FIND} seeds") };
        println!("{defect:?} is found by seed {seed}: {}", text.lines().next().unwrap_or_default());
    }
}
