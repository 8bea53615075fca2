//! `arcadia lifecycle`: shows the lifecycle map and who may make each move.

use clap::Args;

use super::connection::Connection;
use crate::client::{Failure, Request, views};

#[derive(Debug, Args)]
pub struct Lifecycle {
    #[command(flatten)]
    connection: Connection,
}

impl Lifecycle {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        self.connection.open()?.show(&Request::to("show_lifecycle", &[])?, views::lifecycle)
    }
}
