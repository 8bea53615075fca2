//! A function as a process: started as Lambda starts it, called through the runtime API, and measured from outside.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::Failure;
use crate::place::{Place, REGION};
use crate::runtime_api::RuntimeApi;

/// How to start a function.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name in the tables.
    pub name: &'static str,
    /// The command line.
    pub command: Vec<String>,
    /// The directory that it starts in and that has its files.
    pub folder: PathBuf,
    /// Lambda's name of the handler; the product's is the route.
    pub handler: &'static str,
}

/// A running function.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
    api: RuntimeApi,
}

/// A function's answer, and how long it took.
#[derive(Debug)]
pub struct Answered {
    /// The answer as API Gateway gets it.
    pub answer: Value,
    /// From the arrival of the event, or the start of the process if that was later, to the last byte of the answer.
    pub took: Duration,
}

impl Process {
    /// Starts a function whose first event is waiting, and returns its answer.
    pub async fn start(program: &Program, place: &Place, event: &Value) -> Result<(Self, Answered), Failure> {
        let api = RuntimeApi::start().await?;
        api.push(event.to_string())?;
        let [executable, arguments @ ..] = program.command.as_slice() else { return Err("no command".into()) };
        let log = File::create(program.log())?;
        let mut command = Command::new(executable);
        command.args(arguments).current_dir(&program.folder).env_clear().envs(environment(program, place));
        command.env("AWS_LAMBDA_RUNTIME_API", &api.address);
        command.stdin(Stdio::null()).stdout(log).kill_on_drop(true);
        let started = Instant::now();
        let child = command.spawn().map_err(|error| format!("{executable}: {error}"))?;
        let pid = child.id().ok_or("it has ended already")?;
        let mut process = Self { child, pid, api };
        let answered = process.answer(started).await?;
        Ok((process, answered))
    }

    /// Calls it.
    pub async fn call(&mut self, event: &Value) -> Result<Answered, Failure> {
        let event = event.to_string();
        let sent = Instant::now();
        self.api.push(event)?;
        self.answer(sent).await
    }

    async fn answer(&mut self, since: Instant) -> Result<Answered, Failure> {
        let (at, body) = tokio::select! {
            answer = self.api.answer() => answer?,
            status = self.child.wait() => return Err(format!("the function ended: {}", status?).into()),
        };
        Ok(Answered { answer: serde_json::from_slice(&body)?, took: at - since })
    }

    /// The CPU time so far, of all threads.
    pub fn cpu_time(&self) -> Result<Duration, Failure> {
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let children = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
            if !children.is_empty() {
                return Err(format!("its child processes {children} are not measured").into());
            }
        }
        let clock: ClockId = clock_getcpuclockid(Pid::from_raw(i32::try_from(self.pid)?))?;
        Ok(Duration::from(clock_gettime(clock)?))
    }

    /// The peak memory so far, in bytes.
    pub fn peak_memory(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        Ok(peak.ok_or("/proc has no peak memory")?.parse::<u64>()? * 1024)
    }

    /// Ends the process.
    pub async fn end(mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }
}

impl Program {
    /// The path of its log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

/// The variables that Lambda and template.yaml set, and no others.
fn environment(program: &Program, place: &Place) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("AWS_ENDPOINT_URL_DYNAMODB", Place::endpoint().to_owned()),
        ("LAMBDA_TASK_ROOT", program.folder.display().to_string()),
        ("TABLE_NAME", place.app.store.table().to_owned()),
    ];
    let fixed = [
        ("_HANDLER", program.handler),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_REGION", REGION),
        // The warning about the end of a Node version's support would cost time.
        ("AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED", "true"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("DEFAULT_REGION", REGION),
        ("DUE_SHARDS", "16"),
        ("LANG", "en_US.UTF-8"),
        ("METRICS_NAMESPACE", "arcadia-bench"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("ROLE_CLAIM", "role"),
        ("TENANT_CLAIM", "tenant_id"),
        ("TZ", ":UTC"),
    ];
    variables.extend(fixed.map(|(name, value)| (name, value.to_owned())));
    variables
}
