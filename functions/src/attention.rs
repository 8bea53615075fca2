//! `GET /attention`: lists deployments that need a person, longest waiting first. For `platform_admin`.

use arcadia_api::AttentionView;
use arcadia_store::NeedsAttention;
use serde_json::{Value, json};

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let kind = call.parsed_parameter("kind")?;
    let page = PageRequest::from_call(call)?;
    let found = app.store.list_attention(kind, app.clock.now(), page.limit, page.position).await?;
    let entry = |found: &NeedsAttention| {
        let NeedsAttention { kind, since, until, id, row } = found;
        json!(AttentionView::new(*kind, *since, *until, *id, row.as_ref()))
    };
    let entries: Vec<Value> = found.items.iter().map(entry).collect();
    Ok(Answer::ok(json!({"attention": entries, "next_cursor": page.cursor(found.next)})))
}
