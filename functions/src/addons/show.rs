//! `GET /addons/{code}`: shows an add-on of the catalog.

use std::borrow::Cow;

use arcadia_api::answer::AddonAnswer;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let addon = app.store.load_addon(&call.path("code")?).await?.ok_or(Error::NotFound("add-on"))?;
    Ok(Answer::versioned(json!(AddonAnswer { addon: Cow::Borrowed(&addon) }), addon.revision))
}
