//! `POST /plans/{code}/versions`: publishes a plan version, whose price and terms never change afterwards. With
//! `replaces` it closes an offered version, and starts the operation that announces the new price to its subscriptions,
//! all in one transaction. For `platform_admin`.

use std::borrow::Cow;

use arcadia_api::answer::{PlanVersionAnswer, PlanVersionDryRun};
use arcadia_api::body::PublishPlanVersionRequest;
use arcadia_domain::{
    CatalogEvent, CatalogStatus, DEFAULT_OPERATION_RATE, MAX_RUNNING_OPERATIONS, Notes, Operation, OperationCommand,
    OperationFilter, OperationId, PlanTerms, PlanVersion, Reason, Rejection, ShortCode, StartOperation, Timestamp,
    replace_version,
};
use arcadia_store::{Replacement, StoreError};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::operations::start::preview;
use crate::runtime::App;

/// The version that the new one replaces.
struct Replaces {
    version: u32,
    effective_from: Timestamp,
    reason: Option<Reason>,
    notes: Option<Notes>,
}

/// A replaced version, closed, with the operation that announces the new price.
struct Replaced {
    closed: PlanVersion,
    operation: Operation,
}

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let body: PublishPlanVersionRequest = call.json()?;
    let PublishPlanVersionRequest { price_cents, currency, interval, trial_days, reason, notes, .. } = body;
    let replaces = body.replaces.zip(body.effective_from);
    let replaces = replaces.map(|(version, effective_from)| {
        let (reason, notes) = (reason.clone(), notes.clone());
        Replaces { version, effective_from, reason, notes }
    });
    let old = app.store.load_plan(&code).await?.ok_or(Error::NotFound("plan"))?;
    call.check_if_match(Some(old.revision))?;
    match old.status {
        CatalogStatus::Active => {}
        CatalogStatus::Retired => return Err(Rejection::PlanRetired(code).into()),
    }
    let now = app.clock.now();
    let at = now.max(old.updated_at);
    let (plan, version) = old.publish(price_cents, currency, interval, trial_days.unwrap_or_default(), at);
    let replaced = match replaces {
        Some(replaces) => Some(replace(app, call, &version, replaces, now).await?),
        None => None,
    };
    if body.dry_run.unwrap_or_default() {
        return foresee(app, &version, replaced.as_ref(), old.revision).await;
    }
    let body = json!(PlanVersionAnswer {
        plan_version: Cow::Borrowed(&version),
        replaced: replaced.as_ref().map(|replaced| Cow::Borrowed(&replaced.closed)),
        operation_id: replaced.as_ref().map(|replaced| replaced.operation.id),
    });
    let answer = Answer::created(body, plan.revision, format!("/api/v1/plans/{code}"));
    let record = call.idempotency_key.as_ref().map(|key| key.record(&answer, now));
    let replacement = replaced.as_ref().map(|Replaced { closed, operation }| Replacement { closed, operation });
    let closed = replacement.map(|Replacement { closed, operation }| (closed.clone(), operation.id));
    let event = CatalogEvent::of_publication(&plan, version.clone(), closed, &call.principal.actor);
    let event = event.because(reason, notes);
    app.store.publish(&plan, &version, &event, replacement, app.new_commit_id(), record.as_ref()).await?;
    Ok(answer)
}

/// Closes the version that `new` replaces, and makes the operation. The plan is read before, and written on condition of
/// its revision, so no other publication comes between.
async fn replace(
    app: &App,
    call: &Call,
    new: &PlanVersion,
    replaces: Replaces,
    now: Timestamp,
) -> Result<Replaced, Error> {
    let Replaces { version: replaced, effective_from, reason, notes } = replaces;
    let plan_code = &new.plan_code;
    let found = app.store.load_plan_version(plan_code, replaced).await?;
    let unknown =
        Rejection::InvalidField { field: "replaces", code: "unknown", detail: "must be a version of the plan" };
    let closed = replace_version(&found.ok_or(unknown)?, new, effective_from, now)?;
    refuse_if_running(app, plan_code, replaced).await?;
    let command = OperationCommand::AnnouncePrice { terms: PlanTerms::from(new), replaces: replaced, effective_from };
    let filter = OperationFilter {
        plan_code: Some(plan_code.clone()),
        plan_version: Some(replaced),
        ..OperationFilter::default()
    };
    let reason = reason.or_else(|| "price_change".parse().ok());
    let rate_per_second = DEFAULT_OPERATION_RATE;
    let request = StartOperation { filter, command, reason, notes, rate_per_second };
    let matching = app.store.count_price_change(plan_code, replaced).await?;
    let id = OperationId::new(app.new_id(now));
    let operation = Operation::start(id, request, matching, call.principal.actor.id.clone(), now);
    Ok(Replaced { closed, operation })
}

/// Refuses to replace a version whose own price is still being announced: that operation would schedule more changes to
/// it.
async fn refuse_if_running(app: &App, plan_code: &ShortCode, version: u32) -> Result<(), Error> {
    let running = app.store.load_running_operations().await?;
    if running.len() >= MAX_RUNNING_OPERATIONS {
        return Err(StoreError::TooManyOperations.into());
    }
    for Operation { command, .. } in running {
        if let OperationCommand::AnnouncePrice { terms, .. } = command
            && terms.is_version(plan_code, version)
        {
            return Err(Rejection::PriceChangeRunning { plan_code: plan_code.clone(), version }.into());
        }
    }
    Ok(())
}

/// The answer to a dry run: the version, and the effect of its publication.
async fn foresee(
    app: &App,
    version: &PlanVersion,
    replaced: Option<&Replaced>,
    revision: u64,
) -> Result<Answer, Error> {
    let (matching, preview) = match replaced {
        Some(Replaced { operation, .. }) => (Some(operation.matching), preview(app, operation, &[]).await?),
        None => (None, Vec::new()),
    };
    let body = json!(PlanVersionDryRun {
        dry_run: true,
        plan_version: Cow::Borrowed(version),
        replaced: replaced.map(|replaced| Cow::Borrowed(&replaced.closed)),
        matching,
        preview,
    });
    Ok(Answer::versioned(body, revision))
}
