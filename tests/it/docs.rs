//! The promise: what the documentation says of the code is what the code has: the diagrams of the lifecycle's map and of
//! the dunning ladder, and the OpenAPI document.
//!
//! `UPDATE_DOCS=1 cargo test -p arcadia-tests --test it docs` writes them anew.

use std::fmt::Write as _;
use std::fs;

use arcadia_shared::domain::lifecycle::{INITIAL_STATES, MOVES, Permission};
use arcadia_shared::domain::{DunningPolicy, LADDER, State};

use crate::harness::environment;
use crate::harness::project::ROOT;
use crate::openapi_examples;

/// How documents are brought up to date.
const UPDATE: &str = "run UPDATE_DOCS=1 cargo test -p arcadia-tests --test it docs";

/// The map as a Mermaid diagram.
fn map() -> String {
    let mut lines = String::from("```mermaid\nstateDiagram-v2\n");
    for state in INITIAL_STATES {
        writeln!(lines, "    [*] --> {state}").unwrap();
    }
    for step in MOVES {
        let who = match step.permission {
            Permission::Tenant => "",
            Permission::TenantOwingNothing => " : tenants only while nothing is owed",
            Permission::Platform => " : platform only",
        };
        writeln!(lines, "    {} --> {}{who}", step.from, step.to).unwrap();
    }
    for last in State::ALL.into_iter().filter(|state| state.targets().is_empty()) {
        writeln!(lines, "    {last} --> [*]").unwrap();
    }
    lines + "```\n"
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

/// Holds a diagram or a table against the one in a file, or puts it there.
pub fn check(file: &str, name: &str, diagram: &str) {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let path = format!("{ROOT}/docs/{file}");
    let text = fs::read_to_string(&path).expect(file);
    let (before, rest) = text.split_once(&begin).expect(&begin);
    let (found, after) = rest.split_once(&end).expect(&end);
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
