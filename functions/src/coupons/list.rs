//! `GET /coupons`: lists coupons by code. For `platform_admin`.

use arcadia_api::answer::CouponList;
use arcadia_domain::ShortCode;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let page: PageRequest<ShortCode> = PageRequest::from_call(call)?;
    let found = app.store.list_coupons(page.limit, page.position.as_ref()).await?;
    Ok(Answer::ok(json!(CouponList { coupons: found.items, next_cursor: page.cursor(found.next) })))
}
