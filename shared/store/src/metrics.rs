//! What the product counts of its own work, as one line for each invocation that has something to tell, in CloudWatch's
//! embedded metric format. `arcadia-functions` writes the lines. Counts are collected by the task that works, so that whoever counts needs to be handed
//! nothing, and a caller's invocation is never mixed with another's.
//!
//! No metric has dimensions, since a line has one value for each: what there are few of, such as the moves of the map,
//! stands in the metric's name. No id of anybody's is ever part of a line.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use arcadia_domain::lifecycle::MOVES;
use arcadia_domain::{Change, EventKind, InvoiceStatus, State};
use serde_json::{Value, json};

use crate::StoreError;

/// How many metrics CloudWatch takes of one directive.
pub const MAX_METRICS: usize = 100;

/// Changes that were committed.
pub const COMMITS: &str = "Commits";
/// Changes that somebody else's came before.
pub const CONFLICTS: &str = "Conflicts";
/// Transactions that were sent again.
pub const RETRIES: &str = "Retries";
/// Reads that mixed two moments and were repeated.
pub const TORN_READS: &str = "TornReads";
/// Moves from one state to another; `.<from>.<to>` follows.
pub const TRANSITIONS: &str = "Transitions";
/// Requests that a rule forbade; `.<code>` follows.
pub const REJECTIONS: &str = "Rejections";
/// Invoices that were opened.
pub const INVOICES_OPENED: &str = "InvoicesOpened";
/// Invoices that were paid in full.
pub const INVOICES_PAID: &str = "InvoicesPaid";
/// Deployments that became past due, for an invoice that was overdue.
pub const INVOICES_OVERDUE: &str = "InvoicesOverdue";
/// Steps that sweeps took.
pub const STEPS: &str = "Steps";
/// Steps that DynamoDB refuses for good, met by sweeps and by requests.
pub const STEPS_REFUSED: &str = "StepsRefused";
/// Deployments that sweeps could not work on and left alone for a while.
pub const POSTPONED: &str = "Postponed";
/// Deployments that sweeps got no answer for.
pub const UNANSWERED: &str = "Unanswered";
/// For how long the longest due deployment had been due when a sweep came to it, in seconds.
pub const SWEEP_LAG: &str = "SweepLag";

tokio::task_local! {
    static COUNTED: RefCell<Metrics>;
}

/// What one invocation counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics(BTreeMap<Cow<'static, str>, u64>);

/// Does some work and tells what it counted.
pub async fn collect<T>(work: impl Future<Output = T>) -> (T, Metrics) {
    let counting = async {
        let done = work.await;
        (done, COUNTED.with(RefCell::take))
    };
    COUNTED.scope(RefCell::default(), counting).await
}

/// Whether something is being measured.
#[must_use]
pub fn is_measured() -> bool {
    COUNTED.try_with(|_| ()).is_ok()
}

/// Counts one more of something, if anybody wants to know.
pub fn count(name: &'static str) {
    add(name, 1);
}

/// Counts so many more of something; none at all is told too.
pub fn add(name: impl Into<Cow<'static, str>>, more: u64) {
    record(name.into(), |so_far| so_far.saturating_add(more));
}

/// Takes note of a value of which the greatest counts.
pub fn greatest(name: &'static str, value: u64) {
    record(name.into(), |so_far| so_far.max(value));
}

/// Counts what became of a change.
pub fn committed(change: &Change, outcome: &Result<(), StoreError>) {
    match outcome {
        Ok(()) => {}
        Err(StoreError::VersionConflict) => return count(CONFLICTS),
        Err(_) => return,
    }
    count(COMMITS);
    for event in &change.events {
        if let (Some(from), Some(to)) = (event.from_state, event.to_state) {
            add(transition(from, to), 1);
            if to == State::PastDue {
                count(INVOICES_OVERDUE);
            }
        }
        if let EventKind::InvoiceOpened { invoice, .. } = &event.kind {
            count(INVOICES_OPENED);
            if invoice.status == InvoiceStatus::Paid {
                count(INVOICES_PAID);
            }
        } else if let EventKind::PaymentReceived { due_cents: 0, .. } = &event.kind {
            count(INVOICES_PAID);
        }
    }
}

