//! `POST /deployments/{id}/subscription/discount`: grants the subscription the discount of a coupon, whose terms are copied.
//! For `platform_admin`.

use arcadia_api::body::GrantDiscountRequest;
use arcadia_domain::{Command, GrantDiscount, Rejection};

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let GrantDiscountRequest { coupon: code, reason, notes } = call.json()?;
    let current = Current::load(app, call, id).await?;
    let coupon = app.store.load_coupon(&code).await?.ok_or(Rejection::UnknownCoupon(code))?;
    let command = Command::GrantDiscount(GrantDiscount { coupon, reason, notes });
    execute(app, call, current, command, |done| done.show_subscription()).await
}
