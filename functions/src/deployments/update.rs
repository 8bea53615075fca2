//! `PATCH /deployments/{id}`: changes a deployment's own fields. Omitted fields stay unchanged; null clears a field.

use arcadia_api::body::UpdateDeploymentRequest;
use arcadia_domain::{Command, UpdateDeployment};

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let body: UpdateDeploymentRequest = call.json()?;
    let command = Command::Update(UpdateDeployment {
        display_name: body.display_name,
        region: body.region,
        llm_mode: body.llm_mode,
        template_code: body.template_code,
        template_version: body.template_version,
        billing_action_suspended: body.billing_action_suspended,
    });
    let current = Current::load(app, call, id).await?.because(body.reason, body.notes);
    execute(app, call, current, command, |done| done.show_deployment()).await
}
