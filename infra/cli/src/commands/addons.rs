//! `arcadia addons`: manages the catalog's add-ons through the API.

use arcadia_domain::{CatalogEvent, CatalogStatus};
use clap::{Args, Subcommand};
use serde::{Serialize, Serializer};

use super::connection::Connection;
use super::corrections::Remarks;
use super::money::Price;
use crate::client::{Failure, Options, Paging, Request, one_of, views};

#[derive(Debug, Args)]
pub struct Addons {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List add-ons by code
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show an add-on
    Show {
        /// Code of the add-on
        code: String,
    },
    /// Create, reprice, retire or reactivate an add-on (platform_admin); attached add-ons keep their terms
    Put {
        /// Code of the add-on
        code: String,
        #[command(flatten)]
        fields: Box<PutFields>,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Args, Serialize)]
struct PutFields {
    /// Name for display
    #[arg(long)]
    name: String,
    // The price for intervals without a price of their own.
    #[command(flatten)]
    #[serde(flatten)]
    price: Price,
    /// Price for one interval of a plan with that interval, in minor units, such as year=7500; can be repeated
    #[arg(long = "interval-price", value_name = "INTERVAL=N", value_parser = interval_price)]
    #[serde(serialize_with = "as_object", skip_serializing_if = "Vec::is_empty")]
    interval_prices: Vec<(String, i64)>,
    /// Number of units granted
    #[arg(long, value_name = "N")]
    quantity: i64,
    /// Name of the unit, such as GB
    #[arg(long)]
    unit: String,
    /// Whether it can be newly bought
    #[arg(long, value_parser = one_of(&CatalogStatus::ALL))]
    status: Option<CatalogStatus>,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

/// Parses the price of an interval.
fn interval_price(text: &str) -> Result<(String, i64), String> {
    let wrong = || "must be an interval and minor units, such as year=7500".to_owned();
    let (interval, cents) = text.split_once('=').ok_or_else(wrong)?;
    Ok((interval.to_owned(), cents.parse().map_err(|_| wrong())?))
}

fn as_object<S: Serializer>(prices: &[(String, i64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(prices.iter().map(|(interval, cents)| (interval, cents)))
}

impl Addons {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        match &self.verb {
            Verb::List { paging } => client.list(&Request::to("list_addons", &[])?, "addons", paging, views::addons),
            Verb::Show { code } => client.show(&Request::to("show_addon", &[("code", code)])?, views::addon),
            Verb::Put { code, fields, options } => {
                let request = Request::to("put_addon", &[("code", code)])?.body(fields)?.with(options);
                client.tell::<CatalogEvent, _>(&request, |answer, _| views::addon(answer))
            }
        }
    }
}
