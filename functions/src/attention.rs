//! `GET /attention`: deployments that need a person, the longest first. For `platform_admin`.

use arcadia_api::AttentionView;
use serde_json::json;

use crate::Error;
use crate::billing::sweep::BACKOFF;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let kind = call.parsed_parameter("kind")?;
    let page = PageRequest::from_call(call)?;
    let found = app.store.list_attention(kind, app.clock.now(), page.limit, page.position).await?;
    let entries: Vec<_> = found
        .items
        .iter()
        .map(|(trace, row)| AttentionView::new(trace.kind, trace.due.at, trace.due.id, row.as_ref(), BACKOFF))
        .collect();
    Ok(Answer::ok(json!({"attention": entries, "next_cursor": page.cursor(found.next)})))
}
