//! The promise: people sign in to the console at an OpenID Connect issuer of another origin, by the code flow with
//! PKCE. The page discovers the issuer's endpoints, proves that it began the flow, shows the API's records with its
//! token, removes code and token from its address, and refuses a return that it did not begin. It also signs out at the
//! issuer.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use arcadia_console::{Claims, Console, SignIn};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fantoccini::Locator;
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use crate::harness::World;
use crate::harness::browser::{Browser, asked, browse};

const CLIENT: &str = "57cbishk4j24pabc1234567890";
const CODE: &str = "code-1";

/// An issuer that signs anyone in, once, with a token of the test's world.
struct Issuer {
    /// The origin of the sign-in page.
    origin: String,
    /// The origin of the token endpoint: a different one, as with Cognito.
    token_origin: String,
    /// The page that the issuer may redirect to.
    page: String,
    token: String,
    /// The parameters of the sign-in that a page began.
    begun: Mutex<Option<Fields>>,
}

type Fields = BTreeMap<String, String>;

/// The fields of a query or a form.
fn fields(text: &str) -> Fields {
    let url = Url::parse(&format!("http://localhost/?{text}")).expect("a query");
    url.query_pairs().into_owned().collect()
}

fn answer(status: StatusCode, name: header::HeaderName, value: &str, body: &Value) -> Response<Body> {
    let response = Response::builder().status(status).header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    response.header(name, value).body(Body::from(body.to_string())).expect("a response")
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    answer(status, header::CONTENT_TYPE, "application/json", body)
}

fn redirect(address: &str) -> Response<Body> {
    answer(StatusCode::FOUND, header::LOCATION, address, &Value::Null)
}

async fn issue(State(issuer): State<Arc<Issuer>>, method: Method, uri: Uri, body: Bytes) -> Response<Body> {
    let asked = fields(uri.query().unwrap_or_default());
    match (method, uri.path()) {
        (Method::GET, "/pool/.well-known/openid-configuration") => json_answer(
            StatusCode::OK,
            &json!({
                "issuer": format!("{}/pool", issuer.origin),
                "authorization_endpoint": format!("{}/authorize", issuer.origin),
                "token_endpoint": format!("{}/token", issuer.token_origin),
                "end_session_endpoint": format!("{}/logout", issuer.origin),
            }),
        ),
        (Method::GET, "/authorize") => {
            let wanted = [
                ("client_id", CLIENT),
                ("redirect_uri", &issuer.page),
                ("response_type", "code"),
                ("scope", "openid"),
                ("code_challenge_method", "S256"),
            ];
            assert!(wanted.iter().all(|(name, value)| asked[*name] == *value), "{asked:?}");
            let response = redirect(&format!("{}?code={CODE}&state={}", issuer.page, asked["state"]));
            *issuer.begun.lock().unwrap() = Some(asked);
            response
        }
        (Method::POST, "/token") => {
            // A code is valid for one token.
            let begun = issuer.begun.lock().unwrap().take();
            token(&issuer, begun, &fields(std::str::from_utf8(&body).expect("a form")))
        }
        (Method::GET, "/logout") => {
            assert_eq!((asked["client_id"].as_str(), &asked["logout_uri"]), (CLIENT, &issuer.page));
            redirect(&issuer.page)
        }
        (Method::GET, "/favicon.ico") => json_answer(StatusCode::NOT_FOUND, &Value::Null),
        other => panic!("the page sent an unexpected request {other:?}"),
    }
}

/// A token for a code, if the caller knows the verifier of the challenge.
fn token(issuer: &Issuer, begun: Option<Fields>, sent: &Fields) -> Response<Body> {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&sent["code_verifier"]));
    let wanted =
        [("grant_type", "authorization_code"), ("client_id", CLIENT), ("redirect_uri", &issuer.page), ("code", CODE)];
    let begun = begun.filter(|begun| {
        begun["code_challenge"] == challenge && wanted.iter().all(|(name, value)| sent[*name] == *value)
    });
    let Some(begun) = begun else {
        return json_answer(StatusCode::BAD_REQUEST, &json!({"error": "invalid_grant"}));
    };
    let claims = URL_SAFE_NO_PAD.encode(json!({"sub": "ada", "nonce": begun["nonce"]}).to_string());
    let body = json!({"access_token": issuer.token, "id_token": format!("e30.{claims}.e30"), "token_type": "Bearer"});
    json_answer(StatusCode::OK, &body)
}

/// The origin of a stack: the console, and the API behind it.
struct Stack {
    console: Console,
    api: String,
    client: reqwest::Client,
}

