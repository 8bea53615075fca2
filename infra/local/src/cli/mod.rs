//! The program's commands and its exit code.
//!
//! # Layout
//! One file per command. `up`, `token`, `sweep` and `demo` work on this machine, and `events` calls a program that runs
//! on it. `deployments`, `invoices`, `plans`, `addons`, `tenants`, `schedule`, `attention`, `summary`, `audit` and
//! `lifecycle` call the API, local or remote. All calls go through `crate::client`. `connection` and `place` contain
//! the arguments that the two kinds share, `money` those of amounts.

mod addons;
mod attention;
mod audit;
mod completions;
mod connection;
mod demo;
mod deployments;
mod events;
mod invoices;
mod lifecycle;
mod money;
mod place;
mod plans;
mod schedule;
mod summary;
mod sweep;
mod tenants;
mod token;
mod up;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use arcadia_domain::InvalidValue;
use arcadia_store::{StoreError, error_chain};
use clap::{CommandFactory, Parser, Subcommand};

use crate::client::Failure;
use crate::demo::DemoError;
use crate::engine::EngineError;
use crate::issuer::IssuerError;
use crate::records::RecordsError;

/// The last paragraph of the help of commands that call the API.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed, or no response; 2 invalid arguments or request \
    (400); 3 rejected by a rule (409, 412, 422); 4 not found (404); 5 not permitted (401, 403); 6 short of \
    capacity (429, 503).";

#[derive(Debug, Parser)]
#[command(
    name = "arcadia",
    version,
    about = "Runs the whole of Arcadia Cloud on one machine, and is a client of a local or deployed one",
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: up::Up,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the whole product on 127.0.0.1 (the default command)
    Up(up::Up),
    /// Print a token for an API on this machine
    Token(token::Token),
    /// Print the events of a running program as CloudEvents, one per line
    Events(events::Events),
    /// Run one billing sweep and print its report as JSON
    Sweep(sweep::Sweep),
    /// Fill a local table with two years of made-up tenants
    Demo(demo::Demo),
    /// Manage deployments, their subscriptions, resources and history
    #[command(after_help = EXIT_CODES)]
    Deployments(deployments::Deployments),
    /// List, show, pay and void invoices
    #[command(after_help = EXIT_CODES)]
    Invoices(invoices::Invoices),
    /// Manage the plans of the catalog
    #[command(after_help = EXIT_CODES)]
    Plans(plans::Plans),
    /// Manage the add-ons of the catalog
    #[command(after_help = EXIT_CODES)]
    Addons(addons::Addons),
    /// List the next scheduled step of each deployment, earliest first
    #[command(after_help = EXIT_CODES)]
    Schedule(schedule::Schedule),
    /// List deployments that need a person: on hold, cancelled with live resources, postponed, events not published
    /// (platform_admin)
    #[command(after_help = EXIT_CODES)]
    Attention(attention::NeedsAttention),
    /// Show the figures of the whole business: deployments by state, recurring revenue, overdue amounts
    /// (platform_admin)
    #[command(after_help = EXIT_CODES)]
    Summary(summary::Summary),
    /// Show tenants, their accounts and dunning policies, and set the policies
    #[command(after_help = EXIT_CODES)]
    Tenants(tenants::Tenants),
    /// Check the books of deployments at every event of their histories
    #[command(after_help = EXIT_CODES)]
    Audit(audit::Audit),
    /// Show the lifecycle: its states, and who may make each move
    #[command(after_help = EXIT_CODES)]
    Lifecycle(lifecycle::Lifecycle),
    /// Print shell completions for these commands
    Completions(completions::Completions),
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

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { command, up: defaults } = Cli::parse();
    let local = |done: Result<(), CliError>| match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    };
    match command {
        None => local(up::run(defaults)),
        Some(Command::Up(options)) => local(up::run(options)),
        Some(Command::Token(options)) => local(token::run(&options)),
        Some(Command::Events(options)) => Failure::exit(events::run(&options)),
        Some(Command::Sweep(options)) => local(sweep::run(options)),
        Some(Command::Demo(options)) => local(demo::run(options)),
        Some(Command::Completions(options)) => local(completions::run(&options)),
        Some(Command::Deployments(options)) => Failure::exit(options.run()),
        Some(Command::Invoices(options)) => Failure::exit(options.run()),
        Some(Command::Plans(options)) => Failure::exit(options.run()),
        Some(Command::Addons(options)) => Failure::exit(options.run()),
        Some(Command::Schedule(options)) => Failure::exit(options.run()),
        Some(Command::Attention(options)) => Failure::exit(options.run()),
        Some(Command::Summary(options)) => Failure::exit(options.run()),
        Some(Command::Tenants(options)) => Failure::exit(options.run()),
        Some(Command::Audit(options)) => Failure::exit(options.run()),
        Some(Command::Lifecycle(options)) => Failure::exit(options.run()),
    }
}

/// The command-line definition: all commands and their arguments.
pub type Program = clap::Command;

/// The command-line definition: all commands and their arguments.
#[must_use]
pub fn command() -> Program {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
