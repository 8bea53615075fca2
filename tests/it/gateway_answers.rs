//! The promise: the answers that API Gateway gives by itself are documented, and the command line understands them.

use std::fs;
use std::net::Ipv4Addr;

use arcadia_api::GATEWAY_ANSWERS;
use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::contract::{compile, document};
use crate::harness::project::ROOT;
use crate::program::run;

/// The operations of the document.
fn operations() -> impl Iterator<Item = &'static Value> {
    let paths = document()["paths"].as_object().expect("paths").values();
    paths.flat_map(|methods| methods.as_object().expect("methods").values())
}

#[test]
fn every_operation_documents_what_api_gateway_answers_by_itself() {
    for operation in operations() {
        for answer in GATEWAY_ANSWERS {
            let content = &operation["responses"][answer.status.to_string()]["content"]["application/json"];
            if answer.status == 413 && operation["requestBody"].is_null() {
                assert!(content.is_null(), "{} takes no body", operation["operationId"]);
                continue;
            }
            let body = json!({"message": answer.message});
            assert!(compile(&content["schema"]).is_valid(&body), "{} {}", operation["operationId"], answer.status);
            assert_eq!(content["example"], body);
        }
        // A path without a route is answered by the console's function, as a problem.
        let missing = &operation["responses"]["404"]["content"];
        assert!(missing["application/json"].is_null(), "{}", operation["operationId"]);
    }
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).expect("the page");
    let row = |answer: &arcadia_api::GatewayAnswer| {
        format!("| {} | `{}` | {} |", answer.status, answer.message, answer.reason)
    };
    for row in GATEWAY_ANSWERS.iter().map(row) {
        assert!(readme.lines().any(|line| line == row), "README lacks {row}");
    }
}

/// A gateway that answers everything by itself.
async fn gateway(status: u16, message: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound address"));
    let router = Router::new().fallback(move || async move {
        let headers = [("content-type", "application/json"), ("apigw-requestid", "Mc7UVioPPHcEKPA=")];
        let status = StatusCode::from_u16(status).expect("a status");
        (status, headers, json!({"message": message}).to_string()).into_response()
    });
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

/// The exit codes of the command line, by status.
const EXIT_CODES: &[(u16, i32)] = &[(400, 2), (401, 5), (403, 5), (413, 1), (429, 6), (500, 1), (503, 6)];

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_api_gateway_says_and_why() {
    assert_eq!(EXIT_CODES.len(), GATEWAY_ANSWERS.len());
    for (answer, (status, code)) in GATEWAY_ANSWERS.iter().zip(EXIT_CODES) {
        assert_eq!(answer.status, *status);
        let url = gateway(answer.status, answer.message).await;
        let ask = |json: bool| {
            let url = url.clone();
            tokio::task::spawn_blocking(move || {
                let arguments = ["deployments", "create", "--slug", "shop", "--token", "any", "--url", &url];
                run(&[&arguments[..], if json { &["--json"] } else { &[] }].concat())
            })
        };
        let said = ask(false).await.expect("no panic");
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(*code), "{text}");
        assert!(text.contains(&format!("{}: {}", answer.message, answer.reason)), "{text}");
        assert!(!text.contains("{\"message\""), "{text}");
        let said = ask(true).await.expect("no panic");
        let problem: Value = serde_json::from_slice(&said.stderr).expect("JSON");
        assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(format!("http_{status}"))));
    }
}
