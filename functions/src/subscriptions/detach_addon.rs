//! `DELETE /deployments/{id}/subscription/addons/{addon_id}`: detaches an add-on.

use arcadia_shared::Error;
use arcadia_shared::domain::Command;
use arcadia_shared::http::{Answer, Call};
use arcadia_shared::runtime::App;

use crate::execute::execute;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let addon_id = call.path("addon_id")?;
    let aggregate = app.store.load(&call.principal.scope, id).await?.ok_or(Error::NotFound)?;
    execute(app, call, aggregate, Command::DetachAddon(addon_id), |done| done.show_subscription()).await
}
