//! Takes the due steps of a deployment. The sweep does this for all due deployments; a command does it for its own
//! deployment before it is decided, so that no command is decided on a period that has ended.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arcadia_domain::{Action, Aggregate, Change, DunningPolicy, Scope, TenantId, Timestamp, step};
use arcadia_store::{Store, StoreError, metrics};
use tokio::sync::OnceCell;

use crate::runtime::App;

/// Maximum number of steps of one deployment in one sweep or request. The next sweep or request takes the rest.
pub const MAX_STEPS: usize = 3;
/// The maximum for a dry run. It is higher because a dry run writes nothing and so cannot continue from an earlier one.
pub const MAX_STEPS_IN_MEMORY: usize = 1_000;
/// How many times a deployment is read again after a concurrent change.
pub const MAX_CONFLICTS: usize = 3;

/// How steps are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// Each step is committed in its own transaction.
    Committed,
    /// Steps are decided one after another in memory; nothing is written.
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

/// A deployment after its due steps.
#[derive(Debug)]
pub struct CaughtUp {
    /// The deployment after the steps.
    pub aggregate: Aggregate,
    /// Number of steps taken.
    pub steps: usize,
    /// Whether all due steps were taken.
    pub outcome: Outcome,
}

/// The outcome of catching up.
#[derive(Debug)]
pub enum Outcome {
    /// No step is due.
    UpToDate,
    /// More steps are due than one sweep takes.
    Behind,
    /// The next step could not be taken.
    Failed(StoreError),
}

/// Cache of tenants' dunning policies, for one sweep or request.
#[derive(Debug, Default)]
pub struct Policies(Mutex<HashMap<TenantId, Arc<OnceCell<DunningPolicy>>>>);

impl Policies {
    /// Returns a tenant's policy. The first call for a tenant costs one GetItem.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not respond or the item is damaged.
    pub async fn of(&self, store: &Store, tenant_id: &TenantId) -> Result<DunningPolicy, StoreError> {
        let policy = {
            let mut policies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(policies.entry(tenant_id.clone()).or_default())
        };
        policy.get_or_try_init(|| store.load_dunning_policy(tenant_id)).await.copied()
    }
}

/// Takes the steps of a deployment that are due at `now`: at most [`MAX_STEPS`], or [`MAX_STEPS_IN_MEMORY`] in memory.
/// After a concurrent change the deployment is read again, at most [`MAX_CONFLICTS`] times; then the outcome is
/// [`StoreError::VersionConflict`].
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

/// The step that is due at `now`, or at the deployment's last change if that is later because another machine's clock
/// was ahead. Decisions are made as of the later of the two.
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
                    self.aggregate =
                        current.ok_or_else(|| StoreError::Damaged(format!("{id} no longer exists").into()))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Outcome::UpToDate)
    }
}

/// Decides the due step. An invoice is issued under the tenant's current policy.
async fn decide_step(
    store: &Store,
    policies: &Policies,
    aggregate: &Aggregate,
    action: Action,
    now: Timestamp,
) -> Result<Change, StoreError> {
    let deployment = &aggregate.deployment;
    let decide = |policy| {
        // The domain panics on inconsistent records.
        let decided = catch_unwind(AssertUnwindSafe(|| step(aggregate, policy, now.max(deployment.updated_at))));
        let undecided = |why: &dyn std::fmt::Display| {
            StoreError::Damaged(format!("{action:?} of {} is due but cannot be decided: {why}", deployment.id).into())
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
