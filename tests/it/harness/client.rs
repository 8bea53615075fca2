//! The HTTP client of the tests.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::contract;

/// Every path of the API begins so.
pub const PREFIX: &str = "/api/v1";

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Http {
    /// Such as `http://127.0.0.1:1234`.
    pub base: String,
    client: reqwest::Client,
}

/// An answer, read in full.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
    /// The body as JSON; null if it is none.
    pub body: Value,
}

impl Http {
    /// A client of the server at `base`.
    pub fn new(base: String) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Self { base, client }
    }

    /// Begins a request; `path` is what follows [`PREFIX`].
    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{PREFIX}{path}", self.base)).bearer_auth(token)
    }

    /// Begins a request without a token, to a whole path.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        send(self.request(Method::GET, path, token)).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        send(self.request(Method::POST, path, token).json(&body)).await
    }

    pub async fn patch(&self, path: &str, token: &str, body: Value) -> Reply {
        send(self.request(Method::PATCH, path, token).json(&body)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Reply {
        send(self.request(Method::DELETE, path, token)).await
    }
}

/// Sends a request, reads the answer, and insists that it is one that the documentation promises.
pub async fn send(request: RequestBuilder) -> Reply {
    let (client, request) = request.build_split();
    let request = request.expect("a request");
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let response = client.execute(request).await.expect("the server answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("the server answers in full");
    let body = serde_json::from_str(&text).unwrap_or_default();
    let reply = Reply { status, headers, text, body };
    contract::check(&method, &path, &reply);
    reply
}

impl Reply {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("a readable header")).unwrap_or_default()
    }

    /// All but what differs between any two answers.
    pub fn comparable(&self) -> (u16, HeaderMap, &str) {
        let mut headers = self.headers.clone();
        headers.remove("x-request-id");
        headers.remove("date");
        (self.status, headers, &self.text)
    }

    /// Insists on a success and returns the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/json");
        assert_ne!(self.header("x-request-id"), "", "every answer names its request");
        self.body
    }

    /// Insists on a problem in the form that all have, and returns the body.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_ne!(self.header("x-request-id"), "", "every answer names its request");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("urn:arcadia:problem:{code}"));
        for member in ["title", "detail"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {}", self.text);
        }
        self.body
    }

    /// Insists on a 422 that names exactly these fields, as pointer and code.
    #[track_caller]
    pub fn expect_fields(self, expected: &[(&str, &str)]) {
        let body = self.expect_problem(422, "validation_failed");
        assert_eq!(fields(&body), expected, "{body}");
    }
}

/// The fields that a problem complains of, as pointer and code.
pub fn fields(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().expect("a list of errors").iter();
    errors.map(|e| (e["pointer"].as_str().expect("a pointer"), e["code"].as_str().expect("a code"))).collect()
}
