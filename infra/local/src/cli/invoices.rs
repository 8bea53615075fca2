//! `arcadia invoices`: what the API does with the invoices of a deployment.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::connection::{Connection, Once, Paging, Precondition};
use crate::client::{Failure, Request, views};

#[derive(Debug, Args)]
pub struct Invoices {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List a deployment's invoices, newest first
    List {
        /// The deployment: its id, its slug, or its tenant and slug as in acme/shop
        #[arg(value_name = "DEPLOYMENT")]
        id: String,
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
    },
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
    /// How much, in minor units
    #[arg(long, value_name = "N")]
    amount_cents: i64,
    /// Of which currency
    #[arg(long, value_name = "CODE")]
    currency: String,
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
            Verb::List { id, paging } => {
                let request = Request::to("list_invoices", &[("id", &client.deployment_id(id)?)])?;
                client.list(&request, "invoices", paging, views::invoices)
            }
            Verb::Show(which) => client.tell(&to("show_invoice", which)?, views::invoice),
            Verb::Pay { which, fields, condition, once } => {
                client.tell(&to("record_payment", which)?.body(fields)?.on(condition).once(once), views::invoice)
            }
            Verb::Void { which, condition, once } => {
                client.tell(&to("void_invoice", which)?.on(condition).once(once), views::invoice)
            }
        }
    }
}
