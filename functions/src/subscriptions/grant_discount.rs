//! `POST /deployments/{id}/subscription/discount`: grants the subscription the discount of a coupon, whose terms are copied.
//! For `platform_admin`.

use arcadia_domain::{Command, GrantDiscount, Rejection, ShortCode};

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::fields::text;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let mut fields = call.fields()?;
    let code = fields.required("coupon", text);
    let (reason, notes) = (fields.optional("reason", text), fields.optional("notes", text));
    fields.finish()?;
    let code: ShortCode = code?;
    let current = Current::load(app, call, id).await?;
    let coupon = app.store.load_coupon(&code).await?.ok_or(Rejection::UnknownCoupon(code))?;
    let command = Command::GrantDiscount(GrantDiscount { coupon, reason, notes });
    execute(app, call, current, command, |done| done.show_subscription()).await
}
