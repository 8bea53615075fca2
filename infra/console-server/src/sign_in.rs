//! What `config.json` tells the page: which claims of a token to show, and where to sign in.

use serde_json::{Value, json};

/// The claims of a token that the page shows. The API decides by them; the page does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The claim that is the caller's role.
    pub role: String,
    /// The claim that names the caller's tenant.
    pub tenant: String,
}

/// An OpenID Connect issuer that the page sends people to: the code flow with PKCE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The issuer; its discovery document is below it.
    pub issuer: String,
    /// The client that the console is, a public one.
    pub client_id: String,
    /// The scopes to ask for.
    pub scope: String,
    /// The origin of the token endpoint, if it is not the issuer's.
    pub token_origin: Option<String>,
}

/// Why people cannot be sent to an issuer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a URL whose origin a content security policy can name")]
pub struct SignInError(pub String);

impl SignIn {
    /// The origins that the page asks: for the discovery document, and for the token.
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

/// The file `config.json`.
pub fn config_json(claims: &Claims, sign_in: Option<&SignIn>) -> Value {
    let Claims { role, tenant } = claims;
    json!({
        "issuer": sign_in.map(|s| &s.issuer),
        "client_id": sign_in.map(|s| &s.client_id),
        "scope": sign_in.map(|s| &s.scope),
        "claims": {"role": role, "tenant": tenant},
    })
}

/// The origin of a URL. Whatever could be another word of the policy is refused.
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
