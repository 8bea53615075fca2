//! A token issuer for one machine, in place of the OIDC issuer and API Gateway's JWT authorizer of a deployed stack.
//! `arcadia_functions::auth` interprets the claims.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use arcadia_api::UniqueMap;
use arcadia_domain::{Authority, TenantId, Timestamp};
use arcadia_functions::auth::ClaimNames;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rsa::pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey};
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::rand_core::{OsRng, RngCore};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Map, Value, json};

use crate::private;

/// The `iss` claim of every token.
pub const ISSUER: &str = "https://issuer.arcadia.local";
/// The `aud` claim of every token.
pub const AUDIENCE: &str = "arcadia-api";
/// Name of the private key's file in the data directory.
pub const KEY_FILE: &str = "issuer-key.pem";
/// Maximum length of a token, in bytes.
pub const MAX_TOKEN_LEN: usize = 8 * 1024;

const KEY_BITS: usize = 2048;
/// Number of bytes of the modulus in the key id.
const KEY_ID_LEN: usize = 16;
const TENANT_CLAIM: &str = "tenant_id";
const ROLE_CLAIM: &str = "role";

/// Issues RS256 tokens and verifies its own.
#[derive(Clone)]
pub struct Issuer {
    key_id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    public_pem: String,
}

/// The content of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// Role of the caller.
    pub role: Authority,
    /// Tenant of the caller, for roles that belong to a tenant.
    pub tenant: Option<TenantId>,
    /// Subject of the token.
    pub sub: String,
    /// Validity of the token.
    pub ttl: TimeDelta,
}

