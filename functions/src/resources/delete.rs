//! `DELETE /deployments/{id}/resources/{resource_id}`: marks a cloud resource as deleted. Doing so twice is no error.

use arcadia_shared::Error;
use arcadia_shared::domain::{Command, decide};
use arcadia_shared::http::{Answer, Call};
use arcadia_shared::runtime::App;
use serde_json::json;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let resource_id = call.path("resource_id")?;
    let aggregate = app.store.load(&call.principal.scope, id).await?.ok_or(Error::NotFound)?;
    call.check_if_match(aggregate.deployment.version)?;
    let mut resource = app.store.load_resource(&aggregate, resource_id).await?.ok_or(Error::NotFound)?;
    let command = Command::DeleteResource(resource.clone());
    let mut version = aggregate.deployment.version;
    if let Some(change) = decide(&aggregate, command, &call.principal.actor, app.clock.now())? {
        app.store.commit(&change, app.new_commit_id()).await?;
        version = change.deployment.version;
        resource = change.resource.unwrap_or(resource);
    }
    Ok(Answer::versioned(json!({"resource": resource}), version))
}
