//! `arcadia events`: what has happened in a running program on this machine.

use std::io;

use arcadia_shared::domain::Timestamp;
use arcadia_shared::runtime::{Clock as _, RealClock};
use chrono::TimeDelta;
use clap::Args;

use super::CliError;
use super::place::{DataDir, Log, clock_moment, run_async};
use super::token::token_hours;
use crate::follow;
use crate::issuer::{Issuer, Role, TokenRequest};

#[derive(Debug, Args)]
pub struct Events {
    /// Go on with what happens from now on
    #[arg(long)]
    follow: bool,
    /// The port of the program
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Where the clock of the program started, if not now: what was given to `up` as --clock
    #[arg(long, value_name = "TIME", value_parser = clock_moment)]
    clock: Option<Timestamp>,
    #[command(flatten)]
    data: DataDir,
}

/// Runs the command.
pub fn run(options: Events) -> Result<(), CliError> {
    run_async(Log::Off, print(options))
}

async fn print(options: Events) -> Result<(), CliError> {
    let Events { follow, port, clock, data } = options;
    if !data.path.is_dir() {
        return Err(CliError::NoRecords(data.path));
    }
    let request = TokenRequest {
        role: Role::PlatformAdmin,
        tenant: None,
        sub: "local-events".to_owned(),
        ttl: TimeDelta::hours(token_hours(clock)),
    };
    let token = Issuer::open(&data.path)?.issue(&request, clock.unwrap_or_else(|| RealClock.now()))?;
    Ok(follow::print(port, &token, follow, &mut io::stdout()).await?)
}
