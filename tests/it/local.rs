//! The promise: on a machine with other users, and in a browser with other sites' pages, a running program's records
//! are reached only through its API with a token. The command line gives its token to no other server, and no answer
//! can control the terminal.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::programs::program;
use crate::harness::shop::merged;
use crate::program::{Directory, Running, run, token};

/// Another server on this machine. Returns its URL, and the tokens that it received.
async fn stranger<F, R>(answer: F) -> (String, Arc<Mutex<Vec<String>>>)
where
    F: Fn(String) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response> + Send,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let given = Arc::clone(&tokens);
    let router = Router::new().fallback(move |request: Request| {
        let token = request.headers().get("authorization").map(|token| token.to_str().unwrap().to_owned());
        given.lock().unwrap().extend(token);
        answer(request.uri().to_string())
    });
    tokio::spawn(async { axum::serve(listener, router).await });
    (url, tokens)
}

/// Runs a command of words without spaces. Returns its exit code, output and error output.
async fn ask(line: &str, url: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(program());
    command.args(line.split(' ')).args(["--url", url]).args(more).env_remove("ARCADIA_TOKEN").stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().expect("the program")).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The ports on which a process listens, from Linux.
fn ports_of(process: u32) -> BTreeSet<u16> {
    let sockets = fs::read_dir(format!("/proc/{process}/fd")).expect("a process").filter_map(|file| {
        let link = fs::read_link(file.ok()?.path()).ok()?;
        Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    });
    let sockets: BTreeSet<String> = sockets.collect();
    let mut ports = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            const LISTENING: &str = "0A";
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == LISTENING && sockets.contains(fields[9]) {
                ports.insert(u16::from_str_radix(fields[1].rsplit(':').next().unwrap(), 16).unwrap());
            }
        }
    }
    ports
}

