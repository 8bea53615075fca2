//! `arcadia attention`: lists deployments that need a person.

use arcadia_domain::Attention;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::connection::Connection;
use crate::client::{Failure, Paging, Request, views};

#[derive(Debug, Args)]
pub struct NeedsAttention {
    /// Only deployments with this reason
    #[arg(long, value_parser = PossibleValuesParser::new(Attention::ALL.map(Attention::as_str)))]
    kind: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    connection: Connection,
}

impl NeedsAttention {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let Self { kind, paging, connection } = self;
        let request = Request::to("list_attention", &[])?.query("kind", kind.clone());
        connection.open()?.list(&request, "attention", paging, views::attention)
    }
}