/// Counts a request that a rule forbade, by the code that its caller was told.
pub fn rejected(code: &'static str) {
    add(format!("{REJECTIONS}.{code}"), 1);
}

/// Every name that a metric can have, but for the codes of [`REJECTIONS`].
#[must_use]
pub fn names() -> Vec<String> {
    let fixed = [
        COMMITS,
        CONFLICTS,
        RETRIES,
        TORN_READS,
        INVOICES_OPENED,
        INVOICES_PAID,
        INVOICES_OVERDUE,
        STEPS,
        STEPS_REFUSED,
        POSTPONED,
        UNANSWERED,
        SWEEP_LAG,
    ];
    let transitions = MOVES.iter().map(|step| transition(step.from, step.to));
    fixed.into_iter().map(str::to_owned).chain(transitions).collect()
}

fn transition(from: State, to: State) -> String {
    format!("{TRANSITIONS}.{from}.{to}")
}

fn record(name: Cow<'static, str>, change: impl FnOnce(u64) -> u64) {
    // Nobody measures what is done outside an invocation.
    let _ = COUNTED.try_with(|counted| {
        let Metrics(values) = &mut *counted.borrow_mut();
        if values.len() < MAX_METRICS || values.contains_key(&name) {
            let value = values.entry(name).or_default();
            *value = change(*value);
        }
    });
}

impl Metrics {
    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A metric's value; none if it was not counted.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// The line that CloudWatch reads, without its end. `at_ms` is when, in milliseconds since 1970.
    #[must_use]
    pub fn line(&self, namespace: &str, at_ms: i64) -> String {
        let unit = |name: &str| if name == SWEEP_LAG { "Seconds" } else { "Count" };
        let metrics: Vec<Value> = self.0.keys().map(|name| json!({"Name": name, "Unit": unit(name)})).collect();
        let directive = json!({"Namespace": namespace, "Dimensions": [[]], "Metrics": metrics});
        let mut line = json!({"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]}});
        for (name, value) in &self.0 {
            line[name.as_ref()] = (*value).into();
        }
        line.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(work: impl Future<Output = ()>) -> Metrics {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(collect(work)).1
    }

    #[test]
    fn a_line_is_as_the_specification_has_it() {
        let metrics = collected(async {
            count(RETRIES);
            count(RETRIES);
            rejected("invalid_transition");
            greatest(SWEEP_LAG, 90);
            greatest(SWEEP_LAG, 30);
            add(STEPS, 0);
        });
        assert_eq!(
            metrics.line("arcadia-cloud-prod", 1_800_000_000_123),
            concat!(
                r#"{"_aws":{"Timestamp":1800000000123,"CloudWatchMetrics":[{"Namespace":"arcadia-cloud-prod","#,
                r#""Dimensions":[[]],"Metrics":[{"Name":"Rejections.invalid_transition","Unit":"Count"},"#,
                r#"{"Name":"Retries","Unit":"Count"},{"Name":"Steps","Unit":"Count"},"#,
                r#"{"Name":"SweepLag","Unit":"Seconds"}]}]},"#,
                r#""Rejections.invalid_transition":1,"Retries":2,"Steps":0,"SweepLag":90}"#,
            )
        );
    }

    #[test]
    fn a_line_never_has_more_metrics_than_cloudwatch_takes() {
        assert!(names().len() + 1 < MAX_METRICS, "one invocation is refused once");
        let metrics = collected(async {
            for n in 0..2 * MAX_METRICS {
                add(n.to_string(), 1);
            }
        });
        assert_eq!(metrics.0.len(), MAX_METRICS);
        let names = names();
        assert!(names.iter().all(|name| name.is_ascii() && name.len() <= 255));
    }
}
