//! `POST /deployments/{id}/transition`: moves a deployment to another state, also as a dry run.

use std::borrow::Cow;

use arcadia_api::{DeploymentView, TransitionAnswer};
use arcadia_domain::{Command, Transition};
use serde_json::json;

use crate::Error;
use crate::execute::{Current, Executed, Mode, execute};
use crate::http::fields::{boolean, text, timestamp};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let (transition, dry_run) = read(call)?;
    let mode = Mode::asked(call, dry_run)?;
    let current = Current::load_for(app, call, id, mode).await?;
    let command = Command::Transition(transition);
    let answer = |done: &Executed<'_>| {
        let event = done.events.first().map(Cow::Borrowed);
        let body = TransitionAnswer { deployment: DeploymentView::of(done.after), event, dry_run: false };
        Answer::versioned(json!(body), done.version)
    };
    execute(app, call, current, command, answer).await
}

fn read(call: &Call) -> Result<(Transition, bool), Error> {
    let mut fields = call.fields()?;
    let to_state = fields.required("to_state", text);
    let reason = fields.optional("reason", text);
    let notes = fields.optional("notes", text);
    let resume_at = fields.nullable("resume_at", timestamp);
    let dry_run = fields.optional("dry_run", boolean).unwrap_or_default();
    fields.finish()?;
    Ok((Transition { to_state: to_state?, reason, notes, resume_at }, dry_run))
}
