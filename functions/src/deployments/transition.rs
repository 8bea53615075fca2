//! `POST /deployments/{id}/transition`: moves a deployment to another state, also as a dry run.

use std::borrow::Cow;

use arcadia_api::DeploymentView;
use arcadia_api::answer::TransitionAnswer;
use arcadia_api::body::TransitionRequest;
use arcadia_domain::{Command, Transition};
use serde_json::json;

use crate::Error;
use crate::execute::{Current, Executed, Mode, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let TransitionRequest { to_state, reason, notes, resume_at, dry_run } = call.json()?;
    let mode = Mode::asked(call, dry_run.unwrap_or_default())?;
    let current = Current::load_for(app, call, id, mode).await?;
    let command = Command::Transition(Transition { to_state, reason, notes, resume_at });
    let answer = |done: &Executed<'_>| {
        let event = done.events.first().map(Cow::Borrowed);
        let body = TransitionAnswer { deployment: DeploymentView::of(done.after), event, dry_run: false };
        Answer::versioned(json!(body), done.version)
    };
    execute(app, call, current, command, answer).await
}
