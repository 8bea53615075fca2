//! The integration tests: the product over HTTP, on the real DynamoDB Local. One file for each promise.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and its helpers stand outside the functions that clippy knows as tests"
)]
#![allow(missing_docs, reason = "nobody reads the documentation of a test binary")]

mod harness;

mod bad_input;
mod billing_crash;
mod billing_history;
mod billing_invoices;
mod billing_ladder;
mod billing_payments;
mod billing_simulation;
mod billing_sweep;
mod cancellations;
mod catalog;
mod cli;
mod demo;
mod docs;
mod idempotency;
mod isolation;
mod lifecycle;
mod paging;
mod periods;
mod plan_changes;
mod preconditions;
mod program;
mod races;
mod replay;
mod requests;
mod resilience;
mod resources;
mod subscription_bad_input;
mod subscription_isolation;
mod subscription_races;
mod subscription_replay;
mod subscription_requests;
mod subscription_status;
mod subscription_walk;
mod template;
mod trials;
mod updates;
mod walk;
