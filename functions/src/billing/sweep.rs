//! `billing_sweep`: takes every step that is due in a shard. Whatever is delivered twice or interrupted does no harm: a
//! step is one transaction on condition of the version that it was decided on.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arcadia_shared::auth::Scope;
use arcadia_shared::domain::{Action, Deployment, DunningPolicy, TenantId, Timestamp, step};
use arcadia_shared::metrics;
use arcadia_shared::runtime::App;
use arcadia_shared::store::{DueRow, StoreError, keys};
use chrono::TimeDelta;
use futures_util::{FutureExt, StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

/// How many deployments are worked on at a time.
const CONCURRENCY: usize = 32;
/// How many entries of the due index one Query reads.
pub const PAGE: usize = 200;
/// How many steps one deployment may take in one sweep. One that is further behind goes on with the next.
const MAX_STEPS: usize = 3;
/// How often a deployment that somebody else changes meanwhile is read again.
const MAX_CONFLICTS: usize = 3;
/// For how long a deployment that cannot be worked on is left alone.
const BACKOFF: TimeDelta = TimeDelta::hours(1);
/// How long before the time limit no further page is begun.
const MARGIN: Duration = Duration::from_secs(10);

/// What a sweep came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Deployments that were due.
    pub due: usize,
    /// Steps that were taken.
    pub steps: usize,
    /// Deployments that are still behind after as many steps as one sweep takes.
    pub behind: usize,
    /// Deployments that could not be worked on and were left alone for a while.
    pub postponed: usize,
    /// Deployments that DynamoDB did not answer for; they are due still.
    pub unanswered: usize,
    /// Whether the time limit came first.
    pub unfinished: bool,
}

/// What became of one deployment.
enum Outcome {
    Stepped { steps: usize, behind: bool },
    Postponed,
    Unanswered,
}

/// The dunning policies that a sweep has read.
type Policies = Mutex<HashMap<TenantId, DunningPolicy>>;

/// Answers an invocation: a batch of the queue's messages, of which those that failed are named for another delivery,
/// or any other event, upon which every shard is swept.
///
/// # Errors
/// [`StoreError`] if DynamoDB does not answer, unless a message can be named instead.
pub async fn handle(app: &App, event: &Value, time_left: Duration) -> Result<Value, StoreError> {
    metrics::measured(answer(app, event, time_left)).await
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
            Some(shard) => sweep_shard(app, shard, stop_at).await,
            None => Err(StoreError::Damaged("a message that names no shard".to_owned())),
        };
        if let Err(error) = swept {
            tracing::error!(error = %error, "a shard was not swept");
            failures.push(json!({"itemIdentifier": record.get("messageId")}));
        }
    }
    Ok(json!({"batchItemFailures": failures}))
}

/// Sweeps every shard, one after the other.
///
/// # Errors
/// [`StoreError`] if the due index cannot be read.
pub async fn sweep(app: &App, stop_at: Instant) -> Result<Report, StoreError> {
    metrics::measured(sweep_all(app, stop_at)).await
}

async fn sweep_all(app: &App, stop_at: Instant) -> Result<Report, StoreError> {
    let mut total = Report::default();
    for shard in 0..app.store.due_shards() {
        let report = sweep_shard(app, shard, stop_at).await?;
        total.due += report.due;
        total.steps += report.steps;
        total.behind += report.behind;
        total.postponed += report.postponed;
        total.unanswered += report.unanswered;
        total.unfinished |= report.unfinished;
    }
    Ok(total)
}

/// Takes every step that is due in a shard, until `stop_at`.
///
/// # Errors
/// [`StoreError`] if the due index cannot be read.
pub async fn sweep_shard(app: &App, shard: u8, stop_at: Instant) -> Result<Report, StoreError> {
    let now = app.clock.now();
    let policies = Policies::default();
    let mut report = Report::default();
    let mut after: Option<String> = None;
    loop {
        if Instant::now() >= stop_at {
            report.unfinished = true;
            break;
        }
        let page = app.store.due(shard, now, after.as_deref(), PAGE).await?;
        after = page.rows.last().map(|row| row.sort_key.clone());
        report.due += page.rows.len();
        let lag = page.rows.first().and_then(|row| keys::due_at(&row.sort_key)).map(|due_at| now - due_at);
        metrics::greatest(
            metrics::SWEEP_LAG,
            lag.map_or(0, |lag| u64::try_from(lag.num_seconds()).unwrap_or_default()),
        );
        let mut outcomes =
            stream::iter(page.rows).map(|row| work_on(app, row, now, &policies)).buffer_unordered(CONCURRENCY);
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Outcome::Stepped { steps, behind } => {
                    report.steps += steps;
                    report.behind += usize::from(behind);
                }
                Outcome::Postponed => report.postponed += 1,
                Outcome::Unanswered => report.unanswered += 1,
            }
        }
        if !page.more {
            break;
        }
    }
    let Report { due, steps, behind, postponed, unanswered, unfinished } = report;
    for (name, count) in [(metrics::STEPS, steps), (metrics::POSTPONED, postponed), (metrics::UNANSWERED, unanswered)] {
        metrics::add(name, count as u64);
    }
    tracing::info!(shard, due, steps, behind, postponed, unanswered, unfinished, "swept");
    Ok(report)
}

