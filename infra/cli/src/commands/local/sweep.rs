//! `arcadia sweep`: runs a billing sweep on records that no running program uses.

use std::io::{self, Write};
use std::sync::Arc;

use arcadia_domain::Timestamp;
use arcadia_functions::billing::sweep;
use arcadia_functions::runtime::{App, Clock, RealClock, Settings};
use arcadia_local::clock::FixedClock;
use arcadia_local::data::{self, DataError};
use arcadia_local::engine::Purpose;
use arcadia_local::issuer::claim_names;
use arcadia_local::records::{Records, RecordsError, is_aws};
use arcadia_local::sweeper::{SWEEP_LIMIT, sweep_until_done};
use arcadia_store::Store;
use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use super::CliError;
use super::place::{DEFAULT_REGION, Log, Place, clock_moment, run_async};

#[derive(Debug, Args)]
pub struct Sweep {
    /// Time to sweep for. Default: now
    #[arg(long, value_name = "TIME", value_parser = clock_moment)]
    at: Option<Timestamp>,
    /// Repeat until no step is due: one sweep takes at most three steps of a deployment
    #[arg(long)]
    until_done: bool,
    #[command(flatten)]
    place: Place,
    /// Format of the log on standard error
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
}

/// Runs the command.
pub fn run(options: Sweep) -> Result<(), CliError> {
    run_async(options.log, sweep_once(options))
}

async fn sweep_once(options: Sweep) -> Result<(), CliError> {
    let Sweep { at, until_done, place: Place { data, dynamodb_endpoint, table }, log: _ } = options;
    let is_aws = is_aws(dynamodb_endpoint.as_deref());
    if is_aws && at.is_some() {
        return Err(CliError::TimeAtAws("--at"));
    }
    let records = match dynamodb_endpoint {
        Some(endpoint) => Records::at(&endpoint, &table).await?,
        None if !data::has_database(&data.path) => return Err(CliError::NoRecords(data.path)),
        None => Records::in_directory(&data.path, &table, Purpose::Serve).await.map_err(|error| match error {
            RecordsError::Data(DataError::InUse(path)) => CliError::SweptByAnother(path),
            error => error.into(),
        })?,
    };
    let store = Store::new(records.client.clone(), table);
    let app = App {
        // At AWS, the function `count_figures` adds up the figures.
        store: if is_aws { store } else { store.counting() },
        clock: at.map_or_else(|| Arc::new(RealClock) as Arc<dyn Clock>, |at| Arc::new(FixedClock(at))),
        // The sweep uses none of these settings.
        settings: Settings { default_region: DEFAULT_REGION.parse()?, claims: claim_names() },
    };
    let stop_at = Instant::now() + SWEEP_LIMIT;
    let swept = if until_done { sweep_until_done(&app, stop_at).await } else { sweep::sweep(&app, stop_at).await };
    records.close().await?;
    writeln!(io::stdout(), "{}", json!(swept?))?;
    Ok(())
}
