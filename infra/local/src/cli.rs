//! The program: what can be asked of it, and in which order it starts and stops its parts.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arcadia_functions::billing::sweep;
use arcadia_shared::domain::{InvalidValue, ShortCode, TenantId, Timestamp};
use arcadia_shared::metrics;
use arcadia_shared::runtime::{App, Clock, RealClock, Settings};
use arcadia_shared::store::{Store, StoreError, error_chain};
use chrono::TimeDelta;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::banner::Banner;
use crate::clock::{FixedClock, MovableClock, moment};
use crate::data::{self, DataError};
use crate::demo::{self, DemoError};
use crate::engine::EngineError;
use crate::events_route;
use crate::feed::{Feed, MAX_KEPT_LEN};
use crate::follow::{self, FollowError};
use crate::gateway::{self, Extras};
use crate::issuer::{Issuer, IssuerError, Role, TokenRequest, claim_names};
use crate::records::{Records, RecordsError, is_aws};
use crate::sweeper::{SWEEP_LIMIT, Sweeper, TestClock, sweep_until_done};

/// How long the tokens of the banner, and others by default, are valid, in hours.
const TOKEN_HOURS: i64 = 12;
/// The longest that a token may be valid, in hours, and how long one for a test clock is by default: ten years.
const MAX_TOKEN_HOURS: i64 = 3_653 * 24;
/// How long it is from one sweep to the next by default, in seconds.
const TICK_SECONDS: u32 = 10;
/// How long a sweep under way may take to end once the program is told to stop.
const TICK_GRACE: Duration = Duration::from_secs(5);
/// Where a deployment runs when nobody says.
const DEFAULT_REGION: &str = "eu-central-1";
/// The namespace of metrics that go to no CloudWatch.
const METRICS_NAMESPACE: &str = "arcadia-cloud-local";
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
    /// Print what has happened in a running program, a CloudEvent a line
    Events(Events),
    /// Take every step that is due, once, and print what that came to as a line of JSON
    Sweep(Sweep),
}

#[derive(Debug, Args)]
struct Up {
    /// The port of the API; 0 takes any that is free
    #[arg(long, default_value_t = 3000)]
    port: u16,
    #[command(flatten)]
    place: Place,
    /// Keep records in memory only
    #[arg(long, conflicts_with = "dynamodb_endpoint")]
    in_memory: bool,
    /// How long it is from one billing sweep to the next, in seconds; 0 for none. 10 by default, and 0 for a table at
    /// AWS, which has a schedule of its own
    #[arg(long, value_name = "N")]
    tick_seconds: Option<u32>,
    /// Start at this moment rather than now, and let time be moved on by POST /local/clock
    #[arg(long, value_name = "TIME", value_parser = clock_moment)]
    clock: Option<Timestamp>,
    /// Where a deployment runs when its creator does not say
    #[arg(long, default_value = DEFAULT_REGION, value_name = "CODE")]
    default_region: ShortCode,
    /// How requests are logged on standard error
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
    /// Write metrics on standard error too, a line each, as the deployed functions do
    #[arg(long)]
    metrics: bool,
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
    /// How long it is valid, in hours: 12 by default, and ten years with --clock
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=MAX_TOKEN_HOURS))]
    ttl_hours: Option<i64>,
    /// Where the clock of the program that it is for started, if not now: what was given to `up` as --clock
    #[arg(long, value_name = "TIME", value_parser = clock_moment)]
    clock: Option<Timestamp>,
    #[command(flatten)]
    data: DataDir,
}

#[derive(Debug, Args)]
struct Events {
    /// Go on with what happens from now on
    #[arg(long)]
    follow: bool,
    /// The port of the program
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Where the clock of the program started, if not now: what was given to `up` as --clock
    #[arg(long, value_name = "TIME", value_parser = clock_moment)]
    clock: Option<Timestamp>,
    #[command(flatten)]
    data: DataDir,
}

#[derive(Debug, Args)]
struct Sweep {
    /// For which moment rather than now
    #[arg(long, value_name = "TIME", value_parser = clock_moment)]
    at: Option<Timestamp>,
    /// Sweep again until nothing steps any more: one sweep takes at most three steps of a deployment
    #[arg(long)]
    until_done: bool,
    #[command(flatten)]
    place: Place,
    /// How what happens is logged on standard error
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
}

