//! `POST /deployments/{id}/transition`: moves a deployment to another state, or tells what would happen.

use arcadia_shared::Error;
use arcadia_shared::domain::{Command, Transition, decide};
use arcadia_shared::http::fields::{boolean, text, timestamp};
use arcadia_shared::http::{Answer, Call, deployment_view};
use arcadia_shared::runtime::App;
use serde_json::json;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let (transition, dry_run) = read(call)?;
    let aggregate = app.store.load(&call.principal.scope, id).await?.ok_or(Error::NotFound)?;
    call.check_if_match(aggregate.deployment.version)?;
    let change = decide(&aggregate, Command::Transition(transition), &call.principal.actor, app.clock.now())?;
    if let Some(change) = change.as_ref().filter(|_| !dry_run) {
        app.store.commit(change, app.new_commit_id()).await?;
    }
    let event = change.as_ref().and_then(|change| change.events.first()).cloned();
    let stored_version = aggregate.deployment.version;
    let deployment = change.map_or(aggregate.deployment, |change| change.deployment);
    // What a dry run shows is not stored, so only the version that is can be matched against.
    let version = if dry_run { stored_version } else { deployment.version };
    let body = json!({"deployment": deployment_view(&deployment), "event": event, "dry_run": dry_run});
    Ok(Answer::versioned(body, version))
}

fn read(call: &Call) -> Result<(Transition, bool), Error> {
    let mut fields = call.fields()?;
    let to_state = fields.required("to_state", text);
    let reason = fields.optional("reason", text);
    let notes = fields.optional("notes", text);
    let resume_at = fields.optional("resume_at", timestamp);
    let dry_run = fields.optional("dry_run", boolean).unwrap_or_default();
    fields.finish()?;
    Ok((Transition { to_state: to_state?, reason, notes, resume_at }, dry_run))
}
