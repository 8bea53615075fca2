//! `arcadia events`: prints the events of a running program on this machine.

use std::io;

use arcadia_domain::Authority;
use clap::Args;

use super::place::{DEFAULT_PORT, DataDir};
use crate::client::{Caller, Client, Failure};

#[derive(Debug, Args)]
pub struct Events {
    /// Also print new events until the program stops
    #[arg(long)]
    follow: bool,
    /// Port of the program
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    #[command(flatten)]
    data: DataDir,
}

/// Runs the command.
pub fn run(options: &Events) -> Result<(), Failure> {
    let Events { follow, port, data } = options;
    let caller = Caller { role: Authority::PlatformAdmin, tenant: None, sub: "local-events" };
    let client = Client::of_own_program(&format!("http://127.0.0.1:{port}"), &data.path, caller, false)?;
    client.print_events(*follow, &mut io::stdout())
}
