//! Generates two years of a growing company with the product's own code, many deployments at a time.

use std::collections::HashMap;
use std::sync::Arc;

use arcadia_domain::{OperationId, Scope, TenantRules, Timestamp, UpdateTenant, set_dunning_policy, update_tenant};
use arcadia_functions::runtime::App;
use arcadia_store::{DeploymentFilter, Difference};
use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::cast::{DAYS, Tenant, cast};
use super::catalog::{DemoError, open_shop, operator};
use super::life::{Life, Stage, Tally};

/// Number of deployments generated concurrently: enough to keep a sequential engine busy.
const CONCURRENCY: usize = 8;

/// Tax rate of the tenants that pay in euros: 19 percent.
const TAX_RATE_BASIS_POINTS: u32 = 1_900;

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
    let mut rules = HashMap::new();
    for tenant in &tenants {
        rules.insert(tenant.id.clone(), register(app, tenant, since).await?);
    }
    let stage = Arc::new(Stage { app: app.clone(), shop: open_shop(app, since).await?, rules, until });
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

/// Stores the fields and the dunning policy of a tenant, and returns the rules for its deployments. Who pays in euros
/// pays tax.
async fn register(app: &App, tenant: &Tenant, since: Timestamp) -> Result<TenantRules, DemoError> {
    let (known, present) = app.store.load_tenant_and_policy(&tenant.id).await?;
    let fields = UpdateTenant {
        name: Some(Some(tenant.name.clone())),
        email: Some(Some(tenant.email.clone())),
        tax_rate_basis_points: tenant.pays_in_euro.then_some(TAX_RATE_BASIS_POINTS),
        ..UpdateTenant::default()
    };
    // No operation copies the rules: there are no deployments yet.
    let operation_id = OperationId::new(app.new_id(since));
    let updated = update_tenant(&known, fields, operation_id, &operator(), since)?;
    let mut stored = known;
    if let Some(change) = updated {
        app.store.commit_tenant(&tenant.id, &change, None, None, app.new_commit_id()).await?;
        stored = change.after;
    }
    let new_policy = tenant.policy.unwrap_or(present);
    if let Some(change) = set_dunning_policy(&stored, (present, new_policy), &operator(), since) {
        app.store.commit_tenant(&tenant.id, &change, None, None, app.new_commit_id()).await?;
        stored = change.after;
    }
    Ok(stored.rules())
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
