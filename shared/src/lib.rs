//! What every function of Arcadia Cloud shares.
//!
//! # Layout
//! - [`domain`]: the rules, pure.
//! - [`store`]: the DynamoDB table.
//! - [`http`]: requests, answers and problems.
//! - [`auth`]: who is calling and which tenants they see.
//! - [`error`]: everything that can go wrong, and what the caller is told.
//! - [`metrics`]: what the product counts of its own work.
//! - [`runtime`]: the clock, ids and the environment.
//! - `traces`: spans of what an invocation did, if built with that feature.
//!
//! Each function's own code is in the package `arcadia-functions`.

pub mod auth;
pub mod domain;
pub mod error;
pub mod http;
pub mod metrics;
pub mod runtime;
pub mod store;
#[cfg(feature = "traces")]
pub mod traces;

pub use error::Error;
