//! `billing_sweep`: takes every due step in a shard. Duplicate delivery and interruption are safe: each step is one
//! transaction, conditional on the version that it was decided on.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arcadia_domain::{DeploymentId, Scope, Timestamp};
use arcadia_store::{DuePage, DueRow, StoreError, error_chain, keys, metrics};
use chrono::TimeDelta;
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::catch_up::{CaughtUp, Outcome, Policies, Steps, catch_up, due_action};
use crate::metric_lines::measured;
use crate::runtime::App;

/// Number of deployments processed concurrently.
pub const CONCURRENCY: usize = 32;
/// Number of due-index entries read by one Query. Processing a page takes longer than reading the next one.
pub const PAGE: usize = 1_000;
/// How long a postponed deployment is left alone.
const BACKOFF: TimeDelta = TimeDelta::hours(1);
/// No new page is started within this time before the time limit.
pub const MARGIN: Duration = Duration::from_secs(10);

/// The report of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Number of due deployments.
    pub due: usize,
    /// Number of steps taken.
    pub steps: usize,
    /// Number of deployments with more due steps than one sweep takes.
    pub behind: usize,
    /// Number of deployments that were postponed because a step failed.
    pub postponed: usize,
    /// Number of deployments that DynamoDB did not respond for. They stay due.
    pub unanswered: usize,
    /// Whether the time limit ended the sweep.
    pub unfinished: bool,
}

/// The scope of an error.
enum Trouble {
    /// Transient: the deployment stays due and is retried.
    Passing,
    /// Affects the whole stack, for instance a missing permission. No deployment is postponed for it.
    OfTheStack,
    /// Affects only this deployment. It is postponed, so that it does not block the sweep.
    OfTheDeployment,
}

/// The outcome for one deployment.
enum Worked {
    Stepped {
        steps: usize,
        behind: bool,
    },
    Postponed,
    Unanswered,
    /// Already seen in this sweep.
    Met,
}

/// Handles an invocation. For a batch of queue messages, returns the failed ones for redelivery. Any other event sweeps
/// all shards.
///
/// # Errors
/// [`StoreError`] if DynamoDB does not respond and no failed message can be named instead.
pub async fn handle(app: &App, event: &Value, time_left: Duration) -> Result<Value, StoreError> {
    measured(answer(app, event, time_left)).await
}

async fn answer(app: &App, event: &Value, time_left: Duration) -> Result<Value, StoreError> {
    let stop_at = Instant::now() + time_left.saturating_sub(MARGIN);
    let Some(records) = event.get("Records").and_then(Value::as_array) else {
        let report = sweep(app, stop_at).await?;
        return Ok(json!(report));
    };
    let mut failures = Vec::new();
    for record in records {
        let shard = record.get("body").and_then(Value::as_str).and_then(shard_of);
        let swept = match shard {
            Some(shard) => sweep_shards(app, &[shard], stop_at).await,
            None => Err(StoreError::BadMessage("it has no shard number".into())),
        };
        if let Err(error) = swept {
            tracing::error!(error = error_chain(&error), "a shard was not swept");
            failures.push(json!({"itemIdentifier": record.get("messageId")}));
        }
    }
    Ok(json!({"batchItemFailures": failures}))
}

/// Sweeps every shard.
///
/// # Errors
/// [`StoreError`] if the due index cannot be read.
pub async fn sweep(app: &App, stop_at: Instant) -> Result<Report, StoreError> {
    let shards: Vec<u8> = (0..app.store.due_shards()).collect();
    measured(sweep_shards(app, &shards, stop_at)).await
}

/// Takes every due step in some shards, until `stop_at`. Deployments that DynamoDB did not respond for are retried as
/// long as passes make progress: when capacity is short, each pass uses the capacity there is.
///
/// # Errors
/// [`StoreError`] if the due index cannot be read.
pub async fn sweep_shards(app: &App, shards: &[u8], stop_at: Instant) -> Result<Report, StoreError> {
    let sweep = Sweep {
        app,
        now: app.clock.now(),
        stop_at,
        policies: Policies::default(),
        met: Mutex::default(),
        unfinished: AtomicBool::new(false),
    };
    let (mut report, mut failure) = sweep.pass(shards).await;
    let mut got_done = report.steps + report.postponed;
    while report.unanswered > 0 && got_done > 0 && failure.is_none() && !report.unfinished {
        let (again, failed) = sweep.pass(shards).await;
        got_done = again.steps + again.postponed;
        report.steps += again.steps;
        report.behind += again.behind;
        report.postponed += again.postponed;
        // A pass that the time limit cut short did not retry all of them.
        if !again.unfinished {
            report.unanswered = again.unanswered;
        }
        report.unfinished = again.unfinished;
        failure = failed;
    }
    let Report { due, steps, behind, postponed, unanswered, unfinished } = report;
    for (name, count) in [(metrics::STEPS, steps), (metrics::POSTPONED, postponed), (metrics::UNANSWERED, unanswered)] {
        metrics::add(name, count as u64);
    }
    tracing::info!(?shards, due, steps, behind, postponed, unanswered, unfinished, "swept");
    failure.map_or(Ok(report), Err)
}

/// The shared state of one sweep.
struct Sweep<'a> {
    app: &'a App,
    /// The time that steps are decided at.
    now: Timestamp,
    stop_at: Instant,
    /// The dunning policies read so far.
    policies: Policies,
    /// Deployments in progress, and those still due after a step: their entries have moved, perhaps to a page that is
    /// read later.
    met: Mutex<HashSet<DeploymentId>>,
    unfinished: AtomicBool,
}

