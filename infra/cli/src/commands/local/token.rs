//! `arcadia token`: prints a token.

use std::io::{self, Write};

use arcadia_domain::{Authority, TenantId, Timestamp};
use arcadia_functions::runtime::{Clock, RealClock};
use arcadia_local::issuer::{Issuer, TokenRequest};
use chrono::TimeDelta;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory};

use super::CliError;
use super::place::{DataDir, clock_moment};
use crate::client::one_of;
use crate::commands::Cli;

/// Default validity of tokens, also of those in the banner, in hours.
const TOKEN_HOURS: i64 = 12;
/// Maximum validity of a token, and default validity with a test clock, in hours: ten years.
const MAX_TOKEN_HOURS: i64 = 3_653 * 24;

#[derive(Debug, Args)]
pub struct Token {
    /// Role of the caller
    #[arg(long, value_parser = one_of(&Authority::OF_TOKENS))]
    role: Authority,
    /// Tenant of a tenant_user
    #[arg(long, value_name = "ID", required_if_eq("role", "tenant_user"))]
    tenant: Option<TenantId>,
    /// Name of the caller, as stored in events
    #[arg(long, default_value = "local-user", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    sub: String,
    /// Validity in hours. Default: 12, or ten years with --clock
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=MAX_TOKEN_HOURS))]
    ttl_hours: Option<i64>,
    /// Start of the test clock of the program that the token is for: the --clock of `up`
    #[arg(long, value_name = "TIME", value_parser = clock_moment)]
    clock: Option<Timestamp>,
    #[command(flatten)]
    data: DataDir,
}

/// Runs the command.
pub fn run(options: &Token) -> Result<(), CliError> {
    let Token { role, tenant, sub, ttl_hours, clock, data } = options;
    if tenant.is_some() && *role != Authority::TenantUser {
        misuse("--tenant requires --role tenant_user");
    }
    let ttl = TimeDelta::hours(ttl_hours.unwrap_or_else(|| token_hours(*clock)));
    let request = TokenRequest { role: *role, tenant: tenant.clone(), sub: sub.clone(), ttl };
    let token = Issuer::open(&data.path)?.issue(&request, clock.unwrap_or_else(|| RealClock.now()))?;
    writeln!(io::stdout(), "{token}")?;
    Ok(())
}

/// Exits with clap's error for conflicting arguments of `token`.
fn misuse(text: &str) {
    let mut program = Cli::command();
    program.build();
    if let Some(command) = program.find_subcommand_mut("token") {
        command.error(ErrorKind::ArgumentConflict, text).exit();
    }
}

/// Default validity of a token, in hours. It is longer with a test clock, which can advance by years.
pub const fn token_hours(clock: Option<Timestamp>) -> i64 {
    if clock.is_some() { MAX_TOKEN_HOURS } else { TOKEN_HOURS }
}
