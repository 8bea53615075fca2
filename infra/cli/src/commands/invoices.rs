//! `arcadia invoices`: manages invoices through the API.

use arcadia_api::answer::{DeploymentAnswer, InvoiceList};
use arcadia_domain::{Event, Month, OpenInvoice, Timestamp};
use arcadia_store::ListedStatus;
use chrono::SecondsFormat;
use clap::{Args, Subcommand};

use super::connection::{Confirmed, Connection};
use super::corrections::{OfInvoice, Remarks};
use super::money::Paid;
use crate::client::{Client, Failure, Moment, Once, Options, Paging, Request, one_of, views};

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
    #[arg(long, value_parser = one_of(&ListedStatus::ALL))]
    status: Option<ListedStatus>,
    /// Only overdue invoices; short for --status overdue
    #[arg(long, conflicts_with = "status")]
    overdue: bool,
    /// Only invoices due before this time, such as 2027-02-01T00:00:00Z, or 7d for a week from now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    due_before: Option<Moment>,
    /// Only invoices issued in this month, such as 2027-01
    #[arg(long, conflicts_with_all = ["issued_from", "issued_to"])]
    month: Option<Month>,
    /// Only invoices issued at or after this time, such as -30d
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    issued_from: Option<Moment>,
    /// Only invoices issued before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    issued_to: Option<Moment>,
}

impl Filter {
    /// The request, and whether it is for the list of a single deployment.
    fn request(&self, client: &Client, csv: bool) -> Result<(Request, bool), Failure> {
        let Self { id, tenant_id, status, overdue, due_before, month, issued_from, issued_to } = self;
        let deployment_id = id.as_ref().map(|id| client.deployment_id(id)).transpose()?;
        let status = if *overdue { Some(ListedStatus::Overdue) } else { *status };
        let filters = [
            ("tenant_id", tenant_id.clone()),
            ("status", status.map(|status| status.to_string())),
            ("due_before", client.moment(due_before.as_ref())?),
            ("issued_from", month.map(|month| rfc3339(month.begin())).or(client.moment(issued_from.as_ref())?)),
            ("issued_to", month.map(|month| rfc3339(month.end())).or(client.moment(issued_to.as_ref())?)),
        ];
        let is_filtered = csv || filters.iter().any(|(_, value)| value.is_some());
        // A deployment's own list has its own route, without filters and CSV.
        if let Some(id) = deployment_id.as_deref().filter(|_| !is_filtered) {
            return Ok((Request::to("list_invoices", &[("id", id)])?, true));
        }
        let request = Request::to("find_invoices", &[])?.query("deployment_id", deployment_id);
        Ok((filters.into_iter().fold(request, |request, (name, value)| request.query(name, value)), false))
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
    let shown: DeploymentAnswer<'_> = client.call(&Request::to("show_deployment", &[("id", id)])?)?;
    let open = &*shown.deployment.open_invoices;
    let invoice = match (number, open) {
        (Some(number), open) => open.iter().find(|invoice| invoice.number.as_str() == number),
        (None, [one]) => Some(one),
        (None, []) => None,
        (None, several) => {
            let numbers: Vec<&str> = several.iter().map(|invoice| invoice.number.as_str()).collect();
            return Err(Failure::Usage(format!(
                "several invoices are open, pass the number of one: {}",
                numbers.join(", ")
            )));
        }
    };
    if let Some(OpenInvoice { number, due_cents, currency, .. }) = invoice {
        return Ok((number.to_string(), (*due_cents, currency.to_string())));
    }
    let known = recorded(client, id, number, reference)?;
    known.ok_or_else(|| {
        Failure::Usage(number.map_or_else(
            || "the deployment has no open invoice".to_owned(),
            |number| format!("the deployment has no open invoice {number}"),
        ))
    })
}

/// Returns the payment with this reference among the deployment's newest invoices, with the number of its invoice.
fn recorded(client: &Client, id: &str, number: Option<&str>, reference: &str) -> Result<Option<Owed>, Failure> {
    let listed: InvoiceList<'_> = client.call(&Request::to("list_invoices", &[("id", id)])?)?;
    let invoices = listed.invoices.iter().map(|view| &*view.invoice);
    let mut meant = invoices.filter(|invoice| number.is_none_or(|number| invoice.number.as_str() == number));
    Ok(meant.find_map(|invoice| {
        let payment = invoice.payments.iter().find(|payment| payment.reference.as_str() == reference)?;
        Some((invoice.number.to_string(), (payment.amount_cents, invoice.currency.to_string())))
    }))
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
            Verb::List { filter, csv: true, paging } => client.list_csv(&filter.request(client, true)?.0, paging),
            Verb::List { filter, csv: false, paging } => match filter.request(client, false)? {
                (request, true) => client.list(&request, "invoices", paging, views::invoices),
                (request, false) => client.list(&request, "invoices", paging, views::invoice_rows),
            },
            Verb::Show(which) => client.show(&to("show_invoice", which)?, views::invoice),
            Verb::Pay { id, number, reference, paid, value_date, excess_to_balance, remarks, options, once } => {
                let id = &client.deployment_id(id)?;
                let (number, (amount_cents, currency)) = match (number, paid.amount()) {
                    (Some(number), Some(amount)) => (number.clone(), amount),
                    (number, amount) => {
                        let (number, due) = owed(client, id, number.as_deref(), reference)?;
                        (number, amount.unwrap_or(due))
                    }
                };
                let request = Request::to("record_payment", &[("id", id), ("number", &number)])?.body(remarks)?;
                let request = request.field("reference", Some(reference))?.field("currency", Some(currency))?;
                let request =
                    request.field("amount_cents", Some(amount_cents))?.field("value_date", value_date.as_ref())?;
                let request = request.field("overpayment", excess_to_balance.then_some("balance"))?;
                client.tell::<Event, _>(&request.with(options).once(once), |answer, _| views::settled(answer))
            }
            Verb::Void { which, remarks, options, once, confirmed } => {
                confirmed.check(options, &format!("invoice {} will be voided", which.number))?;
                let request = to("void_invoice", which)?.body(remarks)?.with(options).once(once);
                client.tell::<Event, _>(&request, |answer, _| views::settled(answer))
            }
            Verb::Correction(verb) => verb.run(client),
        }
    }
}
