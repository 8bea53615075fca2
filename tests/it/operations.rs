//! The promise: the operations page explains every alarm and every log line of level error.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex_lite::Regex;

use crate::harness::project::ROOT;
use crate::harness::yaml;

/// The first cells of a section's table, without their backticks.
fn rows(heading: &str) -> BTreeSet<String> {
    let page = fs::read_to_string(format!("{ROOT}/docs/operations.md")).expect("the page");
    let section = page.split(&format!("\n## {heading}\n")).nth(1).expect("a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    cells.map(|(name, _)| name.to_owned()).collect()
}

fn error_lines(folder: &Path, found: &mut BTreeSet<String>) {
    // The message is the last string; the strings before it are fields.
    let logged = Regex::new(r#"tracing::error!\((?:[^;]*[ (\n])?"([^"]*)"\s*\)"#).expect("an expression");
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            error_lines(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("a file");
            let lines: Vec<String> = logged.captures_iter(&text).map(|line| line[1].to_owned()).collect();
            assert_eq!(lines.len(), text.matches("tracing::error!").count(), "{}", path.display());
            found.extend(lines);
        }
    }
}

#[test]
fn every_alarm_and_every_error_line_is_explained() {
    let alarms: BTreeSet<String> =
        ["template.yaml", "infra/aws/alarms.yaml", "infra/aws/events.yaml", "infra/aws/cognito.yaml"]
            .into_iter()
            .flat_map(|file| yaml::read(file)["Resources"].as_object().expect("resources").clone())
            .filter(|(_, resource)| {
                resource["Type"] == "AWS::CloudWatch::Alarm" || resource["Type"] == "AWS::CloudWatch::CompositeAlarm"
            })
            .map(|(name, _)| name)
            .collect();
    assert_eq!(rows("Alarms"), alarms);
    let mut errors = BTreeSet::new();
    for folder in ["functions/src", "shared", "infra/cli/src", "infra/local/src", "infra/console-server/src"] {
        error_lines(&Path::new(ROOT).join(folder), &mut errors);
    }
    assert!(errors.len() > 10, "{errors:?}");
    assert_eq!(rows("Error lines"), errors);
}
