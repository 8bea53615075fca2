//! `PUT /coupons/{code}`: creates, changes, retires or reactivates a coupon. For `platform_admin`. Discounts that were
//! granted keep their terms.

use arcadia_api::answer::CouponAnswer;
use arcadia_api::body::PutCouponRequest;
use arcadia_domain::{CatalogEvent, Coupon, ShortCode};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let body: PutCouponRequest = call.json()?;
    let now = app.clock.now();
    let old = app.store.load_coupon(&code).await?;
    call.check_if_match(old.as_ref().map(|coupon| coupon.revision))?;
    let mut coupon = Coupon {
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
    let Some(old) = old else {
        let event = CatalogEvent::of_coupon(None, coupon.clone(), &call.principal.actor);
        app.store.put_coupon(&coupon, &event, app.new_commit_id()).await?;
        let location = format!("/api/v1/coupons/{}", coupon.code);
        return Ok(Answer::created(json!(CouponAnswer { coupon: &coupon }), coupon.revision, location));
    };
    if coupon != old {
        coupon = Coupon { revision: old.revision + 1, updated_at: now.max(old.updated_at), ..coupon };
        let event = CatalogEvent::of_coupon(Some(old), coupon.clone(), &call.principal.actor);
        app.store.put_coupon(&coupon, &event, app.new_commit_id()).await?;
    }
    Ok(Answer::versioned(json!(CouponAnswer { coupon: &coupon }), coupon.revision))
}
