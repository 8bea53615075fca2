//! Arguments shared by all commands that call the API: its URL, the caller, and the output format.

use std::io::{self, IsTerminal as _};

use clap::Args;
use ureq::http::Uri;

use crate::client::{Client, Failure, Options};

/// Default URL of `arcadia up`.
const DEFAULT_URL: &str = "http://127.0.0.1:3000";
/// How to reach the API, as which caller, and how to print responses.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// URL of the API
    #[arg(long, env = "ARCADIA_URL", default_value = DEFAULT_URL, value_name = "URL", value_parser = url, global = true)]
    url: String,
    /// Bearer token. Not needed for an API on this machine: see --as
    #[arg(long, env = "ARCADIA_TOKEN", hide_env_values = true, value_name = "TOKEN", global = true)]
    token: Option<String>,
    #[cfg(feature = "local")]
    #[command(flatten)]
    own: super::local::OwnProgram,
    /// Print the API's JSON unchanged
    #[arg(long, global = true)]
    json: bool,
}

/// Confirmation of a command that cannot be undone.
#[derive(Debug, Default, Args)]
pub struct Confirmed {
    /// Skip the confirmation prompt
    #[arg(long, short)]
    yes: bool,
}

impl Confirmed {
    /// Asks for confirmation of a command that cannot be undone, unless `--yes` was given or it is a dry run.
    ///
    /// # Errors
    /// [`Failure::Usage`] if it is not confirmed, or standard input is not a terminal.
    pub fn check(&self, options: &Options, what: &str) -> Result<(), Failure> {
        if self.yes || options.dry_run {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::Usage(format!("{what}, which cannot be undone: confirm with --yes")));
        }
        anstream::eprint!("{what}, which cannot be undone. Continue? [y/N] ");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(())
        } else {
            Err(Failure::Usage("not confirmed: nothing was changed".to_owned()))
        }
    }
}

impl Connection {
    /// Opens a client as these arguments say.
    ///
    /// # Errors
    /// [`Failure`] if there is no token, or no program on this machine to issue one for.
    pub fn open(&self) -> Result<Client, Failure> {
        // The local program serves plain HTTP; an HTTPS server could not prove that it is that program.
        #[cfg(feature = "local")]
        {
            let may_be_own = is_local(&self.url) && self.url.starts_with("http:");
            if let Some(client) = self.own.open(&self.url, may_be_own, self.token.is_some(), self.json)? {
                return Ok(client);
            }
        }
        match &self.token {
            Some(token) => Ok(Client::new(&self.url, is_local(&self.url), token.clone(), self.json)),
            None => Err(Failure::Usage(format!("{} requires a token: pass --token or set ARCADIA_TOKEN", self.url))),
        }
    }
}

/// Whether a URL is on this machine. Tokens of the local issuer are valid only there.
fn is_local(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "is not a URL".to_owned())?;
    let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    if !has_scheme || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
        return Err("must be like https://api.example.com".to_owned());
    }
    // All routes start with it.
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
        assert!(is_local("http://evil@127.0.0.1"), "only the host counts");
        assert!(!is_local("http://127.0.0.1@example.com"), "the user part does not count");
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
