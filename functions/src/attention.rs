//! `GET /attention`: lists deployments that need a person, longest waiting first. For `platform_admin`.

use arcadia_api::AttentionView;
use arcadia_api::answer::AttentionList;
use arcadia_store::NeedsAttention;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let kind = call.parsed_parameter("kind")?;
    let page = PageRequest::from_call(call)?;
    let found = app.store.list_attention(kind, app.clock.now(), page.limit, page.position).await?;
    let next_cursor = page.cursor(found.next);
    let attention = found.items.iter().map(view).collect();
    Ok(Answer::ok(json!(AttentionList { attention, next_cursor })))
}

fn view(found: &NeedsAttention) -> AttentionView<'_> {
    let NeedsAttention { kind, since, until, id, row } = found;
    AttentionView::new(*kind, *since, *until, *id, row.as_ref())
}
