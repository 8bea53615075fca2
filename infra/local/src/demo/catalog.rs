//! The demo catalog: a plan and an add-on at the first start, and more of both with coupons for a history.

use arcadia_domain::{
    Actor, Addon, Authority, CatalogEvent, CatalogItem, CatalogStatus, Coupon, CouponDuration, Currency, Interval,
    IntervalPrices, InvalidValue, Plan, Rejection, ShortCode, Timestamp,
};
use arcadia_functions::runtime::App;
use arcadia_store::StoreError;
use chrono::TimeDelta;

/// Error of the demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A demo value is malformed.
    #[error(transparent)]
    Value(#[from] InvalidValue),
    /// The table already contains deployments.
    #[error("there are deployments already: a history needs an empty table, choose another directory with --data")]
    NotEmpty,
    /// A rule of the domain rejected a command.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A task panicked.
    #[error("the history was not completed: {0}")]
    BrokeOff(#[from] tokio::task::JoinError),
}

/// The catalog over the course of a history.
#[derive(Debug)]
pub struct Shop {
    /// Each plan after each of its publications, oldest first.
    plans: Vec<Vec<Plan>>,
    addons: Vec<Addon>,
    coupons: Vec<Coupon>,
}

/// A plan version to publish.
struct Edition {
    at: Timestamp,
    price_cents: i64,
    currency: Currency,
    interval: Interval,
}

/// Creates the plan `studio` (29.00 USD per month) and the add-on `storage_50gb` (7.50 USD for 50 GB), unless they
/// exist.
///
/// # Errors
/// [`DemoError`] if the store does not respond.
pub async fn fill_catalog(app: &App) -> Result<(), DemoError> {
    let at = app.clock.now();
    let (currency, interval) = ("USD".parse()?, Interval::Month);
    sell_plan(app, "studio", "Studio", &[Edition { at, price_cents: 2_900, currency, interval }]).await?;
    sell_addon(app, ("storage_50gb", "50 GB of storage"), (750, "USD"), (50, "GB"), at).await?;
    Ok(())
}

/// Creates the catalog of a history that begins at `start`: the same records and others, with a price increase after a
/// year.
///
/// # Errors
/// [`DemoError`] if the store does not respond.
pub async fn open_shop(app: &App, start: Timestamp) -> Result<Shop, DemoError> {
    let (usd, eur): (Currency, Currency) = ("USD".parse()?, "EUR".parse()?);
    let later = start + TimeDelta::days(400);
    let month = |at, price_cents, currency| Edition { at, price_cents, currency, interval: Interval::Month };
    let yearly = Edition { at: start, price_cents: 99_000, currency: usd, interval: Interval::Year };
    let plans = vec![
        sell_plan(app, "solo", "Solo", &[month(start, 900, usd)]).await?,
        sell_plan(app, "studio", "Studio", &[month(start, 2_900, usd), month(later, 3_400, usd)]).await?,
        sell_plan(app, "team", "Team", &[month(start, 9_900, usd)]).await?,
        sell_plan(app, "team_yearly", "Team, by the year", &[yearly]).await?,
        sell_plan(app, "studio_eur", "Studio (EUR)", &[month(start, 2_700, eur)]).await?,
    ];
    let addons = vec![
        sell_addon(app, ("storage_50gb", "50 GB of storage"), (750, "USD"), (50, "GB"), start).await?,
        sell_addon(app, ("seats_5", "5 more seats"), (1_500, "USD"), (5, "seats"), start).await?,
        sell_addon(app, ("backup_daily", "Daily backups"), (400, "USD"), (30, "days"), start).await?,
        sell_addon(app, ("storage_50gb_eur", "50 GB of storage (EUR)"), (700, "EUR"), (50, "GB"), start).await?,
    ];
    let coupons = vec![
        sell_coupon(app, ("partners", "Partners"), Off::Percent(20), None, start).await?,
        sell_coupon(app, ("education", "Schools"), Off::Percent(30), Some(12), start).await?,
        sell_coupon(app, ("welcome", "Welcome"), Off::Amount(500, usd), Some(3), start).await?,
    ];
    Ok(Shop { plans, addons, coupons })
}

impl Shop {
    /// A plan as offered at a given time.
    pub fn plan(&self, code: &str, at: Timestamp) -> Option<&Plan> {
        let plans = self.plans.iter().find(|plans| plans.iter().any(|plan| plan.code.as_str() == code))?;
        plans.iter().rev().find(|plan| plan.updated_at <= at).or_else(|| plans.first())
    }

    /// The coupon of a code.
    pub fn coupon(&self, code: &str) -> Option<&Coupon> {
        self.coupons.iter().find(|coupon| coupon.code.as_str() == code)
    }

    /// The add-ons of a currency.
    pub fn addons(&self, currency: Currency) -> Vec<&Addon> {
        self.addons.iter().filter(|addon| addon.currency == currency).collect()
    }
}

/// The platform's user that acts in the demo.
pub(super) fn operator() -> Actor {
    Actor { id: "lena@support".to_owned(), authority: Authority::PlatformAdmin }
}

/// Adds a plan to the catalog and publishes its versions; returns the plan after each. A plan that exists and has a
/// version stays unchanged.
async fn sell_plan(app: &App, code: &str, name: &str, editions: &[Edition]) -> Result<Vec<Plan>, DemoError> {
    let code: ShortCode = code.parse()?;
    let at = editions.first().map_or_else(|| app.clock.now(), |edition| edition.at);
    let mut plan = match app.store.load_plan(&code).await? {
        Some(found) if found.newest_version.is_some() => return Ok(vec![found]),
        Some(found) => found,
        None => {
            let (name, status, revision) = (name.parse()?, CatalogStatus::Active, 1);
            let plan = Plan { code, name, status, newest_version: None, revision, created_at: at, updated_at: at };
            app.store.put_record(&Plan::put(None, plan.clone(), &operator()), app.new_commit_id()).await?;
            plan
        }
    };
    let mut plans = Vec::new();
    for Edition { at, price_cents, currency, interval } in editions {
        let (published, version) = plan.publish(*price_cents, *currency, *interval, 0, *at);
        let event = CatalogEvent::of_publication(&published, version.clone(), None, &operator());
        app.store.publish(&published, &version, &event, None, app.new_commit_id(), None).await?;
        plans.push(published.clone());
        plan = published;
    }
    Ok(plans)
}

/// What a coupon takes off each period.
enum Off {
    Percent(u32),
    /// Minor units of a currency.
    Amount(i64, Currency),
}

/// Adds a coupon to the catalog unless it exists. It discounts this many periods, or all.
async fn sell_coupon(
    app: &App,
    (code, name): (&str, &str),
    off: Off,
    periods: Option<u32>,
    at: Timestamp,
) -> Result<Coupon, DemoError> {
    let code: ShortCode = code.parse()?;
    if let Some(found) = app.store.load_coupon(&code).await? {
        return Ok(found);
    }
    let (percent_basis_points, amount_cents, currency) = match off {
        Off::Percent(percent) => (Some(percent * 100), None, None),
        Off::Amount(amount_cents, currency) => (None, Some(amount_cents), Some(currency)),
    };
    let coupon = Coupon {
        code,
        name: name.parse()?,
        percent_basis_points,
        amount_cents,
        currency,
        duration: if periods.is_some() { CouponDuration::Periods } else { CouponDuration::Forever },
        periods,
        plans: Vec::new(),
        max_redemptions: None,
        redeem_by: None,
        status: CatalogStatus::Active,
        redemptions: 0,
        revision: 1,
        created_at: at,
        updated_at: at,
    };
    app.store.put_record(&Coupon::put(None, coupon.clone(), &operator()), app.new_commit_id()).await?;
    Ok(coupon)
}

/// Adds an add-on to the catalog unless it exists.
async fn sell_addon(
    app: &App,
    (code, name): (&str, &str),
    (price_cents, currency): (i64, &str),
    (quantity, unit): (i64, &str),
    at: Timestamp,
) -> Result<Addon, DemoError> {
    let code: ShortCode = code.parse()?;
    if let Some(found) = app.store.load_addon(&code).await? {
        return Ok(found);
    }
    let addon = Addon {
        interval_prices: IntervalPrices::new(),
        code,
        name: name.parse()?,
        price_cents,
        currency: currency.parse()?,
        quantity,
        unit: unit.parse()?,
        status: CatalogStatus::Active,
        revision: 1,
        created_at: at,
        updated_at: at,
    };
    app.store.put_record(&Addon::put(None, addon.clone(), &operator()), app.new_commit_id()).await?;
    Ok(addon)
}
