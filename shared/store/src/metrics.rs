//! Metrics of the product's own work, in CloudWatch's embedded metric format: one line for each invocation that counted
//! something. `arcadia-functions` writes the lines. Counts are local to the task, so code that counts needs no
//! argument, and invocations never mix.
//!
//! Metrics have no dimensions, because a line has one value for each dimension. Kinds with few values, such as
//! the moves of the lifecycle map, are part of the metric's name. No line has the id of a tenant, a deployment or a
//! caller.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use arcadia_domain::lifecycle::MOVES;
use arcadia_domain::{Change, EventKind, InvoiceStatus, State};
use serde_json::{Value, json};

use crate::StoreError;

/// The most metrics in one directive, by CloudWatch's embedded metric format.
pub const MAX_METRICS: usize = 100;

/// Committed changes.
pub const COMMITS: &str = "Commits";
/// Changes that failed because another writer changed the deployment first.
pub const CONFLICTS: &str = "Conflicts";
/// Repeated attempts of transactions.
pub const RETRIES: &str = "Retries";
/// Reads that mixed versions and were repeated.
pub const TORN_READS: &str = "TornReads";
/// Published events. A commit counts 0, so that commits without any published event are seen.
pub const PUBLISHED: &str = "Published";
/// Moves from one state to another; the full name ends in `.<from>.<to>`.
pub const TRANSITIONS: &str = "Transitions";
/// Requests that a rule refused; the full name ends in `.<code>`.
pub const REJECTIONS: &str = "Rejections";
/// Issued invoices.
pub const INVOICES_OPENED: &str = "InvoicesOpened";
/// Invoices paid in full by a payment, or by balance when they were issued.
pub const INVOICES_PAID: &str = "InvoicesPaid";
/// Deployments that became past due because of an overdue invoice.
pub const INVOICES_OVERDUE: &str = "InvoicesOverdue";
/// Scheduled steps taken by sweeps.
pub const STEPS: &str = "Steps";
/// Scheduled steps that DynamoDB refuses permanently, in sweeps and requests.
pub const STEPS_REFUSED: &str = "StepsRefused";
/// Deployments that sweeps postponed.
pub const POSTPONED: &str = "Postponed";
/// Deployments for which DynamoDB did not answer a sweep.
pub const UNANSWERED: &str = "Unanswered";
/// The greatest time that a deployment had been due when a sweep reached it, in seconds.
pub const SWEEP_LAG: &str = "SweepLag";

tokio::task_local! {
    static COUNTED: RefCell<Metrics>;
}

/// The metrics of one invocation, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics(BTreeMap<Cow<'static, str>, u64>);

/// Runs `work` and returns its result with the metrics that it counted.
pub async fn collect<T>(work: impl Future<Output = T>) -> (T, Metrics) {
    let counting = async {
        let done = work.await;
        (done, COUNTED.with(RefCell::take))
    };
    COUNTED.scope(RefCell::default(), counting).await
}

/// Whether this task collects metrics.
#[must_use]
pub fn is_measured() -> bool {
    COUNTED.try_with(|_| ()).is_ok()
}

/// Adds 1 to a metric, if this task collects metrics.
pub fn count(name: &'static str) {
    add(name, 1);
}

/// Adds to a metric, if this task collects metrics. Adding 0 creates it.
pub fn add(name: impl Into<Cow<'static, str>>, more: u64) {
    record(name.into(), |so_far| so_far.saturating_add(more));
}

/// Records a value of a metric that keeps the greatest value.
pub fn greatest(name: &'static str, value: u64) {
    record(name.into(), |so_far| so_far.max(value));
}

/// Counts the outcome of a change.
pub fn committed(change: &Change, outcome: &Result<(), StoreError>) {
    match outcome {
        Ok(()) => {}
        Err(StoreError::VersionConflict) => return count(CONFLICTS),
        Err(_) => return,
    }
    count(COMMITS);
    add(PUBLISHED, 0);
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

/// Counts a request that a rule refused, by its problem code.
pub fn rejected(code: &'static str) {
    add(format!("{REJECTIONS}.{code}"), 1);
}

/// Every name that a metric can have, except for the codes of [`REJECTIONS`].
#[must_use]
pub fn names() -> Vec<String> {
    let fixed = [
        COMMITS,
        PUBLISHED,
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
    // Outside an invocation, nothing is collected.
    let _ = COUNTED.try_with(|counted| {
        let Metrics(values) = &mut *counted.borrow_mut();
        if values.len() < MAX_METRICS || values.contains_key(&name) {
            let value = values.entry(name).or_default();
            *value = change(*value);
        }
    });
}

impl Metrics {
    /// Whether there are no metrics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a metric; `None` if it was not counted.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// The line that CloudWatch reads, without a line break. `at_ms` is the time, in milliseconds since 1970.
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
