//! A client of the API: requests by the name of their route, answers as text for people or as they are.
//!
//! # Layout
//! [`Client`] sends, tries again and prints; [`own`] is one of the program on this machine, and [`follow`] prints what
//! happens there; [`request`] is what is sent, [`failure`] what is told when it does not
//! work out; [`views`] and [`show`] are answers for people, made of [`text`] and [`picture`].

mod failure;
mod follow;
mod own;
mod picture;
mod request;
mod show;
mod text;
pub mod views;

use std::io::Write;
use std::thread;
use std::time::Duration;

use arcadia_shared::domain::DeploymentId;
use serde_json::{Value, json};
use ureq::http::{Response, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

pub use failure::{Failure, Problem};
pub use own::Caller;
pub use request::Request;
pub use show::deployment as show_deployment;
pub use text::Text;

use crate::cli::Paging;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a request is sent while the service is short of capacity.
const MAX_ATTEMPTS: u32 = 4;
/// The longest that is waited between two attempts, whatever `Retry-After` says, in seconds.
const MAX_WAIT_S: u64 = 10;
/// The longest answer that is read, in bytes.
const MAX_ANSWER_LEN: u64 = 16 * 1024 * 1024;
/// The most records on one page of a list.
const MAX_PAGE: usize = 100;
/// The most records that are listed at a time.
const MAX_ROWS: usize = 1_000_000;

/// A client of one API, as one caller.
pub struct Client {
    agent: Agent,
    base: String,
    token: String,
    json: bool,
}

/// An answer that is no problem.
pub struct Reply {
    /// The body as it came.
    pub text: String,
    /// The body as JSON.
    pub body: Value,
}

impl Client {
    /// A client of the API at `base`, which is on this machine or not, that prints JSON or text.
    pub fn new(base: &str, is_local: bool, token: String, json: bool) -> Self {
        let mut config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT));
        // Proxies are for the world outside; nor do redirects belong to the API, and a token must not follow one.
        if is_local {
            config = config.proxy(None);
        }
        if base.starts_with("https:") {
            config = config.tls_config(TlsConfig::builder().root_certs(authorities()).build());
        }
        let agent = config.max_redirects(0).build().into();
        Self { agent, base: base.to_owned(), token, json }
    }

    /// Sends a request, again while the service is short of capacity, and prints the answer.
    ///
    /// # Errors
    /// [`Failure`] unless it is a success.
    pub fn tell(&self, request: &Request, view: impl FnOnce(&Value) -> Text) -> Result<(), Failure> {
        let Reply { text, body } = self.call(request)?;
        self.print(&text, || view(&body))
    }

    /// Lists records, page by page, and prints them.
    ///
    /// # Errors
    /// [`Failure`] unless every page is a success.
    pub fn list(
        &self,
        request: &Request,
        name: &str,
        paging: &Paging,
        view: impl FnOnce(&Value) -> Text,
    ) -> Result<(), Failure> {
        let limit = if paging.all { MAX_ROWS } else { usize::try_from(paging.limit).unwrap_or(MAX_ROWS) };
        let mut cursor = paging.cursor.clone();
        let mut rows = Vec::new();
        let mut whole = loop {
            let page = (limit - rows.len()).min(MAX_PAGE).to_string();
            let request = request.clone().query("limit", Some(page)).query("cursor", cursor);
            let mut body = self.call(&request)?.body;
            let Value::Array(found) = body[name].take() else { return Err(Failure::NotUnderstood) };
            rows.extend(found);
            cursor = body["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() || rows.len() >= limit {
                break body;
            }
        };
        whole[name] = Value::Array(rows);
        self.print(&whole.to_string(), || view(&whole))?;
        if let Some(cursor) = cursor.filter(|_| !self.json) {
            anstream::eprintln!("There is more: --all lists everything, --cursor {} the next.", text::visible(&cursor));
        }
        Ok(())
    }

    /// Sends a request, again while the service is short of capacity.
    ///
    /// # Errors
    /// [`Failure`] unless the answer is a success.
    pub fn call(&self, request: &Request) -> Result<Reply, Failure> {
        let mut attempt = 1;
        loop {
            let mut response = self.send(request)?;
            let status = response.status().as_u16();
            let reading = response.body_mut().with_config().limit(MAX_ANSWER_LEN).read_to_string();
            let text = reading.map_err(|error| self.unreachable(request, &error))?;
            if response.status().is_success() {
                let body = serde_json::from_str(&text).map_err(|_| Failure::NotUnderstood)?;
                return Ok(Reply { text, body });
            }
            match retry_after(&response).filter(|_| request.can_be_repeated() && attempt < MAX_ATTEMPTS) {
                Some(wait) => thread::sleep(wait),
                None => return Err(Failure::Refused(Problem::new(status, text, self.json))),
            }
            attempt += 1;
        }
    }

    /// The id of the deployment that `text` names: by its id, by its slug, or by its tenant and slug.
    ///
    /// # Errors
    /// [`Failure`] if there is none, or more than one.
    pub fn deployment_id(&self, text: &str) -> Result<String, Failure> {
        if text.parse::<DeploymentId>().is_ok() {
            return Ok(text.to_owned());
        }
        let (tenant_id, slug) = match text.split_once('/') {
            Some((tenant_id, slug)) => (Some(tenant_id.to_owned()), slug),
            None => (None, text),
        };
        let request = Request::to("list_deployments", &[])?;
        let request = request.query("slug", Some(slug.to_owned())).query("tenant_id", tenant_id);
        let found = self.call(&request)?.body;
        match found["deployments"].as_array().map(Vec::as_slice) {
            Some([deployment]) => deployment["id"].as_str().map(str::to_owned).ok_or(Failure::NotUnderstood),
            Some([]) => Err(Failure::NoSuchSlug(text.to_owned())),
            Some(several) => {
                let name = |one: &Value| format!("{}/{slug}", one["tenant_id"].as_str().unwrap_or_default());
                Err(Failure::Usage(format!(
                    "{text} could be {}: name the tenant, too",
                    several.iter().map(name).collect::<Vec<_>>().join(" or ")
                )))
            }
            None => Err(Failure::NotUnderstood),
        }
    }

    fn send(&self, request: &Request) -> Result<Response<Body>, Failure> {
        let sent = match request.http(&self.base, &self.token)? {
            (http, Some(body)) => self.agent.run(http.map(|()| body.to_string())),
            (http, None) => self.agent.run(http),
        };
        sent.map_err(|error| self.unreachable(request, &error))
    }

    fn unreachable(&self, request: &Request, error: &ureq::Error) -> Failure {
        Failure::Unreachable {
            url: self.base.clone(),
            reason: error.to_string(),
            key: request.key().map(str::to_owned),
        }
    }

    fn print(&self, json: &str, text: impl FnOnce() -> Text) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        let written = if self.json { writeln!(out, "{}", text::visible_json(json)) } else { write!(out, "{}", text()) };
        match written.and_then(|()| out.flush()) {
            // Whoever reads the first lines only has what they want.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }
}

/// Whom this machine trusts, and a company's own authority with it; Mozilla's list where a machine has none.
fn authorities() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    found.iter().map(|der| Certificate::from_der(der).to_owned()).into()
}

/// How long to wait before a request is sent again; nothing if that makes no sense.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let asked = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let busy = matches!(response.status().as_u16(), 429 | 503);
    // A 409 has it while another request of the same key is being carried out.
    (busy || asked.is_some()).then(|| Duration::from_secs(asked.unwrap_or(1).min(MAX_WAIT_S)))
}

/// What an answer without a problem's form is told as.
fn bare_problem(status: u16, text: &str) -> Value {
    json!({"status": status, "code": format!("http_{status}"), "detail": text.chars().take(500).collect::<String>()})
}
