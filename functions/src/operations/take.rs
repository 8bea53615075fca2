//! One deployment of an operation: taken exactly as a single command takes it, with its result in the same transaction.

use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;

use arcadia_api::OperationPreviewView;
use arcadia_domain::{
    Actor, Aggregate, Authority, Change, DeploymentId, Operation, OperationOutcome, OperationProblem, OperationResult,
    Rejection, Scope, Slug, TenantId, Timestamp,
};
use arcadia_store::{Companion, StoreError, error_chain};
use futures_util::FutureExt as _;

use super::command::order;
use crate::Error;
use crate::catch_up::{MAX_CONFLICTS, Policies};
use crate::execute::{Current, Mode, Order, executed};
use crate::http::problem::Problem;
use crate::runtime::App;

/// Gives the command of an operation to deployments.
#[derive(Debug)]
pub struct Taker<'a> {
    app: &'a App,
    operation: &'a Operation,
    actor: Actor,
    policies: Policies,
}

/// The outcome for a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It has this result.
    Result(OperationResult),
    /// It does not match any more, and has no result.
    NotSelected,
    /// DynamoDB did not answer, the deployment kept changing, or the refusal can pass. The next pass tries again.
    Unanswered,
}

/// A command decided for a deployment.
struct Decided {
    current: Current,
    change: Option<Change>,
}

/// The tenant and the slug of a deployment, if it was found.
type Name = Option<(TenantId, Slug)>;

impl<'a> Taker<'a> {
    /// Takes deployments as the operator who started the operation.
    pub fn new(app: &'a App, operation: &'a Operation) -> Self {
        let actor = Actor { id: operation.started_by.clone(), authority: Authority::PlatformAdmin };
        Self { app, operation, actor, policies: Policies::default() }
    }

    /// Gives the command to a deployment and stores the result. After a concurrent change the deployment is read again,
    /// at most `MAX_CONFLICTS` times.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if DynamoDB does not serve this stack.
    pub async fn take(&self, id: DeploymentId) -> Result<Taken, StoreError> {
        for _ in 0..=MAX_CONFLICTS {
            match self.attempt(id).await {
                Ok(taken) => return Ok(taken),
                Err(StoreError::VersionConflict) => {}
                Err(denied @ StoreError::Denied(_)) => return Err(denied),
                Err(error) => {
                    let (error, operation_id) = (error_chain(&error), self.operation.id);
                    tracing::warn!(deployment_id = %id, %operation_id, error, "a deployment got no answer");
                    return Ok(Taken::Unanswered);
                }
            }
        }
        Ok(Taken::Unanswered)
    }

    async fn attempt(&self, id: DeploymentId) -> Result<Taken, StoreError> {
        let Self { app, operation, .. } = self;
        let (name, decided) = self.decide(id, Mode::CarryOut).await;
        let now = app.clock.now();
        let (result, stored) = match decided {
            Ok(None) => return Ok(Taken::NotSelected),
            Ok(Some(Decided { current, change: None })) => {
                let result = self.result(&current.aggregate, OperationOutcome::Unchanged, now);
                let stored = app.store.put_operation_result(operation.id, &result).await;
                (result, stored)
            }
            Ok(Some(Decided { change: Some(change), .. })) => {
                let result = self.result(&change.after, OperationOutcome::Done, now);
                let companion = Some(Companion::Result(operation.id, &result));
                let stored = app.store.commit(&change, app.new_commit_id(), companion).await;
                (result, stored)
            }
            Err(error) if self.can_pass(&error, now) => return Ok(Taken::Unanswered),
            Err(error) => {
                let Some(problem) = refusal(error)? else { return Ok(Taken::Unanswered) };
                (self.refused(id, name.clone(), problem, now), Ok(()))
            }
        };
        match stored {
            Ok(()) if result.outcome == OperationOutcome::Refused => self.put_refused(result).await,
            Ok(()) => Ok(Taken::Result(result)),
            Err(StoreError::ResultTaken) => self.stored(id).await,
            Err(error) => match refusal(Error::Store(error))? {
                Some(problem) => self.put_refused(self.refused(id, name, problem, now)).await,
                None => Ok(Taken::Unanswered),
            },
        }
    }

    /// Whether a refusal of an announced price is stored only by a later pass: a request that was decided before the
    /// publication can still withdraw the cancellation or the change that stands in its way, and would not announce it.
    fn can_pass(&self, error: &Error, now: Timestamp) -> bool {
        let stands_in_its_way =
            matches!(error, Error::Rejected(Rejection::CancellationScheduled | Rejection::OwnChangeScheduled { .. }));
        stands_in_its_way && now < self.operation.settled_at()
    }

