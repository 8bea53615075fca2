//! The middle of every handler that changes a deployment: precondition, decide, commit.

use arcadia_shared::Error;
use arcadia_shared::domain::{Aggregate, Command, Event, Resource, decide};
use arcadia_shared::http::Call;
use arcadia_shared::runtime::App;

/// What a command came to.
#[derive(Debug)]
pub struct Executed {
    /// The deployment as it is now, or would be after a dry run.
    pub after: Aggregate,
    /// What happened; nothing if nothing needed to change.
    pub events: Vec<Event>,
    /// The resource that changed, if one did.
    pub resource: Option<Resource>,
    /// The version that is stored.
    pub version: u64,
}

/// Decides on a command and commits what follows.
pub async fn execute(app: &App, call: &Call, before: Aggregate, command: Command) -> Result<Executed, Error> {
    run(app, call, before, command, false).await
}

/// Decides on a command, and commits what follows unless `dry_run` says only to tell.
pub async fn run(
    app: &App,
    call: &Call,
    before: Aggregate,
    command: Command,
    dry_run: bool,
) -> Result<Executed, Error> {
    let version = before.deployment.version;
    call.check_if_match(version)?;
    let Some(change) = decide(&before, command, &call.principal.actor, app.clock.now())? else {
        return Ok(Executed { after: before, events: Vec::new(), resource: None, version });
    };
    if !dry_run {
        app.store.commit(&change, app.new_commit_id()).await?;
    }
    let version = if dry_run { version } else { change.after.deployment.version };
    Ok(Executed { after: change.after, events: change.events, resource: change.resource, version })
}
