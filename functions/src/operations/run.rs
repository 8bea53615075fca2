//! `operations_run`: works on operations page by page. Duplicate delivery and interruption are safe: a page is stored
//! before it is worked on, and each of its deployments has its result in the transaction of its command.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use arcadia_domain::{DeploymentId, Operation, OperationId, OperationStatus, PageWork, Timestamp};
use arcadia_store::{StoreError, error_chain};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

pub use super::command::CONCURRENCY;
use super::command::concurrency;
use super::dispatch::operation_of;
use super::take::{Taken, Taker};
use crate::billing::sweep::MARGIN;
use crate::metric_lines::measured;
use crate::runtime::App;

/// The longest wait of a worker for the next page. For a longer one the next tick starts another worker.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The state of an operation after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// Another page follows, at this time or later.
    NextAt(Timestamp),
    /// It has ended.
    Ended,
}

/// The report of a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Number of pages.
    pub pages: usize,
    /// Number of operations that ended.
    pub ended: usize,
}

/// Handles a batch of queue messages, and returns the failed ones for redelivery. Any other event works on every
/// operation that runs.
///
/// # Errors
/// [`StoreError`] if DynamoDB does not respond and no failed message can be named instead.
pub async fn handle(app: &App, event: &Value, time_left: Duration) -> Result<Value, StoreError> {
    measured(answer(app, event, time_left)).await
}

async fn answer(app: &App, event: &Value, time_left: Duration) -> Result<Value, StoreError> {
    let stop_at = Instant::now() + time_left.saturating_sub(MARGIN);
    let Some(records) = event.get("Records").and_then(Value::as_array) else {
        return Ok(json!(run_all(app, stop_at).await?));
    };
    let mut failures = Vec::new();
    for record in records {
        let body = record.get("body").and_then(Value::as_str).unwrap_or_default();
        let worked = match operation_of(body) {
            Ok(id) => run(app, id, stop_at).await,
            Err(error) => Err(error),
        };
        if let Err(error) = worked {
            tracing::error!(error = error_chain(&error), "an operation was not worked on");
            failures.push(json!({"itemIdentifier": record.get("messageId")}));
        }
    }
    Ok(json!({"batchItemFailures": failures}))
}

/// Works on every operation that runs, one after another, until each waits or has ended, or until `stop_at`.
///
/// # Errors
/// [`StoreError`] if DynamoDB does not respond.
pub async fn run_all(app: &App, stop_at: Instant) -> Result<Report, StoreError> {
    let mut total = Report::default();
    for id in app.store.running_operations().await? {
        let Report { pages, ended } = run(app, id, stop_at).await?;
        total = Report { pages: total.pages + pages, ended: total.ended + ended };
    }
    Ok(total)
}

/// Works on an operation at its rate, until it waits or has ended, or until `stop_at`.
///
/// # Errors
/// [`StoreError`] if DynamoDB does not respond.
pub async fn run(app: &App, id: OperationId, stop_at: Instant) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let Some(mut worker) = Worker::start(app, id).await? else { return Ok(report) };
    while Instant::now() < stop_at {
        let wait = match worker.turn().await? {
            Turned::Ended => {
                report.ended = 1;
                break;
            }
            Turned::NextAt(at) => (at - app.clock.now()).to_std().unwrap_or_default(),
        };
        report.pages += 1;
        if wait > MAX_WAIT {
            break;
        }
        tokio::time::sleep(wait).await;
    }
    tracing::info!(operation_id = %id, pages = report.pages, ended = report.ended, "worked on an operation");
    Ok(report)
}

/// Works on one operation.
#[derive(Debug)]
pub struct Worker<'a> {
    app: &'a App,
    operation: Operation,
    /// The deployments that it names by id.
    ids: Vec<DeploymentId>,
}

impl<'a> Worker<'a> {
    /// Reads an operation; `None` if it has ended or does not exist.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not respond or a record is damaged.
    pub async fn start(app: &'a App, id: OperationId) -> Result<Option<Self>, StoreError> {
        let operation = app.store.load_operation(id).await?;
        let Some(operation) = operation.filter(|operation| operation.status.has_work()) else { return Ok(None) };
        let ids = if operation.filter.ids.is_some() { app.store.load_operation_ids(id).await? } else { Vec::new() };
        Ok(Some(Self { app, operation, ids }))
    }

    /// Works on the page in progress and stores the next one, unless its time has not come. An operation that was told
    /// to stop only has its page counted.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not respond.
    pub async fn turn(&mut self) -> Result<Turned, StoreError> {
        let (app, began_at) = (self.app, self.app.clock.now());
        let is_running = match self.operation.status {
            OperationStatus::Running => true,
            OperationStatus::Stopping => false,
            OperationStatus::Stopped | OperationStatus::Completed => return Ok(Turned::Ended),
        };
        if is_running && self.operation.progress.next_at > began_at {
            return Ok(Turned::NextAt(self.operation.progress.next_at));
        }
        let work = self.work_on_page(is_running).await?;
        let mut next = self.operation.clone();
        next.count(&work, began_at);
        if !is_running {
            next.end_stopped(app.clock.now());
        } else if next.progress.is_last {
            next.end_pass(app.clock.now());
        } else {
            let read_at = app.clock.now();
            next.turn_to(app.store.operation_page(&next, &self.ids).await?, read_at);
        }
        next.revision += 1;
        match app.store.save_operation(&next, app.new_commit_id(), None).await {
            Ok(()) => self.operation = next,
            // Its stop was requested, or another worker continued it.
            Err(StoreError::VersionConflict) => {
                let read = app.store.load_operation(self.operation.id).await?;
                self.operation = read.ok_or_else(|| StoreError::Damaged("an operation is gone".into()))?;
            }
            Err(error) => return Err(error),
        }
        Ok(if self.operation.status.has_work() {
            Turned::NextAt(self.operation.progress.next_at)
        } else {
            Turned::Ended
        })
    }

    /// Takes the deployments of the page that have no result yet, if `takes`, and counts the results of this page.
    async fn work_on_page(&self, takes: bool) -> Result<PageWork, StoreError> {
        let mut work = PageWork::default();
        // An index that is catching up can have a deployment twice.
        let mut page: BTreeSet<DeploymentId> = self.operation.progress.page.iter().copied().collect();
        if page.is_empty() {
            return Ok(work);
        }
        let ids: Vec<DeploymentId> = page.iter().copied().collect();
        for result in self.app.store.operation_results_of(self.operation.id, &ids).await? {
            page.remove(&result.deployment_id);
            if result.page == self.operation.progress.page_number {
                work.counts.add(result.outcome);
            }
        }
        if !takes {
            return Ok(work);
        }
        let taker = &Taker::new(self.app, &self.operation);
        work.taken = page.len() as u64;
        let at_a_time = concurrency(&self.operation.command);
        let mut outcomes = pin!(stream::iter(page).map(|id| taker.take(id)).buffer_unordered(at_a_time));
        while let Some(taken) = outcomes.next().await {
            match taken? {
                Taken::Result(result) if result.page == self.operation.progress.page_number => {
                    work.counts.add(result.outcome);
                }
                Taken::Result(_) | Taken::NotSelected => {}
                Taken::Unanswered => work.unanswered += 1,
            }
        }
        Ok(work)
    }
}
