//! `DELETE /deployments/{id}/subscription/discount`: removes the discount, one that runs at the end of the period. For
//! `platform_admin`.

use arcadia_api::body::RemarksRequest;
use arcadia_domain::{Command, RemoveDiscount};

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let RemarksRequest { reason, notes } = call.optional_json()?;
    let current = Current::load(app, call, id).await?;
    let command = Command::RemoveDiscount(RemoveDiscount { reason, notes });
    execute(app, call, current, command, |done| done.show_subscription()).await
}
