//! `arcadia attention`: lists deployments that need a person.

use arcadia_domain::Attention;
use clap::Args;

use super::connection::Connection;
use crate::client::{Failure, Paging, Request, one_of, views};

#[derive(Debug, Args)]
pub struct NeedsAttention {
    /// Only deployments with this reason
    #[arg(long, value_parser = one_of(&Attention::ALL))]
    kind: Option<Attention>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    connection: Connection,
}

impl NeedsAttention {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let Self { kind, paging, connection } = self;
        let request = Request::to("list_attention", &[])?.query("kind", *kind);
        connection.open()?.list(&request, "attention", paging, views::attention)
    }
}
