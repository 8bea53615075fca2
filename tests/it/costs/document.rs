//! The tables of `docs/costs.md`, and `docs/costs.json`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use arcadia_functions::ROUTES;
use serde_json::{Map, Value, json};

use crate::docs;
use crate::harness::capacity::{Cost, Items, item_size};
use crate::harness::environment;
use crate::harness::project::ROOT;
use crate::harness::yaml;

use super::Measured;
use super::on_many::{DEPLOYMENTS, ManyRow};

/// What a million units cost on demand in us-east-1, in 1/10,000 dollars, as of 2026.
const WRITE_UNITS_PRICE: usize = 6_250;
const HALF_READ_UNITS_PRICE: usize = 625;
const MILLION: usize = 1_000_000;
/// How often the clock ticks in 30 days as the template has it.
const SCHEDULE: &str = "rate(5 minutes)";
const TICKS_A_MONTH: usize = 30 * 24 * 12;

/// Holds what was measured against what is published, or publishes it.
pub fn check(rows: &[Measured], steps: &[Measured], on_many: &[ManyRow], sizes: &str) {
    docs::check("costs.md", "operations", &table(rows));
    docs::check("costs.md", "many", &many(on_many, rows));
    docs::check("costs.md", "clock", &(table(steps) + &months(steps)));
    docs::check("costs.md", "least", &least(rows.iter().chain(steps)));
    docs::check("costs.md", "sizes", sizes);
    let json = serde_json::to_string_pretty(&published(rows)).expect("JSON") + "\n";
    let path = format!("{ROOT}/docs/costs.json");
    if environment("UPDATE_DOCS").is_some() {
        fs::write(&path, json).expect("docs/costs.json");
    } else {
        assert_eq!(fs::read_to_string(&path).expect("docs/costs.json"), json, "docs/costs.json is out of date");
    }
}

/// The sizes of a deployment's records, the largest of each kind, as a table.
pub fn sizes(items: &Items, id: &str) -> String {
    let mut largest = BTreeMap::<&str, usize>::new();
    for item in items.iter().filter(|((pk, _), _)| pk.ends_with(id)).map(|(_, item)| item) {
        let size = largest.entry(item["type"]["S"].as_str().expect("a type")).or_default();
        *size = item_size(item).max(*size);
    }
    let mut text = String::from("| Record | Bytes |\n|---|---:|\n");
    for (kind, size) in largest {
        writeln!(text, "| {} | {size} |", kind.replace('_', " ")).expect("a text");
    }
    text
}

/// What the OpenAPI document says of each operation: its first row.
fn published(rows: &[Measured]) -> Value {
    let costs = ROUTES.iter().map(|route| {
        let row = rows.iter().find(|row| row.name == route.handler).expect("every route has a row");
        let read_units: Value = serde_json::from_str(&units(row.cost.half_read_units)).expect("a number");
        let cost = json!({
            "requests": row.cost.requests, "read_units": read_units, "write_units": row.cost.all_write_units(),
        });
        (route.handler.to_owned(), cost)
    });
    Value::Object(costs.collect::<Map<_, _>>())
}

fn table(rows: &[Measured]) -> String {
    let mut text = String::from(
        "| Operation | Requests | Read units | Write units | of these for indexes | $ per million | Write units more with a key |\n\
         |---|---:|---:|---:|---|---:|---:|\n",
    );
    for Measured { name, cost, keyed, .. } in rows {
        let indexes = cost.index_write_units.iter().map(|(name, units)| format!("{name} {units}"));
        let indexes = indexes.collect::<Vec<_>>().join(", ");
        let keyed = keyed.map_or_else(String::new, |units| units.to_string());
        let (requests, reads, writes) = (cost.requests, units(cost.half_read_units), cost.all_write_units());
        let price = dollars(price(cost));
        writeln!(text, "| {} | {requests} | {reads} | {writes} | {indexes} | {price} | {keyed} |", code(name))
            .expect("a text");
    }
    text
}

/// What operations on many deployments cost, beside as many calls of the single command.
fn many(on_many: &[ManyRow], rows: &[Measured]) -> String {
    let mut text = String::from(
        "| Command | Requests | Read units | Write units | $ | $ of single calls |\n|---|---:|---:|---:|---:|---:|\n",
    );
    for ManyRow { command, single, cost } in on_many {
        let alone = &rows.iter().find(|row| row.name == *single).expect("every route has a row").cost;
        let (requests, reads, writes) = (cost.requests, units(cost.half_read_units), cost.all_write_units());
        let (of_all, alone) = (price(cost), price(alone) * DEPLOYMENTS);
        let of_all = dollars(of_all.div_ceil(MILLION));
        let of_calls = dollars(alone.div_ceil(MILLION));
        writeln!(text, "| {command} | {requests} | {reads} | {writes} | {of_all} | {of_calls} |").expect("a text");
    }
    text
}

/// What the ticks of a month cost in which nothing is due.
fn months(steps: &[Measured]) -> String {
    assert_eq!(yaml::template()["Parameters"]["BillingSchedule"]["Default"], SCHEDULE);
    let mut text = format!("\nA month of ticks, {SCHEDULE}, in which nothing is due:\n\n");
    for row in steps.iter().filter(|row| row.name.starts_with("tick")) {
        let a_month = price(&row.cost) * TICKS_A_MONTH;
        let shards = row.name.rsplit(", ").next().expect("a name");
        writeln!(text, "- {shards}: {TICKS_A_MONTH} ticks, ${}", dollars(a_month.div_ceil(MILLION))).expect("a text");
    }
    text
}

fn least<'a>(rows: impl Iterator<Item = &'a Measured>) -> String {
    let mut text = String::from("| Operation | It must read | It must write |\n|---|---|---|\n");
    for Measured { name, reads, writes, .. } in rows {
        writeln!(text, "| {} | {reads} | {writes} |", code(name)).expect("a text");
    }
    text
}

/// A name with the handler in it marked as code.
fn code(name: &str) -> String {
    match name.split_once(',') {
        _ if name.contains(':') => name.to_owned(),
        Some((handler, rest)) => format!("`{handler}`,{rest}"),
        None => format!("`{name}`"),
    }
}

/// What a million of them cost, in 1/10,000 dollars.
fn price(cost: &Cost) -> usize {
    cost.all_write_units() * WRITE_UNITS_PRICE + cost.half_read_units * HALF_READ_UNITS_PRICE
}

/// Halves as a decimal number.
fn units(halves: usize) -> String {
    if halves.is_multiple_of(2) { (halves / 2).to_string() } else { format!("{}.5", halves / 2) }
}

/// 1/10,000 dollars as dollars, to the cent at least.
fn dollars(price: usize) -> String {
    let text = format!("{}.{:04}", price / 10_000, price % 10_000);
    let cents = text.len() - 2;
    let (whole, rest) = text.split_at(cents);
    whole.to_owned() + rest.trim_end_matches('0')
}
