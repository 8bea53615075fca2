//! Content of `config.json`: the claims to show, and where to sign in.

use serde_json::{Value, json};

/// Names of the claims that the page shows. Only the API makes decisions by them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Claim with the caller's role.
    pub role: String,
    /// Claim with the caller's tenant.
    pub tenant: String,
}

/// An OpenID Connect issuer for sign-in with the authorization code flow and PKCE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// URL of the issuer; its discovery document is below it.
    pub issuer: String,
    /// Client id of the console, a public client.
    pub client_id: String,
    /// The scopes to request.
    pub scope: String,
    /// Origin of the token endpoint, if it differs from the issuer's.
    pub token_origin: Option<String>,
}

/// An issuer URL without a usable origin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a URL with an origin that a content security policy can contain")]
pub struct SignInError(pub String);

impl SignIn {
    /// The origins that the page calls: for the discovery document and for the token.
    pub(crate) fn origins(&self) -> Result<Vec<&str>, SignInError> {
        let mut origins = vec![origin(&self.issuer)?];
        if let Some(url) = &self.token_origin {
            let other = origin(url)?;
            if !origins.contains(&other) {
                origins.push(other);
            }
        }
        Ok(origins)
    }
}

/// Builds `config.json`.
pub fn config_json(claims: &Claims, sign_in: Option<&SignIn>) -> Value {
    let Claims { role, tenant } = claims;
    json!({
        "issuer": sign_in.map(|s| &s.issuer),
        "client_id": sign_in.map(|s| &s.client_id),
        "scope": sign_in.map(|s| &s.scope),
        "claims": {"role": role, "tenant": tenant},
    })
}

/// Extracts the origin of a URL. Rejects any text that could add another word to the policy.
fn origin(url: &str) -> Result<&str, SignInError> {
    let refused = || SignInError(url.to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(refused)?;
    let host = rest.split('/').next().unwrap_or_default();
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    if !matches!(scheme, "https" | "http") || host.is_empty() || !host.chars().all(is_host) {
        return Err(refused());
    }
    url.get(..scheme.len() + "://".len() + host.len()).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_else() {
        for (url, expected) in [
            ("https://issuer.example.com", "https://issuer.example.com"),
            (
                "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE",
                "https://cognito-idp.eu-central-1.amazonaws.com",
            ),
            ("http://127.0.0.1:8080/realm/", "http://127.0.0.1:8080"),
            ("https://[::1]:8443/x", "https://[::1]:8443"),
        ] {
            assert_eq!(origin(url), Ok(expected));
        }
        for url in [
            "",
            "issuer",
            "https://",
            "https:///x",
            "ftp://x",
            "https://x; script-src *",
            "https://a b",
            "https://*",
            "https://x?y",
            "https://u@x",
        ] {
            assert_eq!(origin(url), Err(SignInError(url.to_owned())));
        }
    }
}
