//! The commands that work on this machine. `up`, `token`, `sweep` and `demo` use a data directory or a local database,
//! and `events` calls a program that runs here.
//!
//! # Layout
//! One file per command. `place` has the arguments that they share, `banner` the text that `up` prints, and `own` the
//! arguments with which commands that call the API find the program on this machine.

mod banner;
mod demo;
mod events;
mod own;
mod place;
mod sweep;
mod token;
mod up;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use arcadia_domain::InvalidValue;
use arcadia_local::demo::DemoError;
use arcadia_local::engine::EngineError;
use arcadia_local::issuer::IssuerError;
use arcadia_local::records::RecordsError;
use arcadia_store::{StoreError, error_chain};
use clap::Subcommand;

use crate::client::Failure;

pub use own::OwnProgram;
pub use up::Up;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Local {
    /// Start the whole product on 127.0.0.1 (the default command)
    Up(Up),
    /// Print a token for an API on this machine
    Token(token::Token),
    /// Print the events of a running program as CloudEvents, one per line
    Events(events::Events),
    /// Run one billing sweep and print its report as JSON
    Sweep(sweep::Sweep),
    /// Fill a local table with two years of made-up tenants
    Demo(demo::Demo),
}

/// Error of a command that works on this machine.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("port {0} is taken: stop the program that uses it, or choose another port with --port")]
    PortTaken(u16),
    #[error("port {0} cannot be used: {1}")]
    Port(u16, io::Error),
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error(
        "the data directory {} is in use by a running arcadia, which sweeps automatically. To advance its time, start \
         it with --clock and POST {{\"advance_seconds\": N}} to its /local/clock; or stop it and run the sweep again",
        .0.display()
    )]
    SweptByAnother(PathBuf),
    #[error("there are no records in {}: pass their directory with --data", .0.display())]
    NoRecords(PathBuf),
    #[error("{0} works only with a local database")]
    TimeAtAws(&'static str),
    #[error("demo works only with a local database")]
    DemoAtAws,
    #[error("the sweep failed: {}", error_chain(.0))]
    Sweep(#[from] StoreError),
    #[error(transparent)]
    Value(#[from] InvalidValue),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the demo cannot be stored: {}", error_chain(.0))]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Local {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        let done = match self {
            Self::Up(options) => up::run(options),
            Self::Token(options) => token::run(&options),
            Self::Events(options) => return Failure::exit(events::run(&options)),
            Self::Sweep(options) => sweep::run(options),
            Self::Demo(options) => demo::run(options),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    }
}
