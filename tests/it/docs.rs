//! The promise: the documentation agrees with the code: the diagrams of the lifecycle and of the dunning ladder, the
//! OpenAPI
//! document, and the sums of the cost calculator.
//!
//! `UPDATE_DOCS=1 cargo test -p arcadia-tests --test it docs` writes them anew.

use std::fmt::Write as _;
use std::fs;

use arcadia_domain::lifecycle::{INITIAL_STATES, MOVES, Permission};
use arcadia_domain::{Authority, DunningPolicy, Grant, LADDER, POWERS, State};

use crate::harness::environment;
use crate::harness::project::ROOT;
use crate::openapi_examples;

/// The command that updates the documents.
const UPDATE: &str = "run UPDATE_DOCS=1 cargo test -p arcadia-tests --test it docs";

/// The lifecycle map as a Mermaid diagram.
fn map() -> String {
    let mut lines = String::from("```mermaid\nstateDiagram-v2\n");
    for state in INITIAL_STATES {
        writeln!(lines, "    [*] --> {state}").unwrap();
    }
    for step in MOVES {
        let who = match step.permission {
            Permission::Tenant => "",
            Permission::TenantOwingNothing => " : tenants only while nothing is owed and no hold is on it",
            Permission::TenantNothingOverdue => " : tenants only while nothing is overdue and no hold is on it",
            Permission::Platform => " : platform only",
        };
        writeln!(lines, "    {} --> {}{who}", step.from, step.to).unwrap();
    }
    for last in State::ALL.into_iter().filter(|state| state.targets().is_empty()) {
        writeln!(lines, "    {last} --> [*]").unwrap();
    }
    lines + "```\n"
}

/// The table of powers, with a column for each role of a token.
fn powers() -> String {
    const ROLES: [Authority; 4] =
        [Authority::TenantUser, Authority::PaymentProvider, Authority::DataPlane, Authority::PlatformAdmin];
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let names = ROLES.map(|role| format!("`{}`", role.as_str()));
    let mut lines = row(&[&["may".to_owned()][..], &names].concat()) + "|---|---|---|---|---|\n";
    for power in POWERS {
        let cells = ROLES.map(|role| match power.grant(role) {
            Grant::Always => "yes".to_owned(),
            Grant::Limited(limit) => limit.to_owned(),
            Grant::Never => "no".to_owned(),
        });
        lines += &row(&[&[power.description.to_owned()][..], &cells].concat());
    }
    lines
}

/// The ladder of the default policy as a Mermaid diagram.
fn ladder() -> String {
    let policy = DunningPolicy::default();
    let mut lines = String::from("```mermaid\nstateDiagram-v2\n    direction LR\n");
    for rung in LADDER {
        let days = (rung.days_after_due)(&policy);
        writeln!(lines, "    {} --> {} : {days} days after the due date", rung.from, rung.to).unwrap();
    }
    let days = policy.archived_after_days;
    writeln!(lines, "    {} --> {} : {days} days later", State::Cancelled, State::Archived).unwrap();
    for state in LADDER.iter().map(|rung| rung.from).filter(|state| state.is_dunning()) {
        writeln!(lines, "    {state} --> {} : paid", State::Active).unwrap();
    }
    lines + "```\n"
}

/// The cost calculator, calculated anew: in each row the quantity times the price times the number of deployments of
/// each column, and the sums.
fn costs(table: &str) -> String {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut lines = table.lines();
    let (head, rule) = (lines.next().expect("a head"), lines.next().expect("a rule"));
    let deployments: Vec<i128> = cells(head)[3..].iter().map(|cell| millionths(cell) / MILLION).collect();
    let mut sums = vec![0; deployments.len()];
    let mut text = format!("{head}\n{rule}\n");
    for cells in lines.map(cells) {
        let amounts: Vec<i128> = if cells[1].is_empty() {
            sums.clone()
        } else {
            let each = millionths(&cells[1]) * millionths(&cells[2]);
            deployments.iter().map(|deployments| each * deployments).collect()
        };
        sums.iter_mut().zip(&amounts).for_each(|(sum, amount)| *sum += amount);
        writeln!(
            text,
            "| {} | {} |",
            cells[..3].join(" | "),
            amounts.iter().map(dollars).collect::<Vec<_>>().join(" | ")
        )
        .unwrap();
    }
    text
}

const MILLION: i128 = 1_000_000;

