//! A client of the API: addresses requests by the name of their route and prints responses as text or JSON.
//!
//! # Layout
//! [`Client`] sends, retries and prints. [`own`] connects to the program on this machine, and [`follow`] prints its
//! events. [`request`] builds requests, [`failure`] reports errors. [`views`] and [`show`] format responses as text,
//! using [`text`] and [`picture`].

mod arguments;
mod failure;
#[cfg(feature = "local")]
mod follow;
#[cfg(feature = "local")]
mod own;
mod picture;
mod request;
mod show;
mod text;
pub mod views;

use std::cell::RefCell;
use std::io::Write;
use std::thread;
use std::time::Duration;

use arcadia_domain::DeploymentId;
use chrono::{DateTime, Datelike as _, SecondsFormat};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ureq::http::{HeaderMap, Response, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use arguments::MAX_ROWS;
pub use arguments::{Moment, Once, Options, Paging, Precondition, one_of};
pub use failure::{Failure, Problem};
#[cfg(feature = "local")]
pub use own::Caller;
pub use request::Request;
pub use show::deployment as show_deployment;
pub use text::{Text, minor_digits, plain};
use views::{EventRow, Foreseen};

/// Timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of attempts while the service is short of capacity.
const MAX_ATTEMPTS: u32 = 4;
/// Maximum wait between two attempts, whatever `Retry-After` says, in seconds.
const MAX_WAIT_S: u64 = 10;
/// Maximum length of a response, in bytes.
const MAX_ANSWER_LEN: u64 = 16 * 1024 * 1024;
/// Maximum page size, in records.
const MAX_PAGE: usize = 100;
/// Number of records that a list has when the user does not say.
const DEFAULT_ROWS: usize = 50;

/// A client of an API, with one caller's token.
pub struct Client {
    agent: Agent,
    base: String,
    token: RefCell<String>,
    /// Issues another token when the present one has expired.
    renew: Option<Renew>,
    json: bool,
}

/// Issues a token.
type Renew = Box<dyn Fn() -> Result<String, Failure>>;

/// Whether a response is that of a dry run.
#[derive(Deserialize)]
struct Mode {
    #[serde(default)]
    dry_run: bool,
}

/// A page of a list, with records of any type.
#[derive(Deserialize, Serialize)]
struct Page {
    next_cursor: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// The names of a deployment in a list; later releases may add fields.
#[derive(Deserialize)]
struct Named {
    id: DeploymentId,
    tenant_id: String,
}

#[derive(Deserialize)]
struct Names {
    deployments: Vec<Named>,
}

impl Client {
    /// Creates a client of the API at `base`. `is_local`: the API is on this machine; `json`: print JSON instead of
    /// text.
    pub fn new(base: &str, is_local: bool, token: String, json: bool) -> Self {
        let mut config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT));
        // Local requests bypass proxies. Redirects are not followed, since the API has none and the token must go
        // nowhere else.
        if is_local {
            config = config.proxy(None);
        }
        if base.starts_with("https:") {
            config = config.tls_config(TlsConfig::builder().root_certs(authorities()).build());
        }
        let agent = config.max_redirects(0).build().into();
        Self { agent, base: base.to_owned(), token: RefCell::new(token), renew: None, json }
    }

    /// Sends a request, and prints the response.
    ///
    /// # Errors
    /// [`Failure`] unless the response is a success of that type.
    pub fn show<A: DeserializeOwned>(&self, request: &Request, view: impl FnOnce(&A) -> Text) -> Result<(), Failure> {
        let (text, _) = self.fetch(request)?;
        self.print_answer(request, &text, || Ok(view(&understood(&text)?)))
    }

    /// Sends a command, and prints the response. `view` is also told whether it is a dry run, whose response has events
    /// of type `E` beside the command's own members.
    ///
    /// # Errors
    /// [`Failure`] unless the response is a success of that type.
    pub fn tell<E: DeserializeOwned + EventRow, A: DeserializeOwned>(
        &self,
        request: &Request,
        view: impl FnOnce(&A, bool) -> Text,
    ) -> Result<(), Failure> {
        let (text, _) = self.fetch(request)?;
        self.print_answer(request, &text, || {
            let Mode { dry_run } = understood(&text)?;
            let answer = view(&understood(&text)?, dry_run);
            if !dry_run {
                return Ok(answer);
            }
            let foreseen: Foreseen<E> = understood(&text)?;
            Ok(views::dry_run(&foreseen, &answer))
        })
    }

    /// Prints a successful response as JSON or as text. A command was carried out even if the API is of a later release
    /// and its response has values that this program does not know: it is then printed as JSON.
    fn print_answer(
        &self,
        request: &Request,
        json: &str,
        text: impl FnOnce() -> Result<Text, Failure>,
    ) -> Result<(), Failure> {
        let _: Value = understood(json)?;
        if self.json {
            return self.print(json, Text::default);
        }
        match text() {
            Ok(text) => self.print(json, || text),
            Err(Failure::NotUnderstood) if !request.only_reads() => {
                anstream::eprintln!("The command was carried out. This program does not know all of its response:");
                Ok(writeln!(anstream::stdout().lock(), "{}", text::visible_json(json))?)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Lists records page by page, and prints them as one page.
    ///
    /// # Errors
    /// [`Failure`] unless every page is a success of that type.
    pub fn list<P: DeserializeOwned>(
        &self,
        request: &Request,
        name: &str,
        paging: &Paging,
        view: impl FnOnce(&P) -> Text,
    ) -> Result<(), Failure> {
        let whole = self.collect(request, name, paging)?;
        let text = serde_json::to_string(&whole).map_err(|_| Failure::NotUnderstood)?;
        if self.json {
            return self.print(&text, Text::default);
        }
        let page = understood(&text)?;
        self.print(&text, || view(&page))?;
        self.tell_of_more(whole.next_cursor);
        Ok(())
    }

    /// Reads a list page by page. Returns the last page, with the records of all pages.
    fn collect(&self, request: &Request, name: &str, paging: &Paging) -> Result<Page, Failure> {
        let limit = paging.most(DEFAULT_ROWS);
        let mut cursor = paging.cursor.clone();
        let mut rows = Vec::new();
        loop {
            let size = (limit - rows.len()).min(MAX_PAGE).to_string();
            let request = request.clone().query("limit", Some(size)).query("cursor", cursor);
            let mut page: Page = self.call(&request)?;
            let Some(Value::Array(found)) = page.rest.remove(name) else { return Err(Failure::NotUnderstood) };
            rows.extend(found);
            if page.next_cursor.is_none() || rows.len() >= limit {
                page.rest.insert(name.to_owned(), Value::Array(rows));
                return Ok(page);
            }
            cursor = page.next_cursor;
        }
    }

    /// Prints how to get the rest of a list that was printed as text.
    fn tell_of_more(&self, cursor: Option<String>) {
        if let Some(cursor) = cursor.filter(|_| !self.json) {
            anstream::eprintln!(
                "There are more records: --all lists all of them, --cursor {} the next page.",
                text::visible(&cursor)
            );
        }
    }

    /// Lists records page by page and prints them as comma-separated values.
    ///
    /// # Errors
    /// [`Failure`] unless every page is a success.
    pub fn list_csv(&self, request: &Request, paging: &Paging) -> Result<(), Failure> {
        let mut rest = paging.most(MAX_ROWS);
        let mut cursor = paging.cursor.clone();
        let mut out = anstream::stdout().lock();
        let mut is_first = true;
        loop {
            let request = request.clone().csv().query("limit", Some(rest.min(MAX_PAGE).to_string()));
            let (text, headers) = self.fetch(&request.query("cursor", cursor))?;
            let (names, records) = text.split_once("\r\n").ok_or(Failure::NotUnderstood)?;
            // Values contain no line breaks, so a line is a record.
            rest = rest.saturating_sub(records.lines().count());
            let names = if is_first { format!("{names}\r\n") } else { String::new() };
            match write!(out, "{names}{}", text::visible_lines(records)).and_then(|()| out.flush()) {
                // A reader that closes the pipe early, such as `head`, is not an error.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
            is_first = false;
            cursor = headers.get(header::LINK).and_then(|link| next_cursor(link.to_str().ok()?));
            if cursor.is_none() || rest == 0 {
                break;
            }
        }
        if let Some(cursor) = cursor {
            anstream::eprintln!(
                "There are more records: --all lists all of them, --cursor {} the next page.",
                text::visible(&cursor)
            );
        }
        Ok(())
    }

    /// Makes an RFC 3339 time of a time argument. Now is the API's time.
    ///
    /// # Errors
    /// [`Failure`] if the API's response has no time.
    pub fn moment(&self, moment: Option<&Moment>) -> Result<Option<String>, Failure> {
        let offset = match moment {
            None => return Ok(None),
            Some(Moment::At(time)) => return Ok(Some(time.clone())),
            Some(Moment::FromNow(offset)) => *offset,
        };
        let (_, headers) = self.fetch(&Request::to("show_lifecycle", &[])?)?;
        let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let now = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).ok_or(Failure::NotUnderstood)?;
        let out_of_range = || Failure::Usage("the time is out of range".to_owned());
        let at = now
            .to_utc()
            .checked_add_signed(offset)
            .filter(|at| (0..10_000).contains(&at.year()))
            .ok_or_else(out_of_range)?;
        Ok(Some(at.to_rfc3339_opts(SecondsFormat::Secs, true)))
    }

    /// Sends a request, with retries while the service is short of capacity.
    ///
    /// # Errors
    /// [`Failure`] unless the response is a success of that type.
    pub fn call<A: DeserializeOwned>(&self, request: &Request) -> Result<A, Failure> {
        understood(&self.fetch(request)?.0)
    }

    /// Like [`Client::call`], for a body in any format.
    fn fetch(&self, request: &Request) -> Result<(String, HeaderMap), Failure> {
        let (mut attempt, mut is_renewed) = (1, false);
        loop {
            let mut response = self.send(request)?;
            let status = response.status().as_u16();
            let reading = response.body_mut().with_config().limit(MAX_ANSWER_LEN).read_to_string();
            let text = reading.map_err(|error| self.unreachable(request, &error))?;
            if response.status().is_success() {
                return Ok((text, response.headers().clone()));
            }
            if let Some(renew) = self.renew.as_ref().filter(|_| status == 401 && !is_renewed) {
                self.token.replace(renew()?);
                is_renewed = true;
                continue;
            }
            // A request refused with 429 was not executed.
            let can_be_repeated = status == 429 || request.can_be_repeated();
            let Some(wait) = retry_after(&response).filter(|_| can_be_repeated && attempt < MAX_ATTEMPTS) else {
                let mut problem = Problem::new(status, &text, self.json);
                problem.repetition = request.repetition().filter(|_| status >= 500);
                return Err(Failure::Refused(Box::new(problem)));
            };
            if let Some(repetition) = request.repetition().filter(|_| attempt == 1 && !self.json) {
                anstream::eprintln!(
                    "No success yet ({status}), trying again. If you stop it, repeat it with {repetition}"
                );
            }
            thread::sleep(wait);
            attempt += 1;
        }
    }

    /// Finds a deployment's id by its id, its slug, or its tenant and slug.
    ///
    /// # Errors
    /// [`Failure`] if there is no such deployment, or more than one.
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
        match self.call::<Names>(&request)?.deployments.as_slice() {
            [one] => Ok(one.id.to_string()),
            [] => Err(Failure::NoSuchSlug(text.to_owned())),
            several => {
                let names: Vec<String> = several.iter().map(|one| format!("{}/{slug}", one.tenant_id)).collect();
                Err(Failure::Usage(format!("{text} could be {}: name the tenant too", names.join(" or "))))
            }
        }
    }

    fn send(&self, request: &Request) -> Result<Response<Body>, Failure> {
        let sent = match request.http(&self.base, &self.token.borrow())? {
            (http, Some(body)) => self.agent.run(http.map(|()| body)),
            (http, None) => self.agent.run(http),
        };
        sent.map_err(|error| self.unreachable(request, &error))
    }

    fn unreachable(&self, request: &Request, error: &ureq::Error) -> Failure {
        Failure::Unreachable { url: self.base.clone(), reason: error.to_string(), repetition: request.repetition() }
    }

    /// Prints a response as JSON or as text.
    ///
    /// # Errors
    /// [`Failure::Print`] if standard output cannot be written.
    pub fn print(&self, json: &str, text: impl FnOnce() -> Text) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        let written = if self.json { writeln!(out, "{}", text::visible_json(json)) } else { write!(out, "{}", text()) };
        match written.and_then(|()| out.flush()) {
            // A reader that closes the pipe early, such as `head`, is not an error.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }
}

/// Reads a response.
fn understood<A: DeserializeOwned>(text: &str) -> Result<A, Failure> {
    serde_json::from_str(text).map_err(|_| Failure::NotUnderstood)
}

/// Extracts the cursor from the URL of the next page.
fn next_cursor(link: &str) -> Option<String> {
    let (_, query) = link.strip_prefix('<')?.split_once(">; rel=\"next\"")?.0.split_once('?')?;
    let cursor = query.split('&').find_map(|parameter| parameter.strip_prefix("cursor="))?;
    Some(cursor.to_owned())
}

/// Root certificates: the system trust store, including a company's own authority; Mozilla's list if the system has
/// none.
fn authorities() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    found.iter().map(|der| Certificate::from_der(der).to_owned()).into()
}

/// How long to wait before the next attempt; `None` if a retry makes no sense.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let asked = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let busy = matches!(response.status().as_u16(), 429 | 500 | 502..=504);
    // A 409 has `Retry-After` while a request with the same idempotency key is in progress.
    (busy || asked.is_some()).then(|| Duration::from_secs(asked.unwrap_or(1).min(MAX_WAIT_S)))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_token_that_expires_during_a_command_is_replaced_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let answer = |stream: std::io::Result<std::net::TcpStream>| {
                let mut stream = stream.unwrap();
                let head = BufReader::new(&stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty());
                let is_second = head.filter(|line| line.ends_with("Bearer second")).count() == 1;
                let status = if is_second { "200 OK" } else { "401 Unauthorized" };
                write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}").unwrap();
                is_second
            };
            listener.incoming().take(4).map(answer).collect::<Vec<_>>()
        });
        let client = |next: &'static str| Client {
            renew: Some(Box::new(move || Ok(next.to_owned()))),
            ..Client::new(&base, true, "first".to_owned(), true)
        };
        let request = Request::to("show_lifecycle", &[]).unwrap();
        assert!(client("second").call::<Value>(&request).is_ok());
        let refused = client("third").call::<Value>(&request);
        assert!(matches!(refused, Err(Failure::Refused(_))));
        assert_eq!(server.join().unwrap(), [false, true, false, false]);
    }

    #[test]
    fn the_next_page_is_named_by_its_cursor() {
        let link = "</api/v1/invoices?limit=2&cursor=Zm9v>; rel=\"next\"";
        assert_eq!(next_cursor(link).as_deref(), Some("Zm9v"));
        assert_eq!(next_cursor("</api/v1/invoices?limit=2>; rel=\"next\""), None);
        assert_eq!(next_cursor(""), None);
    }
}