async fn pass(
    State(stack): State<Arc<Stack>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if let Some(response) = stack.console.find(uri.path(), &headers) {
        return response.map(|body| Body::from(body.to_vec()));
    }
    let mut request = stack.client.request(method, format!("{}{uri}", stack.api)).body(body);
    if let Some(token) = headers.get(header::AUTHORIZATION) {
        request = request.header(header::AUTHORIZATION, token);
    }
    let answer = request.send().await.expect("the API answers");
    let mut response = Response::builder().status(answer.status());
    *response.headers_mut().expect("headers") = answer.headers().clone();
    response.body(Body::from(answer.bytes().await.expect("a body"))).expect("a response")
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, origin)
}

/// Starts an issuer, and a stack that knows it. Returns the stack's origin, and all three origins.
async fn start(world: &World) -> (String, [String; 3]) {
    let (sign_in_listener, origin) = listen().await;
    let (token_listener, token_origin) = listen().await;
    let (stack_listener, stack_origin) = listen().await;
    let page = format!("{stack_origin}/console/index.html");
    let issuer = Issuer {
        origin: origin.clone(),
        token_origin: token_origin.clone(),
        page,
        token: world.admin.clone(),
        begun: Mutex::default(),
    };
    let issuer = Router::new().fallback(issue).with_state(Arc::new(issuer));
    for listener in [sign_in_listener, token_listener] {
        let issuer = issuer.clone();
        tokio::spawn(async move { axum::serve(listener, issuer).await });
    }
    let sign_in = SignIn {
        issuer: format!("{origin}/pool"),
        client_id: CLIENT.to_owned(),
        scope: "openid".to_owned(),
        token_origin: Some(token_origin.clone()),
    };
    let claims = Claims { role: "role".to_owned(), tenant: "tenant_id".to_owned() };
    let stack = Stack {
        console: Console::with_sign_in(&claims, &sign_in).expect("origins"),
        api: world.base.clone(),
        client: reqwest::Client::builder().no_proxy().build().expect("an HTTP client"),
    };
    let stack = Router::new().fallback(pass).with_state(Arc::new(stack));
    tokio::spawn(async move { axum::serve(stack_listener, stack).await });
    (stack_origin.clone(), [stack_origin, origin, token_origin])
}

async fn press(browser: &Browser, text: &str) {
    let path = format!("//button[normalize-space(.) = \"{text}\"]");
    let button = browser.client.wait().for_element(Locator::XPath(&path)).await;
    button.expect(text).click().await.expect(text);
}

async fn find(browser: &Browser, element: &str, text: &str) {
    let path = format!("//{element}[contains(normalize-space(.), \"{text}\")]");
    browser.client.wait().for_element(Locator::XPath(&path)).await.unwrap_or_else(|error| panic!("{text}: {error}"));
}

#[tokio::test]
async fn people_sign_in_at_the_issuer_and_out_again() {
    let world = World::start().await;
    world.create("shop").await;
    let (stack, origins) = start(&world).await;
    browse(async |browser| walk(browser, &stack, &origins).await).await;
}

async fn walk(browser: &Browser, stack: &str, origins: &[String; 3]) {
    let page = format!("{stack}/console/index.html");
    // A link to a record leads there after the sign-in.
    browser.client.goto(&format!("{stack}/console#/deployments")).await.unwrap();
    press(browser, "Sign in").await;
    find(browser, "a", "shop").await;
    assert_eq!(browser.client.current_url().await.unwrap().as_str(), format!("{page}#/deployments"));
    let kept = browser.client.execute("return JSON.stringify([sessionStorage, localStorage, document.cookie])", vec![]);
    assert_eq!(kept.await.unwrap(), json!(r#"[{},{},""]"#), "the token is kept in memory only");

    press(browser, "Sign out").await;
    find(browser, "button", "Sign in").await;
    assert_eq!(browser.client.current_url().await.unwrap().as_str(), page);

    // A return of a sign-in that the page did not begin.
    browser.client.goto(&format!("{page}?code={CODE}&state=forged")).await.unwrap();
    find(browser, "p", "not started here").await;
    assert_eq!(browser.client.current_url().await.unwrap().as_str(), page);

    let complaints = browser.log("browser").await;
    assert!(complaints.is_empty(), "{complaints:#?}");
    for url in asked(&browser.log("performance").await) {
        let is_known = origins.iter().any(|origin| url.starts_with(&format!("{origin}/")));
        assert!(is_known || ["data:", "about:", "chrome:"].iter().any(|start| url.starts_with(start)), "{url}");
    }
}
