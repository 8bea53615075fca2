//! `arcadia summary`: shows the figures of the whole business.

use clap::Args;

use super::connection::Connection;
use crate::client::{Failure, Request, views};

#[derive(Debug, Args)]
pub struct Summary {
    #[command(flatten)]
    connection: Connection,
}

impl Summary {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        self.connection.open()?.show(&Request::to("show_summary", &[])?, views::summary)
    }
}
