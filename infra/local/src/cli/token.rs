//! `arcadia token`: prints a token.

use std::io::{self, Write};

use arcadia_domain::{TenantId, Timestamp};
use arcadia_functions::runtime::{Clock, RealClock};
use chrono::TimeDelta;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory};

use super::place::{DataDir, clock_moment};
use super::{Cli, CliError};
use crate::issuer::{Issuer, Role, TokenRequest};

/// How long the tokens of the banner, and others by default, are valid, in hours.
const TOKEN_HOURS: i64 = 12;
/// The longest that a token may be valid, in hours, and how long one for a test clock is by default: ten years.
const MAX_TOKEN_HOURS: i64 = 3_653 * 24;

#[derive(Debug, Args)]
pub struct Token {
    /// What its bearer may do
    #[arg(long, value_enum)]
    role: Role,
    /// The tenant of a tenant_user
    #[arg(long, value_name = "ID", required_if_eq("role", "tenant_user"))]
    tenant: Option<TenantId>,
    /// Who its bearer is, as events will name them
    #[arg(long, default_value = "local-user", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    sub: String,
    /// How long it is valid, in hours: 12 by default, and ten years with --clock
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=MAX_TOKEN_HOURS))]
    ttl_hours: Option<i64>,
    /// Where the clock of the program that it is for started, if not now: what was given to `up` as --clock
    #[arg(long, value_name = "TIME", value_parser = clock_moment)]
    clock: Option<Timestamp>,
    #[command(flatten)]
    data: DataDir,
}

/// Runs the command.
pub fn run(options: &Token) -> Result<(), CliError> {
    let Token { role, tenant, sub, ttl_hours, clock, data } = options;
    if tenant.is_some() && *role != Role::TenantUser {
        misuse("only a tenant_user has a --tenant");
    }
    let ttl = TimeDelta::hours(ttl_hours.unwrap_or_else(|| token_hours(*clock)));
    let request = TokenRequest { role: *role, tenant: tenant.clone(), sub: sub.clone(), ttl };
    let token = Issuer::open(&data.path)?.issue(&request, clock.unwrap_or_else(|| RealClock.now()))?;
    writeln!(io::stdout(), "{token}")?;
    Ok(())
}

/// Ends the program as clap does over any other mistake in the arguments of `token`.
fn misuse(text: &str) {
    let mut program = Cli::command();
    program.build();
    if let Some(command) = program.find_subcommand_mut("token") {
        command.error(ErrorKind::ArgumentConflict, text).exit();
    }
}

/// How long a token is valid by default, in hours. A test clock leaps over years.
pub const fn token_hours(clock: Option<Timestamp>) -> i64 {
    if clock.is_some() { MAX_TOKEN_HOURS } else { TOKEN_HOURS }
}