/// Works on one deployment so that nothing it does, not even a panic, touches another.
async fn work_on(app: &App, row: DueRow, now: Timestamp, policies: &Policies) -> Outcome {
    let worked = AssertUnwindSafe(catch_up(app, &row, now, policies)).catch_unwind().await;
    let error = match worked {
        Ok(Ok(outcome)) => return outcome,
        // Not this deployment's fault: it stays due.
        Ok(Err(error @ (StoreError::Unavailable(_) | StoreError::Refused(_) | StoreError::VersionConflict))) => {
            tracing::error!(deployment_id = %row.id, error = %error, "a deployment got no answer");
            return Outcome::Unanswered;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its records contradict each other".to_owned(),
    };
    tracing::error!(deployment_id = %row.id, error, "a deployment cannot be worked on and is left alone for an hour");
    match app.store.postpone(&row, now + BACKOFF).await {
        Ok(()) => Outcome::Postponed,
        Err(error) => {
            tracing::error!(deployment_id = %row.id, error = %error, "a deployment cannot even be postponed");
            Outcome::Unanswered
        }
    }
}

async fn catch_up(app: &App, row: &DueRow, now: Timestamp, policies: &Policies) -> Result<Outcome, StoreError> {
    let mut steps = 0;
    let mut conflicts = 0;
    let mut climbed = false;
    let Some(mut aggregate) = app.store.load(&Scope::All, row.id).await? else {
        return Err(StoreError::Damaged(format!("{} is due, but is not there", row.id)));
    };
    while steps < MAX_STEPS {
        let Some(next) = aggregate.next_action().filter(|next| next.at <= now) else { break };
        // Whoever was held back is not marched up the whole ladder at once.
        if next.action.is_dunning() && climbed {
            return Ok(Outcome::Stepped { steps, behind: false });
        }
        let policy = policy(app, &aggregate.deployment, next.action, policies).await?;
        let Some(change) = step(&aggregate, policy, now) else { break };
        match app.store.commit(&change, app.new_commit_id(), None).await {
            Ok(()) => {
                steps += 1;
                climbed |= next.action.is_dunning();
                aggregate = change.after;
            }
            Err(StoreError::VersionConflict) if conflicts < MAX_CONFLICTS => {
                conflicts += 1;
                let Some(current) = app.store.load(&Scope::All, row.id).await? else { break };
                aggregate = current;
            }
            Err(error) => return Err(error),
        }
    }
    let behind = aggregate.next_action().is_some_and(|next| next.at <= now);
    if behind {
        tracing::warn!(deployment_id = %row.id, steps, "a deployment is still behind");
    }
    Ok(Outcome::Stepped { steps, behind })
}

/// The policy that a step goes by: the deployment's copy, or the tenant's own, which is read once a sweep.
async fn policy(
    app: &App,
    deployment: &Deployment,
    action: Action,
    policies: &Policies,
) -> Result<DunningPolicy, StoreError> {
    if !action.copies_policy() {
        return Ok(deployment.dunning_policy);
    }
    let tenant_id = &deployment.tenant_id;
    let known = policies.lock().unwrap_or_else(PoisonError::into_inner).get(tenant_id).copied();
    if let Some(policy) = known {
        return Ok(policy);
    }
    let policy = app.store.load_dunning_policy(tenant_id).await?;
    policies.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant_id.clone(), policy);
    Ok(policy)
}

fn shard_of(body: &str) -> Option<u8> {
    let body: Value = serde_json::from_str(body).ok()?;
    u8::try_from(body.get("shard")?.as_u64()?).ok()
}
