//! `arcadia demo`: fills a local table with a generated history of two years.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use arcadia_domain::Timestamp;
use arcadia_functions::runtime::{App, Clock, RealClock, Settings};
use arcadia_local::clock::FixedClock;
use arcadia_local::demo::{History, Script, write};
use arcadia_local::engine::Purpose;
use arcadia_local::issuer::claim_names;
use arcadia_local::records::{Records, is_aws};
use arcadia_store::Store;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::CliError;
use super::place::{DEFAULT_REGION, Log, Place, clock_moment, run_async};

/// Maximum number of deployments in a history.
const MAX_DEPLOYMENTS: u64 = 100_000;
/// Default average number of deployments per tenant.
const DEPLOYMENTS_A_TENANT: usize = 6;
/// Number of progress lines printed without a terminal.
const LINES: u64 = 10;

#[derive(Debug, Args)]
pub struct Demo {
    /// Seed of the random generator: the same seed and end give the same history
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Number of deployments
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_DEPLOYMENTS))]
    deployments: u64,
    /// Number of tenants. Default: one for every six deployments
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_DEPLOYMENTS))]
    tenants: Option<u64>,
    /// End of the history. It begins two years earlier. Default: now
    #[arg(long, value_name = "TIME", value_parser = clock_moment)]
    until: Option<Timestamp>,
    /// Store nothing on disk
    #[arg(long, conflicts_with = "dynamodb_endpoint")]
    in_memory: bool,
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub fn run(options: Demo) -> Result<(), CliError> {
    // The summary is the output; the log is not needed.
    run_async(Log::Off, fill(options))
}

async fn fill(options: Demo) -> Result<(), CliError> {
    let Demo { seed, deployments, tenants, until, in_memory, place } = options;
    let Place { data, dynamodb_endpoint, table } = place;
    if is_aws(dynamodb_endpoint.as_deref()) {
        return Err(CliError::DemoAtAws);
    }
    let until = until.unwrap_or_else(|| RealClock.now());
    let records = match dynamodb_endpoint {
        Some(endpoint) => Records::at(&endpoint, &table).await?,
        None if in_memory => Records::in_memory(&table, Purpose::Fill).await?,
        None => Records::in_directory(&data.path, &table, Purpose::Fill).await?,
    };
    let app = App {
        store: Store::new(records.client.clone(), table),
        clock: Arc::new(FixedClock(until)),
        settings: Settings { default_region: DEFAULT_REGION.parse()?, claims: claim_names() },
    };
    let deployments = usize::try_from(deployments).unwrap_or(usize::MAX);
    let tenants = tenants.and_then(|tenants| usize::try_from(tenants).ok());
    let tenants = tenants.unwrap_or(deployments.div_ceil(DEPLOYMENTS_A_TENANT)).min(deployments);
    let started = Instant::now();
    let bar = progress_bar(deployments as u64);
    let written = write(&app, Script { seed, deployments, tenants, until }, || advance(&bar)).await;
    bar.finish_and_clear();
    let description = records.description.clone();
    records.close().await?;
    let history = written?;
    Ok(io::stdout().write_all(summary(&history, until, &description, started.elapsed()).as_bytes())?)
}

fn progress_bar(len: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} deployments, {elapsed} so far, {eta} to go");
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}

fn advance(bar: &ProgressBar) {
    bar.inc(1);
    let (position, len) = (bar.position(), bar.length().unwrap_or_default());
    if !io::stderr().is_terminal() && position % len.div_ceil(LINES).max(1) == 0 {
        eprintln!("{position} of {len} deployments");
    }
}

fn summary(history: &History, until: Timestamp, place: &str, took: Duration) -> String {
    let History { since, tenants, tally } = history;
    let deployments: u64 = tally.states.values().sum();
    let states: Vec<String> = tally.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let per_s = u128::from(tally.commits) * 1_000 / took.as_millis().max(1);
    format!(
        "{deployments} deployments of {tenants} tenants, {} to {}: {}.\n\
         {} events, {} invoices, {} payments; {} commands were rejected by a rule.\n\
         {} transactions in {} s, {per_s} a second. The records are {place}.\n",
        since.format("%Y-%m-%d"),
        until.format("%Y-%m-%d"),
        states.join(", "),
        tally.events,
        tally.invoices,
        tally.payments,
        tally.refused,
        tally.commits,
        took.as_secs(),
    )
}
