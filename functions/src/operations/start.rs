//! `POST /operations`: starts a command on many deployments, or shows as a dry run how many match and what the first
//! ones would get. For `platform_admin`.

use std::collections::BTreeSet;

use arcadia_api::answer::{OperationAnswer, OperationDryRun};
use arcadia_api::body::{OperationFilterRequest, StartOperationRequest};
use arcadia_api::{OperationPreviewView, OperationView};
use arcadia_domain::{
    DEFAULT_OPERATION_RATE, DeploymentId, MAX_OPERATION_IDS, Matching, Operation, OperationFilter, OperationId,
    Precision, StartOperation,
};
use arcadia_store::StoreError;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lambda_http::http::StatusCode;
use serde_json::json;

use super::take::Taker;
use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

/// Number of deployments that a dry run shows.
const PREVIEWED: usize = 10;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let (request, ids, dry_run) = read(call)?;
    let matching = match &ids {
        Some(ids) => {
            let is = if request.filter.is_only_ids() { Precision::Exact } else { Precision::AtMost };
            Matching { count: ids.len() as u64, is }
        }
        None => app.store.count_matching(&request.filter).await?,
    };
    let now = app.clock.now();
    let id = OperationId::new(app.new_id(now));
    let operation = Operation::start(id, request, matching, call.principal.actor.id.clone(), now);
    if dry_run {
        app.store.expect_room_for_operation().await?;
        let preview = preview(app, &operation, ids.as_deref().unwrap_or_default()).await?;
        return Ok(Answer::ok(json!(OperationDryRun { dry_run: true, matching, preview })));
    }
    let answer = Answer {
        status: StatusCode::ACCEPTED,
        location: Some(format!("/api/v1/operations/{id}")),
        ..Answer::ok(json!(OperationAnswer { operation: OperationView::new(&operation) }))
    };
    let record = call.idempotency_key.as_ref().map(|key| key.record(&answer, now));
    app.store.start_operation(&operation, ids.as_deref(), app.new_commit_id(), record.as_ref()).await?;
    Ok(answer)
}

/// Reads the request, the deployments that it names by id, and whether it is a dry run.
fn read(call: &Call) -> Result<(StartOperation, Option<Vec<DeploymentId>>, bool), Error> {
    let StartOperationRequest { filter, command, reason, notes, rate_per_second, dry_run } = call.json()?;
    let OperationFilterRequest { tenant_id, state, plan_code, plan_version, ids } = filter;
    // One that is repeated counts once.
    let ids = ids.map(|ids| ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    if ids.as_ref().is_some_and(|ids| ids.len() > MAX_OPERATION_IDS) {
        let detail = format!("the filter names more than {MAX_OPERATION_IDS} ids");
        return Err(Error::malformed("too_many_ids", detail));
    }
    let filter = OperationFilter { tenant_id, state, plan_code, plan_version, ids: ids.as_ref().map(Vec::len) };
    let rate_per_second = rate_per_second.unwrap_or(DEFAULT_OPERATION_RATE);
    let request = StartOperation { filter, command, reason, notes, rate_per_second };
    Ok((request, ids, dry_run.unwrap_or_default()))
}

/// The results that the first deployments of the list would get.
///
/// # Errors
/// [`StoreError`] if DynamoDB does not answer.
pub async fn preview(
    app: &App,
    operation: &Operation,
    ids: &[DeploymentId],
) -> Result<Vec<OperationPreviewView>, StoreError> {
    let page = app.store.operation_page(operation, ids).await?;
    let taker = &Taker::new(app, operation);
    let first = stream::iter(page.ids.into_iter().take(PREVIEWED)).map(|id| taker.preview(id));
    let found: Vec<_> = first.buffered(PREVIEWED).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
