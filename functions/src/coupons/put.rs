//! `PUT /coupons/{code}`: creates, changes, retires or reactivates a coupon. For `platform_admin`. Discounts that were
//! granted keep their terms.

use std::borrow::Cow;

use arcadia_api::answer::CouponAnswer;
use arcadia_api::body::PutCouponRequest;
use arcadia_domain::{Coupon, ShortCode};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::put_record::put;
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let body: PutCouponRequest = call.json()?;
    let (old, now) = (app.store.load_coupon(&code).await?, app.clock.now());
    let wanted = Coupon {
        code,
        name: body.name,
        percent_basis_points: body.percent_basis_points,
        amount_cents: body.amount_cents,
        currency: body.currency,
        duration: body.duration,
        periods: body.periods,
        plans: body.plans.unwrap_or_default(),
        max_redemptions: body.max_redemptions,
        redeem_by: body.redeem_by,
        status: body.status.unwrap_or_else(|| old.as_ref().map_or_else(Default::default, |old| old.status)),
        redemptions: old.as_ref().map_or(0, |old| old.redemptions),
        revision: old.as_ref().map_or(1, |old| old.revision),
        created_at: old.as_ref().map_or(now, |old| old.created_at),
        updated_at: old.as_ref().map_or(now, |old| old.updated_at),
    };
    put(app, call, (old, wanted), (body.reason, body.notes), |coupon| {
        json!(CouponAnswer { coupon: Cow::Borrowed(coupon) })
    })
    .await
}
