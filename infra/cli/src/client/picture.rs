//! Draws the lifecycle: all states in a row, and a line from the current state to each possible next one.

use arcadia_domain::lifecycle::Permission;
use arcadia_domain::{Action, LADDER, State};

use super::text::{ALARM, BOLD, Cell, DIM, GOOD, Text, WAITING, cell, plain};

/// Number of columns before the row and between two states.
const INDENT: usize = 2;
const GAP: usize = 3;

/// The next scheduled step and its time, as text.
pub struct Next<'a> {
    pub action: Action,
    pub at: &'a str,
}

/// Draws the lifecycle. `allowed` are the states that the caller can move the deployment to.
pub fn lifecycle(text: &mut Text, present: State, allowed: &[State], next: Option<&Next<'_>>) {
    let centres = row(text, present);
    let centre = |state: State| centres.iter().find(|(other, _)| *other == state).map_or(0, |(_, at)| *at);
    let from = centre(present);
    let moves: Vec<State> = present.targets();
    let right = centres.last().map_or(0, |(_, at)| *at) + GAP;
    for (n, to) in moves.iter().enumerate() {
        let may = allowed.contains(to);
        let clock = next.filter(|next| target(next.action) == Some(*to));
        let style = if may { GOOD } else { DIM };
        let label = if may { cell(GOOD, "you may") } else { cell(DIM, reason(present, *to, clock.is_some())) };
        let mut cells = vec![cell(style, &arc(from, centre(*to), n + 1 == moves.len(), right)), label];
        if let Some(next) = clock {
            cells.push(cell(WAITING, &format!(", next {}", next.at)));
        }
        text.line(cells);
    }
    if moves.is_empty() {
        text.line([plain(&" ".repeat(INDENT)), cell(DIM, "Nothing leads out of it.")]);
    }
}

/// Writes all states in a row and returns the middle column of each.
fn row(text: &mut Text, present: State) -> Vec<(State, usize)> {
    let mut column = INDENT;
    let mut cells: Vec<Cell> = vec![plain(&" ".repeat(INDENT))];
    let mut centres = Vec::new();
    for state in State::ALL {
        let (left, right) = if state == present { ("[", "]") } else { (" ", " ") };
        let width = state.as_str().len() + 2;
        centres.push((state, column + width / 2));
        column += width + GAP - 2;
        let style = match (state == present, state.is_dunning()) {
            (true, true) => ALARM,
            (true, false) => BOLD,
            (false, _) => DIM,
        };
        cells.extend([plain(left), cell(style, state.as_str()), plain(right), plain(&" ".repeat(GAP - 2))]);
    }
    text.line(cells);
    centres
}

/// A line from one column to another, filled up to `width`. All but the last line continue downward at `from`.
fn arc(from: usize, to: usize, last: bool, width: usize) -> String {
    let corner = match (from < to, last) {
        (true, false) => '\u{251c}',
        (true, true) => '\u{2514}',
        (false, false) => '\u{2524}',
        (false, true) => '\u{2518}',
    };
    let (low, high) = (from.min(to), from.max(to));
    (0..width)
        .map(|column| match column {
            _ if column == from => corner,
            _ if column == to && from < to => '\u{25b6}',
            _ if column == to => '\u{25c0}',
            _ if low < column && column < high => '\u{2500}',
            _ => ' ',
        })
        .collect()
}

/// The reason why the caller may not make a move; shortened if the date of a scheduled step follows.
fn reason(from: State, to: State, is_short: bool) -> &'static str {
    match from.move_to(to).map(|step| step.permission) {
        Some(Permission::TenantOwingNothing | Permission::TenantNothingOverdue) if is_short => "not now",
        Some(Permission::TenantOwingNothing) => "if paid up, not held",
        Some(Permission::TenantNothingOverdue) => "if not overdue or held",
        Some(Permission::Platform | Permission::Tenant) | None => "platform",
    }
}

/// The state that a scheduled step leads to, if it is unambiguous.
fn target(action: Action) -> Option<State> {
    match action {
        Action::MarkPastDue | Action::Suspend | Action::CancelUnpaid => {
            LADDER.iter().find(|rung| rung.action == action).map(|rung| rung.to)
        }
        Action::Resume => Some(State::Active),
        Action::PauseUnsubscribed => Some(State::Paused),
        Action::Archive => Some(State::Archived),
        // The trial's end leads to `active` with a subscription and to `cancelled` without one.
        Action::EndTrial
        | Action::CancelSubscription
        | Action::ApplyBalance
        | Action::ChangePlan
        | Action::Renew
        | Action::GiveUp => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(present: State, allowed: &[State], next: Option<&Next<'_>>) -> String {
        let mut text = Text::default();
        lifecycle(&mut text, present, allowed, next);
        anstream::adapter::strip_str(&text.to_string()).to_string()
    }

    #[test]
    fn every_move_of_every_state_has_a_line_from_state_to_state() {
        for present in State::ALL {
            let picture = drawn(present, &present.targets(), None);
            let lines: Vec<Vec<char>> = picture.lines().map(|line| line.chars().collect()).collect();
            assert!(lines.iter().all(|line| line.len() <= 100), "{picture}");
            assert!(picture.contains(&format!("[{present}]")), "{picture}");
            let at = |column: usize| {
                let names: String = lines[0].iter().collect();
                let start = names[..column].rfind(' ').map_or(0, |space| space + 1);
                names[start..].split(' ').next().unwrap().trim_matches(['[', ']']).to_owned()
            };
            let mut found = Vec::new();
            for line in &lines[1..] {
                let Some(tip) = line.iter().position(|c| ['\u{25b6}', '\u{25c0}'].contains(c)) else { continue };
                let foot = line.iter().position(|c| "\u{251c}\u{2514}\u{2524}\u{2518}".contains(*c)).unwrap();
                assert_eq!(at(foot), present.as_str(), "{picture}");
                found.push(at(tip));
            }
            let targets: Vec<String> = present.targets().iter().map(ToString::to_string).collect();
            assert_eq!(found, targets, "{picture}");
        }
    }

    #[test]
    fn it_fits_into_100_columns_whatever_the_clock_does() {
        for action in LADDER.iter().map(|rung| rung.action).chain([Action::Resume, Action::Archive]) {
            for present in State::ALL {
                for allowed in [present.targets(), Vec::new()] {
                    let picture = drawn(present, &allowed, Some(&Next { action, at: "2027-02-01" }));
                    assert!(picture.lines().all(|line| line.chars().count() <= 100), "{picture}");
                }
            }
        }
    }

    #[test]
    fn it_says_who_may_and_what_the_clock_does() {
        let next = Next { action: Action::Suspend, at: "2027-02-01" };
        let picture = drawn(State::PastDue, &[State::Active], Some(&next));
        assert_eq!(picture.matches("you may").count(), 1);
        assert!(picture.contains("platform, next 2027-02-01"), "{picture}");
        assert!(drawn(State::Cancelled, &[], None).contains("if paid up"));
        assert!(drawn(State::Paused, &[], None).contains("if not overdue or held"));
    }
}
