//! `GET /deployments/{id}`: shows a deployment with its latest events and the transitions that the caller can make.

use arcadia_api::answer::DeploymentDetails;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arcadia_api::{DEFAULT_LIMIT, DeploymentView, NextInvoiceView, SubscriptionView};
use arcadia_domain::{allowed_transitions, next_invoices};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let found = app.store.load_with_events(&call.principal.scope, id, DEFAULT_LIMIT).await?;
    let (aggregate, events) = found.ok_or(Error::NotFound("deployment"))?;
    let deployment = &aggregate.deployment;
    // The domain panics on inconsistent records; such a deployment must still be shown.
    let ahead = catch_unwind(AssertUnwindSafe(|| next_invoices(&aggregate)));
    let next_invoices = ahead.ok().and_then(Result::ok).flatten().map(NextInvoiceView::all).unwrap_or_default();
    let body = DeploymentDetails {
        deployment: DeploymentView::of(&aggregate),
        subscription: SubscriptionView::of(&aggregate),
        next_invoices,
        events: events.items,
        allowed_transitions: allowed_transitions(deployment, call.principal.actor.authority, app.clock.now()),
    };
    Ok(Answer::versioned(json!(body), deployment.version))
}
