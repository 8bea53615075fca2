//! The promise: the local program keeps its records, shuts down cleanly, reports what is wrong, and prints tokens that
//! work.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command as StdCommand, Output, Stdio};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::client::Http;
use crate::harness::programs::program;
use crate::harness::project::temporary;
use crate::harness::shop::merged;
use crate::harness::world::{START, id_of};
use crate::harness::{dynamodb, unique};

/// A temporary directory, removed at the end.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new() -> Self {
        Self(temporary().join(unique()))
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("a path that is text")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running program. It is killed if a test ends before it does.
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub http: Http,
}

impl Running {
    /// Starts the program and waits until it prints its address. No test may depend on the date, so the program begins
    /// at [`START`] unless the arguments say otherwise.
    pub async fn start(data: &Directory, arguments: &[&str]) -> Self {
        if arguments.contains(&"--clock") {
            return Self::start_as_it_is(data, arguments).await;
        }
        Self::start_as_it_is(data, &[arguments, &["--clock", START]].concat()).await
    }

    /// The same without a clock argument: on the machine's own clock.
    async fn start_as_it_is(data: &Directory, arguments: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(["--port", "0", "--data"]).arg(&data.0).args(arguments);
        let mut child = command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, url)) = line.split_once("running at ") {
                return Self { child, lines, http: Http::new(url.trim().to_owned()) };
            }
        }
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
        panic!("the program ended early: {stderr}");
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it still runs")
    }

    /// The rest of the banner.
    pub async fn banner(&mut self) -> String {
        const LAST: &str = "/lifecycle -H ";
        let mut banner = String::new();
        while !banner.contains(LAST) {
            banner += &self.lines.next_line().await.unwrap().expect("the rest of the banner");
            banner.push('\n');
        }
        banner
    }

    /// Sends a signal and waits for the end. Returns the exit code and the rest of the output.
    pub async fn stop(self, signal: &str) -> (Option<i32>, String) {
        let (code, printed, _) = self.end(signal).await;
        (code, printed)
    }

    /// Sends a signal and waits for the end. Returns the log.
    pub async fn stop_and_read_log(self, signal: &str) -> String {
        self.end(signal).await.2
    }

    /// Sends a signal and waits for the end. Returns the exit code, the rest of the output and the log.
    pub async fn end(mut self, signal: &str) -> (Option<i32>, String, String) {
        let pid = self.child.id().expect("it still runs").to_string();
        // The shell's own `kill`: a small machine may have no other.
        let sent = StdCommand::new("sh").args(["-c", r#"kill "$@""#, "kill", signal, &pid]).status();
        assert!(sent.unwrap().success());
        let mut stderr = self.child.stderr.take().unwrap();
        let mut printed = String::new();
        let mut logged = String::new();
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                printed.push_str(&line);
                printed.push('\n');
            }
        };
        tokio::join!(reading, async { stderr.read_to_string(&mut logged).await.unwrap() });
        let status = self.child.wait().await.unwrap();
        (status.code(), printed, logged)
    }
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Output {
    StdCommand::new(program()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// A token for a program that begins at [`START`].
pub fn token(data: &Directory, arguments: &[&str]) -> String {
    token_as_it_is(data, &[arguments, &["--clock", START]].concat())
}

/// The same without a clock argument: for a program on the machine's own clock.
fn token_as_it_is(data: &Directory, arguments: &[&str]) -> String {
    let output = run(&[&["token", "--data", data.path()], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let token = stdout.strip_suffix('\n').expect("a line");
    assert!(!token.contains(char::is_whitespace), "{stdout:?}");
    assert_eq!(token.split('.').count(), 3, "{stdout:?}");
    token.to_owned()
}

#[tokio::test]
async fn records_survive_a_restart_and_signals_end_it_in_good_order() {
    let data = Directory::new();
    let user = token(&data, &["--role", "tenant_user", "--tenant", "acme", "--sub", "carol"]);
    let first = Running::start(&data, &[]).await;
    let created = first.http.post("/deployments", &user, json!({"slug": "shop"})).await.expect(201);
    let id = id_of(&created["deployment"]);
    let path = format!("/deployments/{id}");
    first.http.post(&format!("{path}/transition"), &user, json!({"to_state": "paused"})).await.expect(200);
    let before = first.http.get(&path, &user).await.expect(200);
    assert_eq!(before["events"][0]["actor"], "carol");
    let (code, _) = first.stop("-TERM").await;
    assert_eq!(code, Some(0), "after SIGTERM");

    let second = Running::start(&data, &[]).await;
    assert_eq!(second.http.get(&path, &user).await.expect(200), before, "the same records, and the token still works");
    let taken = second.http.post("/deployments", &user, json!({"slug": "shop"})).await;
    taken.expect_problem(409, "slug_taken");
    let listed = second.http.get("/deployments", &user).await.expect(200);
    let mut row = merged(before["deployment"].clone(), json!({"subscription": null}));
    // Only the answer for a single deployment has `upcoming`.
    row.as_object_mut().unwrap().remove("upcoming");
    assert_eq!(listed["deployments"], json!([row]));
    let (code, _) = second.stop("-INT").await;
    assert_eq!(code, Some(0), "after Ctrl-C");
}

#[tokio::test]
async fn without_a_clock_of_its_own_it_runs_on_the_machines() {
    let data = Directory::new();
    let user = token_as_it_is(&data, &["--role", "tenant_user", "--tenant", "acme"]);
    let running = Running::start_as_it_is(&data, &[]).await;
    running.http.post("/deployments", &user, json!({"slug": "shop"})).await.expect(201);
    let admin = token_as_it_is(&data, &["--role", "platform_admin"]);
    let clock = running.http.anonymous(Method::GET, "/local/clock").bearer_auth(admin).send().await.unwrap();
    assert_eq!(clock.status(), 404, "there is no clock route without --clock");
}

#[tokio::test]
async fn records_survive_being_killed() {
    let data = Directory::new();
    let user = token(&data, &["--role", "tenant_user", "--tenant", "acme"]);
    let first = Running::start(&data, &[]).await;
    let created = first.http.post("/deployments", &user, json!({"slug": "shop"})).await.expect(201);
    let (code, _) = first.stop("-KILL").await;
    assert_eq!(code, None);
    let second = Running::start(&data, &[]).await;
    let shown = second.http.get(&format!("/deployments/{}", id_of(&created["deployment"])), &user).await.expect(200);
    assert_eq!(shown["deployment"], created["deployment"]);
}

#[tokio::test]
async fn memory_is_forgotten() {
    let data = Directory::new();
    let admin = token(&data, &["--role", "platform_admin"]);
    let first = Running::start(&data, &["--in-memory"]).await;
    first.http.post("/deployments", &admin, json!({"tenant_id": "acme", "slug": "shop"})).await.expect(201);
    assert_eq!(first.stop("-TERM").await.0, Some(0));
    let second = Running::start(&data, &["--in-memory"]).await;
    assert_eq!(second.http.get("/deployments", &admin).await.expect(200)["deployments"], json!([]));
}

#[tokio::test]
async fn another_dynamodb_is_used_when_it_is_named() {
    let (data, table) = (Directory::new(), unique());
    let admin = token(&data, &["--role", "platform_admin"]);
    let arguments = ["--dynamodb-endpoint", dynamodb::endpoint(), "--table", &table];
    let first = Running::start(&data, &arguments).await;
    first.http.post("/deployments", &admin, json!({"tenant_id": "acme", "slug": "shop"})).await.expect(201);
    assert_eq!(first.stop("-TERM").await.0, Some(0));
    let second = Running::start(&data, &arguments).await;
    let listed = second.http.get("/deployments", &admin).await.expect(200);
    assert_eq!(listed["deployments"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_second_program_on_the_same_records_is_refused() {
    let data = Directory::new();
    let _first = Running::start(&data, &[]).await;
    let output = run(&["--port", "0", "--data", data.0.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("error: ") && stderr.lines().count() == 1, "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn a_taken_port_is_a_clear_error_and_touches_nothing() {
    let data = Directory::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["up", "--port", &port, "--data", data.0.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(&format!("port {port} is taken")) && stderr.contains("--port"), "{stderr}");
    assert!(!data.0.exists());
}

#[test]
fn a_database_that_does_not_answer_is_a_clear_error() {
    let data = Directory::new();
    let endpoint = format!("http://127.0.0.1:{}", dynamodb::free_port());
    let output = run(&["--port", "0", "--data", data.0.to_str().unwrap(), "--dynamodb-endpoint", &endpoint]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(&endpoint), "{stderr}");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for arguments in [
        &["token"][..],
        &["token", "--role", "root"],
        &["token", "--role", "tenant_user"],
        &["token", "--role", "tenant_user", "--tenant", "a#b"],
        &["token", "--role", "platform_admin", "--tenant", "acme"],
        &["token", "--role", "platform_admin", "--sub", ""],
        &["--port", "70000"],
        &["--dynamodb-endpoint", "localhost:8000"],
        &["--in-memory", "--dynamodb-endpoint", "http://localhost:8000"],
        &["--default-region", "Nowhere!"],
        &["down"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
