//! The promise: the simulator handles requests and sweeps exactly as the functions do, so the results of thousands of
//! simulated seeds are valid for the functions.
//!
//! One random life without faults runs twice, request by request: on the simulated table by the simulator's own handling
//! of requests and sweeps, and on DynamoDB Local by the real handlers over HTTP and the real sweep, at the same times.
//! After every request and every sweep the answers and all stored records of both are compared.
//!
//! # Layout
//! [`life`] runs a life on both sides; [`requests`] makes the HTTP request of a simulated one; [`records`] compares the
//! tables.
//!
//! `SEED=<n> cargo test -p arcadia-tests --test it conformance` repeats one life and prints each step; `SEEDS=<n>` runs
//! more of them.

mod life;
mod records;
mod requests;

use life::{Life, Tally};
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::harness::environment;
use crate::simulation::each_seed;
use crate::simulation::world::Defect;

/// The number of lives unless `SEEDS` says otherwise.
const SEEDS: u64 = 12;
/// The number of lives from which on even rare things must have happened.
const SEEDS_WITH_ALL: u64 = 200;
/// The number of lives within which a defect has to be found.
const SEEDS_TO_FIND: u64 = 60;

/// Runs the life of a seed on both sides. Panics with the first difference.
fn live(seed: u64, defect: Option<Defect>, traces: bool) -> Tally {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { Life::begin(seed, defect, traces).await.run().await })
}

#[test]
fn the_simulator_does_as_the_handlers_do() {
    if let Some(seed) = environment("SEED") {
        println!("{:#?}", live(seed.parse().expect("SEED is a whole number"), None, true));
        return;
    }
    let seeds = environment("SEEDS").map_or(SEEDS, |text| text.parse().expect("SEEDS is a whole number"));
    let started = Instant::now();
    let (tallies, failed) = each_seed(seeds, |seed| live(seed, None, false));
    let mut total = Tally::default();
    tallies.into_iter().for_each(|tally| total.add(tally));
    println!("{seeds} lives in {:?}: {total:#?}", started.elapsed());
    if let Some((seed, text)) = failed {
        panic!(
            "to repeat: SEED={seed} cargo test -p arcadia-tests --test it conformance\n\
             If the functions are right, change their copy in tests/it/simulation.\n{text}"
        );
    }
    let missing = total.missing(seeds >= SEEDS_WITH_ALL);
    assert!(missing.is_empty(), "this never happened: {missing:?}");
}

#[test]
fn a_difference_is_found() {
    if environment("SEED").is_some() {
        return;
    }
    for defect in [Defect::LateClock, Defect::EarlyRung, Defect::DefaultPolicy] {
        let (_, failed) = each_seed(SEEDS_TO_FIND, |seed| live(seed, Some(defect), false));
        let Some((seed, text)) = failed else { panic!("{defect:?} is not found within {SEEDS_TO_FIND} lives") };
        assert!(text.starts_with(life::DIFFERENCE), "{defect:?} fails seed {seed} in another way: {text}");
        println!("{defect:?} is found by seed {seed}: {}", text.lines().take(3).collect::<Vec<_>>().join("\n"));
    }
}
