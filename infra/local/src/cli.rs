//! The program: what can be asked of it, and in which order it starts and stops its parts.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arcadia_shared::domain::{ShortCode, TenantId};
use arcadia_shared::runtime::{self, App, Clock, RealClock, Settings};
use arcadia_shared::store::schema::create_table;
use arcadia_shared::store::{Store, StoreError, error_chain};
use aws_sdk_dynamodb::Client;
use chrono::TimeDelta;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use tokio::net::TcpListener;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::banner::Banner;
use crate::data::{DataError, DatabaseLock};
use crate::demo::{self, DemoError};
use crate::engine::{Engine, EngineError, Storage};
use crate::gateway;
use crate::issuer::{Issuer, IssuerError, Role, TokenRequest, claim_names};

/// How long the tokens of the banner, and others by default, are valid, in hours.
const TOKEN_HOURS: u32 = 12;
/// The longest that a token may be valid, in hours: a year.
const MAX_TOKEN_HOURS: i64 = 366 * 24;
/// Whose user the banner's second token is.
const BANNER_TENANT: &str = "acme";
/// How long the program waits for threads that hang once all else has ended.
const RUNTIME_GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, Parser)]
#[command(
    name = "arcadia",
    version,
    about = "Arcadia Cloud, whole, on one machine",
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: Up,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything on 127.0.0.1 (what happens without a command)
    Up(Up),
    /// Print a token
    Token(Token),
}

#[derive(Debug, Args)]
struct Up {
    /// The port of the API; 0 takes any that is free
    #[arg(long, default_value_t = 3000)]
    port: u16,
    #[command(flatten)]
    data: DataDir,
    /// Keep records in memory only
    #[arg(long, conflicts_with = "dynamodb_endpoint")]
    in_memory: bool,
    /// Use DynamoDB Local (http://...), or AWS with credentials from the environment (https://...), as the database
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    dynamodb_endpoint: Option<String>,
    /// The table's name
    #[arg(long, default_value = "arcadia", value_name = "NAME", value_parser = table_name)]
    table: String,
    /// Where a deployment runs when its creator does not say
    #[arg(long, default_value = "eu-central-1", value_name = "CODE")]
    default_region: ShortCode,
    /// How requests are logged on standard error
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
}

#[derive(Debug, Args)]
struct Token {
    /// What its bearer may do
    #[arg(long, value_enum)]
    role: Role,
    /// The tenant of a tenant_user
    #[arg(long, value_name = "ID", required_if_eq("role", "tenant_user"))]
    tenant: Option<TenantId>,
    /// Who its bearer is, as events will name them
    #[arg(long, default_value = "local-user", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    sub: String,
    /// How long it is valid, in hours
    #[arg(long, default_value_t = i64::from(TOKEN_HOURS), value_name = "N", value_parser = clap::value_parser!(i64).range(1..=MAX_TOKEN_HOURS))]
    ttl_hours: i64,
    #[command(flatten)]
    data: DataDir,
}

#[derive(Debug, Args)]
struct DataDir {
    /// The directory of the records and of the key that signs tokens
    #[arg(long = "data", default_value = ".arcadia", value_name = "DIR")]
    path: PathBuf,
}

/// How requests are logged.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Log {
    /// Lines for people
    Text,
    /// JSON, as the deployed functions log
    Json,
    /// Not at all
    Off,
}

