//! The whole product on one machine.
//!
//! # Layout
//! - [`issuer`]: tokens, in place of an identity provider. [`proof`]: shows that a program holds the issuer's key.
//! - [`gateway`]: HTTP, in place of API Gateway. [`event`]: the event that it passes to a function.
//! - [`docs`]: the OpenAPI document, and a page to try it. The console is in `arcadia_console`.
//! - [`feed`]: the events of this run, in place of the stream and the bus. [`events_route`]: the route that serves them.
//! - [`engine`]: storage, in place of DynamoDB.
//! - [`sweeper`]: the ticks, in place of the schedule. [`clock`]: clocks that can be set. `clock_route`: advances the
//!   clock of a running program.
//! - [`data`]: the data directory, with `private` files. [`records`]: the location of the records. [`demo`]: the demo
//!   catalog and history.
//!
//! This package is not deployed and contains no business rules: requests run the same code as in Lambda. The program `arcadia`
//! (`infra/cli`) starts it.

mod body;
pub mod clock;
mod clock_route;
pub mod data;
pub mod demo;
pub mod docs;
pub mod engine;
pub mod event;
pub mod events_route;
pub mod feed;
pub mod gateway;
pub mod issuer;
mod private;
pub mod proof;
pub mod records;
pub mod sweeper;
