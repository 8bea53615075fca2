//! The program's commands and its exit code.
//!
//! # Layout
//! One file per command. `local` has the commands that work on this machine; the others call the API, local or remote,
//! through `crate::client`. `connection` contains the arguments that they share, `money` those of amounts;
//! `corrections` has commands of `deployments` and `invoices`.

mod addons;
mod attention;
mod audit;
mod catalog;
mod completions;
mod connection;
mod corrections;
mod coupons;
mod deployments;
mod invoices;
mod lifecycle;
#[cfg(feature = "local")]
mod local;
mod money;
mod operations;
mod plans;
mod schedule;
mod summary;
mod tenants;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::client::Failure;

/// The last paragraph of the help of commands that call the API.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed, or no response; 2 invalid arguments or request \
    (400); 3 rejected by a rule (409, 412, 422); 4 not found (404); 5 not permitted (401, 403); 6 short of \
    capacity (429, 503).";

#[cfg(feature = "local")]
const ABOUT: &str = "Runs the whole of Arcadia Cloud on one machine, and is a client of a local or deployed one";
#[cfg(not(feature = "local"))]
const ABOUT: &str = "A client of Arcadia Cloud";

#[derive(Debug, Parser)]
#[command(name = "arcadia", version, about = ABOUT, args_conflicts_with_subcommands = true)]
struct Cli {
    #[cfg(feature = "local")]
    #[command(subcommand)]
    command: Option<Command>,
    #[cfg(feature = "local")]
    #[command(flatten)]
    up: local::Up,
    #[cfg(not(feature = "local"))]
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "local")]
    #[command(flatten)]
    Local(local::Local),
    /// Manage deployments, their subscriptions, resources and history
    #[command(after_help = EXIT_CODES)]
    Deployments(deployments::Deployments),
    /// Give a command to many deployments at once, and follow it (platform_admin)
    #[command(after_help = EXIT_CODES)]
    Operations(operations::Operations),
    /// List, show, pay, void and correct invoices
    #[command(after_help = EXIT_CODES)]
    Invoices(invoices::Invoices),
    /// Manage the plans of the catalog
    #[command(after_help = EXIT_CODES)]
    Plans(plans::Plans),
    /// Manage the add-ons of the catalog
    #[command(after_help = EXIT_CODES)]
    Addons(addons::Addons),
    /// Manage the coupons of the catalog (platform_admin)
    #[command(after_help = EXIT_CODES)]
    Coupons(coupons::Coupons),
    /// Show the history of the catalog: who changed which price when (platform_admin)
    #[command(after_help = EXIT_CODES)]
    Catalog(catalog::Catalog),
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
    /// Show tenants, their accounts, histories and dunning policies, and set their fields and policies
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

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Cli::parse();
    #[cfg(feature = "local")]
    let command = arguments.command.unwrap_or(Command::Local(local::Local::Up(arguments.up)));
    #[cfg(not(feature = "local"))]
    let command = arguments.command;
    match command {
        #[cfg(feature = "local")]
        Command::Local(options) => options.run(),
        Command::Completions(options) => Failure::exit(completions::run(&options)),
        Command::Deployments(options) => Failure::exit(options.run()),
        Command::Operations(options) => Failure::exit(options.run()),
        Command::Invoices(options) => Failure::exit(options.run()),
        Command::Plans(options) => Failure::exit(options.run()),
        Command::Addons(options) => Failure::exit(options.run()),
        Command::Coupons(options) => Failure::exit(options.run()),
        Command::Catalog(options) => Failure::exit(options.run()),
        Command::Schedule(options) => Failure::exit(options.run()),
        Command::Attention(options) => Failure::exit(options.run()),
        Command::Summary(options) => Failure::exit(options.run()),
        Command::Tenants(options) => Failure::exit(options.run()),
        Command::Audit(options) => Failure::exit(options.run()),
        Command::Lifecycle(options) => Failure::exit(options.run()),
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
