//! Arguments for the location of records and for logging, shared by the commands that work on records.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use arcadia_domain::Timestamp;
use arcadia_local::clock::moment;
use clap::{Args, ValueEnum};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::CliError;

/// Default port of the API.
pub const DEFAULT_PORT: u16 = 3000;
/// Default data directory.
pub const DEFAULT_DATA: &str = ".arcadia";
/// Default region of deployments.
pub const DEFAULT_REGION: &str = "eu-central-1";
/// How long the program waits for blocked threads at its end.
const RUNTIME_GRACE: Duration = Duration::from_secs(1);

/// Location of the records.
#[derive(Debug, Args)]
pub struct Place {
    #[command(flatten)]
    pub data: DataDir,
    /// Use DynamoDB Local (http://...) or AWS (https://..., with credentials from the environment) as the database
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub dynamodb_endpoint: Option<String>,
    /// Name of the table
    #[arg(long, default_value = "arcadia", value_name = "NAME", value_parser = table_name)]
    pub table: String,
}

#[derive(Debug, Args)]
pub struct DataDir {
    /// Directory of the records and of the key that signs tokens
    #[arg(long = "data", env = "ARCADIA_DATA", default_value = DEFAULT_DATA, value_name = "DIR")]
    pub path: PathBuf,
}

/// Format of the log.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Log {
    /// Text lines
    Text,
    /// JSON lines, as the deployed functions log
    Json,
    /// No log
    Off,
}

/// Runs a command's asynchronous work.
pub fn run_async(log: Log, work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    start_logging(log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(RUNTIME_GRACE);
    done
}

/// Logs to standard error; standard output is for people and pipes.
fn start_logging(log: Log) {
    // The engine logs expected error responses, such as a failed condition, and every tick would log a line for every
    // shard.
    let levels = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("arcadia_functions::billing::sweep", LevelFilter::WARN)
        .with_target("dynoxide", LevelFilter::ERROR);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    let logs = tracing_subscriber::registry().with(levels);
    match log {
        Log::Text => logs.with(lines).init(),
        Log::Json => logs.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)).init(),
        Log::Off => {}
    }
}

/// Parses a time that a clock can be set to.
pub fn clock_moment(text: &str) -> Result<Timestamp, String> {
    moment(text).map_err(|invalid| invalid.detail.into_owned())
}

fn endpoint(text: &str) -> Result<String, String> {
    let authority = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    if authority.is_some_and(|authority| !authority.is_empty()) {
        Ok(text.to_owned())
    } else {
        Err("must start with http:// or https://".to_owned())
    }
}

/// Checks DynamoDB's rule for table names.
fn table_name(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if (3..=255).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("must be 3 to 255 characters of A-Z, a-z, 0-9, underscore, hyphen and dot".to_owned())
    }
}
