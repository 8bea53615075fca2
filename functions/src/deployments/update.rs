//! `PATCH /deployments/{id}`: changes a deployment's own fields. Omitted fields stay unchanged; null clears a field.

use arcadia_domain::{Command, UpdateDeployment};

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::fields::{boolean, text};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let command = Command::Update(read(call)?);
    let current = Current::load(app, call, id).await?;
    execute(app, call, current, command, |done| done.show_deployment()).await
}

fn read(call: &Call) -> Result<UpdateDeployment, Error> {
    let mut fields = call.fields()?;
    let update = UpdateDeployment {
        display_name: fields.settable("display_name", text),
        region: fields.settable("region", text),
        llm_mode: fields.nullable("llm_mode", text),
        template_code: fields.nullable("template_code", text),
        template_version: fields.nullable("template_version", text),
        billing_action_suspended: fields.settable("billing_action_suspended", boolean),
    };
    fields.finish()?;
    Ok(update)
}
