//! Every Lambda function of Arcadia Cloud but the console's, which is `infra/console-server`.
//!
//! # Layout
//! - [`ROUTES`]: the table of all routes; `<resource>/<verb>.rs` contains the handler of each.
//! - [`respond()`]: turns a handler's result into an HTTP response and logs one line about it.
//! - `catch_up`: takes due steps, for the sweep and before each command on a deployment.
//! - `execute`: the common part of every handler that changes a deployment.
//! - [`billing`]: the scheduled functions. [`operations`]: commands on many deployments. [`events`]: the readers of the table's stream.
//! - [`http`]: requests, responses and problems. [`auth`]: the caller. [`error`]: all errors of a call.
//! - [`runtime`]: the clock, ids and the environment. [`metric_lines`]: the metrics of an invocation.
//! - `spans`, `traces`: spans of an invocation, with the feature `traces`.
//!
//! Business rules are in `arcadia-domain`, the table in `arcadia-store`, wire formats in `arcadia-api`.

mod addons;
mod attention;
pub mod auth;
pub mod billing;
mod catalog_events;
mod catch_up;
mod corrections;
mod coupons;
mod deployments;
pub mod error;
pub mod events;
mod execute;
pub mod http;
mod invoices;
mod lifecycle;
pub mod metric_lines;
pub mod operations;
mod plans;
mod put_record;
mod queue;
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
