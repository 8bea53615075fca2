//! `PUT` of a record of the catalog: a plan, an add-on or a coupon. If nothing differs, nothing is written.

use arcadia_domain::{CatalogEvent, CatalogItem, Notes, Reason, put_record};
use serde_json::Value;

use crate::Error;
use crate::execute::Mode;
use crate::http::{Answer, Call};
use crate::runtime::App;

/// Puts the requested record, with the revision and the times of `before`, or responds to a dry run. The path of a new
/// record is the request's own.
pub async fn put<R: CatalogItem>(
    app: &App,
    call: &Call,
    (before, wanted): (Option<R>, R),
    (reason, notes): (Option<Reason>, Option<Notes>),
    body: impl FnOnce(&R) -> Value,
) -> Result<Answer, Error> {
    let stored = before.as_ref().map(CatalogItem::revision);
    call.check_if_match(stored)?;
    let (unchanged, actor) = (wanted.clone(), &call.principal.actor);
    let (after, event) = match put_record(before, wanted, actor, app.clock.now()) {
        Some((after, event)) => (after, Some(event.because(reason, notes))),
        None => (unchanged, None),
    };
    let (body, revision) = (body(&after), after.revision());
    let answer = match stored {
        None => Answer::created(body, revision, call.address()),
        Some(_) => Answer::versioned(body, revision),
    };
    if Mode::asked(call, false)? == Mode::DryRun {
        return Ok(answer.dry_run(Some(stored.unwrap_or(0)), &event.iter().collect::<Vec<&CatalogEvent>>()));
    }
    if let Some(event) = event {
        app.store.put_record(&event, app.new_commit_id()).await?;
    }
    Ok(answer)
}
