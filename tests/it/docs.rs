//! The promise: the lifecycle's diagram in the documentation is the map in the code.
//!
//! `UPDATE_DOCS=1 cargo test -p arcadia-tests docs` writes it anew.

use std::fmt::Write as _;
use std::fs;

use arcadia_shared::domain::State;
use arcadia_shared::domain::lifecycle::{INITIAL_STATES, MOVES, Permission};

use crate::harness::environment;
use crate::harness::project::ROOT;

const BEGIN: &str = "<!-- lifecycle:begin -->\n";
const END: &str = "<!-- lifecycle:end -->";

/// The map as a Mermaid diagram.
fn diagram() -> String {
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

#[test]
fn the_diagram_is_the_map() {
    let path = format!("{ROOT}/docs/ARCHITECTURE.md");
    let text = fs::read_to_string(&path).expect("docs/ARCHITECTURE.md");
    let (before, rest) = text.split_once(BEGIN).expect("docs/ARCHITECTURE.md has a line <!-- lifecycle:begin -->");
    let (found, after) = rest.split_once(END).expect("docs/ARCHITECTURE.md has a line <!-- lifecycle:end -->");
    if environment("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", diagram())).expect("docs/ARCHITECTURE.md");
    } else {
        assert_eq!(found, diagram(), "the map has changed: run UPDATE_DOCS=1 cargo test -p arcadia-tests docs");
    }
}
