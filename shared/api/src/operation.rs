//! Views of operations on many deployments: the operation with its progress, the result for a deployment, and the
//! result that a deployment would get.

use std::borrow::Cow;

use arcadia_domain::{
    Deployment, DeploymentId, Event, Line, Matching, Notes, Operation, OperationCommand, OperationCounts,
    OperationFilter, OperationId, OperationOutcome, OperationProblem, OperationResult, OperationStatus, Progress,
    Reason, Slug, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};

/// An operation: a command on many deployments.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Operation"))]
pub struct OperationView<'a> {
    /// Id of the operation.
    pub id: OperationId,
    /// Whether it runs.
    pub status: OperationStatus,
    /// The deployments that it is for: those that meet every condition.
    pub filter: Cow<'a, OperationFilter>,
    /// The command.
    pub command: Cow<'a, OperationCommand>,
    /// Reason, stored in the events.
    pub reason: Option<Cow<'a, Reason>>,
    /// Notes, stored in the events.
    pub notes: Option<Cow<'a, Notes>>,
    /// Deployments per second.
    pub rate_per_second: u32,
    /// The operator who started it; the actor of its events.
    pub started_by: Cow<'a, str>,
    /// Time of the start.
    pub started_at: Timestamp,
    /// The operator who stopped it; null if it was not stopped.
    pub stopped_by: Option<Cow<'a, str>>,
    /// Time of the end; null while it runs.
    pub ended_at: Option<Timestamp>,
    /// Number of deployments that matched at the start.
    pub matching: Matching,
    /// Number of deployments with a result, by outcome.
    pub counts: OperationCounts,
    /// Estimated number of deployments without a result; 0 once it has ended.
    pub remaining: u64,
    /// How far it is.
    pub progress: ProgressView<'a>,
}

/// How far an operation is.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "OperationProgress"))]
pub struct ProgressView<'a> {
    /// Number of the current pass over the matching deployments, from 1.
    pub pass: u32,
    /// Time when the pass began.
    pub pass_began_at: Timestamp,
    /// Position in the list of deployments after the page in progress; null at the beginning.
    pub position: Option<Cow<'a, str>>,
    /// Number of deployments of the pass for which DynamoDB did not answer. The next pass tries them again.
    pub unanswered: u64,
    /// Earliest time of the next page.
    pub next_at: Timestamp,
}

/// The result of an operation for a deployment. It never changes.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "OperationResult"))]
pub struct OperationResultView<'a> {
    /// Id of the deployment.
    pub deployment_id: DeploymentId,
    /// Its tenant; null if there is no such deployment.
    pub tenant_id: Option<Cow<'a, TenantId>>,
    /// Its slug; null if there is no such deployment.
    pub slug: Option<Cow<'a, Slug>>,
    /// The outcome.
    pub outcome: OperationOutcome,
    /// Version of the deployment after the command; null if it was refused.
    pub version: Option<u64>,
    /// Why it was refused; null otherwise.
    pub problem: Option<Cow<'a, OperationProblem>>,
    /// Time of the result.
    pub at: Timestamp,
}

/// The result that a deployment would get.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "OperationPreview"))]
pub struct OperationPreviewView {
    /// Id of the deployment.
    pub deployment_id: DeploymentId,
    /// Its tenant; null if there is no such deployment.
    pub tenant_id: Option<TenantId>,
    /// Its slug; null if there is no such deployment.
    pub slug: Option<Slug>,
    /// The outcome.
    pub outcome: OperationOutcome,
    /// Why it would be refused; null otherwise.
    pub problem: Option<OperationProblem>,
    /// Charges and credits that the command would make.
    pub lines: Vec<Line>,
    /// Events that the command would make.
    pub events: Vec<Event>,
}

impl<'a> OperationView<'a> {
    /// The view of an operation.
    #[must_use]
    pub fn new(operation: &'a Operation) -> Self {
        let Operation {
            id,
            filter,
            command,
            reason,
            notes,
            rate_per_second,
            status,
            started_by,
            started_at,
            stopped_by,
            ended_at,
            matching,
            counts,
            progress,
            revision: _,
        } = operation;
        let Progress {
            pass,
            pass_began_at,
            page: _,
            page_number: _,
            position,
            is_last: _,
            found: _,
            unanswered,
            next_at,
        } = progress;
        Self {
            id: *id,
            status: *status,
            filter: Cow::Borrowed(filter),
            command: Cow::Borrowed(command),
            reason: reason.as_ref().map(Cow::Borrowed),
            notes: notes.as_ref().map(Cow::Borrowed),
            rate_per_second: *rate_per_second,
            started_by: Cow::Borrowed(started_by),
            started_at: *started_at,
            stopped_by: stopped_by.as_deref().map(Cow::Borrowed),
            ended_at: *ended_at,
            matching: *matching,
            counts: *counts,
            remaining: operation.remaining(),
            progress: ProgressView {
                pass: *pass,
                pass_began_at: *pass_began_at,
                position: position.as_deref().map(Cow::Borrowed),
                unanswered: *unanswered,
                next_at: *next_at,
            },
        }
    }
}

impl<'a> OperationResultView<'a> {
    /// The view of a result.
    #[must_use]
    pub fn new(result: &'a OperationResult) -> Self {
        let OperationResult { deployment_id, tenant_id, slug, outcome, version, problem, at, page: _ } = result;
        Self {
            deployment_id: *deployment_id,
            tenant_id: tenant_id.as_ref().map(Cow::Borrowed),
            slug: slug.as_ref().map(Cow::Borrowed),
            outcome: *outcome,
            version: *version,
            problem: problem.as_ref().map(Cow::Borrowed),
            at: *at,
        }
    }
}

impl OperationPreviewView {
    /// The command would change the deployment.
    #[must_use]
    pub fn done(deployment: &Deployment, events: &[Event], lines: Vec<Cow<'_, Line>>) -> Self {
        let lines = lines.into_iter().map(Cow::into_owned).collect();
        Self { outcome: OperationOutcome::Done, events: events.to_vec(), lines, ..Self::unchanged(deployment) }
    }

    /// The command would have nothing to change.
    #[must_use]
    pub fn unchanged(deployment: &Deployment) -> Self {
        Self {
            deployment_id: deployment.id,
            tenant_id: Some(deployment.tenant_id.clone()),
            slug: Some(deployment.slug.clone()),
            outcome: OperationOutcome::Unchanged,
            problem: None,
            lines: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The command would be refused.
    #[must_use]
    pub fn refused(id: DeploymentId, name: Option<(TenantId, Slug)>, problem: OperationProblem) -> Self {
        let (tenant_id, slug) = name.unzip();
        Self {
            deployment_id: id,
            tenant_id,
            slug,
            outcome: OperationOutcome::Refused,
            problem: Some(problem),
            lines: Vec::new(),
            events: Vec::new(),
        }
    }
}
