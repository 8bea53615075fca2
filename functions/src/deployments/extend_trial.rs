//! `POST /deployments/{id}/trial`: moves the end of a running trial. For `platform_admin`.

use std::borrow::Cow;

use arcadia_api::answer::ExtendTrialAnswer;
use arcadia_api::body::ExtendTrialRequest;
use arcadia_api::{DeploymentView, SubscriptionView};
use arcadia_domain::Command;
use serde_json::json;

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let ExtendTrialRequest { trial_ends_at, reason, notes } = call.json()?;
    let current = Current::load(app, call, id).await?.because(reason, notes);
    execute(app, call, current, Command::ExtendTrial(trial_ends_at), |done| {
        let body = ExtendTrialAnswer {
            deployment: DeploymentView::of(done.after),
            subscription: SubscriptionView::of(done.after),
            event: done.events.first().map(Cow::Borrowed),
        };
        Answer::versioned(json!(body), done.version)
    })
    .await
}
