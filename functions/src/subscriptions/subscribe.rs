//! `POST /deployments/{id}/subscribe`: subscribes a deployment to a plan, with add-ons.

use arcadia_api::SubscriptionView;
use arcadia_api::answer::SubscribeAnswer;
use arcadia_api::body::SubscribeRequest;
use arcadia_domain::{Command, MAX_ADDONS, Rejection, ShortCode, Subscribe, SubscriptionAddonId, SubscriptionId};
use arcadia_store::{Offer, Wanted};
use serde_json::json;

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let mut body: SubscribeRequest = call.json()?;
    let addon_codes = body.addons.take().unwrap_or_default();
    if addon_codes.len() > MAX_ADDONS {
        return Err(Rejection::TooManyAddons.into());
    }
    let current = Current::load(app, call, id).await?.because(body.reason.take(), body.notes.take());
    let tenant_id = &current.aggregate.deployment.tenant_id;
    let (plan_code, version) = (&body.plan_code, body.plan_version);
    let wanted = Wanted { tenant_id, plan_code, version, addon_codes: &addon_codes, with_trial: true };
    let offer = app.store.load_offer(wanted).await?;
    let current = current.under(offer.dunning_policy.unwrap_or_default());
    let command = Command::Subscribe(command(app, body, addon_codes, offer)?);
    execute(app, call, current, command, |done| {
        let (subscription, invoice) = (SubscriptionView::of(done.after), done.opened_invoice());
        let body = json!(SubscribeAnswer { subscription, invoice });
        Answer::created(body, done.version, format!("/api/v1/deployments/{id}"))
    })
    .await
}

fn command(app: &App, body: SubscribeRequest, addons: Vec<ShortCode>, offer: Offer) -> Result<Subscribe, Rejection> {
    let SubscribeRequest { plan_code, anchor, trial_ends_at, .. } = body;
    let now = app.clock.now();
    // Add-ons are stored by id, so sorted ids keep the order of the request.
    let mut ids: Vec<SubscriptionAddonId> = addons.iter().map(|_| SubscriptionAddonId::new(app.new_id(now))).collect();
    ids.sort_unstable();
    let addons = addons.into_iter().zip(ids).map(|(code, id)| {
        let addon = offer.addons.iter().find(|addon| addon.code == code).cloned();
        Ok((id, addon.ok_or(Rejection::UnknownAddon(code))?))
    });
    Ok(Subscribe {
        id: SubscriptionId::new(app.new_id(now)),
        plan: offer.plan.ok_or_else(|| Rejection::UnknownPlan(plan_code.clone()))?,
        version: offer.version.ok_or(Rejection::UnknownPlanVersion { plan_code })?,
        addons: addons.collect::<Result<_, Rejection>>()?,
        anchor_mode: anchor.unwrap_or_default(),
        trial_ends_at,
        trial_claimed_by: offer.trial_claimed_by,
    })
}
