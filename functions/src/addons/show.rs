//! `GET /addons/{code}`: shows an add-on of the catalog.

use arcadia_shared::Error;
use arcadia_shared::http::{Answer, Call};
use arcadia_shared::runtime::App;
use serde_json::json;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let addon = app.store.load_addon(&call.path("code")?).await?.ok_or(Error::NotFound)?;
    Ok(Answer::versioned(json!({"addon": addon}), addon.revision))
}
