//! Formats responses as text: a list as a table, a change as a line or two. The modules have the responses of their
//! commands; shared functions are here.

mod business;
mod catalog;
mod deployments;
mod invoices;
mod operations;

use std::collections::BTreeMap;

use arcadia_api::DeploymentView;
use arcadia_domain::{
    Amount, CatalogEvent, Currency, Entry, Event, EventKind, InvoiceNumber, Line, Matching, Notes, Reason, State,
    TenantEvent, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use business::{account, attention, dunning_policy, schedule, summary, tenant, tenant_events, tenants};
pub use catalog::{
    addon, addons, catalog_events, coupon, coupons, lifecycle, plan, plan_details, plan_version, plan_version_dry_run,
    plans,
};
pub use deployments::{addon_row, deployment, deployments, discount, events, resource, resources, subscription};
pub use invoices::{balances, charge, invoice, invoice_rows, invoices, refund, settled};
pub use operations::{
    matching, operation, operation_line, operation_preview, operation_results, operations, results_so_far,
};

use super::text::{BOLD, Cell, DIM, PLAIN, Text, WAITING, cell, date, minute, money, name_of, plain};

fn list<R>(heads: &[&str], records: &[R], row: impl Fn(&R) -> Vec<Cell>) -> Text {
    let mut text = Text::default();
    text.list(heads, records.iter().map(row).collect());
    text
}

/// The name of a value of an enum, as words.
fn words_of(value: impl Serialize) -> String {
    name_of(value).replace('_', " ")
}

/// A number of things, by the name of one.
pub fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// The tenant and the slug of a deployment.
fn full_name(deployment: &DeploymentView<'_>) -> String {
    format!("{}/{}", deployment.tenant_id, deployment.slug)
}

/// The percentage of a coupon or discount, or its amount for a period.
fn off(basis_points: Option<u32>, amount: Option<(i64, Currency)>) -> String {
    match (basis_points, amount) {
        (Some(points), _) if points % 100 == 0 => format!("{} % off", points / 100),
        (Some(points), _) => format!("{}.{:02} % off", points / 100, points % 100),
        (None, amount) => format!("{} off", amount.map(|(cents, of)| money(cents, of)).unwrap_or_default()),
    }
}

/// An event in a table.
pub trait EventRow {
    /// Its number.
    fn number(&self) -> u64;
    /// Its `type`.
    fn kind(&self) -> &'static str;
    /// Who made it.
    fn actor(&self) -> &str;
    /// When it occurred.
    fn at(&self) -> Timestamp;
    /// The reason and the notes.
    fn remarks(&self) -> (Option<&Reason>, Option<&Notes>);
    /// The states before and after, if the state changed.
    fn states(&self) -> Option<(State, State)> {
        None
    }
    /// What it charged, credited, issued or received, by currency.
    fn amounts(&self) -> Vec<Amount> {
        Vec::new()
    }
}

macro_rules! event_row {
    ($event:ty, $number:ident $($more:item)*) => {
        impl EventRow for $event {
            fn number(&self) -> u64 {
                self.$number
            }

            fn kind(&self) -> &'static str {
                self.kind.name()
            }

            fn actor(&self) -> &str {
                &self.actor
            }

            fn at(&self) -> Timestamp {
                self.occurred_at
            }

            fn remarks(&self) -> (Option<&Reason>, Option<&Notes>) {
                (self.reason.as_ref(), self.notes.as_ref())
            }

            $($more)*
        }
    };
}
event_row!(
    Event,
    sequence fn states(&self) -> Option<(State, State)> {
        self.from_state.zip(self.to_state)
    }

    fn amounts(&self) -> Vec<Amount> {
        amounts_of(self)
    }
);
event_row!(TenantEvent, sequence);
// An event of the catalog is numbered by the revision of its record.
event_row!(CatalogEvent, revision);

/// The amount that the kind of an event has, or else that of its charges less its credits, by currency.
fn amounts_of(event: &Event) -> Vec<Amount> {
    let of_number = |number: &InvoiceNumber, amount_cents| {
        number.currency().map(|currency| Amount { currency, amount_cents }).into_iter().collect()
    };
    match &event.kind {
        EventKind::InvoiceOpened { invoice, .. } => {
            vec![Amount { currency: invoice.currency, amount_cents: invoice.total_cents }]
        }
        EventKind::PaymentReceived { number, payment, .. } => of_number(number, payment.amount_cents),
        EventKind::InvoiceWrittenOff { number, amount_cents, .. } => of_number(number, *amount_cents),
        EventKind::CreditGranted { amount } => vec![amount.clone()],
        EventKind::Refunded { refund } => {
            vec![Amount { currency: refund.currency, amount_cents: refund.amount_cents }]
        }
        _ => {
            let lines = event.entries.iter().filter_map(|entry| match entry {
                Entry::Charged { line } | Entry::Credited { line, .. } => Some(line),
                _ => None,
            });
            let mut sums = BTreeMap::new();
            for line in lines {
                *sums.entry(line.currency).or_default() += line.amount_cents;
            }
            sums.into_iter().map(|(currency, amount_cents)| Amount { currency, amount_cents }).collect()
        }
    }
}

