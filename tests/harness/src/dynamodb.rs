//! The real DynamoDB Local, started once for the whole binary. It is never skipped: a test that cannot have it fails
//! and says what is missing.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::environment;
use super::project::temporary;
use super::setup;

/// How long DynamoDB Local may take to open its port.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(10);

/// Runs Java until standard input closes, which it does however this process ends: statics are not dropped, and
/// nothing is dropped at all after a kill. Ends at once if Java does.
const SUPERVISOR: &str =
    r#"exec 3<&0; java "$@" </dev/null 3<&- & java=$!; { cat <&3 >/dev/null; kill "$java"; } & wait "$java""#;

/// DynamoDB Local, for as long as the process lives.
struct Running {
    endpoint: String,
    /// Holds the supervisor's standard input open.
    _supervisor: Option<Child>,
}

/// Where DynamoDB Local answers.
pub fn endpoint() -> &'static str {
    static RUNNING: OnceLock<Result<Running, String>> = OnceLock::new();
    match RUNNING.get_or_init(find_or_start) {
        Ok(running) => &running.endpoint,
        Err(why) => panic!("the tests need DynamoDB Local: {why}"),
    }
}

fn find_or_start() -> Result<Running, String> {
    match environment("DYNAMODB_ENDPOINT") {
        Some(endpoint) => Ok(Running { endpoint, _supervisor: None }),
        None => start(&directory()?),
    }
}

/// Asks the project's own script, which fetches DynamoDB Local on first use.
fn directory() -> Result<String, String> {
    Ok(setup::script("infra/dynamodb-local", &[])?.trim().to_owned())
}

fn start(directory: &str) -> Result<Running, String> {
    let port = free_port();
    let log_path = format!("{}/dynamodb-local-{port}.log", temporary().display());
    let log = File::create(&log_path).map_err(|error| format!("{log_path}: {error}"))?;
    let log_again = log.try_clone().map_err(|error| format!("{log_path}: {error}"))?;
    let mut supervisor = Command::new("sh")
        .args(["-c", SUPERVISOR, "dynamodb-local"])
        // It lives too briefly for the second compiler to pay.
        .args(["-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg(format!("-Djava.library.path={directory}/DynamoDBLocal_lib"))
        .args(["-jar", &format!("{directory}/DynamoDBLocal.jar"), "-inMemory", "-sharedDb", "-disableTelemetry"])
        .args(["-port", &port.to_string()])
        // It leaves a file where it runs.
        .current_dir(temporary())
        .stdin(Stdio::piped())
        .stdout(log)
        .stderr(log_again)
        .spawn()
        .map_err(|error| format!("sh: {error}"))?;
    let started = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let ended = supervisor.try_wait().map_err(|error| format!("sh: {error}"))?;
        if ended.is_some() || started.elapsed() > START_LIMIT {
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            return Err(format!("DynamoDB Local did not open port {port} ({ended:?}); it said:\n{log}"));
        }
        thread::sleep(POLL_EVERY);
    }
    Ok(Running { endpoint: format!("http://127.0.0.1:{port}"), _supervisor: Some(supervisor) })
}

/// A port that nobody listened on a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the address of a bound listener").port()
}
