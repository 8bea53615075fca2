//! `PUT /coupons/{code}`: creates, changes, retires or reactivates a coupon. For `platform_admin`. Discounts that were
//! granted keep their terms.

use arcadia_domain::{
    CatalogEvent, Coupon, CouponDuration, InvalidValue, MAX_COUPON_PERIODS, MAX_COUPON_PLANS, MAX_REDEMPTIONS,
    ShortCode, WHOLE_BASIS_POINTS,
};
use serde_json::json;

use crate::Error;
use crate::http::fields::{amount, integer, list, text, timestamp};
use crate::http::{Answer, Call, Fields};
use crate::runtime::App;

const NEITHER: InvalidValue =
    InvalidValue { code: "nothing_off", detail: "or amount_cents with currency must be given" };
const NOT_WITH_PERCENT: InvalidValue =
    InvalidValue { code: "not_allowed", detail: "must not be given together with percent_basis_points" };
const NOT_WITHOUT_AMOUNT: InvalidValue = InvalidValue { code: "not_allowed", detail: "is only for amount_cents" };
const NOT_FOR_DURATION: InvalidValue = InvalidValue { code: "not_allowed", detail: "is only for the duration periods" };
const TOO_MANY_PLANS: InvalidValue = InvalidValue { code: "too_many", detail: "can name at most 20 plans" };

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let mut fields = call.fields()?;
    let name = fields.required("name", text);
    require_one_kind(&mut fields);
    let percent_basis_points = fields.optional("percent_basis_points", integer(1, WHOLE_BASIS_POINTS));
    let amount_cents = fields.optional("amount_cents", amount);
    let currency = fields.optional("currency", text);
    let duration = fields.required("duration", text);
    let has_periods = fields.has("periods");
    let periods = fields.optional("periods", integer(1, MAX_COUPON_PERIODS));
    match duration {
        Ok(CouponDuration::Periods) if !has_periods => fields.miss("periods"),
        Ok(CouponDuration::Once | CouponDuration::Forever) if has_periods => fields.fail("periods", NOT_FOR_DURATION),
        Ok(_) | Err(_) => {}
    }
    let plans = fields.optional("plans", list(text::<ShortCode>)).unwrap_or_default();
    if plans.len() > MAX_COUPON_PLANS {
        fields.fail("plans", TOO_MANY_PLANS);
    }
    let max_redemptions = fields.optional("max_redemptions", integer(1, MAX_REDEMPTIONS));
    let redeem_by = fields.optional("redeem_by", timestamp);
    let status = fields.optional("status", text);
    fields.finish()?;
    let now = app.clock.now();
    let old = app.store.load_coupon(&code).await?;
    call.check_if_match(old.as_ref().map(|coupon| coupon.revision))?;
    let mut coupon = Coupon {
        code,
        name: name?,
        percent_basis_points,
        amount_cents,
        currency,
        duration: duration?,
        periods,
        plans,
        max_redemptions,
        redeem_by,
        status: status.unwrap_or_else(|| old.as_ref().map_or_else(Default::default, |old| old.status)),
        redemptions: old.as_ref().map_or(0, |old| old.redemptions),
        revision: old.as_ref().map_or(1, |old| old.revision),
        created_at: old.as_ref().map_or(now, |old| old.created_at),
        updated_at: old.as_ref().map_or(now, |old| old.updated_at),
    };
    let Some(old) = old else {
        let event = CatalogEvent::of_coupon(None, coupon.clone(), &call.principal.actor);
        app.store.put_coupon(&coupon, &event, app.new_commit_id()).await?;
        let location = format!("/api/v1/coupons/{}", coupon.code);
        return Ok(Answer::created(json!({"coupon": coupon}), coupon.revision, location));
    };
    if coupon != old {
        coupon = Coupon { revision: old.revision + 1, updated_at: now.max(old.updated_at), ..coupon };
        let event = CatalogEvent::of_coupon(Some(old), coupon.clone(), &call.principal.actor);
        app.store.put_coupon(&coupon, &event, app.new_commit_id()).await?;
    }
    Ok(Answer::versioned(json!({"coupon": coupon}), coupon.revision))
}

/// Requires either a percentage, or an amount with its currency.
fn require_one_kind(fields: &mut Fields) {
    match (fields.has("percent_basis_points"), fields.has("amount_cents"), fields.has("currency")) {
        (true, false, false) | (false, true, true) => {}
        (false, true, false) => fields.miss("currency"),
        (true, true, _) => fields.fail("amount_cents", NOT_WITH_PERCENT),
        (_, false, true) => fields.fail("currency", NOT_WITHOUT_AMOUNT),
        (false, false, false) => fields.fail("percent_basis_points", NEITHER),
    }
}
