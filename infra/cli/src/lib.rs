//! The program `arcadia`.
//!
//! # Layout
//! [`run`] parses the arguments and runs a command; `commands` has a file for each. `client` calls the API. With the
//! feature `local`, which is on by default, `commands::local` starts the product on this machine from `arcadia_local`;
//! without it the program is a client alone.

mod client;
mod commands;

pub use commands::{Program, command, run};
