//! `GET /catalog/events`: the history of the catalog, or of one plan, add-on or coupon, newest first. For
//! `platform_admin`.

use arcadia_api::answer::CatalogEventList;
use arcadia_domain::CatalogRecord;
use arcadia_store::keys::CatalogEntry;
use serde_json::json;

use crate::Error;
use crate::http::{Answer, Call, PageRequest};
use crate::runtime::App;

pub async fn handle(app: &App, call: &Call) -> Result<Answer, Error> {
    let page = PageRequest::<CatalogEntry>::from_call(call)?;
    let record = record(call)?;
    let events = app.store.list_catalog_events(record.as_ref(), page.limit, page.position.as_ref()).await?;
    Ok(Answer::ok(json!(CatalogEventList { events: events.items, next_cursor: page.cursor(events.next) })))
}

/// The requested record; `None` for the whole catalog.
fn record(call: &Call) -> Result<Option<CatalogRecord>, Error> {
    let plan = call.parsed_parameter("plan")?.map(CatalogRecord::Plan);
    let addon = call.parsed_parameter("addon")?.map(CatalogRecord::Addon);
    let coupon = call.parsed_parameter("coupon")?.map(CatalogRecord::Coupon);
    let mut records = [plan, addon, coupon].into_iter().flatten();
    match (records.next(), records.next()) {
        (record, None) => Ok(record),
        (_, Some(_)) => {
            let detail = "of the parameters plan, addon and coupon only one can be given";
            Err(Error::malformed("conflicting_parameters", detail))
        }
    }
}
