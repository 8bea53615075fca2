//! The library that the tests, the fuzzers and the benchmark share: DynamoDB Local, a table and a server for each test, a
//! clock that the test sets, and a client. The fuzzers and the benchmark are built without the feature `world`.
//!
//! # Layout
//! - A test's world: [`world`] is a table, a server on it and a clock; [`client`] speaks HTTP to the server, [`reply`] is
//!   an answer, and [`contract`] compares every answer with the documentation. [`dynamodb`] starts the engine, [`setup`]
//!   installs what a machine lacks, [`project`] knows the folders.
//! - Between product and engine: [`proxy`] records each [`exchange`] and makes requests fail, with a planned [`fault`] or
//!   in bad [`weather`]; [`tears`] mixes two moments in one read. [`table`] reads the table past the product, [`stream`] its stream.
//! - Costs: [`capacity`] has the units that DynamoDB bills, [`floor`] the least that an operation can cost,
//!   [`permissions`] the IAM permissions of requests.
//! - What happens: [`shop`] buys and sells, [`billing`] lets time pass and keeps the books, [`history`] makes every event
//!   happen, [`routes`] calls every route, [`goods`] are of a catalog, [`random`] makes repeatable choices.
//! - What must be refused: [`cursors`] and [`forgery`] make false cursors and tokens; [`raw`] sends what no HTTP client
//!   would.
//! - Processes: [`programs`] builds the binaries, [`lambda`] runs them as Lambda does, [`trap`] kills one at a chosen
//!   moment, [`browser`] is Chromium. [`yaml`] reads the templates.
//! - [`targets`] is what the fuzzers run.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and its helpers stand outside the functions that clippy knows as tests"
)]
#![allow(missing_docs, reason = "a name says enough where a sentence would repeat it")]

#[cfg(feature = "world")]
pub mod billing;
#[cfg(feature = "world")]
pub mod browser;
#[cfg(feature = "world")]
pub mod capacity;
#[cfg(feature = "world")]
pub mod client;
#[cfg(feature = "world")]
pub mod contract;
#[cfg(feature = "world")]
pub mod cursors;
pub mod dynamodb;
#[cfg(feature = "world")]
pub mod exchange;
#[cfg(feature = "world")]
pub mod fault;
#[cfg(feature = "world")]
pub mod floor;
#[cfg(feature = "world")]
pub mod forgery;
pub mod goods;
#[cfg(feature = "world")]
pub mod history;
#[cfg(feature = "world")]
pub mod lambda;
#[cfg(feature = "world")]
pub mod permissions;
#[cfg(feature = "world")]
pub mod programs;
pub mod project;
#[cfg(feature = "world")]
pub mod proxy;
pub mod random;
#[cfg(feature = "world")]
pub mod raw;
#[cfg(feature = "world")]
pub mod reply;
#[cfg(feature = "world")]
pub mod routes;
pub mod setup;
#[cfg(feature = "world")]
pub mod shop;
#[cfg(feature = "world")]
pub mod stream;
#[cfg(feature = "world")]
pub mod table;
pub mod targets;
#[cfg(feature = "world")]
pub mod tears;
#[cfg(feature = "world")]
pub mod trap;
#[cfg(feature = "world")]
pub mod weather;
#[cfg(feature = "world")]
pub mod world;
#[cfg(feature = "world")]
pub mod yaml;

use std::hash::{BuildHasher as _, RandomState};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(feature = "world")]
pub use fault::Fault;
pub use random::Random;
#[cfg(feature = "world")]
pub use reply::Reply;
#[cfg(feature = "world")]
pub use world::World;

/// A text that no other test of this or any other run has.
pub fn unique() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    static RUN: OnceLock<u64> = OnceLock::new();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    // The hasher's keys are random.
    let run = RUN.get_or_init(|| RandomState::new().hash_one(process::id()));
    format!("it-{run:016x}-{count}")
}

/// Insists on a component that `infra/setup` knows.
///
/// # Panics
/// If the machine does not have it and it cannot be installed.
pub fn insist_on(component: &str) {
    if let Err(why) = setup::script("infra/setup", &[component]) {
        panic!("the tests need {component}: {why}");
    }
}

/// An environment variable that steers the tests.
#[allow(clippy::disallowed_methods, reason = "the one place of the tests that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
