//! The `Idempotency-Key` header: a request repeated under the same key is carried out once and gets the same response.
//! [`arcadia_store`] defines the stored records and their lifetime.

use std::borrow::Cow;

use arcadia_domain::{Scope, Timestamp};
use arcadia_store::{IdempotencyRecord, KEPT_FOR, StoreError};
use lambda_http::Request;
use lambda_http::http::{Method, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Answer;
use crate::Error;
use crate::auth::Principal;
use arcadia_api::MAX_BODY_LEN;

const HEADER: &str = "idempotency-key";

/// Maximum length of a key, in characters.
pub const MAX_KEY_LEN: usize = 255;

/// A request's idempotency key, with digests that identify the caller and the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Digest of the caller's role, tenant and subject, and of the key.
    pub id: String,
    fingerprint: String,
}

/// A canonical form of a JSON body: without whitespace between tokens and with sorted members. Invalid JSON and bodies
/// over the maximum length are returned unchanged; such requests are rejected elsewhere.
fn canonical(body: &[u8]) -> Cow<'_, [u8]> {
    if body.len() > MAX_BODY_LEN {
        return body.into();
    }
    serde_json::from_slice::<Value>(body).map_or(body.into(), |mut value| {
        value.sort_all_objects();
        value.to_string().into_bytes().into()
    })
}

impl IdempotencyKey {
    /// Reads the key of a POST. Other methods can be repeated safely and have no key.
    ///
    /// # Errors
    /// [`Error::Malformed`] unless there is exactly one key of 1 to [`MAX_KEY_LEN`] printable ASCII characters without
    /// a comma. A comma would be ambiguous: API Gateway joins repeated headers with commas.
    pub fn from_request(request: &Request, principal: &Principal, body: &[u8]) -> Result<Option<Self>, Error> {
        if request.method() != Method::POST {
            return Ok(None);
        }
        let mut given = request.headers().get_all(HEADER).iter();
        let Some(key) = given.next() else { return Ok(None) };
        let is_plain = key.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b',');
        if given.next().is_some() || !is_plain || !(1..=MAX_KEY_LEN).contains(&key.len()) {
            let detail = format!(
                "Idempotency-Key must be one key of 1 to {MAX_KEY_LEN} printable ASCII characters without commas"
            );
            return Err(Error::malformed("invalid_idempotency_key", detail));
        }
        let (role, tenant) = match (&principal.scope, principal.actor.authority) {
            (Scope::Tenant(tenant), _) => ("tenant_user", tenant.as_str()),
            (Scope::All, authority) => (authority.as_str(), ""),
        };
        let subject = principal.actor.id.as_bytes();
        let id = digest(&[role.as_bytes(), tenant.as_bytes(), subject, key.as_bytes()]);
        let fingerprint = digest(&[request.uri().path().as_bytes(), &canonical(body)]);
        Ok(Some(Self { id, fingerprint }))
    }

    /// The record to be stored in the request's transaction.
    #[must_use]
    pub fn record(&self, answer: &Answer, now: Timestamp) -> IdempotencyRecord {
        let Answer { status, body, version, location, replayed: _, csv: _ } = answer;
        IdempotencyRecord {
            id: self.id.clone(),
            fingerprint: self.fingerprint.clone(),
            status: status.as_u16(),
            body: body.to_string(),
            version: *version,
            location: location.clone(),
            expires_at: (now + KEPT_FOR).timestamp(),
        }
    }

    /// The stored response of the first request with this key.
    ///
    /// # Errors
    /// [`Error::KeyReused`] if that was another request; [`StoreError::Damaged`] if the record is damaged.
    pub fn replay(&self, record: IdempotencyRecord) -> Result<Answer, Error> {
        let IdempotencyRecord { id, fingerprint, status, body, version, location, expires_at: _ } = record;
        if fingerprint != self.fingerprint {
            return Err(Error::KeyReused);
        }
        let damaged = || StoreError::Damaged(format!("the idempotency record {id}").into());
        let status = StatusCode::from_u16(status).map_err(|_| damaged())?;
        let body = serde_json::from_str(&body).map_err(|_| damaged())?;
        Ok(Answer { status, body, version, location, replayed: true, csv: None })
    }
}

/// Digest of a list of parts. Each part is hashed with its length, so that different lists have different digests.
fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use arcadia_domain::{Actor, Authority};

    fn key(header: &str, sub: &str, tenant: Option<&str>, body: &[u8]) -> Result<Option<IdempotencyKey>, Error> {
        let (scope, authority) = match tenant {
            Some(tenant) => (Scope::Tenant(tenant.parse().unwrap()), Authority::TenantUser),
            None => (Scope::All, Authority::PlatformAdmin),
        };
        let principal = Principal { actor: Actor { id: sub.to_owned(), authority }, scope };
        let mut request = Request::new(lambda_http::Body::Empty);
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(HEADER, header.parse().unwrap());
        IdempotencyKey::from_request(&request, &principal, body)
    }

    #[test]
    fn no_two_callers_and_no_two_keys_share_an_id() {
        let callers = [("ada", None), ("ada", Some("acme")), ("bob", Some("acme")), ("acmebob", Some("x"))];
        let mut ids = HashSet::new();
        for (sub, tenant) in callers {
            for header in ["k", "k2", "bobk", "K"] {
                assert!(ids.insert(key(header, sub, tenant, b"").unwrap().unwrap().id), "{sub} {header}");
            }
        }
        let [one, other] = [b"{}", b"[]"].map(|body| key("k", "ada", None, body).unwrap().unwrap());
        assert_eq!(one.id, other.id);
        assert_ne!(one.fingerprint, other.fingerprint);
    }

    #[test]
    fn a_key_is_visible_and_not_too_long() {
        for good in ["k", "a b", "~", &"x".repeat(MAX_KEY_LEN)] {
            assert!(key(good, "ada", None, b"").unwrap().is_some(), "{good}");
        }
        for bad in ["", "\t", "caf\u{e9}", "a,b", "a, a", ",", &"x".repeat(MAX_KEY_LEN + 1)] {
            let refused = key(bad, "ada", None, b"").unwrap_err();
            assert!(matches!(refused, Error::Malformed { code: "invalid_idempotency_key", .. }), "{bad}");
        }
        let mut request = Request::new(lambda_http::Body::Empty);
        let actor = Actor { id: "ada".to_owned(), authority: Authority::PlatformAdmin };
        let principal = Principal { actor, scope: Scope::All };
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
            request.headers_mut().append(HEADER, "k".parse().unwrap());
            *request.method_mut() = method.clone();
            let read = IdempotencyKey::from_request(&request, &principal, b"");
            assert_eq!(read.is_err(), method == Method::POST, "two keys are invalid, and other methods have no key");
        }
    }
}
