//! `arcadia audit`: checks the books of deployments at every event of their histories, and their invoices against the
//! histories.

use std::collections::BTreeMap;

use arcadia_api::answer::{DeploymentAnswer, DeploymentList, EventList, InvoiceList};
use arcadia_domain::{Currency, DeploymentId, Event, Invoice, Totals, audit};
use clap::Args;
use serde::Serialize;
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
    /// The deployment: its id, its slug, or its tenant and slug as in acme/shop. Default: every deployment that the
    /// token can read
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
    violations: Vec<(DeploymentId, String)>,
    /// Deployments that could not be read, with the reason.
    unread: Vec<(DeploymentId, String)>,
}

/// The totals of a currency, as JSON has them.
#[derive(Serialize)]
struct CurrencyTotals<'a> {
    #[serde(flatten)]
    totals: &'a Totals,
    currency: Currency,
}

impl Audit {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        let mut report = Report::default();
        let read = self.examine(client, &mut report);
        // What was found is told even if the rest cannot be read.
        client.print(&report.json().to_string(), || report.text())?;
        read?;
        match (report.violations.len(), report.unread.len()) {
            (0, 0) => Ok(()),
            (0, count) => Err(Failure::Unread(count)),
            (count, _) => Err(Failure::Violations(count)),
        }
    }

    fn examine(&self, client: &Client, report: &mut Report) -> Result<(), Failure> {
        if let Some(id) = &self.id {
            let id = client.deployment_id(id)?.parse().map_err(|_| Failure::NotUnderstood)?;
            return report.examine(client, id);
        }
        let mut cursor = None;
        loop {
            let request = Request::to("list_deployments", &[])?.query("limit", Some(PAGE.to_owned()));
            let page: DeploymentList<'_> = client.call(&request.query("cursor", cursor))?;
            for row in page.deployments {
                report.examine(client, row.deployment.id)?;
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

impl Report {
    /// Audits one deployment.
    fn examine(&mut self, client: &Client, id: DeploymentId) -> Result<(), Failure> {
        let (events, invoices) = match read(client, &id.to_string()) {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.unread.push((id, "it kept changing while it was read".to_owned()));
                return Ok(());
            }
            Err(failure) if failure.is_passing() => {
                self.unread.push((id, failure.plain()));
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        let sequence = events.last().map_or(0, |event| event.sequence);
        (self.deployments, self.events) = (self.deployments + 1, self.events + events.len());
        self.invoices += invoices.len();
        let audited = audit(id, &events).and_then(|audited| audited.compare(sequence, &invoices).map(|()| audited));
        match audited {
            Ok(audited) => {
                for (currency, totals) in audited.totals {
                    self.totals.entry(currency).or_default().add(totals);
                }
            }
            Err(violation) => self.violations.push((id, violation.to_string())),
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let totals = self.totals.iter().map(|(currency, totals)| CurrencyTotals { totals, currency: *currency });
        let violations = self.violations.iter().map(|(id, what)| json!({"deployment_id": id, "violation": what}));
        let unread = self.unread.iter().map(|(id, why)| json!({"deployment_id": id, "reason": why}));
        json!({
            "deployments": self.deployments,
            "events": self.events,
            "invoices": self.invoices,
            "totals": totals.collect::<Vec<_>>(),
            "violations": violations.collect::<Vec<_>>(),
            "unread": unread.collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> Text {
        let mut text = Text::default();
        let Self { deployments, events, invoices, totals, violations, unread } = self;
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
        for (id, why) in unread {
            text.line([plain(&format!("{id} was not audited: {why}"))]);
        }
        text
    }
}

/// A deployment's history and its invoices.
type Books = (Vec<Event>, Vec<Invoice>);

/// Reads a deployment's whole history, oldest event first, and its invoices at the same version. `None` if it changed
/// at every attempt.
fn read(client: &Client, id: &str) -> Result<Option<Books>, Failure> {
    for _ in 0..MAX_READS {
        let mut events = pages(client, "list_events", id, |page: EventList| (page.events, page.next_cursor))?;
        events.reverse();
        let invoices = pages(client, "list_invoices", id, |page: InvoiceList<'static>| {
            (page.invoices.into_iter().map(|view| view.invoice.into_owned()).collect(), page.next_cursor)
        })?;
        let shown: DeploymentAnswer<'_> = client.call(&Request::to("show_deployment", &[("id", id)])?)?;
        if Some(shown.deployment.version) == events.last().map(|event| event.sequence) {
            return Ok(Some((events, invoices)));
        }
    }
    Ok(None)
}

/// All records of a list. `parts` takes a page apart: its records, and the cursor of the next one.
fn pages<P: DeserializeOwned, R>(
    client: &Client,
    handler: &str,
    id: &str,
    parts: impl Fn(P) -> (Vec<R>, Option<String>),
) -> Result<Vec<R>, Failure> {
    let mut records = Vec::new();
    let mut cursor = None;
    loop {
        let request = Request::to(handler, &[("id", id)])?.query("limit", Some(PAGE.to_owned()));
        let (found, next) = parts(client.call(&request.query("cursor", cursor))?);
        records.extend(found);
        if next.is_none() {
            return Ok(records);
        }
        cursor = next;
    }
}
