//! `arcadia up`: starts and stops the parts of the program.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arcadia_domain::{Authority, ShortCode, TenantId, Timestamp};
use arcadia_functions::metric_lines;
use arcadia_functions::runtime::{App, Clock, RealClock, Settings};
use arcadia_local::clock::MovableClock;
use arcadia_local::engine::Purpose;
use arcadia_local::feed::{Feed, MAX_KEPT_LEN};
use arcadia_local::gateway::{self, Extras};
use arcadia_local::issuer::{Issuer, TokenRequest, claim_names};
use arcadia_local::records::{Records, is_aws};
use arcadia_local::sweeper::{Sweeper, TestClock};
use arcadia_local::{demo, events_route};
use arcadia_store::Store;
use chrono::TimeDelta;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::CliError;
use super::banner::Banner;
use super::place::{DEFAULT_DATA, DEFAULT_PORT, DEFAULT_REGION, Log, Place, clock_moment, run_async};
use super::token::token_hours;

/// Default time between sweeps, in seconds.
const TICK_SECONDS: u32 = 10;
/// How long a running sweep may take to finish after the program gets a signal to stop.
const TICK_GRACE: Duration = Duration::from_secs(5);
/// Metrics namespace of the local program. It does not exist in CloudWatch.
const METRICS_NAMESPACE: &str = "arcadia-cloud-local";
/// Tenant of the banner's second token.
const BANNER_TENANT: &str = "acme";

#[derive(Debug, Args)]
pub struct Up {
    /// Port of the API; 0 chooses a free one
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    #[command(flatten)]
    place: Place,
    /// Keep records in memory only
    #[arg(long, conflicts_with = "dynamodb_endpoint")]
    in_memory: bool,
    /// Seconds between billing sweeps, and between looks for operations to work on; 0 disables both. Default: 10, or 0 for a table at AWS, which has its own
    /// schedule
    #[arg(long, value_name = "N")]
    tick_seconds: Option<u32>,
    /// Start a test clock at this time; POST /local/clock advances it
    #[arg(long, value_name = "TIME", value_parser = clock_moment)]
    clock: Option<Timestamp>,
    /// Region of deployments that are created without one
    #[arg(long, default_value = DEFAULT_REGION, value_name = "CODE")]
    default_region: ShortCode,
    /// Format of the log on standard error
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
    /// Also write metrics to standard error, one line each, as the deployed functions do
    #[arg(long)]
    metrics: bool,
}

/// Runs the command.
pub fn run(options: Up) -> Result<(), CliError> {
    run_async(options.log, up(options))
}

/// Starts the parts, serves, and stops them in the opposite order.
async fn up(options: Up) -> Result<(), CliError> {
    let Up { port, place, in_memory, tick_seconds, clock: starts_at, default_region, log: _, metrics } = options;
    if metrics {
        metric_lines::start(METRICS_NAMESPACE.to_owned(), metric_lines::Output::Stderr);
    }
    let Place { data, dynamodb_endpoint, table } = place;
    let is_aws = is_aws(dynamodb_endpoint.as_deref());
    if is_aws && starts_at.is_some() {
        return Err(CliError::TimeAtAws("--clock"));
    }
    // From here on a signal stops the program in an orderly way.
    let stop = stop_signal()?;
    // Bind the port first, so that a second program started by mistake changes nothing.
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => CliError::PortTaken(port),
        _ => CliError::Port(port, error),
    })?;
    let url = format!("http://{}", listener.local_addr()?);
    let issuer = Arc::new(Issuer::open(&data.path)?);
    let records = match dynamodb_endpoint {
        Some(endpoint) => Records::at(&endpoint, &table).await?,
        None if in_memory => Records::in_memory(&table, Purpose::Serve).await?,
        None => Records::in_directory(&data.path, &table, Purpose::Serve).await?,
    };
    let movable = starts_at.map(|at| Arc::new(MovableClock::starting_at(at)));
    let clock: Arc<dyn Clock> = match &movable {
        Some(movable) => Arc::<MovableClock>::clone(movable),
        None => Arc::new(RealClock),
    };
    let feed = Feed::new(MAX_KEPT_LEN);
    let store = Store::new(feed.tap(&records.client), table);
    let app = App {
        // At AWS, the function `count_figures` adds up the figures.
        store: if is_aws { store } else { store.counting() },
        clock,
        settings: Settings { default_region, claims: claim_names() },
    };
    // Only a local table gets an example catalog; a table at AWS belongs to its operator.
    if !is_aws {
        demo::fill_catalog(&app).await?;
    }
    let (place, exports) = place_of(listener.local_addr()?.port(), &data.path);
    print_banner(&issuer, &app, &url, (&place, &exports), &records.description, starts_at)?;
    let sweeper = Arc::new(Sweeper::new(app.clone()));
    let test_clock = movable.map(|movable| Arc::new(TestClock::new(movable, Arc::clone(&sweeper))));
    let extras = Extras { test_clock, events: Some(events_route::Events::new(feed)) };
    let ticking = Ticking::start(sweeper, tick_seconds.unwrap_or(if is_aws { 0 } else { TICK_SECONDS }));
    let served = gateway::serve_with(listener, app, issuer, extras, stop).await;
    ticking.stop().await;
    records.close().await?;
    served?;
    // Standard output may be closed.
    let _ = writeln!(io::stdout(), "Stopped.");
    Ok(())
}

/// The sweeps and operations that run in the background.
struct Ticking {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Ticking {
    /// Starts the sweeps, unless `seconds` is 0.
    fn start(sweeper: Arc<Sweeper>, seconds: u32) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            if seconds > 0 {
                let period = Duration::from_secs(u64::from(seconds));
                tokio::select! {
                    () = sweeper.tick_every(period, async { _ = stopped.await }) => {}
                    () = sweeper.operate_every(period) => {}
                }
            }
        });
        Self { stop, task }
    }

    /// Stops the sweeps. A running sweep that does not finish in time is aborted. That is safe, because each of its
    /// steps is one transaction.
    async fn stop(self) {
        let Self { stop, mut task } = self;
        // Without sweeps there is no receiver.
        let _ = stop.send(());
        if tokio::time::timeout(TICK_GRACE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// The arguments that `events` needs to find this program if it does not use the defaults, and the exports that let all
/// other commands find it.
fn place_of(port: u16, data: &Path) -> (String, String) {
    let quote = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let (mut place, mut exports) = (String::new(), String::new());
    if port != DEFAULT_PORT {
        place.push_str(&format!(" --port {port}"));
        exports.push_str(&format!("export ARCADIA_URL=http://127.0.0.1:{port}\n"));
    }
    if data != Path::new(DEFAULT_DATA) {
        place.push_str(&format!(" --data {}", quote(data)));
        let whole = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        exports.push_str(&format!("export ARCADIA_DATA={}\n", quote(&whole)));
    }
    (place, exports)
}

fn print_banner(
    issuer: &Issuer,
    app: &App,
    url: &str,
    (place, exports): (&str, &str),
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
        place,
        exports,
        storage,
        token_hours,
        admin_token: &token(Authority::PlatformAdmin, None, "local-admin")?,
        tenant_token: &token(Authority::TenantUser, BANNER_TENANT.parse().ok(), "local-user")?,
        tenant: BANNER_TENANT,
        clock,
    };
    // Serve even if standard output is closed.
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
