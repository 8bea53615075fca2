//! `arcadia catalog`: shows the history of the catalog through the API.

use clap::{Args, Subcommand};

use super::connection::Connection;
use crate::client::{Failure, Paging, Request, views};

#[derive(Debug, Args)]
pub struct Catalog {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List changes of plans, add-ons and coupons, newest first
    Events {
        #[command(flatten)]
        record: Record,
        #[command(flatten)]
        paging: Paging,
    },
}

/// The record whose events are listed.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Record {
    /// Only changes of this plan
    #[arg(long, value_name = "CODE")]
    plan: Option<String>,
    /// Only changes of this add-on
    #[arg(long, value_name = "CODE")]
    addon: Option<String>,
    /// Only changes of this coupon
    #[arg(long, value_name = "CODE")]
    coupon: Option<String>,
}

impl Catalog {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        let Verb::Events { record: Record { plan, addon, coupon }, paging } = &self.verb;
        let request = Request::to("list_catalog_events", &[])?
            .query("plan", plan.clone())
            .query("addon", addon.clone())
            .query("coupon", coupon.clone());
        client.list(&request, "events", paging, views::catalog_events)
    }
}
