//! The promise: a running program streams events as they happen, to each caller those that it may see, from where it
//! left off. A slow reader does not slow the program.

use std::process::Stdio;
use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::harness::programs::program;
use crate::harness::world::id_of;
use crate::program::{Directory, Running, run, token};

/// Longer than any step of these tests takes.
const LIMIT: Duration = Duration::from_secs(120);

/// The ids of the events that the first start writes.
const CATALOG: [&str; 3] = ["plan/studio/1", "plan/studio/2", "addon/storage_50gb/1"];

/// Reads server-sent events as they come.
struct Reader {
    response: Response,
    text: String,
}

impl Reader {
    /// Connects, anew or with the id of the last event that was read.
    async fn connect(program: &Running, token: &str, last_event_id: Option<&str>) -> Self {
        let mut request = program.http.anonymous(Method::GET, "/events").bearer_auth(token);
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event: its id and data. A notice that events are missing has no id.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let found = field("data: ").map(|data| (field("id: ").unwrap_or_default(), data));
                self.text = rest.to_owned();
                if let Some((id, data)) = found {
                    return Some((id, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let chunk = tokio::time::timeout(LIMIT, self.response.chunk()).await.expect("in time").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next `count` CloudEvents: their ids and positions in the stream.
    async fn take(&mut self, count: usize) -> Vec<(String, String)> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let (position, event) = self.next().await.expect("another event");
            taken.push((event["id"].as_str().unwrap().to_owned(), position));
        }
        taken
    }
}

async fn create(program: &Running, token: &str, slug: &str) -> String {
    id_of(&program.http.post("/deployments", token, json!({"slug": slug})).await.expect(201)["deployment"])
}

#[tokio::test]
async fn events_are_streamed_live_to_the_callers_who_may_see_them() {
    let data = Directory::new();
    let admin = token(&data, &["--role", "platform_admin"]);
    let acme = token(&data, &["--role", "tenant_user", "--tenant", "acme"]);
    let other = token(&data, &["--role", "tenant_user", "--tenant", "other"]);
    let program = Running::start(&data, &["--in-memory", "--tick-seconds", "0"]).await;
    // A caller that sees every tenant also sees the catalog, which the first start fills.
    let mut all = Reader::connect(&program, &admin, Some("0")).await;
    let of_catalog = all.take(CATALOG.len()).await;
    assert_eq!(of_catalog.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), CATALOG);
    let mut own = Reader::connect(&program, &acme, None).await;
    let first = create(&program, &acme, "first").await;
    let second = create(&program, &other, "second").await;
    let path = format!("/deployments/{first}");
    program.http.post(&format!("{path}/subscribe"), &acme, json!({"plan_code": "studio"})).await.expect(201);
    let seen = all.take(4).await;
    let ids: Vec<&str> = seen.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, [format!("{first}/1"), format!("{second}/1"), format!("{first}/2"), format!("{first}/3")]);
    let of_acme: Vec<_> = seen.iter().filter(|(id, _)| id.starts_with(&first)).cloned().collect();
    assert_eq!(own.take(3).await, of_acme);
    // A reader continues after the last event that it names; 0 is the beginning.
    assert_eq!(Reader::connect(&program, &admin, Some(&seen[1].1)).await.take(2).await, seen[2..]);
    let from_the_beginning = Reader::connect(&program, &admin, Some("0")).await.take(CATALOG.len() + 4).await;
    assert_eq!(from_the_beginning, [of_catalog, seen.clone()].concat());
    let (notice, told) = Reader::connect(&program, &admin, Some("1")).await.next().await.unwrap();
    assert_eq!((notice.as_str(), told), ("", json!({})), "a notice says that the events of an earlier run are gone");
    // The streamed event equals the one in the history.
    let told = Reader::connect(&program, &acme, Some("0")).await.next().await.unwrap().1;
    let events = program.http.get(&format!("{path}/events"), &acme).await.expect(200);
    let mut expected = events["events"][2].clone();
    expected["deployment_id"] = first.into();
    expected["tenant_id"] = "acme".into();
    assert_eq!(told["data"], expected);
    // The program's end ends its responses.
    let (code, _) = program.stop("-TERM").await;
    assert_eq!((code, all.next().await), (Some(0), None));
}