#[tokio::test]
async fn the_engine_has_no_port_and_the_api_no_ear_for_pages_of_other_origins() {
    let data = Directory::new();
    let admin = token(&data, &["--role", "platform_admin"]);
    let running = Running::start(&data, &[]).await;
    let own: u16 = running.http.base.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(ports_of(running.id()), BTreeSet::from([own]), "the API's port is the only one");
    for (method, path) in [
        (Method::OPTIONS, "/api/v1/deployments"),
        (Method::GET, "/api/v1/deployments"),
        (Method::POST, "/"),
        (Method::GET, "/local/proof?challenge=0123456789abcdef0123456789abcdef"),
        (Method::GET, "/docs"),
    ] {
        let request = running.http.anonymous(method.clone(), path).header("Origin", "https://elsewhere.example");
        let request = request.header("Access-Control-Request-Method", "POST").bearer_auth(&admin);
        let request = request.header("X-Amz-Target", "DynamoDB_20120810.ListTables");
        let answer = request.send().await.unwrap();
        let shared: Vec<_> =
            answer.headers().keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
        assert_eq!(shared, Vec::<&reqwest::header::HeaderName>::new(), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_gives_its_token_to_no_stranger() {
    let data = Directory::new();
    token(&data, &["--role", "platform_admin"]);
    let more = ["--data", data.path()];
    let (url, tokens) =
        stranger(|_| async { json!({"deployments": [], "plans": []}).to_string().into_response() }).await;
    for line in ["plans list", "deployments create --slug shop", "deployments list --tenant acme", "lifecycle"] {
        let (code, out, err) = ask(line, &url, &more).await;
        assert_eq!((code, out.as_str()), (Some(1), ""), "{line}: {err}");
        assert!(err.contains("no token was sent"), "{line}: {err}");
    }
    let port = url.rsplit(':').next().unwrap();
    let output = run(&["events", "--port", port, "--data", data.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(*tokens.lock().unwrap(), Vec::<String>::new());
    // A token that the user names is sent to the user's URL.
    ask("plans list", &url, &["--token", "mine"]).await;
    assert_eq!(*tokens.lock().unwrap(), ["Bearer mine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_in_between_gets_no_token_though_it_hands_the_proof_on() {
    let data = Directory::new();
    let running = Running::start(&data, &[]).await;
    let real = running.http.base.clone();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let (url, tokens) = stranger(move |path| {
        let (client, url) = (client.clone(), format!("{real}{path}"));
        async move { client.get(url).send().await.unwrap().text().await.unwrap().into_response() }
    })
    .await;
    let (code, _, err) = ask("plans list", &url, &["--data", data.path()]).await;
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no token was sent"), "{err}");
    assert_eq!(*tokens.lock().unwrap(), Vec::<String>::new());
    let (code, out, _) = ask("plans list", &running.http.base, &["--data", data.path()]).await;
    assert!(code == Some(0) && out.contains("studio"), "the program itself gets a token");
    // The key of another directory is not valid for this program.
    let other = Directory::new();
    token(&other, &["--role", "platform_admin"]);
    let (code, _, err) = ask("plans list", &running.http.base, &["--data", other.path()]).await;
    assert!(code == Some(1) && err.contains("no token was sent"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_can_control_the_terminal() {
    const NASTY: &str = "\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}gnp\u{200b}\u{feff}";
    let refused = |_| async {
        let problem = json!({
            "code": NASTY, "detail": NASTY, "status": 422, NASTY: [NASTY],
            "errors": [{"pointer": NASTY, "detail": NASTY, "code": NASTY}],
        });
        (StatusCode::UNPROCESSABLE_ENTITY, problem.to_string()).into_response()
    };
    let bare = |_| async { (StatusCode::BAD_GATEWAY, NASTY).into_response() };
    let named = |_| async {
        let at = "2027-01-01T00:00:00Z";
        let plan = json!({
            "code": "x", "name": "X", "status": "active", "newest_version": null, "revision": 1, "created_at": at,
            "updated_at": at,
        });
        // A plan's name that the product would refuse.
        let unknown = merged(plan.clone(), json!({"name": NASTY}));
        let event = json!({
            "revision": 1, "type": "plan_created", "data": {"plan": plan}, "actor": NASTY, "occurred_at": at,
        });
        let deployment = json!({"tenant_id": NASTY, "id": "019bc104-f980-7c2f-93d1-5b0c4e8a9d27"});
        let two = [deployment.clone(), deployment.clone()];
        let body = json!({
            "plans": [unknown], "plan": unknown, "events": [event], "deployments": two, "next_cursor": NASTY,
        });
        body.to_string().into_response()
    };
    let (refused, bare, named) = (stranger(refused).await.0, stranger(bare).await.0, stranger(named).await.0);
    for (url, line, code) in [
        (&refused, "plans list", 3),
        (&refused, "plans list --json", 3),
        (&bare, "plans list", 1),
        (&bare, "plans list --json", 1),
        (&named, "plans list", 1),
        (&named, "plans list --json", 0),
        (&named, "plans put x --name x", 0),
        (&named, "catalog events", 0),
        (&named, "deployments show shop", 2),
    ] {
        let (found, out, err) = ask(line, url, &["--token", "any"]).await;
        assert_eq!(found, Some(code), "{line}: {err}");
        let text = out + &err;
        let nasty = |c: char| NASTY.contains(c) && !c.is_ascii_graphic();
        assert!(!text.contains(nasty), "{line}: {text:?}");
        let is_unread = text.contains("unexpected response");
        assert!(is_unread || text.contains("202e"), "{line}: it is shown escaped: {text:?}");
    }
}

#[tokio::test]
async fn tokens_and_bodies_are_not_logged() {
    const SECRET: &str = "hunter2";
    let data = Directory::new();
    let admin = token(&data, &["--role", "platform_admin"]);
    let running = Running::start(&data, &["--log", "json"]).await;
    let shop = json!({"tenant_id": "acme", "slug": "shop", "display_name": SECRET});
    let created = running.http.post("/deployments", &admin, shop.clone()).await.expect(201);
    let path = format!("/deployments/{}/transition", created["deployment"]["id"].as_str().unwrap());
    let pause = json!({"to_state": "paused", "reason": SECRET, "notes": SECRET});
    running.http.post(&path, &admin, pause).await.expect(200);
    running.http.post("/deployments", &admin, shop).await.expect_problem(409, "slug_taken");
    for (body, code) in [(json!({SECRET: SECRET}), "unknown_field"), (json!({"to_state": SECRET}), "validation_failed")]
    {
        let reply = running.http.post(&path, &admin, body).await;
        assert_eq!(reply.body["code"], code);
    }
    let forged = format!("{admin}x");
    running.http.get("/deployments", &forged).await.expect_problem(401, "unauthenticated");
    let logged = running.stop_and_read_log("-TERM").await;
    assert!(logged.lines().count() >= 6, "{logged}");
    for secret in [SECRET, &admin, admin.rsplit('.').next().unwrap()] {
        assert!(!logged.contains(secret), "{secret}: {logged}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a file of the test");
}

#[tokio::test]
async fn the_data_directory_is_its_owners_alone() {
    let data = Directory::new();
    let admin = token(&data, &["--role", "platform_admin"]);
    let running = Running::start(&data, &[]).await;
    running.http.post("/deployments", &admin, json!({"tenant_id": "acme", "slug": "shop"})).await.expect(201);
    assert_eq!(mode(&data.0), 0o700);
    let mut names = BTreeSet::new();
    for file in fs::read_dir(&data.0).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    for name in ["arcadia.db", "arcadia.db-wal", "issuer-key.pem", "lock"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    assert_eq!(running.stop("-TERM").await.0, Some(0));
}

#[test]
fn a_data_directory_that_others_prepared_is_refused() {
    /// Insists that neither command works, and that both name the file.
    fn refused(data: &Directory, commands: &[&[&str]], words: &str) {
        for command in commands {
            let output = run(&[command, &["--data", data.path()][..]].concat());
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{command:?}: {stderr}");
            assert!(stderr.contains(words), "{command:?}: {stderr}");
        }
    }
    let up: &[&str] = &["up", "--port", "0"];
    let token_command: &[&str] = &["token", "--role", "platform_admin"];
    for name in ["lock", "arcadia.db"] {
        let data = Directory::new();
        token(&data, &["--role", "platform_admin"]);
        let target = Directory::new();
        fs::write(&target.0, "precious").unwrap();
        symlink(&target.0, data.0.join(name)).unwrap();
        refused(&data, &[up, &["demo", "--until", "2027-01-01T00:00:00Z"]], &format!("{name} is not a plain file"));
        assert_eq!(fs::read_to_string(&target.0).unwrap(), "precious");
        fs::remove_file(&target.0).unwrap();
    }
    for bits in [0o666, 0o640, 0o604, 0o620] {
        let data = Directory::new();
        token(&data, &["--role", "platform_admin"]);
        set_mode(&data.0.join("issuer-key.pem"), bits);
        refused(&data, &[up, token_command], "issuer-key.pem can be read or written by others");
    }
    let data = Directory::new();
    token(&data, &["--role", "platform_admin"]);
    fs::rename(data.0.join("issuer-key.pem"), data.0.join("elsewhere")).unwrap();
    symlink(data.0.join("elsewhere"), data.0.join("issuer-key.pem")).unwrap();
    refused(&data, &[up, token_command], "issuer-key.pem is not a plain file");
    let data = Directory::new();
    fs::create_dir(&data.0).unwrap();
    set_mode(&data.0, 0o777);
    refused(&data, &[up, token_command], "can be written to by others");
    assert_eq!(fs::read_dir(&data.0).unwrap().count(), 0, "nothing was put there");
}

#[tokio::test]
async fn the_banner_of_a_program_with_a_clock_prints_commands_that_work() {
    let data = Directory::new();
    let mut running = Running::start(&data, &["--clock", "2031-05-06T07:08:09Z"]).await;
    let banner = running.banner().await;
    let command = banner.lines().find_map(|line| line.split_once("`cargo run -- events")).expect("a command").1;
    let (arguments, _) = command.split_once('`').expect("the end of the command");
    let arguments = arguments.replace(" --follow", "").replace('\'', "");
    let arguments: Vec<&str> = std::iter::once("events").chain(arguments.split_whitespace()).collect();
    let admin = banner.lines().find_map(|line| line.strip_prefix("export ADMIN_TOKEN=")).expect("a token");
    let created = running.http.post("/deployments", admin, json!({"tenant_id": "acme", "slug": "shop"})).await;
    created.expect(201);
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let events = String::from_utf8_lossy(&output.stdout);
    let type_of = |line: &str| serde_json::from_str::<Value>(line).expect("an event")["data"]["type"].clone();
    // Beside the catalog's events of the first start.
    assert!(events.lines().any(|line| type_of(line) == "created"), "{events}");
}
