//! `POST /deployments/{id}/subscribe`: subscribes a deployment to a plan, with add-ons.

use arcadia_api::subscription_view;
use arcadia_domain::{
    AnchorMode, Command, MAX_ADDONS, Rejection, ShortCode, Subscribe, SubscriptionAddonId, SubscriptionId, Timestamp,
};
use arcadia_store::{Offer, Wanted};
use serde_json::json;

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::fields::{integer, list, text, timestamp};
use crate::http::{Answer, Call};
use crate::runtime::App;

struct Body {
    plan_code: ShortCode,
    plan_version: Option<u32>,
    addons: Vec<ShortCode>,
    anchor_mode: AnchorMode,
    trial_ends_at: Option<Timestamp>,
}

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let body = read(call)?;
    let current = Current::load(app, call, id).await?;
    let tenant_id = &current.aggregate.deployment.tenant_id;
    let (plan_code, addon_codes) = (&body.plan_code, &body.addons);
    let wanted = Wanted { tenant_id, plan_code, version: body.plan_version, addon_codes, with_trial: true };
    let offer = app.store.load_offer(wanted).await?;
    let current = current.under(offer.dunning_policy.unwrap_or_default());
    let command = Command::Subscribe(command(app, body, offer)?);
    execute(app, call, current, command, |done| {
        let body = json!({"subscription": subscription_view(done.after), "invoice": done.opened_invoice()});
        Answer::created(body, done.version, format!("/api/v1/deployments/{id}"))
    })
    .await
}

fn read(call: &Call) -> Result<Body, Error> {
    let mut fields = call.fields()?;
    let plan_code = fields.required("plan_code", text);
    let plan_version = fields.optional("plan_version", integer(1, i64::from(u32::MAX)));
    let addons = fields.optional("addons", list(text)).unwrap_or_default();
    let anchor_mode = fields.optional("anchor", text).unwrap_or_default();
    let trial_ends_at = fields.optional("trial_ends_at", timestamp);
    fields.finish()?;
    if addons.len() > MAX_ADDONS {
        return Err(Rejection::TooManyAddons.into());
    }
    Ok(Body { plan_code: plan_code?, plan_version, addons, anchor_mode, trial_ends_at })
}

fn command(app: &App, body: Body, offer: Offer) -> Result<Subscribe, Rejection> {
    let Body { plan_code, plan_version: _, addons, anchor_mode, trial_ends_at } = body;
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
        anchor_mode,
        trial_ends_at,
        trial_claimed_by: offer.trial_claimed_by,
    })
}
