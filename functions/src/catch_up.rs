//! The clock first: takes the steps that are due of a deployment. The sweep does so with all that are due, a command with its
//! own deployment before it is decided, so that a command never rests on a period that is over.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arcadia_domain::{Action, Aggregate, Change, DunningPolicy, Scope, TenantId, Timestamp, step};
use arcadia_store::{Store, StoreError, metrics};
use tokio::sync::OnceCell;

use crate::runtime::App;

/// How many steps of one deployment one sweep or one request takes. One that is further behind goes on with the next.
pub const MAX_STEPS: usize = 3;
/// How many of them a dry run takes: it writes nothing, so it cannot go on where the one before stopped.
pub const MAX_STEPS_IN_MEMORY: usize = 1_000;
/// How often a deployment that somebody else changes meanwhile is read again.
pub const MAX_CONFLICTS: usize = 3;

/// What becomes of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// Each is a transaction of its own.
    Committed,
    /// They are decided one upon the other; nothing is written.
    InMemory,
}

impl Steps {
    const fn most(self) -> usize {
        match self {
            Self::Committed => MAX_STEPS,
            Self::InMemory => MAX_STEPS_IN_MEMORY,
        }
    }
}

/// A deployment after the steps that could be taken.
#[derive(Debug)]
pub struct CaughtUp {
    /// As it is now.
    pub aggregate: Aggregate,
    /// How many steps were taken.
    pub steps: usize,
    /// Whether that were all.
    pub outcome: Outcome,
}

/// What taking the steps came to.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing is due that a sweep would do now.
    UpToDate,
    /// More is due than one sweep does.
    Behind,
    /// The next step could not be taken.
    Failed(StoreError),
}

/// The dunning policies of tenants, each read once, for as long as a sweep or a request lasts.
#[derive(Debug, Default)]
pub struct Policies(Mutex<HashMap<TenantId, Arc<OnceCell<DunningPolicy>>>>);

impl Policies {
    /// A tenant's policy: one GetItem the first time.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn of(&self, store: &Store, tenant_id: &TenantId) -> Result<DunningPolicy, StoreError> {
        let policy = {
            let mut policies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(policies.entry(tenant_id.clone()).or_default())
        };
        policy.get_or_try_init(|| store.load_dunning_policy(tenant_id)).await.copied()
    }
}

/// Takes the steps of a deployment that are due at `now`, at most [`MAX_STEPS`], or [`MAX_STEPS_IN_MEMORY`]. When somebody else changes the deployment meanwhile, it is read again, at most [`MAX_CONFLICTS`] times; then the outcome
/// is [`StoreError::VersionConflict`].
pub async fn catch_up(app: &App, policies: &Policies, aggregate: Aggregate, now: Timestamp, steps: Steps) -> CaughtUp {
    let mut caught_up = CaughtUp { aggregate, steps: 0, outcome: Outcome::UpToDate };
    caught_up.outcome = match caught_up.take_steps(app, policies, now, steps).await {
        Ok(outcome) => outcome,
        Err(error) => {
            if matches!(error, StoreError::Refused(_)) {
                metrics::count(metrics::STEPS_REFUSED);
            }
            Outcome::Failed(error)
        }
    };
    caught_up
}

/// What is due of a deployment at `now`, or at its last change if another machine's clock was ahead: decisions are made
/// as of the later of the two.
pub fn due_action(aggregate: &Aggregate, now: Timestamp) -> Option<Action> {
    let at = now.max(aggregate.deployment.updated_at);
    aggregate.next_action().filter(|next| next.at <= at).map(|next| next.action)
}

impl CaughtUp {
    async fn take_steps(
        &mut self,
        app: &App,
        policies: &Policies,
        now: Timestamp,
        steps: Steps,
    ) -> Result<Outcome, StoreError> {
        let mut conflicts = 0;
        while let Some(action) = due_action(&self.aggregate, now) {
            if self.steps == steps.most() {
                return Ok(Outcome::Behind);
            }
            let change = decide_step(&app.store, policies, &self.aggregate, action, now).await?;
            let done = match steps {
                Steps::Committed => app.store.commit(&change, app.new_commit_id(), None).await,
                Steps::InMemory => Ok(()),
            };
            match done {
                Ok(()) => {
                    self.steps += 1;
                    self.aggregate = change.after;
                }
                Err(StoreError::VersionConflict) if conflicts < MAX_CONFLICTS => {
                    conflicts += 1;
                    let id = self.aggregate.deployment.id;
                    let current = app.store.load(&Scope::All, id).await?;
                    self.aggregate = current.ok_or_else(|| StoreError::Damaged(format!("{id} is gone")))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Outcome::UpToDate)
    }
}

/// Decides on the step that is due. What issues an invoice goes by the tenant's policy as it is now.
async fn decide_step(
    store: &Store,
    policies: &Policies,
    aggregate: &Aggregate,
    action: Action,
    now: Timestamp,
) -> Result<Change, StoreError> {
    let deployment = &aggregate.deployment;
    let decide = |policy| {
        // Records that contradict each other make the domain panic.
        let decided = catch_unwind(AssertUnwindSafe(|| step(aggregate, policy, now.max(deployment.updated_at))));
        let undecided = |why: &dyn std::fmt::Display| {
            StoreError::Damaged(format!("{action:?} of {} is due and cannot be decided: {why}", deployment.id))
        };
        match decided {
            Ok(Ok(Some(change))) => Ok(change),
            Ok(Ok(None)) => Err(undecided(&"nothing follows")),
            Ok(Err(rejection)) => Err(undecided(&rejection)),
            Err(_) => Err(undecided(&"its records contradict each other")),
        }
    };
    let change = decide(None)?;
    if !change.issues_invoice() {
        return Ok(change);
    }
    decide(Some(policies.of(store, &deployment.tenant_id).await?))
}
