//! Generates two years of a growing company with the product's own code, many deployments at a time.

use std::sync::Arc;

use arcadia_domain::{Scope, Timestamp, set_dunning_policy};
use arcadia_functions::runtime::App;
use arcadia_store::{DeploymentFilter, Difference};
use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::cast::{DAYS, cast};
use super::catalog::{DemoError, open_shop, operator};
use super::life::{Life, Stage, Tally};

/// Number of deployments generated concurrently: enough to keep a sequential engine busy.
const CONCURRENCY: usize = 8;

/// The parameters of a history.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// Seed of the random generator.
    pub seed: u64,
    /// Number of deployments.
    pub deployments: usize,
    /// Number of tenants.
    pub tenants: usize,
    /// End of the history.
    pub until: Timestamp,
}

/// The summary of a history.
#[derive(Debug)]
pub struct History {
    /// Start of the history.
    pub since: Timestamp,
    /// Number of tenants.
    pub tenants: usize,
    /// Counts of its records.
    pub tally: Tally,
}

/// Writes a history into a table without deployments; `lived` is called after each deployment.
///
/// # Errors
/// [`DemoError`] if there are deployments already, or the store does not respond.
pub async fn write(app: &App, script: Script, lived: impl Fn()) -> Result<History, DemoError> {
    let Script { seed, deployments, tenants, until } = script;
    if !app.store.list_deployments(&Scope::All, &DeploymentFilter::default(), 1, None).await?.items.is_empty() {
        return Err(DemoError::NotEmpty);
    }
    let since = until - TimeDelta::days(DAYS);
    let (tenants, parts) = cast(seed, deployments, tenants, until)?;
    for tenant in &tenants {
        if let Some(policy) = &tenant.policy {
            let (known, present) = app.store.load_tenant_and_policy(&tenant.id).await?;
            if let Some(change) = set_dunning_policy(&known, (present, *policy), &operator(), since) {
                app.store.commit_tenant(&tenant.id, &change, None, None, app.new_commit_id()).await?;
            }
        }
    }
    let stage = Arc::new(Stage { app: app.clone(), shop: open_shop(app, since).await?, until });
    // Each deployment is a task of its own, so that all threads are used.
    let tally = stream::iter(parts)
        .map(|part| tokio::spawn(Life::live(Arc::clone(&stage), part)))
        .buffer_unordered(CONCURRENCY)
        .map(|ended| ended.map_err(DemoError::from).flatten())
        .try_fold(Tally::default(), |mut tally, life| {
            lived();
            tally.add(life);
            std::future::ready(Ok(tally))
        })
        .await?;
    count(app, &tally, until).await?;
    Ok(History { since, tenants: tenants.len(), tally })
}

/// Adds up the figures like the reader of the table's stream, but one month at a time.
async fn count(app: &App, tally: &Tally, until: Timestamp) -> Result<(), DemoError> {
    for ((year, month), (at, figures)) in &tally.figures {
        let sequence = u128::from(year.unsigned_abs() * 100 + month);
        let difference = Difference { sequence, at: *at, figures: figures.clone() };
        app.store.add_figures(&[difference], until, &|| app.new_commit_id()).await?;
    }
    Ok(())
}
