//! `arcadia invoices`: what the API does with invoices.

use arcadia_shared::store::ListedStatus;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::connection::{Confirmed, Connection, Once, Paging, Precondition};
use super::money::Paid;
use crate::client::{Client, Failure, Request, views};

#[derive(Debug, Args)]
pub struct Invoices {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List a deployment's invoices, or those of all deployments: newest first, but overdue ones longest overdue first
    List {
        #[command(flatten)]
        filter: Filter,
        /// Print comma-separated values
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show an invoice with its lines and payments
    Show(Which),
    /// Record a payment (platform_admin, payment_provider)
    Pay {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: PaymentFields,
        #[command(flatten)]
        condition: Precondition,
        #[command(flatten)]
        once: Once,
    },
    /// Take back an invoice that should not have been issued (platform_admin)
    Void {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        condition: Precondition,
        #[command(flatten)]
        once: Once,
        #[command(flatten)]
        confirmed: Confirmed,
    },
}

/// Which invoices.
#[derive(Debug, Args)]
struct Filter {
    /// Only this deployment's: its id, its slug, or its tenant and slug as in acme/shop
    #[arg(value_name = "DEPLOYMENT")]
    id: Option<String>,
    /// Only this tenant's (platform_admin)
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// Only in this status
    #[arg(long, value_parser = PossibleValuesParser::new(ListedStatus::ALL.map(ListedStatus::as_str)))]
    status: Option<String>,
    /// Only what is overdue: short for --status overdue
    #[arg(long, conflicts_with = "status")]
    overdue: bool,
    /// Only what is due before this moment, as in 2027-02-01T00:00:00Z, or 7d: a week from now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    due_before: Option<String>,
    /// Only what was issued at this moment or later, as in -30d
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    issued_from: Option<String>,
    /// Only what was issued before this moment
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    issued_to: Option<String>,
}

impl Filter {
    fn request(&self, client: &Client, csv: bool) -> Result<Request, Failure> {
        let Self { id, tenant_id, status, overdue, due_before, issued_from, issued_to } = self;
        let deployment_id = id.as_ref().map(|id| client.deployment_id(id)).transpose()?;
        let status = if *overdue { Some("overdue".to_owned()) } else { status.clone() };
        let filters = [
            ("tenant_id", tenant_id.clone()),
            ("status", status),
            ("due_before", client.moment(due_before.as_deref())?),
            ("issued_from", client.moment(issued_from.as_deref())?),
            ("issued_to", client.moment(issued_to.as_deref())?),
        ];
        let is_filtered = csv || filters.iter().any(|(_, value)| value.is_some());
        // All of a deployment's have an address of their own, which knows JSON alone.
        if let Some(id) = deployment_id.as_deref().filter(|_| !is_filtered) {
            return Request::to("list_invoices", &[("id", id)]);
        }
        let request = Request::to("find_invoices", &[])?.query("deployment_id", deployment_id);
        Ok(filters.into_iter().fold(request, |request, (name, value)| request.query(name, value)))
    }
}

/// Which invoice.
#[derive(Debug, Args)]
struct Which {
    /// The deployment: its id, its slug, or its tenant and slug as in acme/shop
    #[arg(value_name = "DEPLOYMENT")]
    id: String,
    /// The invoice's number
    number: String,
}

#[derive(Debug, Args, Serialize)]
struct PaymentFields {
    /// The payer's or provider's name for the payment: the same reference is the same payment
    #[arg(long, value_name = "TEXT")]
    reference: String,
    #[command(flatten)]
    #[serde(flatten)]
    paid: Paid,
}

impl Invoices {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        let to = |handler: &str, which: &Which| {
            let id = client.deployment_id(&which.id)?;
            Request::to(handler, &[("id", &id), ("number", &which.number)])
        };
        match &self.verb {
            Verb::List { filter, csv: true, paging } => client.list_csv(&filter.request(client, true)?, paging),
            Verb::List { filter, csv: false, paging } => {
                client.list(&filter.request(client, false)?, "invoices", paging, views::invoices)
            }
            Verb::Show(which) => client.tell(&to("show_invoice", which)?, views::invoice),
            Verb::Pay { which, fields, condition, once } => {
                client.tell(&to("record_payment", which)?.body(fields)?.on(condition).once(once), views::invoice)
            }
            Verb::Void { which, condition, once, confirmed } => {
                confirmed.check(&format!("invoice {} is taken back", which.number))?;
                client.tell(&to("void_invoice", which)?.on(condition).once(once), views::invoice)
            }
        }
    }
}
