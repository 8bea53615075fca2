//! Commands that correct what a customer was charged or paid: part of `arcadia deployments` and `arcadia invoices`.

use arcadia_api::answer::DeploymentAnswer;
use arcadia_domain::{Event, Invoiced, ReversalKind};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::connection::Confirmed;
use super::money::Sum;
use crate::client::{Client, Failure, Moment, Once, Options, Request, one_of, views};

/// Selects a deployment.
#[derive(Debug, Args)]
pub struct Deployment {
    /// The deployment: its id, its slug, or its tenant and slug as in acme/shop
    #[arg(value_name = "DEPLOYMENT")]
    id: String,
}

/// Selects an invoice.
#[derive(Debug, Args)]
pub struct Invoice {
    #[command(flatten)]
    deployment: Deployment,
    /// Number of the invoice
    number: String,
}

/// The reason and notes of a command.
#[derive(Debug, Args, Serialize)]
pub struct Remarks {
    /// The reason, in one line
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Notes, stored in the events; a tenant's users can read those of the tenant and its deployments
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
}

/// How to send a correction.
#[derive(Debug, Args)]
pub struct Sending {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    once: Once,
}

/// Corrections of a deployment's balance.
#[derive(Debug, Subcommand)]
pub enum OfDeployment {
    /// Charge an amount once (platform_admin)
    Charge {
        #[command(flatten)]
        which: Deployment,
        #[command(flatten)]
        amount: Sum,
        /// The description on the invoice
        #[arg(long, value_name = "TEXT")]
        description: String,
        /// When it is invoiced
        #[arg(long, value_parser = one_of(&Invoiced::ALL), default_value = Invoiced::NextInvoice.as_str())]
        when: Invoiced,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        sending: Sending,
    },
    /// Grant a credit to the balance, such as for an outage (platform_admin)
    Credit {
        #[command(flatten)]
        which: Deployment,
        #[command(flatten)]
        amount: Sum,
        /// The reason, in one line
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Notes, stored in the events; the tenant's users can read them
        #[arg(long, value_name = "TEXT")]
        notes: Option<String>,
        #[command(flatten)]
        sending: Sending,
    },
    /// Record a refund of balance, or of the price of an invoice (platform_admin)
    Refund {
        #[command(flatten)]
        which: Deployment,
        #[command(flatten)]
        amount: Sum,
        /// Reference of the outgoing payment; a repeated reference is the same refund
        #[arg(long, value_name = "TEXT")]
        reference: String,
        /// Number of a settled invoice: a credit note of the amount is issued first
        #[arg(long, value_name = "NUMBER")]
        invoice: Option<String>,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        sending: Sending,
    },
}

/// Corrections of an invoice.
#[derive(Debug, Subcommand)]
pub enum OfInvoice {
    /// Credit an invoice in full, or single charges of it (platform_admin)
    Credit {
        #[command(flatten)]
        which: Invoice,
        /// A charge, as `invoices show` names it, and the amount in minor units that is credited of it, such as
        /// 12-0=500; can be repeated. Default: all that remains of every charge
        #[arg(long, value_name = "CHARGE=N", value_parser = line)]
        line: Vec<(String, i64)>,
        /// Pay back the settled part, under this reference of the outgoing payment
        #[arg(long, value_name = "REFERENCE")]
        refund: Option<String>,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        sending: Sending,
    },
    /// Reverse a payment: the invoice is owed again (platform_admin, payment_provider)
    Reverse {
        #[command(flatten)]
        which: Invoice,
        /// Reference of the payment
        reference: String,
        /// Reason of the reversal
        #[arg(long, value_parser = one_of(&ReversalKind::ALL))]
        kind: ReversalKind,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        sending: Sending,
        #[command(flatten)]
        confirmed: Confirmed,
    },
    /// Forgive the amount due on an invoice (platform_admin)
    WriteOff {
        #[command(flatten)]
        which: Invoice,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        sending: Sending,
    },
    /// Withdraw a write-off: the invoice is owed again (platform_admin)
    WithdrawWriteOff {
        #[command(flatten)]
        which: Invoice,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        options: Options,
    },
    /// Move the due date of an open invoice to a later time (platform_admin)
    Postpone {
        #[command(flatten)]
        which: Invoice,
        /// The new due date, such as 2027-02-14T00:00:00Z, or 7d for a week from now
        #[arg(long, value_name = "TIME")]
        due_at: Moment,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        options: Options,
    },
}

