//! What is fuzzed: see [`targets`]. The fuzzers are in `fuzz/`; `it/fuzz.rs` runs the same code in an ordinary test. The
//! integration tests themselves live in `it/`.
#![allow(clippy::expect_used, reason = "a broken promise is found by its panic")]

pub mod targets;