#[tokio::test]
async fn readers_without_permission_with_invalid_requests_or_too_many_are_refused() {
    let data = Directory::new();
    let admin = token(&data, &["--role", "platform_admin"]);
    let provider = token(&data, &["--role", "payment_provider"]);
    let program = Running::start(&data, &["--in-memory", "--tick-seconds", "0"]).await;
    let get = |path: &str| program.http.anonymous(Method::GET, path);
    let code = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap()["code"].take())
    };
    assert_eq!(code(get("/events")).await, (401, json!("unauthenticated")));
    assert_eq!(code(get("/events").bearer_auth(&provider)).await, (403, json!("role_not_permitted")));
    assert_eq!(code(get("/events?follow=maybe").bearer_auth(&admin)).await, (400, json!("invalid_parameter")));
    assert_eq!(code(get("/events?since=1").bearer_auth(&admin)).await.0, 400);
    let strange = get("/events").bearer_auth(&admin).header("Last-Event-ID", "yesterday");
    assert_eq!(code(strange).await, (400, json!("invalid_last_event_id")));
    let post = program.http.anonymous(Method::POST, "/events").bearer_auth(&admin);
    assert_eq!(code(post).await, (405, json!("method_not_allowed")));
    let mut readers = Vec::new();
    for _ in 0..32 {
        readers.push(Reader::connect(&program, &admin, None).await);
    }
    assert_eq!(code(get("/events").bearer_auth(&admin)).await.0, 503);
    drop(readers);
    // The server notices a closed connection when it next writes to it.
    let user = token(&data, &["--role", "tenant_user", "--tenant", "acme"]);
    let again = async {
        for n in 0.. {
            create(&program, &user, &format!("shop-{n}")).await;
            if get("/events?follow=false").bearer_auth(&admin).send().await.unwrap().status() == 200 {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, again).await.expect("the places are free again");
}

#[tokio::test]
async fn the_command_prints_a_line_for_each_event() {
    let data = Directory::new();
    let acme = token(&data, &["--role", "tenant_user", "--tenant", "acme"]);
    let running = Running::start(&data, &["--tick-seconds", "0"]).await;
    let admin = token(&data, &["--role", "platform_admin"]);
    Reader::connect(&running, &admin, Some("0")).await.take(CATALOG.len()).await;
    let id = create(&running, &acme, "shop").await;
    let port = running.http.base.rsplit(':').next().unwrap().to_owned();
    let arguments = ["events", "--port", &port, "--data", data.0.to_str().unwrap()];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let id_of = |line: &str| serde_json::from_str::<Value>(line).expect("a line of JSON")["id"].clone();
    let first = || CATALOG.iter().map(|id| json!(id)).chain([json!(format!("{id}/1"))]);
    let told: Vec<Value> = String::from_utf8_lossy(&output.stdout).lines().map(id_of).collect();
    assert_eq!(told, first().collect::<Vec<_>>());
    let mut child = Command::new(program())
        .args(arguments)
        .arg("--follow")
        .kill_on_drop(true)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("in time").unwrap();
        line.map(|line| id_of(&line))
    };
    for id in first() {
        assert_eq!(next().await, Some(id));
    }
    running.http.post(&format!("/deployments/{id}/transition"), &acme, json!({"to_state": "paused"})).await.expect(200);
    assert_eq!(next().await, Some(json!(format!("{id}/2"))));
    assert_eq!(running.stop("-TERM").await.0, Some(0));
    assert_eq!(next().await, None);
    let ended = child.wait_with_output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1), "a follower learns that the stream has ended");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("has stopped"));
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("127.0.0.1:{port} does not answer")));
}

#[tokio::test]
async fn metrics_are_written_when_asked_for() {
    let data = Directory::new();
    let acme = token(&data, &["--role", "tenant_user", "--tenant", "acme"]);
    let quiet = ["--in-memory", "--tick-seconds", "0", "--log", "off", "--metrics"];
    for (asked, lines) in [(6, 1), (5, 0)] {
        let program = Running::start(&data, &quiet[..asked]).await;
        create(&program, &acme, "shop").await;
        let logged = program.stop_and_read_log("-TERM").await;
        let metrics: Vec<Value> = logged.lines().map(|line| serde_json::from_str(line).expect("a metric")).collect();
        assert_eq!(metrics.len(), lines, "{logged}");
        assert!(metrics.iter().all(|line| line["Commits"] == 1), "{logged}");
    }
}
