//! `DELETE /deployments/{id}/resources/{resource_id}`: marks a cloud resource as deleted. Repeating it has no effect.
//! For `platform_admin` and `data_plane`.

use std::borrow::Cow;

use arcadia_api::answer::ResourceAnswer;
use arcadia_domain::Command;
use serde_json::json;

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let resource_id = call.path("resource_id")?;
    let current = Current::load(app, call, id).await?;
    let resource =
        app.store.load_resource(&current.aggregate, resource_id).await?.ok_or(Error::NotFound("resource"))?;
    execute(app, call, current, Command::DeleteResource(resource.clone()), |done| {
        Answer::versioned(
            json!(ResourceAnswer { resource: Some(Cow::Borrowed(done.resource.unwrap_or(&resource))) }),
            done.version,
        )
    })
    .await
}
