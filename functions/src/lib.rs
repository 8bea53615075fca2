//! Every route of Arcadia Cloud, one file each.
//!
//! # Layout
//! [`ROUTES`] is the table of all routes; `<resource>/<verb>.rs` holds each one's handler; [`respond`] wraps whatever
//! a handler returns into an HTTP answer and logs one line about it. Rules and storage are in `arcadia-shared`.

mod addons;
mod deployments;
mod events;
mod execute;
mod lifecycle;
mod plans;
mod resources;
mod respond;
mod routes;
mod subscriptions;

pub use respond::{problem_response, respond};
pub use routes::{Handler, ROUTES, Route, find_route};
