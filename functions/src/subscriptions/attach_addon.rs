//! `POST /deployments/{id}/subscription/addons`: attaches an add-on. Its current prices and quantity are copied and
//! stay fixed.

use arcadia_api::answer::AttachAddonAnswer;
use arcadia_api::body::AttachAddonRequest;
use arcadia_api::{SubscriptionAddonView, SubscriptionView};
use arcadia_domain::{Command, Rejection, SubscriptionAddonId};
use serde_json::json;

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let AttachAddonRequest { addon_code: code, reason, notes } = call.json()?;
    let current = Current::load(app, call, id).await?.because(reason, notes);
    let addon = app.store.load_addon(&code).await?.ok_or(Rejection::UnknownAddon(code))?;
    let addon_id = SubscriptionAddonId::new(app.new_id(app.clock.now()));
    execute(app, call, current, Command::AttachAddon(addon_id, addon), |done| {
        let attached =
            done.after.addons.iter().find(|addon| addon.id == addon_id).zip(done.after.subscription.as_ref());
        let attached = attached.map(|(addon, to)| SubscriptionAddonView::new(addon, to.terms.interval));
        let body = AttachAddonAnswer { addon: attached, subscription: SubscriptionView::of(done.after) };
        Answer::created(json!(body), done.version, format!("/api/v1/deployments/{id}/subscription/addons/{addon_id}"))
    })
    .await
}
