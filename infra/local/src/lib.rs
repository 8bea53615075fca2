//! The whole product on one machine.
//!
//! # Layout
//! - [`issuer`]: tokens, in place of an identity provider; `proof` is how a program shows that it has the issuer's key.
//! - [`gateway`]: HTTP, in place of API Gateway; [`event`] is what it hands to a function.
//! - `docs`: the document of the API, and a page to try it on. The console is `arcadia_console`'s.
//! - [`feed`]: the events of this run, in place of the stream and the bus; `events_route` is how they are read.
//! - [`engine`]: storage, in place of DynamoDB.
//! - [`sweeper`]: time that passes, in place of the schedule; [`clock`] has clocks that can be set, and `clock_route`
//!   is how a running program's is moved on.
//! - [`cli`]: the program that joins them; `data` is its directory, of
//!   files that are `private`, `records` where its records are, `demo` what it
//!   sells at first and the history it can be filled with, `banner` what it prints, and `client` how it asks the API.
//!
//! Nothing here is deployed, and no rule of the product is here: requests go through the same code as in Lambda.

mod banner;
mod body;
pub mod cli;
mod client;
pub mod clock;
mod clock_route;
mod data;
mod demo;
mod docs;
pub mod engine;
pub mod event;
mod events_route;
pub mod feed;
pub mod gateway;
pub mod issuer;
mod private;
mod proof;
mod records;
pub mod sweeper;
