//! Runs the sweep as time passes: at ticks, and when a test clock is advanced; and at ticks the operations on many
//! deployments. It calls the same functions as the deployed schedules; what they do is decided there.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arcadia_domain::{Scope, Timestamp};
use arcadia_functions::billing::sweep::{Report, sweep};
use arcadia_functions::operations::run::run_all;
use arcadia_functions::runtime::{App, Clock};
use arcadia_store::{StoreError, error_chain};
use chrono::{Datelike, TimeDelta};
use futures_util::future::try_join_all;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::{FixedClock, MAX_YEAR, MovableClock};

/// How long a sweep starts new pages.
pub const SWEEP_LIMIT: Duration = Duration::from_secs(60);
/// Default time between sweeps of a deployed stack.
const SCHEDULE: TimeDelta = TimeDelta::minutes(5);
/// Maximum number of sweeps at one moment. In each of them a deployment takes up to three steps.
const MAX_ROUNDS: usize = 1_000;
/// Number of due-index entries read by one Query when looking for the next due time.
const PAGE: usize = 25;

/// Runs sweeps, one at a time.
#[derive(Debug)]
pub struct Sweeper {
    app: App,
    busy: Mutex<()>,
}

/// A clock that can be advanced, with the sweeps that this requires.
#[derive(Debug)]
pub struct TestClock {
    clock: Arc<MovableClock>,
    sweeper: Arc<Sweeper>,
}

/// How far a test clock is advanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leap {
    /// By this duration.
    By(TimeDelta),
    /// To this time.
    To(Timestamp),
}

/// The result of advancing a clock.
#[derive(Debug)]
pub struct Leapt {
    /// The time before.
    pub from: Timestamp,
    /// The time after; before the requested time if the sweeps took too long.
    pub now: Timestamp,
    /// The combined report of all sweeps.
    pub report: Report,
}

/// Error of advancing a test clock.
#[derive(Debug, thiserror::Error)]
pub enum LeapError {
    /// The requested time is not later.
    #[error("the clock is already at {0}")]
    Backward(Timestamp),
    /// The requested time is after [`MAX_YEAR`].
    #[error("the clock cannot be set beyond the year {MAX_YEAR}")]
    TooFar,
    /// The store did not respond. The clock and the records stay where they are.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sweeper {
    /// Creates a sweeper of an app, by the app's clock.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self { app, busy: Mutex::new(()) }
    }

    /// Sweeps immediately and then every `period`, until `stop` resolves. A running sweep is finished first.
    pub async fn tick_every(&self, period: Duration, stop: impl Future<Output = ()>) {
        let mut ticks = tokio::time::interval(period);
        // After a long sweep the next one still waits for a full period.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                _ = ticks.tick() => self.tick().await,
            }
        }
    }

    /// Works on the operations that run, immediately and then every `period`. The work may be aborted at any point.
    pub async fn operate_every(&self, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = run_all(&self.app, Instant::now() + SWEEP_LIMIT).await {
                tracing::error!(error = error_chain(&error), "an operation failed; the next tick continues it");
            }
        }
    }

    async fn tick(&self) {
        // Advancing the clock runs its own sweeps.
        let Ok(_alone) = self.busy.try_lock() else { return };
        match sweep(&self.app, Instant::now() + SWEEP_LIMIT).await {
            Ok(Report { due: 0, .. }) => {}
            Ok(Report { due, steps, behind, postponed, unanswered, unfinished }) => {
                tracing::info!(due, steps, behind, postponed, unanswered, unfinished, "tick done");
            }
            Err(error) => {
                tracing::error!(error = error_chain(&error), "a sweep failed; the next tick tries again");
            }
        }
    }

    /// The app with a clock that stands at `at`.
    fn app_at(&self, at: Timestamp) -> App {
        App { clock: Arc::new(FixedClock(at)), ..self.app.clone() }
    }

    /// The first time after `after` and up to `until` at which a deployment has a due step.
    async fn next_moment(&self, after: Timestamp, until: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let shards = (0..self.app.store.due_shards()).map(|shard| self.next_in_shard(shard, after, until));
        Ok(try_join_all(shards).await?.into_iter().flatten().min())
    }

    async fn next_in_shard(
        &self,
        shard: u8,
        after: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let store = &self.app.store;
        let mut position: Option<String> = None;
        loop {
            let page = store.due(shard, until, position.as_deref(), PAGE).await?;
            for row in &page.rows {
                // Deployments that cannot be processed are in the past or unreadable; others may follow.
                let Ok(Some(aggregate)) = store.load(&Scope::All, row.id).await else { continue };
                if let Some(next) = aggregate.next_action().filter(|next| next.at > after) {
                    return Ok(Some(next.at));
                }
            }
            position = page.rows.last().map(|row| row.sort_key.clone());
            if !page.more {
                return Ok(None);
            }
        }
    }
}

