//! `POST /deployments/{id}/resources`: records a cloud resource of a deployment. For `platform_admin` and `data_plane`.

use std::borrow::Cow;

use arcadia_api::answer::ResourceAnswer;
use arcadia_api::body::CreateResourceRequest;
use arcadia_domain::{Command, DeploymentId, Resource, ResourceId};
use serde_json::json;

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let deployment_id: DeploymentId = call.path("id")?;
    let CreateResourceRequest { kind, provider_reference, region } = call.json()?;
    let current = Current::load(app, call, deployment_id).await?;
    let now = app.clock.now();
    let resource = Resource {
        id: ResourceId::new(app.new_id(now)),
        deployment_id,
        kind,
        provider_reference,
        region: region.unwrap_or_else(|| current.aggregate.deployment.region.clone()),
        created_at: now,
        deleted_at: None,
        // Set when the command is decided.
        version: 0,
    };
    let location = format!("/api/v1/deployments/{deployment_id}/resources/{}", resource.id);
    let command = Command::AddResource(resource);
    execute(app, call, current, command, |done| {
        Answer::created(json!(ResourceAnswer { resource: done.resource.map(Cow::Borrowed) }), done.version, location)
    })
    .await
}
