//! A small catalog to try things with, in a table that has none of these yet.

use arcadia_shared::domain::{Addon, CatalogStatus, Interval, InvalidValue, Plan};
use arcadia_shared::runtime::App;
use arcadia_shared::store::StoreError;

/// Why there is no demo catalog.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not well-formed itself.
    #[error(transparent)]
    Value(#[from] InvalidValue),
}

/// Makes sure that there are the plan `studio`, 29.00 USD a month, and the add-on `storage_50gb`, 7.50 USD for 50 GB.
/// What is there already is left as it is.
///
/// # Errors
/// [`DemoError`] if the store does not answer.
pub async fn fill_catalog(app: &App) -> Result<(), DemoError> {
    let now = app.clock.now();
    let plan = Plan {
        code: "studio".parse()?,
        name: "Studio".parse()?,
        status: CatalogStatus::Active,
        newest_version: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    let plan = match app.store.load_plan(&plan.code).await? {
        Some(found) => found,
        None => {
            app.store.put_plan(&plan).await?;
            plan
        }
    };
    if plan.newest_version.is_none() {
        let (plan, version) = plan.publish(2_900, "USD".parse()?, Interval::Month, 0, now);
        app.store.publish(&plan, &version, app.new_commit_id(), None).await?;
    }
    let addon = Addon {
        code: "storage_50gb".parse()?,
        name: "50 GB of storage".parse()?,
        price_cents: 750,
        currency: "USD".parse()?,
        quantity: 50,
        unit: "GB".parse()?,
        status: CatalogStatus::Active,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    if app.store.load_addon(&addon.code).await?.is_none() {
        app.store.put_addon(&addon).await?;
    }
    Ok(())
}
