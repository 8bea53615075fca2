//! A client of the program on this machine, by a token of its own issuer. The token is made once the program has proved
//! that it holds the issuer's key, is sent to nobody else, and is valid for minutes.

use std::path::Path;

use arcadia_domain::{TenantId, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use rsa::rand_core::{OsRng, RngCore as _};
use serde_json::Value;
use ureq::Agent;
use ureq::http::Uri;

use super::{Client, Failure, TIMEOUT};
use crate::issuer::{Issuer, IssuerError, KEY_FILE, Role, TokenRequest};
use crate::proof::{self, Proof};

/// How long a token for one command is valid, in minutes.
const TOKEN_MINUTES: i64 = 10;
/// How many random bytes a challenge has.
const CHALLENGE_BYTES: usize = 32;
/// The longest answer to a challenge that is read, in bytes.
const MAX_PROOF_LEN: u64 = 16 * 1024;

/// As whom to ask.
pub struct Caller {
    /// What the caller may do.
    pub role: Role,
    /// Whose records they see, for a tenant's user.
    pub tenant: Option<TenantId>,
    /// Who they are.
    pub sub: &'static str,
}

impl Client {
    /// A client of the program at `base` whose data directory is `data`.
    ///
    /// # Errors
    /// [`Failure`] if there is no key in the directory, or what answers does not have it.
    pub fn of_own_program(base: &str, data: &Path, caller: Caller, json: bool) -> Result<Self, Failure> {
        // A key made here would be known to nobody.
        if !data.join(KEY_FILE).is_file() {
            return Err(Failure::Usage(format!(
                "there is no issuer in {}: start arcadia there, name its directory with --data, or give a --token",
                data.display()
            )));
        }
        let issuer = Issuer::open(data).map_err(|error| Failure::Usage(error.to_string()))?;
        let foreign = || Failure::Foreign { url: base.to_owned(), data: data.display().to_string() };
        let Proof { address, now } = ask(base, &issuer)?.ok_or_else(foreign)?;
        let port = |uri: &Uri| uri.port_u16();
        let (asked, found) = (base.parse::<Uri>().ok(), format!("http://{address}").parse::<Uri>().ok());
        if asked.as_ref().and_then(port) != found.as_ref().and_then(port) {
            return Err(foreign());
        }
        let token = token(&issuer, caller, now).map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Self::new(&format!("http://{address}"), true, token, json))
    }
}

/// A token for one command, by the program's clock.
fn token(issuer: &Issuer, caller: Caller, now: Timestamp) -> Result<String, IssuerError> {
    let Caller { role, tenant, sub } = caller;
    let request = TokenRequest { role, tenant, sub: sub.to_owned(), ttl: TimeDelta::minutes(TOKEN_MINUTES) };
    issuer.issue(&request, now)
}

/// Challenges what listens at `base`; nothing unless it proves that it holds the issuer's key.
fn ask(base: &str, issuer: &Issuer) -> Result<Option<Proof>, Failure> {
    let mut random = [0; CHALLENGE_BYTES];
    OsRng.fill_bytes(&mut random);
    let challenge = URL_SAFE_NO_PAD.encode(random);
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT));
    let agent: Agent = config.proxy(None).max_redirects(0).build().into();
    let sent = agent.get(format!("{base}{}?{}={challenge}", proof::PATH, proof::CHALLENGE)).call();
    let unreachable =
        |error: ureq::Error| Failure::Unreachable { url: base.to_owned(), reason: error.to_string(), key: None };
    let mut response = sent.map_err(unreachable)?;
    // Whatever else it says is not a proof.
    let text = response.body_mut().with_config().limit(MAX_PROOF_LEN).read_to_string().unwrap_or_default();
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(body["proof"].as_str().and_then(|text| Proof::read(text, issuer, &challenge)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_for_one_command_is_valid_for_minutes() {
        let issuer = Issuer::generate().unwrap();
        let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        let caller = Caller { role: Role::PlatformAdmin, tenant: None, sub: "local-admin" };
        let token = token(&issuer, caller, now).unwrap();
        assert!(issuer.verify(&token, now).is_ok());
        assert!(issuer.verify(&token, now + TimeDelta::minutes(10)).is_err());
    }
}
