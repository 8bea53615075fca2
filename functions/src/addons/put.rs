//! `PUT /addons/{code}`: creates, reprices, retires or reactivates an add-on. For `platform_admin`. Attached add-ons
//! keep their prices and quantity.

use std::borrow::Cow;

use arcadia_api::answer::AddonAnswer;
use arcadia_api::body::PutAddonRequest;
use arcadia_domain::{Addon, ShortCode};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::put_record::put;
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let body: PutAddonRequest = call.json()?;
    let (old, now) = (app.store.load_addon(&code).await?, app.clock.now());
    let wanted = Addon {
        code,
        name: body.name,
        price_cents: body.price_cents,
        interval_prices: body.interval_prices.unwrap_or_default(),
        currency: body.currency,
        quantity: body.quantity,
        unit: body.unit,
        status: body.status.unwrap_or_else(|| old.as_ref().map_or_else(Default::default, |old| old.status)),
        revision: old.as_ref().map_or(1, |old| old.revision),
        created_at: old.as_ref().map_or(now, |old| old.created_at),
        updated_at: old.as_ref().map_or(now, |old| old.updated_at),
    };
    put(app, call, (old, wanted), (body.reason, body.notes), |addon| json!(AddonAnswer { addon: Cow::Borrowed(addon) }))
        .await
}
