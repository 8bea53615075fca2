//! `GET /operations`: lists operations, newest first. For `platform_admin`.

use arcadia_api::OperationView;
use arcadia_api::answer::OperationList;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let page = PageRequest::from_call(call)?;
    let found = app.store.list_operations(page.limit, page.position).await?;
    let operations = found.items.iter().map(OperationView::new).collect();
    Ok(Answer::ok(json!(OperationList { operations, next_cursor: page.cursor(found.next) })))
}