/// A column of a table of events.
type EventColumn<E> = (&'static str, fn(&E) -> Cell);

/// The columns of a table of these events. Events without amounts have no column for them.
fn event_columns<E: EventRow>(events: &[E]) -> Vec<EventColumn<E>> {
    let mut columns: Vec<EventColumn<E>> = vec![
        ("no.", |event| cell(DIM, &event.number().to_string()).right()),
        ("when", |event| plain(&minute(event.at()))),
        ("what", |event| match event.states() {
            Some((from, to)) => cell(BOLD, &format!("{from} \u{2192} {to}")),
            None => cell(PLAIN, event.kind()),
        }),
    ];
    if events.iter().any(|event| !event.amounts().is_empty()) {
        columns.push(("amount", |event| {
            let amounts: Vec<String> = event.amounts().iter().map(|of| money(of.amount_cents, of.currency)).collect();
            plain(&amounts.join(", ")).right()
        }));
    }
    columns.extend([("who", (|event| cell(DIM, event.actor())) as fn(&E) -> Cell), ("why", why)]);
    columns
}

/// The rows of a table of events.
pub fn event_cells(events: &[impl EventRow]) -> Vec<Vec<Cell>> {
    let columns = event_columns(events);
    events.iter().map(|event| columns.iter().map(|(_, cell_of)| cell_of(event)).collect()).collect()
}

/// The reason and the notes of an event.
fn why<E: EventRow>(event: &E) -> Cell {
    let (reason, notes) = event.remarks();
    let said = [reason.map(ToString::to_string), notes.map(ToString::to_string)];
    plain(&said.into_iter().flatten().collect::<Vec<_>>().join(": "))
}

fn event_rows(events: &[impl EventRow]) -> Text {
    let heads: Vec<&str> = event_columns(events).into_iter().map(|(head, _)| head).collect();
    let mut text = Text::default();
    text.list(&heads, event_cells(events));
    text
}

/// The additional members of a dry run's response.
#[derive(Debug, Deserialize)]
pub struct Foreseen<E> {
    events: Vec<E>,
    /// Only commands on deployments charge.
    lines: Option<Vec<Line>>,
    matching: Option<Matching>,
}

/// Formats the response of a dry run: the command's own response, then the charges, credits and events that it would
/// make.
pub fn dry_run<E: EventRow>(foreseen: &Foreseen<E>, answer: &Text) -> Text {
    let Foreseen { events, lines, matching } = foreseen;
    let mut text = Text::default();
    text.line([cell(WAITING, "Dry run: nothing was stored. The command would have this result:")]);
    text.append(answer);
    if let Some(lines) = lines {
        text.line([cell(BOLD, if lines.is_empty() { "no charges or credits" } else { "charges and credits" })]);
        text.table(2, &lines.iter().map(line_row).collect::<Vec<_>>());
    }
    text.line([cell(BOLD, if events.is_empty() { "no events" } else { "events" })]);
    text.table(2, &event_cells(events));
    if let Some(found) = *matching {
        text.line([cell(BOLD, "an operation would copy it"), plain(&format!(" to {}", operations::matching(found)))]);
    }
    text
}

/// A rate in basis points, in percent.
fn percent(basis_points: u32) -> String {
    format!("{}.{:02} %", basis_points / 100, basis_points % 100)
}

/// A charge or a credit.
fn line_row(line: &Line) -> Vec<Cell> {
    vec![
        plain(&money(line.amount_cents, line.currency)).right(),
        plain(&words_of(line.kind)),
        match (line.tax_rate_basis_points, &line.description) {
            (Some(rate), _) => plain(&percent(rate)),
            (None, Some(description)) => plain(description.as_str()),
            (None, None) => plain(line.code.as_str()),
        },
        cell(DIM, &format!("{} to {}", date(line.from), date(line.to))),
    ]
}

/// The members of a record that have a value, each with its name.
fn members(record: impl Serialize) -> Vec<(String, String)> {
    let Ok(Value::Object(members)) = serde_json::to_value(record) else { return Vec::new() };
    let said = members.into_iter().filter(|(_, value)| !matches!(value, Value::Null | Value::Bool(false)));
    said.map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect()
}
