//! `GET /summary`: shows the figures of the whole business and the progress of scheduled work.

use arcadia_api::SummaryView;
use arcadia_api::answer::SummaryAnswer;
use futures_util::future::try_join;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, _: &Call) -> Result<Answer, Error> {
    let now = app.clock.now();
    let (summary, clock) = try_join(app.store.summary(now), app.store.clock_health(now)).await?;
    Ok(Answer::ok(json!(SummaryAnswer { summary: SummaryView::new(&summary, clock) })))
}
