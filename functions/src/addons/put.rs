//! `PUT /addons/{code}`: creates, reprices, retires or reactivates an add-on. For `platform_admin`. Attached add-ons
//! keep their prices and quantity.

use arcadia_api::answer::AddonAnswer;
use arcadia_api::body::PutAddonRequest;
use arcadia_domain::{Addon, CatalogEvent, ShortCode};
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let body: PutAddonRequest = call.json()?;
    let now = app.clock.now();
    let old = app.store.load_addon(&code).await?;
    call.check_if_match(old.as_ref().map(|addon| addon.revision))?;
    let mut addon = Addon {
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
    let Some(old) = old else {
        let event = CatalogEvent::of_addon(None, addon.clone(), &call.principal.actor);
        app.store.put_addon(&addon, &event, app.new_commit_id()).await?;
        return Ok(Answer::created(
            json!(AddonAnswer { addon: &addon }),
            addon.revision,
            format!("/api/v1/addons/{}", addon.code),
        ));
    };
    if addon != old {
        addon = Addon { revision: old.revision + 1, updated_at: now.max(old.updated_at), ..addon };
        let event = CatalogEvent::of_addon(Some(old), addon.clone(), &call.principal.actor);
        app.store.put_addon(&addon, &event, app.new_commit_id()).await?;
    }
    Ok(Answer::versioned(json!(AddonAnswer { addon: &addon }), addon.revision))
}
