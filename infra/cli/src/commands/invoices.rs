//! `arcadia invoices`: manages invoices through the API.

use arcadia_domain::{Month, Timestamp};
use arcadia_store::ListedStatus;
use chrono::SecondsFormat;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::json;

use super::connection::{Confirmed, Connection};
use super::corrections::{OfInvoice, Remarks};
use super::money::Paid;
use crate::client::{Client, Failure, Once, Options, Paging, Request, body, views};

#[derive(Debug, Args)]
pub struct Invoices {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the invoices of one or all deployments: newest first, overdue ones longest overdue first
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
        /// The deployment: its id, its slug, or its tenant and slug as in acme/shop
        #[arg(value_name = "DEPLOYMENT")]
        id: String,
        /// Number of the invoice. Default: the only open one
        number: Option<String>,
        /// The payer's or provider's reference; a repeated reference is the same payment
        #[arg(long, value_name = "TEXT")]
        reference: String,
        #[command(flatten)]
        paid: Paid,
        /// The day on which the money arrived, such as 2027-01-31
        #[arg(long, value_name = "DAY")]
        value_date: Option<String>,
        /// Let the part beyond the amount due become balance, instead of rejecting the payment
        #[arg(long)]
        excess_to_balance: bool,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        once: Once,
    },
    /// Void an invoice that should not have been issued (platform_admin)
    Void {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        once: Once,
        #[command(flatten)]
        confirmed: Confirmed,
    },
    #[command(flatten)]
    Correction(OfInvoice),
}

/// Selects invoices.
#[derive(Debug, Args)]
struct Filter {
    /// Only invoices of this deployment: its id, its slug, or its tenant and slug as in acme/shop
    #[arg(value_name = "DEPLOYMENT")]
    id: Option<String>,
    /// Only invoices of this tenant (platform_admin)
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// Only invoices in this status
    #[arg(long, value_parser = PossibleValuesParser::new(ListedStatus::ALL.map(ListedStatus::as_str)))]
    status: Option<String>,
    /// Only overdue invoices; short for --status overdue
    #[arg(long, conflicts_with = "status")]
    overdue: bool,
    /// Only invoices due before this time, such as 2027-02-01T00:00:00Z, or 7d for a week from now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    due_before: Option<String>,
    /// Only invoices issued in this month, such as 2027-01
    #[arg(long, conflicts_with_all = ["issued_from", "issued_to"])]
    month: Option<Month>,
    /// Only invoices issued at or after this time, such as -30d
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    issued_from: Option<String>,
    /// Only invoices issued before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    issued_to: Option<String>,
}

impl Filter {
    fn request(&self, client: &Client, csv: bool) -> Result<Request, Failure> {
        let Self { id, tenant_id, status, overdue, due_before, month, issued_from, issued_to } = self;
        let deployment_id = id.as_ref().map(|id| client.deployment_id(id)).transpose()?;
        let status = if *overdue { Some("overdue".to_owned()) } else { status.clone() };
        let filters = [
            ("tenant_id", tenant_id.clone()),
            ("status", status),
            ("due_before", client.moment(due_before.as_deref())?),
            ("issued_from", month.map(|month| rfc3339(month.begin())).or(client.moment(issued_from.as_deref())?)),
            ("issued_to", month.map(|month| rfc3339(month.end())).or(client.moment(issued_to.as_deref())?)),
        ];
        let is_filtered = csv || filters.iter().any(|(_, value)| value.is_some());
        // A deployment's own list has its own route, without filters and CSV.
        if let Some(id) = deployment_id.as_deref().filter(|_| !is_filtered) {
            return Request::to("list_invoices", &[("id", id)]);
        }
        let request = Request::to("find_invoices", &[])?.query("deployment_id", deployment_id);
        Ok(filters.into_iter().fold(request, |request, (name, value)| request.query(name, value)))
    }
}

fn rfc3339(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Selects an invoice.
#[derive(Debug, Args)]
struct Which {
    /// The deployment: its id, its slug, or its tenant and slug as in acme/shop
    #[arg(value_name = "DEPLOYMENT")]
    id: String,
    /// Number of the invoice
    number: String,
}

/// The number of an invoice, with an amount in minor units and its currency.
type Owed = (String, (i64, String));

/// Returns the number of an open invoice of the deployment and its amount due. Without `number` it is the only open
/// one. If it is not open any more because the payment with this reference was recorded before: that payment.
fn owed(client: &Client, id: &str, number: Option<&str>, reference: &str) -> Result<Owed, Failure> {
    let shown = client.call(&Request::to("show_deployment", &[("id", id)])?)?.body;
    let open = views::each(&shown["deployment"]["open_invoices"]);
    let numbers: Vec<&str> = open.iter().filter_map(|invoice| invoice["number"].as_str()).collect();
    let invoice = match (number, open) {
        (Some(number), open) => open.iter().find(|invoice| invoice["number"] == number),
        (None, [one]) => Some(one),
        (None, []) => None,
        (None, _) => {
            return Err(Failure::Usage(format!(
                "several invoices are open, pass the number of one: {}",
                numbers.join(", ")
            )));
        }
    };
    let Some(invoice) = invoice else {
        let known = recorded(client, id, number, reference)?;
        return known.ok_or_else(|| Failure::Usage("the deployment has no such open invoice".to_owned()));
    };
    let text = |name: &str| invoice[name].as_str().map(str::to_owned).ok_or(Failure::NotUnderstood);
    let due_cents = invoice["due_cents"].as_i64().ok_or(Failure::NotUnderstood)?;
    Ok((text("number")?, (due_cents, text("currency")?)))
}

/// Returns the payment with this reference among the deployment's newest invoices, with the number of its invoice.
fn recorded(client: &Client, id: &str, number: Option<&str>, reference: &str) -> Result<Option<Owed>, Failure> {
    let listed = client.call(&Request::to("list_invoices", &[("id", id)])?)?.body;
    let found = views::each(&listed["invoices"]).iter().find_map(|invoice| {
        let is_meant = number.is_none_or(|number| invoice["number"] == number);
        let payment = views::each(&invoice["payments"]).iter().find(|payment| payment["reference"] == reference)?;
        let text = |name: &str| invoice[name].as_str().map(str::to_owned);
        Some((text("number")?, (payment["amount_cents"].as_i64()?, text("currency")?))).filter(|_| is_meant)
    });
    Ok(found)
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
            Verb::Pay { id, number, reference, paid, value_date, excess_to_balance, remarks, options, once } => {
                let id = &client.deployment_id(id)?;
                let (number, (amount_cents, currency)) = match (number, paid.amount()) {
                    (Some(number), Some(amount)) => (number.clone(), amount),
                    (number, amount) => {
                        let (number, due) = owed(client, id, number.as_deref(), reference)?;
                        (number, amount.unwrap_or(due))
                    }
                };
                let mut body = body(remarks)?;
                (body["reference"], body["currency"]) = (json!(reference), json!(currency));
                body["amount_cents"] = json!(amount_cents);
                if let Some(day) = value_date {
                    body["value_date"] = json!(day);
                }
                if *excess_to_balance {
                    body["overpayment"] = json!("balance");
                }
                let request = Request::to("record_payment", &[("id", id), ("number", &number)])?.whole_body(body);
                client.tell(&request.with(options).once(once), views::invoice)
            }
            Verb::Void { which, remarks, options, once, confirmed } => {
                confirmed.check(options, &format!("invoice {} will be voided", which.number))?;
                client.tell(&to("void_invoice", which)?.body(remarks)?.with(options).once(once), views::invoice)
            }
            Verb::Correction(verb) => verb.run(client),
        }
    }
}
