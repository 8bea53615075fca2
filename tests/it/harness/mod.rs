//! What every test stands on: DynamoDB Local, a table and a server of its own, a clock that it sets, and a client.
//!
//! # Layout
//! [`world`] is a test's whole world; [`client`] speaks HTTP to it and [`contract`] holds every answer against the
//! documentation; [`dynamodb`] is the engine behind it and
//! [`proxy`] the place between the two, where requests are counted and made to fail, as planned or, in bad
//! [`weather`], by themselves; [`table`] looks into the table past the product, and [`capacity`] knows what DynamoDB bills;
//! [`random`] makes random but repeatable choices; [`shop`] buys and sells; [`billing`] lets time bill; [`routes`] knows how to call every route; [`cursors`] and [`forgery`]
//! make cursors and tokens that nobody should accept; [`raw`] sends what no HTTP client would; [`trap`] is where a program is
//! killed; [`history`] lets everything happen, [`stream`] reads what the table tells of it; [`lambda`] runs the deployed
//! binary; [`browser`] is Chromium; [`yaml`] reads the templates; [`setup`] has installed what a machine lacks.

pub mod billing;
pub mod browser;
pub mod capacity;
pub mod client;
pub mod contract;
pub mod cursors;
pub mod dynamodb;
pub mod floor;
pub mod forgery;
pub mod history;
pub mod lambda;
pub mod permissions;
pub mod project;
pub mod proxy;
pub mod random;
pub mod raw;
pub mod routes;
pub mod setup;
pub mod shop;
pub mod stream;
pub mod table;
pub mod tears;
pub mod trap;
pub mod weather;
pub mod world;
pub mod yaml;

use std::hash::{BuildHasher as _, RandomState};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use client::Reply;
pub use proxy::Fault;
pub use random::Random;
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
