//! Every Lambda function of Arcadia Cloud.
//!
//! # Layout
//! - [`ROUTES`]: the table of all routes; `<resource>/<verb>.rs` is the handler of each.
//! - [`respond()`]: turns the result of a handler into an HTTP response and logs one line about it.
//! - `catch_up`: takes the due steps of the clock, for the sweep and before each command on a deployment.
//! - `execute`: the middle of every handler that changes a deployment.
//! - [`billing`]: the scheduled functions. [`events`]: the readers of the table's stream.
//! - [`http`]: requests, answers and problems. [`auth`]: the caller. [`error`]: all that can go wrong.
//! - [`runtime`]: the clock, ids and the environment. [`metric_lines`]: what an invocation counted.
//! - `spans`, `traces`: spans of an invocation, with the feature `traces`.
//!
//! Rules are in `arcadia-domain`, the table in `arcadia-store`, shapes on the wire in `arcadia-api`.

mod addons;
mod attention;
pub mod auth;
pub mod billing;
mod catch_up;
mod deployments;
pub mod error;
pub mod events;
mod execute;
pub mod http;
mod invoices;
mod lifecycle;
pub mod metric_lines;
mod plans;
mod resources;
mod respond;
mod routes;
pub mod runtime;
mod schedule;
#[cfg(feature = "traces")]
pub mod spans;
mod subscriptions;
mod summary;
mod tenants;
#[cfg(feature = "traces")]
pub mod traces;

pub use error::Error;
pub use respond::{problem_response, respond};
pub use routes::{Audience, Handler, ROUTES, Route, find_route};
