//! Commands that correct what a customer was charged or paid: part of `arcadia deployments` and `arcadia invoices`.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::connection::Confirmed;
use super::money::Sum;
use crate::client::{Client, Failure, Once, Options, Request, body, views};

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

/// The reason and notes of a correction.
#[derive(Debug, Args, Serialize)]
pub struct Remarks {
    /// The reason, in one line
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Notes, which the tenant's users can read in the events
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
        #[arg(long, value_enum, default_value = "next_invoice")]
        when: When,
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
        /// Notes
        #[arg(long, value_name = "TEXT")]
        notes: Option<String>,
        #[command(flatten)]
        sending: Sending,
    },
    /// Record that balance was paid back, or the price of an invoice (platform_admin)
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
        /// A charge and the amount in minor units that is credited of it, such as 12-0=500; can be repeated. Default:
        /// all that remains of every charge
        #[arg(long, value_name = "CHARGE=N", value_parser = line)]
        line: Vec<(String, i64)>,
        /// Pay back what had been settled, under this reference of the outgoing payment
        #[arg(long, value_name = "REFERENCE")]
        refund: Option<String>,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        sending: Sending,
    },
    /// Take a payment back, so that the invoice is owed again (platform_admin, payment_provider)
    Reverse {
        #[command(flatten)]
        which: Invoice,
        /// Reference of the payment
        reference: String,
        /// Why
        #[arg(long, value_enum)]
        kind: Kind,
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
        sending: Sending,
    },
    /// Move the due date of an open invoice to a later time (platform_admin)
    Postpone {
        #[command(flatten)]
        which: Invoice,
        /// The new due date, such as 2027-02-14T00:00:00Z, or 7d for a week from now
        #[arg(long, value_name = "TIME")]
        due_at: String,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        sending: Sending,
    },
}

/// When a charge is invoiced.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At once, on an invoice of its own
    Now,
    /// With the next invoice of the subscription
    NextInvoice,
}

/// Why a payment is reversed.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was recorded by mistake
    Mistake,
    /// The payer's bank took the money back
    Chargeback,
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

/// The fields of several arguments as one body.
fn merged(parts: [Value; 2]) -> Value {
    let members = parts.into_iter().filter_map(|part| match part {
        Value::Object(members) => Some(members),
        _ => None,
    });
    Value::Object(members.flatten().collect())
}

impl OfDeployment {
    /// Runs the command.
    pub fn run(&self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Charge { which, amount, description, when, remarks, sending } => {
                let fields = json!({"description": description, "when": when});
                let fields = merged([merged([body(amount)?, fields]), body(remarks)?]);
                let request = which.to(client, "add_charge")?.whole_body(fields);
                client.tell(&sending.send(request), views::charge)
            }
            Self::Credit { which, amount, reason, notes, sending } => {
                let remarks = Remarks { reason: Some(reason.clone()), notes: notes.clone() };
                let request = which.to(client, "grant_credit")?.whole_body(merged([body(amount)?, body(&remarks)?]));
                client.tell(&sending.send(request), views::balances)
            }
            Self::Refund { which, amount, reference, invoice, remarks, sending } => {
                let mut fields = merged([body(amount)?, body(remarks)?]);
                fields["reference"] = json!(reference);
                if let Some(number) = invoice {
                    fields["invoice"] = json!(number);
                }
                let request = which.to(client, "refund_balance")?.whole_body(fields);
                client.tell(&sending.send(request), views::balances)
            }
        }
    }
}

impl OfInvoice {
    /// Runs the command.
    pub fn run(&self, client: &Client) -> Result<(), Failure> {
        let (request, sending) = match self {
            Self::Credit { which, line, refund, remarks, sending } => {
                let mut fields = body(remarks)?;
                if !line.is_empty() {
                    let lines = line.iter().map(|(charge, cents)| json!({"charge": charge, "amount_cents": cents}));
                    fields["lines"] = lines.collect();
                }
                if let Some(reference) = refund {
                    fields["refund"] = json!(true);
                    fields["reference"] = json!(reference);
                }
                (which.to(client, "issue_credit_note", "")?.whole_body(fields), sending)
            }
            Self::Reverse { which, reference, kind, remarks, sending, confirmed } => {
                let what = format!("payment {reference} of invoice {} will be reversed", which.number);
                confirmed.check(&sending.options, &what)?;
                let fields = merged([json!({"kind": kind}), body(remarks)?]);
                (which.to(client, "reverse_payment", reference)?.whole_body(fields), sending)
            }
            Self::WriteOff { which, remarks, sending } => {
                (which.to(client, "write_off_invoice", "")?.whole_body(body(remarks)?), sending)
            }
            Self::WithdrawWriteOff { which, remarks, sending } => {
                (which.to(client, "withdraw_write_off", "")?.whole_body(body(remarks)?), sending)
            }
            Self::Postpone { which, due_at, remarks, sending } => {
                let due_at = client.moment(Some(due_at))?;
                let fields = merged([json!({"due_at": due_at}), body(remarks)?]);
                (which.to(client, "update_invoice", "")?.whole_body(fields), sending)
            }
        };
        client.tell(&sending.send(request), views::invoice)
    }
}