    /// The result of a dry run for a deployment; `None` if it does not match.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer.
    pub async fn preview(&self, id: DeploymentId) -> Result<Option<OperationPreviewView>, StoreError> {
        let (name, decided) = self.decide(id, Mode::DryRun).await;
        Ok(match decided {
            Ok(None) => None,
            Ok(Some(Decided { current, change: None })) => {
                let deployment = &current.aggregate.deployment;
                Some(OperationPreviewView::unchanged(deployment))
            }
            Ok(Some(Decided { current, change: Some(change) })) => {
                let done = executed(&change, change.after.deployment.version);
                Some(OperationPreviewView::done(&current.aggregate.deployment, done.events, done.lines()))
            }
            Err(error) => match refusal(error)? {
                Some(problem) => Some(OperationPreviewView::refused(id, name, problem)),
                None => return Err(StoreError::Unavailable("a deployment of the dry run got no answer".into())),
            },
        })
    }

    /// Decides the command for a deployment; `None` if it does not match.
    async fn decide(&self, id: DeploymentId, mode: Mode) -> (Name, Result<Option<Decided>, Error>) {
        let Self { app, operation, actor, policies } = self;
        let name = OnceLock::new();
        let accept = |aggregate: &Aggregate, _| {
            let deployment = &aggregate.deployment;
            name.get_or_init(|| (deployment.tenant_id.clone(), deployment.slug.clone()));
            if operation.selects(aggregate) { Ok(()) } else { Err(Error::NotFound("deployment")) }
        };
        let work = async {
            let order_of = Order { actor, scope: &Scope::All, mode };
            let current = match Current::read(app, order_of, policies, id, accept).await {
                // A deployment that was named by id and does not exist has a result.
                Err(Error::NotFound(_)) if name.get().is_some() || operation.filter.ids.is_none() => return Ok(None),
                current => current?,
            };
            let (current, command) = order(app, operation, current).await?;
            let change = current.decide(app, actor, policies, command).await?;
            let change = change.map(|change| change.because(operation.reason.as_ref(), operation.notes.as_ref()));
            Ok(Some(Decided { current, change }))
        };
        // The domain panics on inconsistent records.
        let decided = AssertUnwindSafe(work).catch_unwind().await;
        let contradiction = |_| Err(Error::Internal(format!("the records of {id} contradict each other")));
        let decided = decided.unwrap_or_else(contradiction);
        (name.into_inner(), decided)
    }

    fn result(&self, after: &Aggregate, outcome: OperationOutcome, at: Timestamp) -> OperationResult {
        let deployment = &after.deployment;
        OperationResult {
            deployment_id: deployment.id,
            tenant_id: Some(deployment.tenant_id.clone()),
            slug: Some(deployment.slug.clone()),
            outcome,
            version: Some(deployment.version),
            problem: None,
            at,
            page: self.operation.progress.page_number,
        }
    }

    fn refused(&self, id: DeploymentId, name: Name, problem: OperationProblem, at: Timestamp) -> OperationResult {
        let (tenant_id, slug) = name.unzip();
        OperationResult {
            deployment_id: id,
            tenant_id,
            slug,
            outcome: OperationOutcome::Refused,
            version: None,
            problem: Some(problem),
            at,
            page: self.operation.progress.page_number,
        }
    }

    async fn put_refused(&self, result: OperationResult) -> Result<Taken, StoreError> {
        match self.app.store.put_operation_result(self.operation.id, &result).await {
            Ok(()) => Ok(Taken::Result(result)),
            Err(StoreError::ResultTaken) => self.stored(result.deployment_id).await,
            Err(error) => Err(error),
        }
    }

    /// The result that another worker, or an earlier attempt, has stored.
    async fn stored(&self, id: DeploymentId) -> Result<Taken, StoreError> {
        let found = self.app.store.operation_results_of(self.operation.id, &[id]).await?;
        Ok(found.into_iter().next().map_or(Taken::Unanswered, Taken::Result))
    }
}

/// The problem of a permanent refusal; `None` if a later attempt can succeed.
///
/// # Errors
/// [`StoreError::VersionConflict`] if the deployment must be read again at once, [`StoreError::Denied`] if DynamoDB does
/// not serve this stack.
fn refusal(error: Error) -> Result<Option<OperationProblem>, StoreError> {
    match error {
        Error::Store(error @ (StoreError::VersionConflict | StoreError::Denied(_))) => Err(error),
        // A coupon or the trial of a plan was taken since it was read. It is read again with the deployment.
        Error::Store(StoreError::CatalogConflict | StoreError::TrialTaken) => Err(StoreError::VersionConflict),
        Error::CatchingUp | Error::Store(StoreError::Unavailable(_) | StoreError::KeyInUse) => Ok(None),
        error => {
            let problem = Problem::from(&error);
            if problem.status.is_server_error() {
                tracing::error!(error = error_chain(&error), "a deployment of an operation cannot be worked on");
            }
            let Problem { status, code, detail, .. } = problem;
            Ok(Some(OperationProblem { status: status.as_u16(), code: code.to_owned(), detail }))
        }
    }
}
