//! `/local/proof`: proves that a program holds the key of a data directory, and at which address it listens. The
//! command line requests a proof before it issues a token with that key, so that no other program on the port receives
//! one.
//!
//! A proof is signed like a token but has its own audience and contains the challenge, so that it can be neither used
//! as a token nor replayed. It contains the address of the program: another program could relay a proof, but would not
//! receive a token.

use arcadia_domain::Timestamp;
use axum::http::{HeaderValue, Response, StatusCode, header};
use lambda_http::Body;
use serde_json::{Value, json};

use crate::issuer::{Issuer, IssuerError};

/// Path of the route.
pub const PATH: &str = "/local/proof";
/// Query parameter with the challenge.
pub const CHALLENGE: &str = "challenge";

const AUDIENCE: &str = "arcadia-proof";
/// Length of a challenge, in bytes.
const CHALLENGE_LEN: std::ops::RangeInclusive<usize> = 32..=64;

/// The content of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Address that the program listens on: host and port.
    pub address: String,
    /// Time of the program's clock.
    pub now: Timestamp,
}

impl Proof {
    /// Signs the proof for a challenge.
    ///
    /// # Errors
    /// [`IssuerError::Signing`] if it cannot be signed.
    pub fn sign(&self, issuer: &Issuer, challenge: &str) -> Result<String, IssuerError> {
        let Self { address, now } = self;
        issuer.sign(&json!({"aud": AUDIENCE, "challenge": challenge, "address": address, "now": now.timestamp()}))
    }

    /// Verifies a proof; `None` unless this issuer signed it for this challenge.
    #[must_use]
    pub fn read(text: &str, issuer: &Issuer, challenge: &str) -> Option<Self> {
        let claims = issuer.signed_claims(text).ok()?;
        let is_answer = claims.get("aud")? == AUDIENCE && claims.get("challenge")? == challenge;
        let now = Timestamp::from_timestamp(claims.get("now")?.as_i64()?, 0)?;
        is_answer.then_some(Self { address: claims.get("address")?.as_str()?.to_owned(), now })
    }
}

/// Responds to a GET with this query; `None` if the query has no valid challenge.
pub fn respond(issuer: &Issuer, query: &str, proof: &Proof) -> Option<Response<Body>> {
    let challenge = query.strip_prefix(CHALLENGE)?.strip_prefix('=')?;
    let is_plain = challenge.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !is_plain || !CHALLENGE_LEN.contains(&challenge.len()) {
        return None;
    }
    let body: Value = json!({"proof": proof.sign(issuer, challenge).ok()?});
    let mut response = Response::new(Body::Text(body.to_string()));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_answers_one_challenge_of_one_issuer_and_is_no_token() {
        let [ours, theirs] = [(); 2].map(|()| Issuer::generate().unwrap());
        let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        let proof = Proof { address: "127.0.0.1:3000".to_owned(), now };
        let signed = proof.sign(&ours, "a").unwrap();
        assert_eq!(Proof::read(&signed, &ours, "a"), Some(proof.clone()));
        assert_eq!(Proof::read(&signed, &ours, "b"), None);
        assert_eq!(Proof::read(&signed, &theirs, "a"), None);
        assert_eq!(Proof::read("", &ours, "a"), None);
        assert!(ours.verify(&signed, now).is_err(), "a proof opens nothing");
        let token = ours.sign(&json!({"aud": "arcadia-api", "challenge": "a", "address": "x", "now": 1})).unwrap();
        assert_eq!(Proof::read(&token, &ours, "a"), None, "and a token proves nothing");
    }

    #[test]
    fn only_a_plain_challenge_is_signed() {
        let issuer = Issuer::generate().unwrap();
        let proof = Proof { address: "127.0.0.1:3000".to_owned(), now: Timestamp::UNIX_EPOCH };
        let long = |len: usize| format!("challenge={}", "a".repeat(len));
        assert!(respond(&issuer, &long(32), &proof).is_some() && respond(&issuer, &long(64), &proof).is_some());
        for query in ["", "challenge", "challenge=", &long(31), &long(65), &format!("{}%20", long(40)), "x=1"] {
            assert!(respond(&issuer, query, &proof).is_none(), "{query}");
        }
    }
}
