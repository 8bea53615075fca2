//! `arcadia plans`: manages the catalog's plans through the API.

use arcadia_domain::{CatalogEvent, CatalogStatus, Interval};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::connection::{Confirmed, Connection};
use super::corrections::Remarks;
use super::money::Price;
use crate::client::{Failure, Moment, Once, Options, Paging, Precondition, Request, one_of, views};

#[derive(Debug, Args)]
pub struct Plans {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List plans by code, each with its newest version
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a plan with its versions, newest first
    Show {
        /// Code of the plan
        code: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// Create, rename, retire or reactivate a plan (platform_admin)
    Put {
        /// Code of the plan
        code: String,
        #[command(flatten)]
        fields: PutFields,
        #[command(flatten)]
        options: Options,
    },
    /// Publish a plan version, and change the price of an older one with notice (platform_admin)
    Publish {
        /// Code of the plan
        code: String,
        #[command(flatten)]
        fields: PublishFields,
        /// Show what would be published, and what the first subscriptions would get, without storing anything
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        confirmed: Confirmed,
        #[command(flatten)]
        condition: Precondition,
        #[command(flatten)]
        once: Once,
    },
}

#[derive(Debug, Args, Serialize)]
struct PutFields {
    /// Name for display
    #[arg(long)]
    name: String,
    /// Whether it can be newly bought
    #[arg(long, value_parser = one_of(&CatalogStatus::ALL))]
    status: Option<CatalogStatus>,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

#[derive(Debug, Args, Serialize)]
struct PublishFields {
    #[command(flatten)]
    #[serde(flatten)]
    price: Price,
    /// Billing interval
    #[arg(long, value_parser = one_of(&Interval::ALL))]
    interval: Interval,
    /// Trial of a tenant's first subscription, in days
    #[arg(long, value_name = "N")]
    trial_days: Option<u32>,
    /// The version to close: its subscriptions change to the new version, which is announced to them
    #[arg(long, value_name = "VERSION", requires = "effective_from")]
    replaces: Option<u32>,
    /// When the subscriptions change, such as 2027-06-01 or 60d: each at its first period boundary from this time on
    #[arg(long, value_name = "TIME", requires = "replaces", allow_hyphen_values = true)]
    #[serde(skip)]
    effective_from: Option<Moment>,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

impl Plans {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        match &self.verb {
            Verb::List { paging } => client.list(&Request::to("list_plans", &[])?, "plans", paging, views::plans),
            Verb::Show { code, paging } => {
                client.list(&Request::to("show_plan", &[("code", code)])?, "versions", paging, views::plan_details)
            }
            Verb::Put { code, fields, options } => {
                let request = Request::to("put_plan", &[("code", code)])?.body(fields)?.with(options);
                client.tell::<CatalogEvent, _>(&request, |answer, _| views::plan(answer))
            }
            Verb::Publish { code, fields, dry_run, confirmed, condition, once } => {
                if let Some(version) = fields.replaces {
                    let options = Options { dry_run: *dry_run, ..Options::default() };
                    confirmed.check(
                        &options,
                        &format!("version {version} of {code} will be closed and its price changed"),
                    )?;
                }
                let request = Request::to("publish_plan_version", &[("code", code)])?.body(fields)?;
                let request = request.time("effective_from", client.moment(fields.effective_from.as_ref())?)?;
                let request = request.field("dry_run", dry_run.then_some(true))?;
                let request = request.on(condition).once(once);
                if *dry_run {
                    client.show(&request, views::plan_version_dry_run)
                } else {
                    client.show(&request, views::plan_version)
                }
            }
        }
    }
}