impl TestClock {
    /// Combines a clock with the sweeper of the app that uses it.
    #[must_use]
    pub const fn new(clock: Arc<MovableClock>, sweeper: Arc<Sweeper>) -> Self {
        Self { clock, sweeper }
    }

    /// The app that uses the clock.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.sweeper.app
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Advances the clock and stops at every time with a due step on the way, so that all steps happen at their time
    /// and in order.
    ///
    /// # Errors
    /// [`LeapError`] if the requested time is not later or the store does not respond.
    pub async fn leap(&self, leap: Leap) -> Result<Leapt, LeapError> {
        let Self { clock, sweeper } = self;
        let _alone = sweeper.busy.lock().await;
        let from = clock.now();
        let target = leap.target(from)?;
        let stop_at = Instant::now() + SWEEP_LIMIT;
        let mut report = Report::default();
        let mut at = from;
        loop {
            let swept = sweep(&sweeper.app_at(at), stop_at).await?;
            merge(&mut report, swept);
            if report.unfinished || (at == target && swept.steps == 0) {
                break;
            }
            let next = sweeper.next_moment(at, target).await?;
            // One sweep does not always take all due steps; the next one continues.
            let again = (swept.steps > 0).then(|| at + SCHEDULE);
            at = next.into_iter().chain(again).min().unwrap_or(target).min(target);
            clock.advance_to(at);
        }
        Ok(Leapt { from, now: clock.now(), report })
    }
}

impl Leap {
    fn target(self, from: Timestamp) -> Result<Timestamp, LeapError> {
        let target = match self {
            Self::By(time) => from.checked_add_signed(time).ok_or(LeapError::TooFar)?,
            Self::To(target) => target,
        };
        if target <= from {
            Err(LeapError::Backward(from))
        } else if target.year() > MAX_YEAR {
            Err(LeapError::TooFar)
        } else {
            Ok(target)
        }
    }
}

/// Sweeps by the app's clock until no step is taken, or until `stop_at`.
///
/// # Errors
/// [`StoreError`] if the due index cannot be read.
pub async fn sweep_until_done(app: &App, stop_at: Instant) -> Result<Report, StoreError> {
    let mut total = Report::default();
    for _ in 0..MAX_ROUNDS {
        let swept = sweep(app, stop_at).await?;
        merge(&mut total, swept);
        if swept.steps == 0 || swept.unfinished {
            return Ok(total);
        }
    }
    Ok(Report { unfinished: true, ..total })
}

/// Merges the report of a later sweep into that of earlier ones. Steps taken add up; the rest is as of the last sweep.
fn merge(total: &mut Report, later: Report) {
    let Report { due, steps, behind, postponed, unanswered, unfinished } = later;
    *total = Report {
        due: total.due + due,
        steps: total.steps + steps,
        behind,
        postponed: total.postponed + postponed,
        unanswered,
        unfinished: total.unfinished || unfinished,
    };
}
