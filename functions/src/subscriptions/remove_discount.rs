//! `DELETE /deployments/{id}/subscription/discount`: removes the discount, one that runs at the end of the period. For
//! `platform_admin`.

use arcadia_domain::{Command, RemoveDiscount};

use crate::Error;
use crate::execute::{Current, execute};
use crate::http::fields::text;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let id = call.path("id")?;
    let mut fields = call.optional_fields()?;
    let (reason, notes) = (fields.optional("reason", text), fields.optional("notes", text));
    fields.finish()?;
    let current = Current::load(app, call, id).await?;
    let command = Command::RemoveDiscount(RemoveDiscount { reason, notes });
    execute(app, call, current, command, |done| done.show_subscription()).await
}
