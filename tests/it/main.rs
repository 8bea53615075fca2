//! The integration tests: the product over HTTP, on the real DynamoDB Local. One file for each promise.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and its helpers stand outside the functions that clippy knows as tests"
)]
#![allow(missing_docs, reason = "a test binary has no public documentation")]

use arcadia_harness as harness;

mod alarms;
mod any_day;
mod attention;
mod audit_command;
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
mod catalog_events;
mod cli;
mod cognito;
mod conformance;
mod console;
mod console_corrections;
mod console_function;
mod console_many;
mod console_pictures;
mod console_sign_in;
mod costs;
mod demo;
mod deployed;
mod discounts;
mod docs;
mod dry_runs;
mod events_docs;
mod events_live;
mod events_out;
mod faults;
mod figures;
mod forgeries;
mod fuzz;
mod gateway_answers;
mod guides;
mod idempotency;
mod invoices_across;
mod isolation;
mod isolation_matrix;
mod late_clock;
mod layers;
mod lifecycle;
mod local;
mod many;
mod many_crash;
mod many_money;
mod metrics;
mod model;
mod openapi;
mod openapi_examples;
mod openapi_page;
mod operations;
mod paging;
mod payloads;
mod periods;
mod permissions;
mod plan_changes;
mod powers;
mod preconditions;
mod price_changes;
mod problem_codes;
mod program;
mod races;
mod replay;
mod requests;
mod resilience;
mod resources;
mod schedule;
mod security;
mod simulation;
mod stored;
mod subscription_bad_input;
mod subscription_races;
mod subscription_replay;
mod subscription_requests;
mod subscription_status;
mod subscription_walk;
mod tax;
mod template;
mod tenant_hold;
mod tenants;
mod torn_reads;
#[cfg(feature = "traces")]
mod traces;
mod trials;
mod updates;
mod upgrades;
mod walk;
