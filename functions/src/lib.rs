//! Every route of Arcadia Cloud, one file each.
//!
//! # Layout
//! [`ROUTES`] is the table of all routes; `<resource>/<verb>.rs` holds each one's handler; [`respond()`] wraps whatever
//! a handler returns into an HTTP answer and logs one line about it. `catch_up` takes the steps of the clock that are due,
//! for the sweep and, before each command, for its deployment; `execute` is the middle of every handler that changes one. [`billing`] has the scheduled
//! functions, [`events::publish`] the one that tells events to others, and [`events::count`] the one that adds up figures. Rules and storage are in `arcadia-shared`.

mod addons;
mod attention;
pub mod billing;
mod catch_up;
mod deployments;
pub mod events;
mod execute;
mod invoices;
mod lifecycle;
mod plans;
mod resources;
mod respond;
mod routes;
mod schedule;
mod subscriptions;
mod summary;
mod tenants;
#[cfg(feature = "traces")]
pub mod traces;

pub use respond::{problem_response, respond};
pub use routes::{Audience, Handler, ROUTES, Route, find_route};