/// Parses a charge and an amount in minor units.
fn line(text: &str) -> Result<(String, i64), String> {
    let wrong = || format!("{text:?} must be a charge and an amount in minor units, such as 12-0=500");
    let (charge, cents) = text.split_once('=').ok_or_else(wrong)?;
    Ok((charge.to_owned(), cents.parse().map_err(|_| wrong())?))
}

impl Deployment {
    fn to(&self, client: &Client, handler: &str) -> Result<Request, Failure> {
        Request::to(handler, &[("id", &client.deployment_id(&self.id)?)])
    }
}

impl Invoice {
    fn to(&self, client: &Client, handler: &str, reference: &str) -> Result<Request, Failure> {
        let id = client.deployment_id(&self.deployment.id)?;
        Request::to(handler, &[("id", &id), ("number", &self.number), ("reference", reference)])
    }
}

impl Sending {
    fn send(&self, request: Request) -> Request {
        request.with(&self.options).once(&self.once)
    }
}

/// A charge of which a credit note credits an amount.
#[derive(Debug, Serialize)]
struct Line<'a> {
    charge: &'a str,
    amount_cents: i64,
}

impl OfDeployment {
    /// Runs the command.
    pub fn run(&self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Charge { which, amount, description, when, remarks, sending } => {
                let request = which.to(client, "add_charge")?.body(amount)?.body(remarks)?;
                let request = request.field("description", Some(description))?.field("when", Some(when))?;
                client.tell::<Event, _>(&sending.send(request), |answer, _| views::charge(answer))
            }
            Self::Credit { which, amount, reason, notes, sending } => {
                let request = which.to(client, "grant_credit")?.body(amount)?;
                let request = request.field("reason", Some(reason))?.field("notes", notes.as_ref())?;
                client.tell::<Event, _>(&sending.send(request), |answer: &DeploymentAnswer<'_>, _| {
                    views::balances(&answer.deployment, None)
                })
            }
            Self::Refund { which, amount, reference, invoice, remarks, sending } => {
                let request = which.to(client, "refund_balance")?.body(amount)?.body(remarks)?;
                let request = request.field("reference", Some(reference))?.field("invoice", invoice.as_ref())?;
                client.tell::<Event, _>(&sending.send(request), |answer, _| views::refund(answer))
            }
        }
    }
}

impl OfInvoice {
    /// Runs the command.
    pub fn run(&self, client: &Client) -> Result<(), Failure> {
        let request = match self {
            Self::Credit { which, line, refund, remarks, sending } => {
                let lines = line.iter().map(|(charge, amount_cents)| Line { charge, amount_cents: *amount_cents });
                let lines = Some(lines.collect::<Vec<_>>()).filter(|lines| !lines.is_empty());
                let request = which.to(client, "issue_credit_note", "")?.body(remarks)?.field("lines", lines)?;
                let request = request.field("refund", refund.as_ref().map(|_| true))?;
                sending.send(request.field("reference", refund.as_ref())?)
            }
            Self::Reverse { which, reference, kind, remarks, sending, confirmed } => {
                let what = format!("payment {reference} of invoice {} will be reversed", which.number);
                confirmed.check(&sending.options, &what)?;
                let request = which.to(client, "reverse_payment", reference)?.body(remarks)?;
                sending.send(request.field("kind", Some(kind))?)
            }
            Self::WriteOff { which, remarks, sending } => {
                sending.send(which.to(client, "write_off_invoice", "")?.body(remarks)?)
            }
            Self::WithdrawWriteOff { which, remarks, options } => {
                which.to(client, "withdraw_write_off", "")?.body(remarks)?.with(options)
            }
            Self::Postpone { which, due_at, remarks, options } => {
                let due_at = client.moment(Some(due_at))?;
                which.to(client, "update_invoice", "")?.body(remarks)?.time("due_at", due_at)?.with(options)
            }
        };
        client.tell::<Event, _>(&request, |answer, _| views::settled(answer))
    }
}
