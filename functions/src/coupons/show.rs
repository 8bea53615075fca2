//! `GET /coupons/{code}`: shows a coupon. For `platform_admin`.

use std::borrow::Cow;

use arcadia_api::answer::CouponAnswer;
use arcadia_domain::ShortCode;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let coupon = app.store.load_coupon(&code).await?.ok_or(Error::NotFound("coupon"))?;
    Ok(Answer::versioned(json!(CouponAnswer { coupon: Cow::Borrowed(&coupon) }), coupon.revision))
}
