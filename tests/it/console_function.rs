//! The promise: on AWS a function of its own serves the console: its page and modules, compressed, and only if they
//! have changed; the sign-in settings from the stack's parameters; a content security policy that lets the page call
//! only its own server and the issuer. Any path without a route is answered with a problem. The page explains the answers
//! of API Gateway.

use std::fs;
use std::io::Read as _;

use arcadia_api::GATEWAY_ANSWERS;
use arcadia_functions::http::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use lambda_http::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::lambda::run_binary;
use crate::harness::programs::console;
use crate::harness::project::ROOT;

const CLAIMS: [(&str, &str); 2] = [("ROLE_CLAIM", "role"), ("TENANT_CLAIM", "https://example.com/tenant")];
/// The variables of a stack without the console's client.
const NO_SIGN_IN: [(&str, &str); 4] = [
    ("TOKEN_ISSUER", "https://issuer.example.com"),
    ("CONSOLE_CLIENT_ID", ""),
    ("CONSOLE_SCOPE", "openid"),
    ("CONSOLE_SIGN_IN_ORIGIN", ""),
];
const SIGN_IN: [(&str, &str); 4] = [
    ("TOKEN_ISSUER", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE"),
    ("CONSOLE_CLIENT_ID", "57cbishk4j24pabc1234567890"),
    ("CONSOLE_SCOPE", "openid"),
    ("CONSOLE_SIGN_IN_ORIGIN", "https://arcadia-dev-123456789012.auth.eu-central-1.amazoncognito.com"),
];

/// The event of a request, as API Gateway sends it.
fn request(method: &str, path: &str, headers: Value) -> Value {
    let text = fs::read_to_string(format!("{ROOT}/infra/events/console.json")).expect("the payload");
    let mut event: Value = serde_json::from_str(&text).expect("JSON");
    event["rawPath"] = path.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["requestContext"]["http"]["method"] = method.into();
    event["headers"].as_object_mut().expect("headers").extend(headers.as_object().expect("headers").clone());
    event
}

fn get(path: &str) -> Value {
    request("GET", path, json!({}))
}

/// The function's answers to requests, in a stack with these variables.
async fn ask(variables: &[(&str, &str)], requests: &[Value]) -> Vec<Value> {
    run_binary(console(), None, "console", &[&CLAIMS, variables].concat(), requests).await.answers
}

/// The body of an answer.
fn body(answer: &Value) -> Vec<u8> {
    let text = answer["body"].as_str().unwrap_or_default();
    if answer["isBase64Encoded"] == true { STANDARD.decode(text).expect("base64") } else { text.as_bytes().to_vec() }
}

fn file(name: &str) -> Vec<u8> {
    fs::read(format!("{ROOT}/infra/console/{name}")).expect("a file of the console")
}

/// The path of a file other than the page; it contains the folder of all files.
async fn path_of(name: &str) -> String {
    let page = ask(&NO_SIGN_IN, &[get("/console/index.html")]).await.remove(0);
    let page = String::from_utf8(body(&page)).expect("text");
    let folder =
        page.split_once("src=\"").and_then(|(_, rest)| rest.split_once("/main.js")).expect("the page's script").0;
    format!("/console/{folder}/{name}")
}

fn json_of(answer: &Value) -> Value {
    serde_json::from_slice(&body(answer)).expect("JSON")
}

#[tokio::test]
async fn the_page_and_its_modules_are_served_from_one_address() {
    let preact = path_of("vendor/preact.js").await;
    let [root, folder, slash, index, module]: [Value; 5] =
        ask(&NO_SIGN_IN, &["/", "/console", "/console/", "/console/index.html", &preact].map(get))
            .await
            .try_into()
            .expect("five answers");
    for answer in [root, folder, slash] {
        assert_eq!(
            (&answer["statusCode"], &answer["headers"]["location"]),
            (&json!(307), &json!("/console/index.html"))
        );
    }
    let folder = preact.trim_start_matches("/console/").split_once('/').expect("a folder").0;
    let page = String::from_utf8(file("index.html")).expect("text").replace("{digest}", folder).into_bytes();
    for (answer, content, content_type, keep) in [
        (index, page, "text/html; charset=utf-8", "no-cache"),
        (module, file("vendor/preact.js"), "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
    ] {
        assert_eq!(answer["statusCode"], 200);
        assert!(body(&answer) == content, "{content_type}");
        let headers = &answer["headers"];
        assert_eq!(headers["content-type"], content_type);
        assert_eq!((&headers["cache-control"], &headers["vary"]), (&json!(keep), &json!("Accept-Encoding")));
        assert_eq!(
            (&headers["x-content-type-options"], &headers["referrer-policy"], &headers["content-encoding"]),
            (&json!("nosniff"), &json!("no-referrer"), &Value::Null)
        );
    }
}

#[tokio::test]
async fn a_file_is_sent_compressed_and_only_once() {
    let path = &path_of("main.js").await;
    let first =
        ask(&NO_SIGN_IN, &[request("GET", path, json!({"accept-encoding": "gzip, deflate, br"}))]).await.remove(0);
    assert_eq!((&first["headers"]["content-encoding"], &first["isBase64Encoded"]), (&json!("gzip"), &json!(true)));
    let (sent, plain) = (body(&first), file("main.js"));
    let mut content = Vec::new();
    GzDecoder::new(&sent[..]).read_to_end(&mut content).expect("gzip");
    assert!(content == plain && sent.len() < plain.len());
    let tag = first["headers"]["etag"].clone();
    let again = [
        request("GET", path, json!({"if-none-match": tag, "accept-encoding": "gzip"})),
        request("HEAD", path, json!({"if-none-match": tag})),
        request("GET", path, json!({"if-none-match": "\"another\""})),
        request("HEAD", path, json!({})),
    ];
    let answers = ask(&NO_SIGN_IN, &again).await;
    let seen: Vec<_> =
        answers.iter().map(|answer| (answer["statusCode"].as_u64().unwrap(), body(answer).len())).collect();
    assert_eq!(seen, [(304, 0), (304, 0), (200, plain.len()), (200, 0)]);
    assert!(answers.iter().all(|answer| answer["headers"]["etag"] == tag), "{answers:?}");
}

#[tokio::test]
async fn the_parameters_of_the_stack_say_where_to_sign_in() {
    let requests = ["/console/config.json", "/console/index.html"].map(get);
    let claims = json!({"role": "role", "tenant": "https://example.com/tenant"});
    let policy = |answer: &Value| {
        let policy = answer["headers"]["content-security-policy"].as_str().expect("a policy").to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "), "{policy}");
        policy.split("connect-src ").nth(1).expect("connect-src").to_owned()
    };

    let without = ask(&NO_SIGN_IN, &requests).await;
    let config = json!({"issuer": null, "client_id": null, "scope": null, "claims": claims});
    assert_eq!((json_of(&without[0]), policy(&without[1])), (config, "'self'".to_owned()));
    assert_eq!(without[0]["headers"]["content-type"], "application/json");

    let with = ask(&SIGN_IN, &requests).await;
    let config = json!({"issuer": SIGN_IN[0].1, "client_id": SIGN_IN[1].1, "scope": "openid", "claims": claims});
    assert_eq!(json_of(&with[0]), config);
    let origins = format!("'self' https://cognito-idp.eu-central-1.amazonaws.com {}", SIGN_IN[3].1);
    assert_eq!(policy(&with[1]), origins);
}

#[tokio::test]
async fn a_path_without_a_route_is_a_problem_of_the_product() {
    let requests = [
        get("/api/v1/nothing"),
        request("POST", "/api/v1/deployments/x", json!({})),
        get("/console/nothing.js"),
        // A page that is still open after a release requests files that are gone.
        get("/console/00000000000000000000000000000000/main.js"),
        request("POST", "/console/index.html", json!({})),
    ];
    let answers = ask(&NO_SIGN_IN, &requests).await;
    let not_found = Problem::new(StatusCode::NOT_FOUND, "not_found", "The route does not exist.").body();
    for answer in &answers[..4] {
        assert_eq!((&answer["statusCode"], json_of(answer)), (&json!(404), not_found.clone()));
    }
    assert_eq!((&answers[4]["statusCode"], &answers[4]["headers"]["allow"]), (&json!(405), &json!("GET, HEAD")));
    assert_eq!(json_of(&answers[4])["code"], "method_not_allowed");
    for answer in answers {
        assert_eq!(answer["headers"]["content-type"], "application/problem+json");
        assert_eq!(answer["headers"]["x-request-id"], "request-console");
    }
}

#[tokio::test]
async fn the_local_program_answers_as_the_function_does() {
    let world = World::start().await;
    let main = path_of("main.js").await;
    let main = main.as_str();
    let same = ["content-type", "cache-control", "content-security-policy", "content-encoding", "etag", "vary"];
    for (method, path, headers) in [
        (Method::GET, "/console/index.html", json!({})),
        (Method::GET, main, json!({"accept-encoding": "gzip"})),
        (Method::GET, main, json!({"if-none-match": "*"})),
        (Method::GET, "/api/v1/nothing", json!({})),
        (Method::GET, "/console/nothing.js", json!({})),
        (Method::POST, main, json!({})),
    ] {
        let deployed = ask(&NO_SIGN_IN, &[request(method.as_str(), path, headers.clone())]).await.remove(0);
        let mut local = world.anonymous(method, path);
        for (name, value) in headers.as_object().expect("headers") {
            local = local.header(name, value.as_str().expect("a text"));
        }
        let local = local.send().await.expect("the local program answers");
        assert_eq!(local.status().as_u16(), deployed["statusCode"], "{path}");
        for name in same {
            let value = local.headers().get(name).map(|value| value.to_str().expect("a text"));
            assert_eq!(value, deployed["headers"][name].as_str(), "{path}: {name}");
        }
        assert!(local.bytes().await.expect("a body") == body(&deployed), "{path}");
    }
    // HTTP itself omits the body.
    let head = world.anonymous(Method::HEAD, main).send().await.expect("the local program answers");
    assert_eq!(head.headers()["content-length"], file("main.js").len().to_string());
}

#[test]
fn the_console_explains_what_api_gateway_answers_by_itself() {
    let client = String::from_utf8(file("api.js")).expect("text");
    for answer in GATEWAY_ANSWERS {
        let (first, rest) = answer.reason.split_at(1);
        let line = format!("  {}: '{}{rest}.',", answer.status, first.to_uppercase());
        assert!(client.lines().any(|each| each == line), "api.js lacks {line}");
    }
}
