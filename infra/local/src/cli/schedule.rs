//! `arcadia schedule`: what the clock will do.

use clap::Args;

use super::connection::Connection;
use crate::client::{Failure, Paging, Request, views};

#[derive(Debug, Args)]
pub struct Schedule {
    /// Only what is due before this moment, as in 2027-02-01T00:00:00Z, or 7d: a week from now
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Only this step, as in renew or suspend
    #[arg(long)]
    action: Option<String>,
    /// Only this tenant's
    #[arg(long)]
    tenant_id: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    connection: Connection,
}

impl Schedule {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let Self { before, action, tenant_id, paging, connection } = self;
        let client = connection.open()?;
        let request = Request::to("list_schedule", &[])?.query("before", client.moment(before.as_deref())?);
        let request = request.query("action", action.clone()).query("tenant_id", tenant_id.clone());
        client.list(&request, "schedule", paging, views::schedule)
    }
}