/// Error of the issuer.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// A file operation failed.
    #[error("the issuer's key {} cannot be used: {source}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The key cannot be made, read or written as PEM.
    #[error("the issuer's key: {0}")]
    Key(String),
    /// The token could not be signed.
    #[error("the token could not be signed: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// Reason why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is longer than [`MAX_TOKEN_LEN`].
    #[error("the token is too long")]
    TooLong,
    /// The token cannot be parsed, or is not signed by this issuer with RS256.
    #[error("the token cannot be trusted: {0}")]
    Untrusted(#[from] jsonwebtoken::errors::Error),
    /// A header or claim is missing, malformed or wrong.
    #[error("the token's {0} is missing or wrong")]
    Wrong(&'static str),
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token is not valid yet.
    #[error("the token is not valid yet")]
    NotYet,
}

/// The names of the claims in the issuer's tokens.
#[must_use]
pub fn claim_names() -> ClaimNames {
    ClaimNames { tenant: TENANT_CLAIM.to_owned(), role: ROLE_CLAIM.to_owned() }
}

impl Issuer {
    /// Creates an issuer with a new key that is not stored.
    ///
    /// # Errors
    /// [`IssuerError::Key`] if the key cannot be generated.
    pub fn generate() -> Result<Self, IssuerError> {
        Self::new(&RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(key_error)?)
    }

    /// Opens the issuer with the key in `dir`. Creates the directory and the key if they are missing; of several
    /// processes that do so at the same time, one wins and all use its key.
    ///
    /// # Errors
    /// [`IssuerError`] if the key can be neither read nor created.
    pub fn open(dir: &Path) -> Result<Self, IssuerError> {
        let path = dir.join(KEY_FILE);
        let failed = |source| IssuerError::File { path: path.clone(), source };
        private::check(&path).map_err(failed)?;
        let pem = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                private::directory(dir).map_err(failed)?;
                let pem = RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(key_error)?;
                let pem = pem.to_pkcs8_pem(LineEnding::LF).map_err(key_error)?;
                write_unless_there(&path, pem.as_bytes()).map_err(failed)?;
                fs::read_to_string(&path).map_err(failed)?
            }
            read => read.map_err(failed)?,
        };
        Self::new(&RsaPrivateKey::from_pkcs8_pem(&pem).map_err(key_error)?)
    }

    /// Issues a token that is valid from `now`.
    ///
    /// # Errors
    /// [`IssuerError::Signing`] if the token cannot be signed.
    pub fn issue(&self, request: &TokenRequest, now: Timestamp) -> Result<String, IssuerError> {
        let TokenRequest { role, tenant, sub, ttl } = request;
        let issued_at = now.timestamp();
        let mut claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": sub,
            "iat": issued_at,
            "nbf": issued_at,
            "exp": issued_at.saturating_add(ttl.num_seconds()),
            (ROLE_CLAIM): role.as_str(),
        });
        if let (Value::Object(claims), Some(tenant)) = (&mut claims, tenant) {
            claims.insert(TENANT_CLAIM.to_owned(), json!(tenant));
        }
        self.sign(&claims)
    }

    /// Signs any claims, including those of a misconfigured issuer.
    ///
    /// # Errors
    /// [`IssuerError::Signing`] if the token cannot be signed.
    pub fn sign(&self, claims: &Value) -> Result<String, IssuerError> {
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::RS256) };
        Ok(jsonwebtoken::encode(&header, claims, &self.signing)?)
    }

    /// Verifies a token at `now`, without leeway, and returns its claims as API Gateway passes them on: all as text,
    /// lists in brackets. Keys named in the token are ignored.
    ///
    /// # Errors
    /// [`TokenError`] if the token is not from this issuer, not for this audience, or not valid at `now`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<HashMap<String, String>, TokenError> {
        let claims = self.signed_claims(token)?;
        check(&claims, now.timestamp())?;
        Ok(claims.into_iter().filter_map(|(name, value)| Some((name, claim_text(&value)?))).collect())
    }

    /// Returns the claims of any token signed by this issuer, without checking them.
    ///
    /// # Errors
    /// [`TokenError`] if this issuer did not sign it.
    pub(crate) fn signed_claims(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(TokenError::TooLong);
        }
        let header = jsonwebtoken::decode_header(token)?;
        if header.kid.as_ref() != Some(&self.key_id) {
            return Err(TokenError::Wrong("kid"));
        }
        // Critical extensions must be understood (RFC 7515, section 4.1.11), and this issuer supports none.
        if header.crit.is_some() {
            return Err(TokenError::Wrong("crit"));
        }
        // Unencoded payloads are not supported (RFC 7797, section 7).
        if header.extras.inner().contains_key("b64") {
            return Err(TokenError::Wrong("b64"));
        }
        let mut signature_only = Validation::new(Algorithm::RS256);
        signature_only.required_spec_claims.clear();
        // The library would use the system clock, and would accept a missing issuer or audience.
        (signature_only.validate_exp, signature_only.validate_aud) = (false, false);
        // A claim must not be repeated (RFC 7519, section 4).
        let UniqueMap(claims) = jsonwebtoken::decode(token, &self.verifying, &signature_only)?.claims;
        Ok(claims)
    }

    /// The key id, as in the header of its tokens.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public key, for other verifiers.
    #[must_use]
    pub fn public_key_pem(&self) -> &str {
        &self.public_pem
    }

    fn new(private: &RsaPrivateKey) -> Result<Self, IssuerError> {
        let public = RsaPublicKey::from(private);
        let modulus = public.n().to_bytes_be();
        let (_, tail) = modulus.split_at(modulus.len().saturating_sub(KEY_ID_LEN));
        Ok(Self {
            key_id: URL_SAFE_NO_PAD.encode(tail),
            signing: EncodingKey::from_rsa_der(private.to_pkcs1_der().map_err(key_error)?.as_bytes()),
            verifying: DecodingKey::from_rsa_der(public.to_pkcs1_der().map_err(key_error)?.as_bytes()),
            public_pem: public.to_public_key_pem(LineEnding::LF).map_err(key_error)?,
        })
    }
}

/// Prints the key id, and keeps the key out of logs.
impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

fn check(claims: &Map<String, Value>, now_s: i64) -> Result<(), TokenError> {
    if claims.get("iss").and_then(Value::as_str) != Some(ISSUER) {
        return Err(TokenError::Wrong("iss"));
    }
    let for_us = match claims.get("aud") {
        Some(Value::String(audience)) => audience == AUDIENCE,
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == AUDIENCE),
        Some(_) | None => false,
    };
    if !for_us {
        return Err(TokenError::Wrong("aud"));
    }
    if moment(claims, "exp")?.ok_or(TokenError::Wrong("exp"))? <= now_s {
        return Err(TokenError::Expired);
    }
    for name in ["nbf", "iat"] {
        if moment(claims, name)?.is_some_and(|from| from > now_s) {
            return Err(TokenError::NotYet);
        }
    }
    Ok(())
}

