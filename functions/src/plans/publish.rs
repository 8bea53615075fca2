//! `POST /plans/{code}/versions`: publishes a plan version, which never changes afterwards. For `platform_admin`.

use arcadia_domain::{CatalogStatus, MAX_PRICE_CENTS, MAX_TRIAL_DAYS, Rejection, ShortCode};
use serde_json::json;

use crate::Error;
use crate::http::fields::{integer, text};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let code: ShortCode = call.path("code")?;
    let mut fields = call.fields()?;
    let price_cents = fields.required("price_cents", integer(0, MAX_PRICE_CENTS));
    let currency = fields.required("currency", text);
    let interval = fields.required("interval", text);
    let trial_days = fields.optional("trial_days", integer(0, MAX_TRIAL_DAYS)).unwrap_or_default();
    fields.finish()?;
    let old = app.store.load_plan(&code).await?.ok_or(Error::NotFound)?;
    call.check_if_match(Some(old.revision))?;
    match old.status {
        CatalogStatus::Active => {}
        CatalogStatus::Retired => return Err(Rejection::PlanRetired(code).into()),
    }
    let (plan, version) = old.publish(price_cents?, currency?, interval?, trial_days, app.clock.now());
    let answer = Answer::created(json!({"plan_version": version}), plan.revision, format!("/api/v1/plans/{code}"));
    let record = call.idempotency_key.as_ref().map(|key| key.record(&answer, app.clock.now()));
    app.store.publish(&plan, &version, app.new_commit_id(), record.as_ref()).await?;
    Ok(answer)
}
