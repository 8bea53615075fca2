//! `GET /addons`: lists the catalog's add-ons by code.

use arcadia_api::answer::AddonList;
use arcadia_domain::ShortCode;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let page: PageRequest<ShortCode> = PageRequest::from_call(call)?;
    let found = app.store.list_addons(page.limit, page.position.as_ref()).await?;
    Ok(Answer::ok(json!(AddonList { addons: found.items, next_cursor: page.cursor(found.next) })))
}
