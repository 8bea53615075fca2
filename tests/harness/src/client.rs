//! The HTTP client of the tests.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::{Reply, contract};

/// Every path of the API begins so.
pub const PREFIX: &str = "/api/v1";

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Http {
    /// Such as `http://127.0.0.1:1234`.
    pub base: String,
    client: reqwest::Client,
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
