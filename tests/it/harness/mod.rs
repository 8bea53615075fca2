//! What every test stands on: DynamoDB Local, a table and a server of its own, a clock that it sets, and a client.
//!
//! # Layout
//! [`world`] is a test's whole world; [`client`] speaks HTTP to it and [`contract`] holds every answer against the
//! documentation; [`dynamodb`] is the engine behind it and
//! [`proxy`] the place between the two, where requests are counted and made to fail, as planned or, in bad
//! [`weather`], by themselves; [`table`] looks into the table past the product, and [`capacity`] knows what DynamoDB bills;
//! [`random`] makes random but repeatable choices; [`shop`] buys and sells; [`billing`] lets time bill; [`routes`] knows how to call every route; [`forgery`]
//! makes tokens that nobody should accept; [`raw`] sends what no HTTP client would; [`trap`] is where a program is
//! killed; [`history`] lets everything happen, [`stream`] reads what the table tells of it; [`lambda`] runs the deployed
//! binary; [`yaml`] reads the templates.

pub mod billing;
pub mod capacity;
pub mod client;
pub mod contract;
pub mod dynamodb;
pub mod forgery;
pub mod history;
pub mod lambda;
pub mod project;
pub mod proxy;
pub mod random;
pub mod raw;
pub mod routes;
pub mod shop;
pub mod stream;
pub mod table;
pub mod tears;
pub mod trap;
pub mod weather;
pub mod world;
pub mod yaml;

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use arcadia_shared::runtime::{Clock as _, RealClock};

pub use client::Reply;
pub use proxy::Fault;
pub use random::Random;
pub use world::World;

/// A text that no other test of this or any other run has.
pub fn unique() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("it-{}-{}-{count}", process::id(), RealClock.now().timestamp_millis())
}

/// An environment variable that steers the tests.
#[allow(clippy::disallowed_methods, reason = "the one place of the tests that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
