//! Identifies the caller and the tenants that the caller may see. API Gateway verifies tokens before a function runs;
//! this module reads only the claims that it passes on.

use std::collections::HashMap;

use arcadia_domain::{Actor, Authority, Scope, TenantId};
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

use crate::Error;

/// Maximum length of a subject that is used as an actor, in bytes.
const MAX_SUBJECT_LEN: usize = 255;

/// Prefix of the product's own actors. A token's subject must not start with it.
const SYSTEM_PREFIX: &str = "system:";

/// The names of the claims that hold the tenant and the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// Claim with the tenant id.
    pub tenant: String,
    /// Claim with the role.
    pub role: String,
}

/// A verified caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The actor that events are attributed to.
    pub actor: Actor,
    /// The records that the caller may see.
    pub scope: Scope,
}

impl Principal {
    /// Reads the caller from a request's context.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] without claims or without a usable subject; [`Error::Forbidden`] if the claims
    /// contain no known role, or no tenant id for a role that needs one.
    pub fn from_request(request: &Request, names: &ClaimNames) -> Result<Self, Error> {
        let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else {
            return Err(Error::Unauthenticated);
        };
        let jwt = context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
        Self::from_claims(&jwt.ok_or(Error::Unauthenticated)?.claims, names)
    }

    fn from_claims(claims: &HashMap<String, String>, names: &ClaimNames) -> Result<Self, Error> {
        let subject = claims
            .get("sub")
            .filter(|sub| !sub.trim().is_empty() && sub.len() <= MAX_SUBJECT_LEN && !sub.chars().any(char::is_control));
        let subject = subject.ok_or(Error::Unauthenticated)?;
        if subject.starts_with(SYSTEM_PREFIX) {
            return Err(Error::Unauthenticated);
        }
        let role = claims.get(&names.role).and_then(|role| role.parse().ok());
        let known = role.filter(|role| Authority::OF_TOKENS.contains(role));
        let authority = known.ok_or_else(|| forbidden("role_required", "the token has no known role"))?;
        let scope = match authority {
            // Payments and resources are recorded for deployments of any tenant; these roles can call few other routes.
            Authority::PlatformAdmin | Authority::PaymentProvider | Authority::DataPlane | Authority::Billing => {
                Scope::All
            }
            Authority::TenantUser => {
                let tenant_id = claims.get(&names.tenant).and_then(|text| text.parse().ok());
                Scope::Tenant(
                    tenant_id.ok_or_else(|| forbidden("tenant_required", "the token has no valid tenant id"))?,
                )
            }
        };
        Ok(Self { actor: Actor { id: subject.clone(), authority }, scope })
    }

    /// The tenant that a request concerns: the caller's own, or for `platform_admin` the `named` one.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if a tenant's user names another tenant.
    pub fn tenant_or(&self, named: Option<TenantId>) -> Result<Option<TenantId>, Error> {
        match (&self.scope, named) {
            (Scope::All, named) => Ok(named),
            (Scope::Tenant(own), None) => Ok(Some(own.clone())),
            (Scope::Tenant(own), Some(named)) if *own == named => Ok(Some(named)),
            (Scope::Tenant(_), Some(_)) => Err(forbidden("tenant_not_permitted", "the tenant must be your own")),
        }
    }
}

const fn forbidden(code: &'static str, detail: &'static str) -> Error {
    Error::Forbidden { code, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(claims: &[(&str, &str)]) -> Result<Principal, Error> {
        let claims = claims.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Principal::from_claims(&claims, &ClaimNames { tenant: "tenant_id".to_owned(), role: "role".to_owned() })
    }

    fn code(result: Result<Principal, Error>) -> &'static str {
        match result.unwrap_err() {
            Error::Unauthenticated => "unauthenticated",
            Error::Forbidden { code, .. } => code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn roles_give_their_scope_and_nothing_more() {
        let admin = principal(&[("sub", "ada"), ("role", "platform_admin"), ("tenant_id", "acme")]).unwrap();
        assert_eq!(admin.scope, Scope::All);
        let user = principal(&[("sub", "bob"), ("role", "tenant_user"), ("tenant_id", "acme")]).unwrap();
        assert_eq!(user.scope, Scope::Tenant("acme".parse().unwrap()));
        assert!(!user.scope.contains(&"other".parse().unwrap()));
    }

    #[test]
    fn incomplete_or_strange_claims_are_refused() {
        let admin = ("role", "platform_admin");
        assert_eq!(code(principal(&[])), "unauthenticated");
        assert_eq!(code(principal(&[admin])), "unauthenticated");
        assert_eq!(code(principal(&[("sub", " "), admin])), "unauthenticated");
        assert_eq!(code(principal(&[("sub", "system:billing"), admin])), "unauthenticated");
        assert_eq!(code(principal(&[("sub", &"x".repeat(256)), admin])), "unauthenticated");
        assert_eq!(code(principal(&[("sub", "bob"), ("tenant_id", "acme")])), "role_required");
        assert_eq!(code(principal(&[("sub", "bob"), ("role", "Platform_Admin")])), "role_required");
        assert_eq!(code(principal(&[("sub", "bob"), ("role", "tenant_user")])), "tenant_required");
        assert_eq!(code(principal(&[("sub", "b"), ("role", "tenant_user"), ("tenant_id", "a#b")])), "tenant_required");
        assert_eq!(code(principal(&[("sub", "bob"), ("role", "billing")])), "role_required");
    }

    #[test]
    fn naming_another_tenant_is_refused_and_naming_ones_own_is_not() {
        let user = principal(&[("sub", "bob"), ("role", "tenant_user"), ("tenant_id", "acme")]).unwrap();
        let acme: TenantId = "acme".parse().unwrap();
        assert_eq!(user.tenant_or(None).unwrap(), Some(acme.clone()));
        assert_eq!(user.tenant_or(Some(acme.clone())).unwrap(), Some(acme));
        assert!(matches!(
            user.tenant_or(Some("other".parse().unwrap())),
            Err(Error::Forbidden { code: "tenant_not_permitted", .. })
        ));
    }
}
