//! `DELETE /deployments/{id}/subscription/addons/{addon_id}`: detaches an add-on.

use arcadia_api::body::RemarksRequest;
use arcadia_domain::Command;

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let addon_id = call.path("addon_id")?;
    let RemarksRequest { reason, notes } = call.optional_json()?;
    let current = Current::load(app, call, id).await?.because(reason, notes);
    execute(app, call, current, Command::DetachAddon(addon_id), |done| done.show_subscription()).await
}
