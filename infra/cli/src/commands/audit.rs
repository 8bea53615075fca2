//! `arcadia audit`: checks the books of deployments at every event of their histories, and their invoices against the
//! histories.

use std::collections::BTreeMap;

use arcadia_domain::{Currency, DeploymentId, Event, Invoice, Totals, audit};
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::connection::Connection;
use crate::client::views::counted;
use crate::client::{Client, Failure, Request, Text, plain};

/// Page size of lists, in records.
const PAGE: &str = "100";
/// How many times a deployment is read again if it changes while it is read.
const MAX_READS: u32 = 5;

#[derive(Debug, Args)]
pub struct Audit {
    /// The deployment: its id, its slug, or its tenant and slug as in acme/shop. Default: all that the token may see
    #[arg(value_name = "DEPLOYMENT")]
    id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// The result of an audit.
#[derive(Default)]
struct Report {
    deployments: usize,
    events: usize,
    invoices: usize,
    totals: BTreeMap<Currency, Totals>,
    violations: Vec<(String, String)>,
}

impl Audit {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        let mut report = Report::default();
        let mut cursor = None;
        if let Some(id) = &self.id {
            report.examine(client, &client.deployment_id(id)?)?;
        } else {
            loop {
                let request = Request::to("list_deployments", &[])?.query("limit", Some(PAGE.to_owned()));
                let page = client.call(&request.query("cursor", cursor))?.body;
                for deployment in page["deployments"].as_array().ok_or(Failure::NotUnderstood)? {
                    report.examine(client, deployment["id"].as_str().ok_or(Failure::NotUnderstood)?)?;
                }
                cursor = page["next_cursor"].as_str().map(str::to_owned);
                if cursor.is_none() {
                    break;
                }
            }
        }
        client.print(&report.json().to_string(), || report.text())?;
        match report.violations.len() {
            0 => Ok(()),
            count => Err(Failure::Violations(count)),
        }
    }
}

impl Report {
    /// Audits one deployment.
    fn examine(&mut self, client: &Client, id: &str) -> Result<(), Failure> {
        let (events, invoices) = read(client, id)?;
        let of: DeploymentId = id.parse().map_err(|_| Failure::NotUnderstood)?;
        let sequence = events.last().map_or(0, |event| event.sequence);
        (self.deployments, self.events) = (self.deployments + 1, self.events + events.len());
        self.invoices += invoices.len();
        let audited = audit(of, &events).and_then(|audited| audited.compare(sequence, &invoices).map(|()| audited));
        match audited {
            Ok(audited) => {
                for (currency, totals) in audited.totals {
                    self.totals.entry(currency).or_default().add(totals);
                }
            }
            Err(violation) => self.violations.push((id.to_owned(), violation.to_string())),
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let totals = self.totals.iter().map(|(currency, totals)| {
            let mut totals = json!(totals);
            totals["currency"] = json!(currency);
            totals
        });
        let violations = self.violations.iter().map(|(id, what)| json!({"deployment_id": id, "violation": what}));
        json!({
            "deployments": self.deployments,
            "events": self.events,
            "invoices": self.invoices,
            "totals": totals.collect::<Vec<_>>(),
            "violations": violations.collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> Text {
        let mut text = Text::default();
        let Self { deployments, events, invoices, totals, violations } = self;
        text.line([plain(&format!(
            "{}, {}, {} audited",
            counted(*deployments, "deployment"),
            counted(*events, "event"),
            counted(*invoices, "invoice")
        ))]);
        for (currency, totals) in totals {
            text.line([plain(&format!("{currency}, in minor units: {totals}"))]);
        }
        for (id, violation) in violations {
            text.line([plain(&format!("{id}: {violation}"))]);
        }
        text
    }
}

/// Reads a deployment's whole history, oldest event first, and its invoices at the same version.
fn read(client: &Client, id: &str) -> Result<(Vec<Event>, Vec<Invoice>), Failure> {
    for _ in 0..MAX_READS {
        let mut events: Vec<Event> = pages(client, "list_events", "events", id)?;
        events.reverse();
        let invoices: Vec<Invoice> = pages(client, "list_invoices", "invoices", id)?;
        let shown = client.call(&Request::to("show_deployment", &[("id", id)])?)?.body;
        if shown["deployment"]["version"].as_u64() == events.last().map(|event| event.sequence) {
            return Ok((events, invoices));
        }
    }
    Err(Failure::Usage(format!("{id} kept changing while it was read: run the audit again later")))
}

fn pages<T: DeserializeOwned>(client: &Client, handler: &str, name: &str, id: &str) -> Result<Vec<T>, Failure> {
    let mut records = Vec::new();
    let mut cursor = None;
    loop {
        let request = Request::to(handler, &[("id", id)])?.query("limit", Some(PAGE.to_owned()));
        let mut page = client.call(&request.query("cursor", cursor))?.body;
        let found: Vec<T> = serde_json::from_value(page[name].take()).map_err(|_| Failure::NotUnderstood)?;
        records.extend(found);
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(records);
        }
    }
}
