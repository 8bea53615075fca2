//! `arcadia coupons`: manages the catalog's coupons through the API.

use arcadia_domain::{CatalogEvent, CatalogStatus, CouponDuration, Currency};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::connection::Connection;
use super::corrections::Remarks;
use crate::client::{Failure, Moment, Options, Paging, Request, one_of, views};

#[derive(Debug, Args)]
pub struct Coupons {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List coupons by code
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a coupon
    Show {
        /// Code of the coupon
        code: String,
    },
    /// Create, change, retire or reactivate a coupon; discounts that were granted keep their terms
    Put {
        /// Code of the coupon
        code: String,
        #[command(flatten)]
        fields: PutFields,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Args, Serialize)]
struct PutFields {
    /// Name for display
    #[arg(long)]
    name: String,
    /// Discount as a part of each price, in basis points: 2000 is 20 %
    #[arg(long, value_name = "N", required_unless_present = "amount_cents")]
    percent_basis_points: Option<u32>,
    /// Discount of a period, in minor units
    #[arg(long, value_name = "N", requires = "currency", conflicts_with = "percent_basis_points")]
    amount_cents: Option<i64>,
    /// Currency of the amount
    #[arg(long, value_name = "CODE", requires = "amount_cents")]
    currency: Option<Currency>,
    /// How long it discounts a subscription
    #[arg(long, value_parser = one_of(&CouponDuration::ALL))]
    duration: CouponDuration,
    /// Number of periods that it discounts, for the duration periods
    #[arg(long, value_name = "N")]
    periods: Option<u32>,
    /// Code of a plan that it is for; can be repeated. Default: all plans
    #[arg(long = "plan", value_name = "CODE")]
    plans: Vec<String>,
    /// How often it can be granted. Default: without a limit
    #[arg(long, value_name = "N")]
    max_redemptions: Option<u64>,
    /// Last moment at which it can be granted. Default: without a limit
    #[arg(long, value_name = "TIME")]
    #[serde(skip)]
    redeem_by: Option<Moment>,
    /// Whether it can be granted
    #[arg(long, value_parser = one_of(&CatalogStatus::ALL))]
    status: Option<CatalogStatus>,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

impl Coupons {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        match &self.verb {
            Verb::List { paging } => client.list(&Request::to("list_coupons", &[])?, "coupons", paging, views::coupons),
            Verb::Show { code } => client.show(&Request::to("show_coupon", &[("code", code)])?, views::coupon),
            Verb::Put { code, fields, options } => {
                let request = Request::to("put_coupon", &[("code", code)])?.body(fields)?;
                let request = request.time("redeem_by", client.moment(fields.redeem_by.as_ref())?)?.with(options);
                client.tell::<CatalogEvent, _>(&request, |answer, _| views::coupon(answer))
            }
        }
    }
}
