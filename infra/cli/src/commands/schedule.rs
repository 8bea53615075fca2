//! `arcadia schedule`: lists scheduled steps.

use clap::Args;

use super::connection::Connection;
use crate::client::{Failure, Moment, Paging, Request, views};

#[derive(Debug, Args)]
pub struct Schedule {
    /// Only steps due before this time, such as 2027-02-01T00:00:00Z, or 7d for a week from now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    before: Option<Moment>,
    /// Only this step, such as renew or suspend
    #[arg(long)]
    action: Option<String>,
    /// Only steps of this tenant's deployments
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
        let request = Request::to("list_schedule", &[])?.query("before", client.moment(before.as_ref())?);
        let request = request.query("action", action.clone()).query("tenant_id", tenant_id.clone());
        client.list(&request, "schedule", paging, views::schedule)
    }
}
