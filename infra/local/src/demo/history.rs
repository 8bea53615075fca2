//! Two years of a growing company, lived through by the product's own code, many deployments at a time.

use std::sync::Arc;

use arcadia_domain::{Scope, Timestamp};
use arcadia_functions::runtime::App;
use arcadia_store::{DeploymentFilter, Difference};
use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::cast::{DAYS, cast};
use super::catalog::{DemoError, open_shop};
use super::life::{Life, Stage, Tally};

/// How many deployments live at a time: enough to keep an engine busy that does one thing after the other.
const CONCURRENCY: usize = 8;

/// What is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// What everything is rolled from.
    pub seed: u64,
    /// How many deployments.
    pub deployments: usize,
    /// Of how many tenants.
    pub tenants: usize,
    /// When it ends.
    pub until: Timestamp,
}

/// What was written.
#[derive(Debug)]
pub struct History {
    /// When it begins.
    pub since: Timestamp,
    /// How many tenants it has.
    pub tenants: usize,
    /// What happened.
    pub tally: Tally,
}

/// Writes a history into a table without one; `lived` is called after each deployment.
///
/// # Errors
/// [`DemoError`] if there are deployments already, or the store does not answer.
pub async fn write(app: &App, script: Script, lived: impl Fn()) -> Result<History, DemoError> {
    let Script { seed, deployments, tenants, until } = script;
    if !app.store.list_deployments(&Scope::All, &DeploymentFilter::default(), 1, None).await?.items.is_empty() {
        return Err(DemoError::NotEmpty);
    }
    let since = until - TimeDelta::days(DAYS);
    let (tenants, parts) = cast(seed, deployments, tenants, until)?;
    for tenant in &tenants {
        if let Some(policy) = &tenant.policy {
            app.store.put_dunning_policy(&tenant.id, policy).await?;
        }
    }
    let stage = Arc::new(Stage { app: app.clone(), shop: open_shop(app, since).await?, until });
    // Each life is a task of its own, so that as many threads work on them as there are.
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

/// Adds the figures up as the reader of the table's stream would: a month at a time, since nobody waits for them.
async fn count(app: &App, tally: &Tally, until: Timestamp) -> Result<(), DemoError> {
    for ((year, month), (at, figures)) in &tally.figures {
        let sequence = u128::from(year.unsigned_abs() * 100 + month);
        let difference = Difference { sequence, at: *at, figures: figures.clone() };
        app.store.add_figures(&[difference], until, &|| app.new_commit_id()).await?;
    }
    Ok(())
}
