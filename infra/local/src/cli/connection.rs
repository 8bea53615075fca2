//! The arguments that every command which asks the API shares: where it is, who asks, and how the answer is printed.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use arcadia_domain::TenantId;
use clap::{Args, ValueEnum};
use ureq::http::Uri;

use super::place::DEFAULT_DATA;
use crate::client::{Caller, Client, Failure, Options};
use crate::issuer::Role;

/// Where `arcadia up` listens by default.
const DEFAULT_URL: &str = "http://127.0.0.1:3000";
/// Where the API is, who asks, and how the answer is printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Where the API is
    #[arg(long, env = "ARCADIA_URL", default_value = DEFAULT_URL, value_name = "URL", value_parser = url, global = true)]
    url: String,
    /// Who asks. On this machine it can be left out: see --as
    #[arg(long, env = "ARCADIA_TOKEN", hide_env_values = true, value_name = "TOKEN", global = true)]
    token: Option<String>,
    /// As whom to ask an API on this machine, by a token of its own issuer, whatever --token says
    #[arg(long = "as", value_enum, value_name = "ROLE", conflicts_with = "tenant", global = true)]
    role: Option<As>,
    /// The same, as a user of this tenant
    #[arg(long, value_name = "ID", global = true)]
    tenant: Option<TenantId>,
    /// The directory of the key that signs tokens, for an API on this machine
    #[arg(long, default_value = DEFAULT_DATA, value_name = "DIR", global = true)]
    data: PathBuf,
    /// Print the API's JSON as it is
    #[arg(long, global = true)]
    json: bool,
}

/// As whom.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum As {
    /// An operator, which is the default
    Admin,
    /// A payment provider
    PaymentProvider,
    /// What runs the deployments
    DataPlane,
}

/// That something which cannot be undone is meant.
#[derive(Debug, Default, Args)]
pub struct Confirmed {
    /// Do it without asking whether it is meant
    #[arg(long, short)]
    yes: bool,
}

impl Confirmed {
    /// Asks whether a command is meant that cannot be undone, unless that was said or it is a dry run.
    ///
    /// # Errors
    /// [`Failure::Usage`] if it is not, or nobody is there to be asked.
    pub fn check(&self, options: &Options, what: &str) -> Result<(), Failure> {
        if self.yes || options.dry_run {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::Usage(format!("{what}, which cannot be undone: say --yes if that is meant")));
        }
        anstream::eprint!("{what}, which cannot be undone. Is that meant? [y/N] ");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(())
        } else {
            Err(Failure::Usage("nothing was done".to_owned()))
        }
    }
}

impl Connection {
    /// A client that asks as these arguments say.
    ///
    /// # Errors
    /// [`Failure`] if there is no token, or nobody on this machine to make one for.
    pub fn open(&self) -> Result<Client, Failure> {
        let Self { url, token, role, tenant, data, json } = self;
        match (token, role, tenant) {
            (Some(token), None, None) => Ok(Client::new(url, is_local(url), token.clone(), *json)),
            // What is encrypted is not the program itself, which could not prove where it is.
            _ if is_local(url) && url.starts_with("http:") => {
                Client::of_own_program(url, data, caller(*role, tenant.clone()), *json)
            }
            (None, None, None) => {
                Err(Failure::Usage(format!("{url} wants a token: give one with --token or ARCADIA_TOKEN")))
            }
            _ => Err(Failure::Usage(format!("--as and --tenant are for an API on this machine, not {url}"))),
        }
    }
}

/// As whom to ask an API on this machine.
const fn caller(role: Option<As>, tenant: Option<TenantId>) -> Caller {
    let (role, sub) = match (role, &tenant) {
        (_, Some(_)) => (Role::TenantUser, "local-user"),
        (Some(As::PaymentProvider), None) => (Role::PaymentProvider, "local-payments"),
        (Some(As::DataPlane), None) => (Role::DataPlane, "local-data-plane"),
        (Some(As::Admin) | None, None) => (Role::PlatformAdmin, "local-admin"),
    };
    Caller { role, tenant, sub }
}

/// Whether a URL is on this machine: only there does a token of the local issuer mean anything.
fn is_local(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "is no URL".to_owned())?;
    let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    if !has_scheme || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
        return Err("must be like https://api.example.com".to_owned());
    }
    // Every route has it.
    let base = text.trim_end_matches('/');
    Ok(base.strip_suffix("/api/v1").unwrap_or(base).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_local() {
        for local in ["http://127.0.0.1:3000", "http://localhost", "http://[::1]:1", "https://127.9.9.9/x"] {
            assert!(is_local(local), "{local}");
        }
        for remote in ["http://127.0.0.1.example.com", "https://localhost.example.com", "http://10.0.0.1", "http://a@b"]
        {
            assert!(!is_local(remote), "{remote}");
        }
        assert!(is_local("http://evil@127.0.0.1"), "what counts is the host");
        assert!(!is_local("http://127.0.0.1@example.com"), "not what stands before it");
    }

    #[test]
    fn urls_lose_what_every_route_has() {
        for text in ["http://a:1", "http://a:1/", "http://a:1/api/v1", "http://a:1/api/v1/"] {
            assert_eq!(url(text).as_deref(), Ok("http://a:1"), "{text}");
        }
        for text in ["", "a", "ftp://a", "http://", "/x", "http://a?b"] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
