//! Views of operations on many deployments: the operation with its progress, the result for a deployment, and the
//! result that a deployment would get.

use arcadia_domain::{
    Deployment, DeploymentId, Event, Line, Matching, Notes, Operation, OperationCommand, OperationCounts,
    OperationFilter, OperationId, OperationOutcome, OperationProblem, OperationResult, OperationStatus, Progress,
    Reason, Slug, TenantId, Timestamp,
};
use serde::Serialize;

/// An operation: a command on many deployments.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Operation"))]
pub struct OperationView<'a> {
    /// Id of the operation.
    id: OperationId,
    /// Whether it runs.
    status: OperationStatus,
    /// The deployments that it is for: those that meet every condition.
    filter: &'a OperationFilter,
    /// The command.
    command: &'a OperationCommand,
    /// Reason, stored in the events.
    reason: Option<&'a Reason>,
    /// Notes, stored in the events.
    notes: Option<&'a Notes>,
    /// Deployments per second.
    rate_per_second: u32,
    /// The operator who started it; the actor of its events.
    started_by: &'a str,
    /// Time of the start.
    started_at: Timestamp,
    /// The operator who stopped it; null if nobody did.
    stopped_by: Option<&'a str>,
    /// Time of the end; null while it runs.
    ended_at: Option<Timestamp>,
    /// Number of deployments that matched at the start.
    matching: Matching,
    /// Number of deployments with a result, by outcome.
    counts: OperationCounts,
    /// Estimated number of deployments without a result; 0 once it has ended.
    remaining: u64,
    /// How far it is.
    progress: ProgressView<'a>,
}

/// How far an operation is.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "OperationProgress"))]
struct ProgressView<'a> {
    /// Number of the current pass over the matching deployments, from 1.
    pass: u32,
    /// Time when the pass began.
    pass_began_at: Timestamp,
    /// Position in the list of deployments after the page in progress; null at the beginning.
    position: Option<&'a str>,
    /// Number of deployments of the pass for which DynamoDB did not answer. The next pass tries them again.
    unanswered: u64,
    /// Earliest time of the next page.
    next_at: Timestamp,
}

/// The result of an operation for a deployment. It never changes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "OperationResult"))]
pub struct OperationResultView<'a> {
    /// Id of the deployment.
    deployment_id: DeploymentId,
    /// Its tenant; null if there is no such deployment.
    tenant_id: Option<&'a TenantId>,
    /// Its slug; null if there is no such deployment.
    slug: Option<&'a Slug>,
    /// The outcome.
    outcome: OperationOutcome,
    /// Version of the deployment after the command; null if it was refused.
    version: Option<u64>,
    /// Why it was refused; null otherwise.
    problem: Option<&'a OperationProblem>,
    /// Time of the result.
    at: Timestamp,
}

/// The result that a deployment would get.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "OperationPreview"))]
pub struct OperationPreviewView {
    /// Id of the deployment.
    deployment_id: DeploymentId,
    /// Its tenant; null if there is no such deployment.
    tenant_id: Option<TenantId>,
    /// Its slug; null if there is no such deployment.
    slug: Option<Slug>,
    /// The outcome.
    outcome: OperationOutcome,
    /// Why it would be refused; null otherwise.
    problem: Option<OperationProblem>,
    /// Charges and credits that the command would make.
    lines: Vec<Line>,
    /// Events that the command would make.
    events: Vec<Event>,
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
        let Progress { pass, pass_began_at, page: _, position, is_last: _, found: _, unanswered, next_at } = progress;
        Self {
            id: *id,
            status: *status,
            filter,
            command,
            reason: reason.as_ref(),
            notes: notes.as_ref(),
            rate_per_second: *rate_per_second,
            started_by,
            started_at: *started_at,
            stopped_by: stopped_by.as_deref(),
            ended_at: *ended_at,
            matching: *matching,
            counts: *counts,
            remaining: operation.remaining(),
            progress: ProgressView {
                pass: *pass,
                pass_began_at: *pass_began_at,
                position: position.as_deref(),
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
        let OperationResult { deployment_id, tenant_id, slug, outcome, version, problem, at, pass: _ } = result;
        Self {
            deployment_id: *deployment_id,
            tenant_id: tenant_id.as_ref(),
            slug: slug.as_ref(),
            outcome: *outcome,
            version: *version,
            problem: problem.as_ref(),
            at: *at,
        }
    }
}

impl OperationPreviewView {
    /// The command would change the deployment.
    #[must_use]
    pub fn done(deployment: &Deployment, events: &[Event], lines: &[&Line]) -> Self {
        let lines = lines.iter().map(|line| (*line).clone()).collect();
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