impl Sweep<'_> {
    /// Processes all due deployments of some shards once, as one stream, so that the end of a page or shard does not
    /// stall the workers.
    async fn pass(&self, shards: &[u8]) -> (Report, Option<StoreError>) {
        let mut report = Report::default();
        let mut failure = None;
        let work = self.rows(shards).map(|row| async { Ok::<_, StoreError>(self.work_on(row?).await) });
        let mut outcomes = pin!(work.buffer_unordered(CONCURRENCY));
        while let Some(outcome) = outcomes.next().await {
            report.due += 1;
            match outcome {
                Ok(Worked::Stepped { steps, behind }) => {
                    report.steps += steps;
                    report.behind += usize::from(behind);
                }
                Ok(Worked::Postponed) => report.postponed += 1,
                Ok(Worked::Unanswered) => report.unanswered += 1,
                Ok(Worked::Met) => report.due -= 1,
                // Reading has ended; work in progress still completes.
                Err(error) => failure = Some(error),
            }
        }
        report.unfinished = self.unfinished.load(Ordering::Relaxed);
        (report, failure)
    }

    /// Reads the due deployments of some shards page by page, until the time limit.
    fn rows(&self, shards: &[u8]) -> impl Stream<Item = Result<DueRow, StoreError>> {
        let mut shards = shards.iter().copied();
        let first = shards.next().map(|shard| (shard, None));
        stream::try_unfold((first, shards), async |(place, mut shards)| {
            let Some((shard, after)) = place else { return Ok::<_, StoreError>(None) };
            if Instant::now() >= self.stop_at {
                self.unfinished.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            let DuePage { rows, more } = self.app.store.due(shard, self.now, after.as_deref(), PAGE).await?;
            let lag = rows.first().and_then(|row| keys::due_at(&row.sort_key)).map(|due_at| self.now - due_at);
            let lag_s = lag.map_or(0, |lag| u64::try_from(lag.num_seconds()).unwrap_or_default());
            metrics::greatest(metrics::SWEEP_LAG, lag_s);
            let last = rows.last().filter(|_| more).map(|row| (shard, Some(row.sort_key.clone())));
            let next = last.or_else(|| shards.next().map(|shard| (shard, None)));
            Ok(Some((stream::iter(rows).map(Ok), (next, shards))))
        })
        .try_flatten()
    }

    /// Processes one deployment in isolation: a failure or panic does not affect the others.
    async fn work_on(&self, row: DueRow) -> Worked {
        if !locked(&self.met).insert(row.id) {
            return Worked::Met;
        }
        let worked = AssertUnwindSafe(self.catch_up(&row)).catch_unwind().await;
        let error = match worked {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(error)) => match Trouble::of(&error) {
                Trouble::Passing => {
                    let error = error_chain(&error);
                    tracing::warn!(deployment_id = %row.id, error, "a deployment got no answer");
                    return self.unanswered(row.id);
                }
                Trouble::OfTheStack => {
                    let error = error_chain(&error);
                    tracing::error!(deployment_id = %row.id, error, "the sweep is not permitted its work");
                    return self.unanswered(row.id);
                }
                Trouble::OfTheDeployment => error_chain(&error),
            },
            Err(_) => "its records contradict each other".to_owned(),
        };
        tracing::error!(deployment_id = %row.id, error, "a deployment cannot be worked on and is left alone for an hour");
        match self.app.store.postpone(&row, self.now, self.now + BACKOFF).await {
            Ok(()) => Worked::Postponed,
            Err(error) => {
                let error = error_chain(&error);
                tracing::error!(deployment_id = %row.id, error, "a deployment cannot even be postponed");
                self.unanswered(row.id)
            }
        }
    }

    /// Records that the store did not respond. The deployment stays due, and the next pass retries it.
    fn unanswered(&self, id: DeploymentId) -> Worked {
        locked(&self.met).remove(&id);
        Worked::Unanswered
    }

    async fn catch_up(&self, row: &DueRow) -> Result<Worked, StoreError> {
        let Some(aggregate) = self.app.store.load(&Scope::All, row.id).await? else {
            return Err(StoreError::Damaged(format!("{} is in the due index but does not exist", row.id).into()));
        };
        let caught_up = catch_up(self.app, &self.policies, aggregate, self.now, Steps::Committed).await;
        let CaughtUp { aggregate, steps, outcome } = caught_up;
        if steps < 2 && due_action(&aggregate, self.now).is_none() {
            // Its entry has not moved, so this sweep does not meet it again.
            locked(&self.met).remove(&row.id);
        }
        let behind = match outcome {
            Outcome::UpToDate => false,
            Outcome::Behind => true,
            Outcome::Failed(error) => return Err(error),
        };
        if behind {
            tracing::warn!(deployment_id = %row.id, steps, "a deployment is still behind");
        }
        Ok(Worked::Stepped { steps, behind })
    }
}

impl Trouble {
    const fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::VersionConflict => Self::Passing,
            StoreError::Denied(_) => Self::OfTheStack,
            StoreError::Refused(_)
            | StoreError::Damaged(_)
            | StoreError::Unbuildable(_)
            | StoreError::BadMessage(_)
            | StoreError::SlugTaken
            | StoreError::TrialTaken
            | StoreError::ReferenceTaken
            | StoreError::CatalogConflict
            | StoreError::TenantConflict
            | StoreError::QuotaExceeded
            | StoreError::TenantHeld
            | StoreError::CouponExhausted
            | StoreError::Answered(_)
            | StoreError::KeyInUse
            | StoreError::ResultTaken
            | StoreError::TooManyOperations => Self::OfTheDeployment,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shard_of(body: &str) -> Option<u8> {
    let body: Value = serde_json::from_str(body).ok()?;
    u8::try_from(body.get("shard")?.as_u64()?).ok()
}
