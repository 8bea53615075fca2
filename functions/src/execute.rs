//! The middle of every handler that changes a deployment: precondition, decide, commit.

use arcadia_shared::Error;
use arcadia_shared::domain::{Aggregate, Change, Command, Event, EventKind, Invoice, Resource, decide};
use arcadia_shared::http::{Call, invoice_view};
use arcadia_shared::runtime::App;
use serde_json::Value;

/// What a command came to.
#[derive(Debug)]
pub struct Executed {
    /// The deployment as it is now, or would be after a dry run.
    pub after: Aggregate,
    /// What happened; nothing if nothing needed to change.
    pub events: Vec<Event>,
    /// The resource that changed, if one did.
    pub resource: Option<Resource>,
    /// The invoice that changed, if one that was there before did.
    pub invoice: Option<Invoice>,
    /// The version that is stored.
    pub version: u64,
}

/// The invoice that events opened, as callers see it; null if none did.
pub fn opened_invoice(events: &[Event]) -> Value {
    let opened = events.iter().find_map(|event| match &event.kind {
        EventKind::InvoiceOpened { invoice } => Some(invoice),
        _ => None,
    });
    opened.map_or(Value::Null, invoice_view)
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
    call.check_if_match(Some(version))?;
    let Some(change) = decide(&before, command, &call.principal.actor, app.clock.now())? else {
        return Ok(Executed { after: before, events: Vec::new(), resource: None, invoice: None, version });
    };
    if !dry_run {
        app.store.commit(&change, app.new_commit_id()).await?;
    }
    let version = if dry_run { version } else { change.after.deployment.version };
    let Change { after, events, resource, invoice, .. } = change;
    Ok(Executed { after, events, resource, invoice, version })
}