/// Where records are.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    data: DataDir,
    /// Use DynamoDB Local (http://...), or AWS with credentials from the environment (https://...), as the database
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    dynamodb_endpoint: Option<String>,
    /// The table's name
    #[arg(long, default_value = "arcadia", value_name = "NAME", value_parser = table_name)]
    table: String,
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
    Records(#[from] RecordsError),
    #[error(
        "the data directory {} is in use by a running arcadia, which sweeps by itself. To move its time on, start it \
         with --clock and POST {{\"advance_seconds\": N}} to its /local/clock; or stop it and sweep then",
        .0.display()
    )]
    SweptByAnother(PathBuf),
    #[error("there are no records in {}: name their directory with --data", .0.display())]
    NoRecords(PathBuf),
    #[error("time passes by itself at AWS: {0} is for records on this machine")]
    TimeAtAws(&'static str),
    #[error("the sweep failed: {}", error_chain(.0))]
    Sweep(#[from] StoreError),
    #[error(transparent)]
    Value(#[from] InvalidValue),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error("the demo catalog cannot be stored: {0}")]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { command, up: defaults } = Cli::parse();
    let done = match command {
        Some(Command::Token(token)) => print_token(&token),
        Some(Command::Events(options)) => run_async(Log::Off, print_events(options)),
        Some(Command::Sweep(options)) => run_async(options.log, sweep_once(options)),
        Some(Command::Up(options)) => run_async(options.log, up(options)),
        None => run_async(defaults.log, up(defaults)),
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
    let Token { role, tenant, sub, ttl_hours, clock, data } = options;
    if tenant.is_some() && *role != Role::TenantUser {
        misuse("only a tenant_user has a --tenant");
    }
    let ttl = TimeDelta::hours(ttl_hours.unwrap_or_else(|| token_hours(*clock)));
    let request = TokenRequest { role: *role, tenant: tenant.clone(), sub: sub.clone(), ttl };
    let token = Issuer::open(&data.path)?.issue(&request, clock.unwrap_or_else(|| RealClock.now()))?;
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

/// How long a token is valid by default, in hours. A test clock leaps over years.
const fn token_hours(clock: Option<Timestamp>) -> i64 {
    if clock.is_some() { MAX_TOKEN_HOURS } else { TOKEN_HOURS }
}

fn run_async(log: Log, work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    start_logging(log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(RUNTIME_GRACE);
    done
}

/// Starts the parts, serves, and stops them in the opposite order.
async fn up(options: Up) -> Result<(), CliError> {
    let Up { port, place, in_memory, tick_seconds, clock: starts_at, default_region, log: _, metrics } = options;
    if metrics {
        metrics::start(METRICS_NAMESPACE.to_owned(), metrics::Output::Stderr);
    }
    let Place { data, dynamodb_endpoint, table } = place;
    let is_aws = is_aws(dynamodb_endpoint.as_deref());
    if is_aws && starts_at.is_some() {
        return Err(CliError::TimeAtAws("--clock"));
    }
    // From here on a signal ends the program in good order, however early it comes.
    let stop = stop_signal()?;
    // The port comes first: a second start by mistake must not touch anything.
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => CliError::PortTaken(port),
        _ => CliError::Port(port, error),
    })?;
    let url = format!("http://{}", listener.local_addr()?);
    let issuer = Arc::new(Issuer::open(&data.path)?);
    let records = match dynamodb_endpoint {
        Some(endpoint) => Records::at(&endpoint, &table).await?,
        None if in_memory => Records::in_memory(&table).await?,
        None => Records::in_directory(&data.path, &table).await?,
    };
    let movable = starts_at.map(|at| Arc::new(MovableClock::starting_at(at)));
    let clock: Arc<dyn Clock> = match &movable {
        Some(movable) => Arc::<MovableClock>::clone(movable),
        None => Arc::new(RealClock),
    };
    let feed = Feed::new(MAX_KEPT_LEN);
    let app = App {
        store: Store::new(feed.tap(&records.client), table),
        clock,
        settings: Settings { default_region, claims: claim_names() },
    };
    // What is at AWS is somebody's own; only a table on this machine is filled with examples.
    if !is_aws {
        demo::fill_catalog(&app).await?;
    }
    print_banner(&issuer, &app, &url, &records.description, starts_at)?;
    let sweeper = Arc::new(Sweeper::new(app.clone()));
    let test_clock = movable.map(|movable| Arc::new(TestClock::new(movable, Arc::clone(&sweeper))));
    let extras = Extras { test_clock, events: Some(events_route::Events::new(feed)) };
    let ticking = Ticking::start(sweeper, tick_seconds.unwrap_or(if is_aws { 0 } else { TICK_SECONDS }));
    let served = gateway::serve_with(listener, app, issuer, extras, stop).await;
    ticking.stop().await;
    records.close().await?;
    served?;
    // Nobody may be reading any more.
    let _ = writeln!(io::stdout(), "Stopped.");
    Ok(())
}

/// The sweeps that run beside the server.
struct Ticking {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Ticking {
    /// Starts them, unless `seconds` is 0.
    fn start(sweeper: Arc<Sweeper>, seconds: u32) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            if seconds > 0 {
                let period = Duration::from_secs(u64::from(seconds));
                sweeper.tick_every(period, async { _ = stopped.await }).await;
            }
        });
        Self { stop, task }
    }

    /// Ends them. A sweep that does not end in time is cut off, which does no more harm than a crash would: each of its
    /// steps is one transaction.
    async fn stop(self) {
        let Self { stop, mut task } = self;
        // Without sweeps, nobody listens.
        let _ = stop.send(());
        if tokio::time::timeout(TICK_GRACE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

async fn print_events(options: Events) -> Result<(), CliError> {
    let Events { follow, port, clock, data } = options;
    if !data.path.is_dir() {
        return Err(CliError::NoRecords(data.path));
    }
    let request = TokenRequest {
        role: Role::PlatformAdmin,
        tenant: None,
        sub: "local-events".to_owned(),
        ttl: TimeDelta::hours(token_hours(clock)),
    };
    let token = Issuer::open(&data.path)?.issue(&request, clock.unwrap_or_else(|| RealClock.now()))?;
    Ok(follow::print(port, &token, follow, &mut io::stdout()).await?)
}

async fn sweep_once(options: Sweep) -> Result<(), CliError> {
    let Sweep { at, until_done, place: Place { data, dynamodb_endpoint, table }, log: _ } = options;
    if is_aws(dynamodb_endpoint.as_deref()) && at.is_some() {
        return Err(CliError::TimeAtAws("--at"));
    }
    let records = match dynamodb_endpoint {
        Some(endpoint) => Records::at(&endpoint, &table).await?,
        None if !data::has_database(&data.path) => return Err(CliError::NoRecords(data.path)),
        None => Records::in_directory(&data.path, &table).await.map_err(|error| match error {
            RecordsError::Data(DataError::InUse(path)) => CliError::SweptByAnother(path),
            error => error.into(),
        })?,
    };
    let app = App {
        store: Store::new(records.client.clone(), table),
        clock: at.map_or_else(|| Arc::new(RealClock) as Arc<dyn Clock>, |at| Arc::new(FixedClock(at))),
        // Nothing that a sweep does depends on it.
        settings: Settings { default_region: DEFAULT_REGION.parse()?, claims: claim_names() },
    };
    let stop_at = Instant::now() + SWEEP_LIMIT;
    let swept = if until_done { sweep_until_done(&app, stop_at).await } else { sweep::sweep(&app, stop_at).await };
    records.close().await?;
    writeln!(io::stdout(), "{}", json!(swept?))?;
    Ok(())
}

fn print_banner(
    issuer: &Issuer,
    app: &App,
    url: &str,
    storage: &str,
    clock: Option<Timestamp>,
) -> Result<(), CliError> {
    let now = clock.unwrap_or_else(|| app.clock.now());
    let token_hours = token_hours(clock);
    let token = |role, tenant: Option<TenantId>, sub: &str| {
        let ttl = TimeDelta::hours(token_hours);
        issuer.issue(&TokenRequest { role, tenant, sub: sub.to_owned(), ttl }, now)
    };
    let banner = Banner {
        url,
        storage,
        token_hours,
        admin_token: &token(Role::PlatformAdmin, None, "local-admin")?,
        tenant_token: &token(Role::TenantUser, BANNER_TENANT.parse().ok(), "local-user")?,
        tenant: BANNER_TENANT,
        clock,
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
    // And every tick would say of every shard that it was swept.
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

fn clock_moment(text: &str) -> Result<Timestamp, String> {
    moment(text).map_err(|invalid| invalid.detail.to_owned())
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
