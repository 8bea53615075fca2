//! `POST /deployments/{id}/trial`: lets a trial that is running end later or earlier. For `platform_admin`.

use arcadia_shared::Error;
use arcadia_shared::domain::Command;
use arcadia_shared::http::fields::timestamp;
use arcadia_shared::http::{Answer, Call, deployment_view, subscription_view};
use arcadia_shared::runtime::App;
use serde_json::json;

use crate::execute::{Current, execute};

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let mut fields = call.fields()?;
    let trial_ends_at = fields.required("trial_ends_at", timestamp);
    fields.finish()?;
    let current = Current::load(app, call, id).await?;
    execute(app, call, current, Command::ExtendTrial(trial_ends_at?), |done| {
        let body = json!({
            "deployment": deployment_view(done.after),
            "subscription": subscription_view(done.after),
            "event": done.events.first(),
        });
        Answer::versioned(body, done.version)
    })
    .await
}