/// Parses a decimal number as millionths.
fn millionths(text: &str) -> i128 {
    let text = text.replace(',', "");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    assert!(fraction.len() <= 6, "{text} has too many places");
    format!("{whole}{fraction:0<6}").parse().expect("a number")
}

/// Formats an amount in units of 10^-18 dollars, to the cent.
fn dollars(amount: &i128) -> String {
    let cents = (amount + MILLION.pow(3) / 200) / (MILLION.pow(3) / 100);
    let whole = (cents / 100).to_string();
    let groups: Vec<&str> = whole.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
    format!("{}.{:02}", groups.join(","), cents % 100)
}

/// Compares a diagram or table with the one in a file, or writes it.
pub fn check(file: &str, name: &str, diagram: &str) {
    check_with(file, name, |_| diagram.to_owned());
}

/// The same for a text that is derived in part from the present one.
fn check_with(file: &str, name: &str, diagram: impl FnOnce(&str) -> String) {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let path = format!("{ROOT}/docs/{file}");
    let text = fs::read_to_string(&path).expect(file);
    let (before, rest) = text.split_once(&begin).expect(&begin);
    let (found, after) = rest.split_once(&end).expect(&end);
    let diagram = diagram(found);
    if environment("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{diagram}{end}{after}")).expect(file);
    } else {
        assert_eq!(found, diagram, "{file} is out of date: {UPDATE}");
    }
}

#[test]
fn the_lifecycles_diagram_is_the_map() {
    check("ARCHITECTURE.md", "lifecycle", &map());
}

#[test]
fn the_ladders_diagram_is_the_ladder() {
    check("billing.md", "ladder", &ladder());
}

#[test]
fn the_documented_powers_are_those_of_the_table() {
    check("billing.md", "powers", &powers());
}

#[test]
fn the_costs_are_calculated_right() {
    check_with("deploying.md", "costs", costs);
}

#[tokio::test]
async fn the_openapi_document_is_the_one_of_the_routes_and_types() {
    let document = serde_json::to_string_pretty(&openapi_examples::document().await).expect("JSON") + "\n";
    let path = format!("{ROOT}/docs/openapi.json");
    if environment("UPDATE_DOCS").is_some() {
        fs::write(&path, document).expect("docs/openapi.json");
        return;
    }
    let kept = fs::read_to_string(&path).expect("docs/openapi.json");
    let line = kept.lines().zip(document.lines()).position(|(kept, new)| kept != new);
    assert!(
        kept == document,
        "docs/openapi.json is out of date from line {:?} on: {UPDATE}",
        line.map(|line| line + 1)
    );
}

#[test]
fn the_pages_and_the_tables_agree_on_the_cost_of_a_renewal_and_a_payment() {
    let read = |name: &str| fs::read_to_string(format!("{ROOT}/{name}")).expect(name);
    let (costs, words) = (read("docs/costs.md"), |page: &str| page.split_whitespace().collect::<Vec<_>>().join(" "));
    let units = |operation: &str| {
        let row = costs.lines().find(|line| line.starts_with(&format!("| {operation} |"))).expect("a row");
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[3].to_owned(), cells[4].to_owned())
    };
    let ((reads, renewal), (_, payment)) = (units("sweep: renew"), units("`record_payment`"));
    let guide = words(&read("docs/deploying.md"));
    assert!(guide.contains(&format!("one renewal ({renewal} write units, {reads} read units)")), "{renewal} {reads}");
    assert!(guide.contains(&format!("one payment ({payment} write units,")), "{payment}");
    let page = words(&read("docs/performance.md"));
    let a_second = 40_000 / renewal.parse::<u64>().expect("a number");
    let claim = format!("A renewal writes {renewal} units.");
    assert!(
        page.contains(&claim) && page.replace(',', "").contains(&format!("{a_second} renewals a second")),
        "{claim}"
    );
    assert!(read("tests/bench/src/plan.rs").contains(&format!("const STEP_UNITS: f64 = {renewal}.0;")), "{renewal}");
}

#[test]
fn the_changelog_begins_with_the_version_that_the_code_becomes() {
    let text = fs::read_to_string(format!("{ROOT}/CHANGELOG.md")).unwrap();
    let heading = text.lines().find_map(|line| line.strip_prefix("## ")).expect("a section");
    let (version, when) = heading.split_once(", ").expect("a version, and when it was released");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(when == "not yet released" || when.parse::<chrono::NaiveDate>().is_ok(), "{when}");
}
