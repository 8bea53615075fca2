//! The promise: the product works whatever the date, and no test depends on the date of its run.

use std::fs;
use std::path::{Path, PathBuf};

use arcadia_domain::Timestamp;
use chrono::{Months, TimeDelta};
use serde_json::json;

use crate::harness::billing::Billing;
use crate::harness::project::ROOT;
use crate::harness::world::STARTS;

/// Every source file below a folder of the project.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The lines of a file that belong to tests: all lines of a test file, otherwise those from the first `#[cfg(test)]`
/// before a module with a body.
fn tested<'a>(path: &Path, text: &'a str) -> Vec<&'a str> {
    let lines: Vec<&str> = text.lines().collect();
    if path.starts_with(format!("{ROOT}/tests")) || path.to_string_lossy().ends_with("tests.rs") {
        return lines;
    }
    let begins = lines.windows(2).position(|two| two[0] == "#[cfg(test)]" && two[1].ends_with('{'));
    begins.map_or_else(Vec::new, |index| lines[index..].to_vec())
}

#[test]
fn no_test_reads_the_machines_date() {
    let clocks = ["RealClock", "Utc::now", "Local::now", "SystemTime"];
    let mut seen = 0;
    for path in ["tests/harness", "tests/it", "shared", "functions/src", "infra"] {
        for path in sources(&Path::new(ROOT).join(path)) {
            if path.ends_with("it/any_day.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a readable source file");
            for line in tested(&path, &text) {
                seen += 1;
                let found = clocks.iter().find(|clock| line.contains(**clock));
                assert!(found.is_none(), "{}: a test depends on today: {line}", path.display());
            }
        }
    }
    assert!(seen > 10_000, "{seen} lines of tests were found");
}

#[tokio::test]
async fn a_year_of_renewals_begins_on_any_day() {
    for start in STARTS {
        let billing = Billing::at(start).await;
        let monthly = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
        let anchored = billing.create_subscribed("other", json!({"plan_code": "studio", "anchor": "now"})).await;
        let begun: Timestamp = start.parse().expect("a time");
        let calendar: Timestamp = format!("{}01T00:00:00Z", &start[..8]).parse().expect("a time");
        for months in 1..=13 {
            billing.settle(&monthly).await;
            billing.settle(&anchored).await;
            let boundary = (calendar + Months::new(months)).max(begun + Months::new(months));
            billing.set_time(&(boundary + TimeDelta::milliseconds(1)).to_rfc3339());
            billing.sweep().await;
        }
        for (id, first) in [(&monthly, calendar), (&anchored, begun)] {
            let books = billing.books(id).await;
            assert_eq!(books.count("renewed"), 13, "{start}");
            let boundaries: Vec<_> = (1..=14).map(|n| first + Months::new(n)).collect();
            let ends: Vec<_> = books.invoices.values().map(|invoice| invoice.billed_to).collect();
            assert!(ends.iter().all(|end| boundaries.contains(end)), "{start}: {ends:?}");
            assert_eq!(ends.last(), boundaries.last(), "{start}");
        }
    }
}
