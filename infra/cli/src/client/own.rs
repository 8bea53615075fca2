//! A client of the program on this machine, with a token from its own issuer. The token is created only after the
//! program has proved that it holds the issuer's key, is sent to no other program, and is valid for minutes.

use std::path::Path;

use arcadia_domain::{Authority, TenantId, Timestamp};
use arcadia_local::issuer::{Issuer, KEY_FILE, TokenRequest};
use arcadia_local::proof::{self, Proof};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use rsa::rand_core::{OsRng, RngCore as _};
use serde::Deserialize;
use ureq::Agent;
use ureq::http::Uri;

use super::{Client, Failure, TIMEOUT};

/// Validity of a token for one command, in minutes.
const TOKEN_MINUTES: i64 = 10;
/// Length of a challenge, in bytes.
const CHALLENGE_BYTES: usize = 32;
/// Maximum length of the response to a challenge, in bytes.
const MAX_PROOF_LEN: u64 = 16 * 1024;

/// The caller that a token is created for.
pub struct Caller {
    /// Role of the caller.
    pub role: Authority,
    /// Tenant of a tenant's user.
    pub tenant: Option<TenantId>,
    /// Subject of the token.
    pub sub: &'static str,
}

impl Client {
    /// Opens a client of the program at `base` with the data directory `data`.
    ///
    /// # Errors
    /// [`Failure`] if the directory has no key, or the program at `base` does not hold it.
    pub fn of_own_program(base: &str, data: &Path, caller: Caller, json: bool) -> Result<Self, Failure> {
        // No program would accept a newly created key.
        if !data.join(KEY_FILE).is_file() {
            return Err(Failure::Usage(format!(
                "there is no issuer in {}: start arcadia there, pass its directory with --data, or pass a --token",
                data.display()
            )));
        }
        let issuer = Issuer::open(data).map_err(|error| Failure::Usage(error.to_string()))?;
        let (url, directory) = (base.to_owned(), data.display().to_string());
        let foreign = move || Failure::Foreign { url: url.clone(), data: directory.clone() };
        let Proof { address, now } = ask(base, &issuer)?.ok_or_else(&foreign)?;
        let port = |uri: &Uri| uri.port_u16();
        let (asked, found) = (base.parse::<Uri>().ok(), format!("http://{address}").parse::<Uri>().ok());
        if asked.as_ref().and_then(port) != found.as_ref().and_then(port) {
            return Err(foreign());
        }
        let base = format!("http://{address}");
        let first = token(&issuer, &caller, now)?;
        let client = Self::new(&base, true, first, json);
        // A long command outlives its token, and so does one during which the test clock is moved.
        let renew = move || {
            let Proof { now, .. } = ask(&base, &issuer)?.ok_or_else(&foreign)?;
            token(&issuer, &caller, now)
        };
        Ok(Self { renew: Some(Box::new(renew)), ..client })
    }
}

/// Issues a token for one command, by the program's clock.
fn token(issuer: &Issuer, caller: &Caller, now: Timestamp) -> Result<String, Failure> {
    let Caller { role, tenant, sub } = caller;
    let (tenant, ttl) = (tenant.clone(), TimeDelta::minutes(TOKEN_MINUTES));
    let request = TokenRequest { role: *role, tenant, sub: (*sub).to_owned(), ttl };
    issuer.issue(&request, now).map_err(|error| Failure::Usage(error.to_string()))
}

/// The answer to a challenge.
#[derive(Deserialize)]
struct Answer {
    proof: String,
}

/// Challenges the program at `base`. Returns `None` unless it proves that it holds the issuer's key.
fn ask(base: &str, issuer: &Issuer) -> Result<Option<Proof>, Failure> {
    let mut random = [0; CHALLENGE_BYTES];
    OsRng.fill_bytes(&mut random);
    let challenge = URL_SAFE_NO_PAD.encode(random);
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT));
    let agent: Agent = config.proxy(None).max_redirects(0).build().into();
    let sent = agent.get(format!("{base}{}?{}={challenge}", proof::PATH, proof::CHALLENGE)).call();
    let unreachable =
        |error: ureq::Error| Failure::Unreachable { url: base.to_owned(), reason: error.to_string(), repetition: None };
    let mut response = sent.map_err(unreachable)?;
    // Any other response is not a proof.
    let text = response.body_mut().with_config().limit(MAX_PROOF_LEN).read_to_string().unwrap_or_default();
    let answer = serde_json::from_str::<Answer>(&text).ok();
    Ok(answer.and_then(|answer| Proof::read(&answer.proof, issuer, &challenge)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_for_one_command_is_valid_for_minutes() {
        let issuer = Issuer::generate().unwrap();
        let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        let caller = Caller { role: Authority::PlatformAdmin, tenant: None, sub: "local-admin" };
        let token = token(&issuer, &caller, now).unwrap();
        assert!(issuer.verify(&token, now).is_ok());
        assert!(issuer.verify(&token, now + TimeDelta::minutes(10)).is_err());
    }
}
