//! Time that passes: the tick, and the leaps of a test clock. What happens to a deployment then is decided elsewhere:
//! this calls the same sweep as the deployed schedule does.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arcadia_domain::{Scope, Timestamp};
use arcadia_functions::billing::sweep::{Report, sweep};
use arcadia_functions::runtime::{App, Clock};
use arcadia_store::{StoreError, error_chain};
use chrono::{Datelike, TimeDelta};
use futures_util::future::try_join_all;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::{FixedClock, MAX_YEAR, MovableClock};

/// How long a sweep goes on beginning pages.
pub const SWEEP_LIMIT: Duration = Duration::from_secs(60);
/// How long it is from one sweep to the next where the product is deployed, unless its operator sets another schedule.
const SCHEDULE: TimeDelta = TimeDelta::minutes(5);
/// How often what is due at one moment is swept. Each time a deployment takes up to three steps.
const MAX_ROUNDS: usize = 1_000;
/// How many entries of the due index one Query reads, in search of the next moment.
const PAGE: usize = 25;

/// Sweeps, one sweep at a time.
#[derive(Debug)]
pub struct Sweeper {
    app: App,
    busy: Mutex<()>,
}

/// A clock that can be moved on, with what then has to happen.
#[derive(Debug)]
pub struct TestClock {
    clock: Arc<MovableClock>,
    sweeper: Arc<Sweeper>,
}

/// How far a test clock is to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leap {
    /// By so much.
    By(TimeDelta),
    /// To this moment.
    To(Timestamp),
}

/// What became of a leap.
#[derive(Debug)]
pub struct Leapt {
    /// The time before.
    pub from: Timestamp,
    /// The time after; before the leap's end if the sweeps took too long.
    pub now: Timestamp,
    /// What all sweeps on the way came to.
    pub report: Report,
}

/// Why a test clock was not moved.
#[derive(Debug, thiserror::Error)]
pub enum LeapError {
    /// It would have been moved backward.
    #[error("the clock is at {0} already")]
    Backward(Timestamp),
    /// It would have been moved beyond [`MAX_YEAR`].
    #[error("the clock ends with the year {MAX_YEAR}")]
    TooFar,
    /// The store did not answer. The clock stays where it had got to, and so do the records.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sweeper {
    /// Sweeps the records of an app by its clock.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self { app, busy: Mutex::new(()) }
    }

    /// Sweeps at once and then every `period`, until `stop` resolves. A sweep under way is ended first.
    pub async fn tick_every(&self, period: Duration, stop: impl Future<Output = ()>) {
        let mut ticks = tokio::time::interval(period);
        // After a sweep that took longer, the next one waits as long as ever.
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

    async fn tick(&self) {
        // Whoever moves the clock sweeps by themselves.
        let Ok(_alone) = self.busy.try_lock() else { return };
        match sweep(&self.app, Instant::now() + SWEEP_LIMIT).await {
            Ok(Report { due: 0, .. }) => {}
            Ok(Report { due, steps, behind, postponed, unanswered, unfinished }) => {
                tracing::info!(due, steps, behind, postponed, unanswered, unfinished, "time went on");
            }
            Err(error) => {
                tracing::error!(error = error_chain(&error), "a sweep failed; the next tick tries again");
            }
        }
    }

    /// The app at a moment that does not pass.
    fn app_at(&self, at: Timestamp) -> App {
        App { clock: Arc::new(FixedClock(at)), ..self.app.clone() }
    }

    /// The first moment after `after` and up to `until` at which a deployment takes a step.
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
                // What cannot be worked on lies in the past, or cannot be read; others may come after it.
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
    /// Joins a clock with the sweeper whose app goes by it.
    #[must_use]
    pub const fn new(clock: Arc<MovableClock>, sweeper: Arc<Sweeper>) -> Self {
        Self { clock, sweeper }
    }

    /// The app that goes by it.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.sweeper.app
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock on, and stops at every moment on the way at which something is due, so that all happens when it
    /// would have happened, in the same order.
    ///
    /// # Errors
    /// [`LeapError`] if that is not forward or the store does not answer.
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
            // One sweep does not always take all that is due; the next one goes on with it.
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

/// Sweeps by the app's clock until nothing steps any more, or until `stop_at`.
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

/// Joins the report of a later sweep to that of earlier ones. What was taken adds up; what is left over is of the last.
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
