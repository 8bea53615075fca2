//! `POST /deployments/{id}/subscription/change`: changes the plan version, also as a dry run that shows the cost.

use std::borrow::Cow;

use arcadia_api::SubscriptionView;
use arcadia_api::answer::ChangePlanAnswer;
use arcadia_api::body::ChangePlanRequest;
use arcadia_domain::{ChangePlan, Command, Effective, Proration, Rejection, ShortCode, Subscription};
use arcadia_store::Wanted;
use serde_json::json;

use crate::Error;
use crate::execute::{Current, Executed, Mode, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

/// The requested terms of a subscription.
#[derive(Debug, Clone, Copy)]
pub struct NewTerms<'a> {
    /// The code of the plan.
    pub plan_code: &'a ShortCode,
    /// The version of the plan; `None` for the newest.
    pub plan_version: Option<u32>,
    /// When the change takes effect.
    pub effective: Effective,
    /// How the rest of the period is billed.
    pub proration: Proration,
    /// Whether to drop add-ons of another currency instead of refusing the change.
    pub drop_incompatible: bool,
}

impl NewTerms<'_> {
    /// Reads the plan version from the catalog, with the tenant's policy: one BatchGetItem.
    ///
    /// # Errors
    /// [`Error::Rejected`] if the catalog does not have it, [`Error::Store`] if it cannot be read.
    pub async fn order(self, app: &App, current: Current) -> Result<(Current, Command), Error> {
        let Self { plan_code, plan_version, effective, proration, drop_incompatible } = self;
        let with_trial = current.aggregate.live_subscription().is_some_and(Subscription::in_trial);
        let tenant_id = &current.aggregate.deployment.tenant_id;
        let wanted = Wanted { tenant_id, plan_code, version: plan_version, addon_codes: &[], with_trial };
        let offer = app.store.load_offer(wanted).await?;
        let current = current.under(offer.dunning_policy.unwrap_or_default());
        let plan_code = || plan_code.clone();
        let command = Command::ChangePlan(ChangePlan {
            plan: offer.plan.ok_or_else(|| Rejection::UnknownPlan(plan_code()))?,
            version: offer.version.ok_or_else(|| Rejection::UnknownPlanVersion { plan_code: plan_code() })?,
            effective,
            proration,
            drop_incompatible,
            trial_claimed_by: offer.trial_claimed_by,
        });
        Ok((current, command))
    }
}

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let body: ChangePlanRequest = call.json()?;
    let mode = Mode::asked(call, body.dry_run.unwrap_or_default())?;
    let current = Current::load_for(app, call, id, mode).await?.because(body.reason.clone(), body.notes.clone());
    let terms = NewTerms {
        plan_code: &body.plan_code,
        plan_version: body.plan_version,
        effective: body.effective.unwrap_or(Effective::Immediate),
        proration: body.proration.unwrap_or(Proration::Prorate),
        drop_incompatible: body.drop_incompatible.unwrap_or_default(),
    };
    let (current, command) = terms.order(app, current).await?;
    let answer = |done: &Executed<'_>| {
        let body = ChangePlanAnswer {
            subscription: SubscriptionView::of(done.after),
            lines: done.lines(),
            invoice: done.opened_invoice(),
            event: done.events.first().map(Cow::Borrowed),
            dry_run: false,
        };
        Answer::versioned(json!(body), done.version)
    };
    execute(app, call, current, command, answer).await
}