/// A time claim in whole seconds since 1970. Fractions are legal (RFC 7519, section 2), but this issuer never writes
/// them.
fn moment(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, TokenError> {
    claims.get(name).map(|value| value.as_i64().ok_or(TokenError::Wrong(name))).transpose()
}

/// Formats a claim as API Gateway does. Functions use only scalars, so nested objects are omitted.
fn claim_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(values) => {
            Some(format!("[{}]", values.iter().filter_map(claim_text).collect::<Vec<_>>().join(" ")))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// Writes a private file atomically and never replaces an existing one: a hard link, unlike a rename, does not replace.
fn write_unless_there(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("{:016x}.tmp", OsRng.next_u64()));
    let written = write_private(&draft, bytes).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    written.and(fs::remove_file(&draft))
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn key_error(error: impl std::fmt::Display) -> IssuerError {
    IssuerError::Key(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    /// Keys are slow to make, so all tests share two.
    static OURS: LazyLock<Issuer> = LazyLock::new(|| Issuer::generate().unwrap());
    static THEIRS: LazyLock<Issuer> = LazyLock::new(|| Issuer::generate().unwrap());

    const NOW_S: i64 = 1_700_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    fn request() -> TokenRequest {
        TokenRequest {
            role: Authority::TenantUser,
            tenant: Some("acme".parse().unwrap()),
            sub: "bob".to_owned(),
            ttl: TimeDelta::hours(1),
        }
    }

    /// Accepted claims, with one of them changed.
    fn claims(name: &str, value: Value) -> Value {
        let mut claims =
            json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "bob", "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 60});
        claims[name] = value;
        claims
    }

    fn verdict(token: &str) -> String {
        OURS.verify(token, at(NOW_S)).map_or_else(|error| format!("{error:?}"), |_| "accepted".to_owned())
    }

    fn encoded(header: &Value, claims: &Value) -> String {
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn an_issued_token_is_verified_from_its_first_second_to_its_last() {
        let token = OURS.issue(&request(), at(NOW_S)).unwrap();
        let claims = OURS.verify(&token, at(NOW_S)).unwrap();
        assert_eq!(claims["role"], "tenant_user");
        assert_eq!(claims["tenant_id"], "acme");
        assert_eq!(claims["sub"], "bob");
        assert_eq!(claims["exp"], (NOW_S + 3600).to_string());
        assert!(OURS.verify(&token, at(NOW_S + 3599)).is_ok());
        assert!(matches!(OURS.verify(&token, at(NOW_S + 3600)), Err(TokenError::Expired)));
        assert!(matches!(OURS.verify(&token, at(NOW_S - 1)), Err(TokenError::NotYet)));
        let admin = TokenRequest { role: Authority::PlatformAdmin, tenant: None, ..request() };
        let claims = OURS.verify(&OURS.issue(&admin, at(NOW_S)).unwrap(), at(NOW_S)).unwrap();
        assert!(!claims.contains_key("tenant_id"));
    }

    #[test]
    fn wrong_claims_are_refused() {
        assert_eq!(verdict(&OURS.sign(&claims("aud", json!(["other", AUDIENCE]))).unwrap()), "accepted");
        for (name, value, expected) in [
            ("iss", json!("https://issuer.example"), "Wrong(\"iss\")"),
            ("iss", json!([ISSUER]), "Wrong(\"iss\")"),
            ("iss", Value::Null, "Wrong(\"iss\")"),
            ("aud", json!("other"), "Wrong(\"aud\")"),
            ("aud", json!([]), "Wrong(\"aud\")"),
            ("aud", Value::Null, "Wrong(\"aud\")"),
            ("exp", json!((NOW_S + 60).to_string()), "Wrong(\"exp\")"),
            ("exp", Value::Null, "Wrong(\"exp\")"),
            ("exp", json!(true), "Wrong(\"exp\")"),
            ("exp", json!(NOW_S), "Expired"),
            ("exp", json!(-1), "Expired"),
            ("nbf", json!(NOW_S + 1), "NotYet"),
            ("nbf", json!("0"), "Wrong(\"nbf\")"),
            ("iat", json!(NOW_S + 1), "NotYet"),
        ] {
            assert_eq!(verdict(&OURS.sign(&claims(name, value.clone())).unwrap()), expected, "{name}: {value}");
        }
        let mut without = claims("sub", json!("bob"));
        without.as_object_mut().unwrap().remove("exp");
        assert_eq!(verdict(&OURS.sign(&without).unwrap()), "Wrong(\"exp\")");
    }

    #[test]
    fn only_rs256_is_accepted() {
        let good = claims("sub", json!("bob"));
        for alg in ["none", "None", "NONE", ""] {
            let token = encoded(&json!({"alg": alg, "kid": OURS.key_id()}), &good);
            assert!(verdict(&format!("{token}.")).starts_with("Untrusted"), "{alg}");
        }
        let hs256 = Header { kid: Some(OURS.key_id.clone()), ..Header::new(Algorithm::HS256) };
        let secret = EncodingKey::from_secret(OURS.public_key_pem().as_bytes());
        let token = jsonwebtoken::encode(&hs256, &good, &secret).unwrap();
        assert!(verdict(&token).starts_with("Untrusted"), "the public key is not a shared secret");
        let rs512 = Header { kid: Some(OURS.key_id.clone()), ..Header::new(Algorithm::RS512) };
        assert!(verdict(&jsonwebtoken::encode(&rs512, &good, &OURS.signing).unwrap()).starts_with("Untrusted"));
    }

    #[test]
    fn only_our_own_key_is_accepted_whatever_the_token_says_about_keys() {
        let good = claims("sub", json!("mallory"));
        assert_eq!(verdict(&THEIRS.sign(&good).unwrap()), "Wrong(\"kid\")");
        let header = Header::new(Algorithm::RS256);
        assert_eq!(verdict(&jsonwebtoken::encode(&header, &good, &OURS.signing).unwrap()), "Wrong(\"kid\")");
        let posing = Header { kid: Some(OURS.key_id.clone()), ..header };
        assert!(verdict(&jsonwebtoken::encode(&posing, &good, &THEIRS.signing).unwrap()).starts_with("Untrusted"));
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&THEIRS.signing, Algorithm::RS256).unwrap();
        let url = || Some("https://mallory.example/keys".to_owned());
        let embedding = Header { jwk: Some(jwk), jku: url(), x5u: url(), ..posing.clone() };
        assert!(verdict(&jsonwebtoken::encode(&embedding, &good, &THEIRS.signing).unwrap()).starts_with("Untrusted"));
        let critical = Header { crit: Some(vec!["b64".to_owned()]), ..posing };
        assert_eq!(verdict(&jsonwebtoken::encode(&critical, &good, &OURS.signing).unwrap()), "Wrong(\"crit\")");
    }

    #[test]
    fn tampered_cut_and_oversized_tokens_are_refused() {
        let token = OURS.issue(&request(), at(NOW_S)).unwrap();
        let [header, _, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let payload = URL_SAFE_NO_PAD.encode(claims("role", json!("platform_admin")).to_string());
        assert!(verdict(&format!("{header}.{payload}.{signature}")).starts_with("Untrusted"));
        for bad in
            ["", ".", "..", "...", header, "a b", &token[..token.len() - 1], &format!("{token}="), &format!("{token} ")]
        {
            assert!(verdict(bad).starts_with("Untrusted"), "{bad:?}");
        }
        let long = OURS.sign(&claims("sub", json!("x".repeat(MAX_TOKEN_LEN)))).unwrap();
        assert_eq!(verdict(&long), "TooLong");
    }

    #[test]
    fn claims_are_handed_on_as_text() {
        let mut claims = claims("sub", json!("bob"));
        claims["groups"] = json!(["a", "b", 3]);
        claims["admin"] = json!(true);
        claims["nothing"] = Value::Null;
        claims["nested"] = json!({"role": "platform_admin"});
        let found = OURS.verify(&OURS.sign(&claims).unwrap(), at(NOW_S)).unwrap();
        assert_eq!((found["groups"].as_str(), found["admin"].as_str()), ("[a b 3]", "true"));
        assert!(!found.contains_key("nothing") && !found.contains_key("nested"));
    }

    #[test]
    fn a_key_in_a_directory_is_made_once_and_private() {
        let dir = std::env::temp_dir().join(format!("arcadia-issuer-{:016x}", OsRng.next_u64()));
        let opened: Vec<Issuer> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| Issuer::open(&dir).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let again = Issuer::open(&dir).unwrap();
        assert!(opened.iter().all(|issuer| issuer.key_id() == again.key_id()));
        let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [KEY_FILE], "no draft is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(dir.join(KEY_FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(dir.join(KEY_FILE), "no key").unwrap();
        assert!(matches!(Issuer::open(&dir), Err(IssuerError::Key(_))));
        fs::remove_dir_all(&dir).unwrap();
    }
}
