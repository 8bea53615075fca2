//! The results, as the tables of docs/performance.md.

use std::fmt::Write as _;

use crate::stats::Ratios;

/// The goal of a measurement.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// At most this value.
    AtMost(f64),
    /// At least this value.
    AtLeast(f64),
}

/// One line of a table: a measurement, its goal and its result.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The name of the measurement.
    pub what: String,
    /// The goal.
    pub goal: Goal,
    /// The result.
    pub found: f64,
    /// The smallest and the greatest result, if there were several rounds.
    pub spread: Option<(f64, f64)>,
    /// The unit; ratios have none.
    pub unit: &'static str,
    /// The numbers behind the result.
    pub detail: String,
}

/// One part of the benchmark.
#[derive(Debug, Clone)]
pub struct Section {
    /// The part's name on the command line and in the document's markers.
    pub name: &'static str,
    /// Measurements that have a goal.
    pub findings: Vec<Finding>,
    /// Further tables, as Markdown.
    pub tables: Vec<String>,
}

impl Finding {
    /// A ratio, from the results of several rounds.
    pub fn ratio(what: impl Into<String>, goal: Goal, ratios: &Ratios, detail: impl Into<String>) -> Self {
        let (found, least, most) = ratios.spread();
        let (what, detail) = (what.into(), detail.into());
        Self { what, goal, found, spread: Some((least, most)), unit: "", detail }
    }

    /// A quantity that was measured once.
    pub fn once(
        what: impl Into<String>,
        goal: Goal,
        found: f64,
        unit: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), goal, found, spread: None, unit, detail: detail.into() }
    }

    /// Returns whether the goal is met.
    pub fn is_met(&self) -> bool {
        match self.goal {
            Goal::AtMost(most) => self.found <= most,
            Goal::AtLeast(least) => self.found >= least,
        }
    }
}

impl Section {
    /// The part as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        if !self.findings.is_empty() {
            text.push_str("| what | goal | found | of rounds | met | behind it |\n|---|---|---|---|---|---|\n");
        }
        for finding in &self.findings {
            let Finding { what, goal, found, spread, unit, detail } = finding;
            let goal = match goal {
                Goal::AtMost(most) => format!("<= {most}{unit}"),
                Goal::AtLeast(least) => format!(">= {least}{unit}"),
            };
            let spread = spread.map_or_else(String::new, |(least, most)| format!("{least:.2} to {most:.2}"));
            let met = if finding.is_met() { "yes" } else { "**no**" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {what} | {goal} | {found:.2}{unit} | {spread} | {met} | {detail} |");
        }
        for table in &self.tables {
            let _ = write!(text, "\n{table}");
        }
        text
    }
}

/// Puts `text` between a section's markers in `document`; `None` if it has no such markers.
pub fn put_into(document: &str, section: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {section}:begin -->\n"), format!("<!-- {section}:end -->"));
    let start = document.find(&begin)? + begin.len();
    let stop = start + document[start..].find(&end)?;
    Some(format!("{}{text}{}", &document[..start], &document[stop..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_is_reported() {
        let mut ratios = Ratios::default();
        for ratio in [1.3, 1.0, 1.2] {
            ratios.push_ratio(ratio);
        }
        let missed = Finding::ratio("p50", Goal::AtMost(1.1), &ratios, "2 ms / 1.7 ms");
        let met = Finding::once("memory", Goal::AtMost(16.0), 9.0, " MB", "");
        assert!(!missed.is_met() && met.is_met());
        let text =
            Section { name: "calls", findings: vec![missed, met], tables: vec!["| a |\n".to_owned()] }.markdown();
        assert!(text.contains("| p50 | <= 1.1 | 1.20 | 1.00 to 1.30 | **no** | 2 ms / 1.7 ms |\n"), "{text}");
        assert!(text.ends_with("| memory | <= 16 MB | 9.00 MB |  | yes |  |\n\n| a |\n"), "{text}");
    }

    #[test]
    fn a_section_replaces_what_stood_between_its_markers() {
        let document = "a\n<!-- calls:begin -->\nold\n<!-- calls:end -->\nb\n";
        let expected = "a\n<!-- calls:begin -->\nnew\n<!-- calls:end -->\nb\n";
        assert_eq!(put_into(document, "calls", "new\n").as_deref(), Some(expected));
        assert_eq!(put_into(document, "sweeps", "new\n"), None);
    }
}
