//! The program: what can be asked of it, and how it ends.
//!
//! # Layout
//! A file for each command. `up`, `token`, `sweep` and `demo` work on this machine, and `events` asks a program that runs on
//! it; `deployments`, `invoices`, `plans`, `addons`, `tenants`, `schedule`, `summary` and `lifecycle` ask the API, wherever that is. Whatever asks
//! does so by way of `crate::client`;
//! `connection` and `place` are the arguments that each of the two kinds shares, `money` those of amounts.

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

/// What every help of a command that asks the API ends with.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed, or nothing answers; 2 the arguments, or the request they make, cannot be \
    read (400); 3 a rule is against it (409, 412, 422); 4 not found (404); 5 not permitted (401, 403); 6 short of \
    capacity (429, 503).";

#[derive(Debug, Parser)]
#[command(
    name = "arcadia",
    version,
    about = "Arcadia Cloud, whole, on one machine; and a client of it, wherever it runs",
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
    /// Start everything on 127.0.0.1 (what happens without a command)
    Up(up::Up),
    /// Print a token
    Token(token::Token),
    /// Print what has happened in a running program, a CloudEvent a line
    Events(events::Events),
    /// Take every step that is due, once, and print what that came to as a line of JSON
    Sweep(sweep::Sweep),
    /// Fill a table on this machine with two years of made-up tenants
    Demo(demo::Demo),
    /// Deployments, their subscriptions, resources and history
    #[command(after_help = EXIT_CODES)]
    Deployments(deployments::Deployments),
    /// Invoices: of a deployment, or found across all of them
    #[command(after_help = EXIT_CODES)]
    Invoices(invoices::Invoices),
    /// Plans of the catalog
    #[command(after_help = EXIT_CODES)]
    Plans(plans::Plans),
    /// Add-ons of the catalog
    #[command(after_help = EXIT_CODES)]
    Addons(addons::Addons),
    /// What the clock will do next with each deployment, the earliest first
    #[command(after_help = EXIT_CODES)]
    Schedule(schedule::Schedule),
    /// List what needs a person: held, cancelled but still running, postponed, not published (platform_admin)
    #[command(after_help = EXIT_CODES)]
    Attention(attention::NeedsAttention),
    /// The whole business: deployments by state, recurring revenue, what is overdue (platform_admin)
    #[command(after_help = EXIT_CODES)]
    Summary(summary::Summary),
    /// Tenants: their accounts and their dunning policies
    #[command(after_help = EXIT_CODES)]
    Tenants(tenants::Tenants),
    /// Check that the books of deployments hold at every moment of their histories
    #[command(after_help = EXIT_CODES)]
    Audit(audit::Audit),
    /// Show the lifecycle: its states, and who may make which move
    #[command(after_help = EXIT_CODES)]
    Lifecycle(lifecycle::Lifecycle),
    /// Print what a shell needs to complete these commands
    Completions(completions::Completions),
}

/// Why the program cannot do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("port {0} is taken: stop what uses it, or choose another with --port")]
    PortTaken(u16),
    #[error("port {0} cannot be used: {1}")]
    Port(u16, io::Error),
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error(
        "the data directory {} is in use by a running arcadia, which sweeps by itself. To move its time on, start it \
         with --clock and POST {{\"advance_seconds\": N}} to its /local/clock; or stop it and sweep then",
        .0.display()
    )]
    SweptByAnother(PathBuf),
    #[error("there are no records in {}: name their directory with --data", .0.display())]
    NoRecords(PathBuf),
    #[error("time passes by itself at AWS: {0} is for records on this machine")]
    TimeAtAws(&'static str),
    #[error("a table at AWS is somebody's own: a demo is for records on this machine")]
    DemoAtAws,
    #[error("the sweep failed: {}", error_chain(.0))]
    Sweep(#[from] StoreError),
    #[error(transparent)]
    Value(#[from] InvalidValue),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the demo cannot be stored: {0}")]
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

/// The program's commands and their arguments.
pub type Program = clap::Command;

/// The program's commands and their arguments, for those who document them.
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