/// Why the program cannot do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("port {0} is taken: stop what uses it, or choose another with --port")]
    PortTaken(u16),
    #[error("port {0} cannot be used: {1}")]
    Port(u16, io::Error),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the demo catalog cannot be stored: {0}")]
    Demo(#[from] DemoError),
    #[error("nothing answers at the DynamoDB endpoint {0}")]
    NoDynamoDb(String),
    #[error("the table {0} is of no use: {1}")]
    Table(String, String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Where records are, and what has to be ended in the end.
struct Records {
    client: Client,
    engine: Option<(Engine, Option<DatabaseLock>)>,
    description: String,
}

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { command, up: defaults } = Cli::parse();
    let done = match command {
        Some(Command::Token(token)) => print_token(&token),
        Some(Command::Up(options)) => start(options),
        None => start(defaults),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_token(options: &Token) -> Result<(), CliError> {
    let Token { role, tenant, sub, ttl_hours, data } = options;
    if tenant.is_some() && *role != Role::TenantUser {
        misuse("only a tenant_user has a --tenant");
    }
    let ttl = TimeDelta::hours(*ttl_hours);
    let request = TokenRequest { role: *role, tenant: tenant.clone(), sub: sub.clone(), ttl };
    let token = Issuer::open(&data.path)?.issue(&request, RealClock.now())?;
    writeln!(io::stdout(), "{token}")?;
    Ok(())
}

/// Ends the program as clap does over any other mistake in the arguments of `token`.
fn misuse(text: &str) {
    let mut program = Cli::command();
    program.build();
    if let Some(command) = program.find_subcommand_mut("token") {
        command.error(ErrorKind::ArgumentConflict, text).exit();
    }
}

fn start(options: Up) -> Result<(), CliError> {
    start_logging(options.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(up(options));
    runtime.shutdown_timeout(RUNTIME_GRACE);
    done
}

/// Starts the parts, serves, and stops them in the opposite order.
async fn up(options: Up) -> Result<(), CliError> {
    let Up { port, data, in_memory, dynamodb_endpoint, table, default_region, log: _ } = options;
    // From here on a signal ends the program in good order, however early it comes.
    let stop = stop_signal()?;
    // The port comes first: a second start by mistake must not touch anything.
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => CliError::PortTaken(port),
        _ => CliError::Port(port, error),
    })?;
    let url = format!("http://{}", listener.local_addr()?);
    let issuer = Arc::new(Issuer::open(&data.path)?);
    // What is at AWS is somebody's own; only a table on this machine is filled with examples.
    let is_aws = dynamodb_endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("https://"));
    let Records { client, engine, description } =
        open_records(&data.path, in_memory, dynamodb_endpoint, &table).await?;
    let app = App {
        store: Store::new(client, table),
        clock: Arc::new(RealClock),
        settings: Settings { default_region, claims: claim_names() },
    };
    if !is_aws {
        demo::fill_catalog(&app).await?;
    }
    print_banner(&issuer, &app, &url, &description)?;
    let served = gateway::serve(listener, app, issuer, stop).await;
    if let Some((engine, lock)) = engine {
        engine.stop().await?;
        drop(lock);
    }
    served?;
    // Nobody may be reading any more.
    let _ = writeln!(io::stdout(), "Stopped.");
    Ok(())
}

async fn open_records(
    data: &Path,
    in_memory: bool,
    endpoint: Option<String>,
    table: &str,
) -> Result<Records, CliError> {
    if let Some(endpoint) = endpoint {
        let client = reach(&endpoint, table).await?;
        return Ok(Records { client, engine: None, description: format!("in the table {table} at {endpoint}") });
    }
    let (engine, lock, description) = if in_memory {
        (Engine::start(&Storage::Memory).await?, None, "in memory until it stops".to_owned())
    } else {
        let lock = DatabaseLock::acquire(data)?;
        let engine = Engine::start(&Storage::File(lock.path().to_owned())).await?;
        (engine, Some(lock), format!("in {}", data.display()))
    };
    let client = engine.client();
    if let Err(error) = create_table(&client, table).await {
        engine.stop().await?;
        return Err(CliError::Table(table.to_owned(), error.to_string()));
    }
    Ok(Records { client, engine: Some((engine, lock)), description })
}

/// Connects to a DynamoDB elsewhere. One nearby gets the table if it has none; at AWS the table is the template's to
/// make, with all that belongs to it.
async fn reach(endpoint: &str, table: &str) -> Result<Client, CliError> {
    let no_table = |reason| CliError::Table(table.to_owned(), reason);
    if endpoint.starts_with("http://") {
        let client = runtime::local_client(endpoint);
        return match create_table(&client, table).await {
            Ok(()) => Ok(client),
            Err(StoreError::Unavailable(_)) => Err(CliError::NoDynamoDb(endpoint.to_owned())),
            Err(error) => Err(no_table(error.to_string())),
        };
    }
    let client = runtime::client(Some(endpoint)).await;
    let found = client.describe_table().table_name(table).send().await;
    found.map_err(|error| no_table(error_chain(&error)))?;
    Ok(client)
}

fn print_banner(issuer: &Issuer, app: &App, url: &str, storage: &str) -> Result<(), CliError> {
    let now = app.clock.now();
    let token = |role, tenant: Option<TenantId>, sub: &str| {
        let ttl = TimeDelta::hours(i64::from(TOKEN_HOURS));
        issuer.issue(&TokenRequest { role, tenant, sub: sub.to_owned(), ttl }, now)
    };
    let banner = Banner {
        url,
        storage,
        token_hours: TOKEN_HOURS,
        admin_token: &token(Role::PlatformAdmin, None, "local-admin")?,
        tenant_token: &token(Role::TenantUser, BANNER_TENANT.parse().ok(), "local-user")?,
        tenant: BANNER_TENANT,
    };
    // A closed standard output is no reason not to serve.
    let _ = write!(io::stdout(), "{banner}");
    let _ = io::stdout().flush();
    Ok(())
}

/// Resolves at the first Ctrl-C or SIGTERM; listens from the call on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves at the first Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Standard output is for people and pipes, so everything is logged on standard error.
fn start_logging(log: Log) {
    // What the engine calls an error response is often part of the plan, such as a condition that fails.
    let levels = Targets::new().with_default(LevelFilter::INFO).with_target("dynoxide", LevelFilter::ERROR);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    let logs = tracing_subscriber::registry().with(levels);
    match log {
        Log::Text => logs.with(lines).init(),
        Log::Json => logs.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)).init(),
        Log::Off => {}
    }
}

fn endpoint(text: &str) -> Result<String, String> {
    let authority = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    if authority.is_some_and(|authority| !authority.is_empty()) {
        Ok(text.to_owned())
    } else {
        Err("must begin with http:// or https://".to_owned())
    }
}

/// DynamoDB's own rule.
fn table_name(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if (3..=255).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("must be 3 to 255 of A-Z, a-z, 0-9, underscore, hyphen and dot".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
