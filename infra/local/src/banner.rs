//! What the program says when it is ready: where it is, and commands that work as they stand when pasted.

use std::fmt;

/// What there is to say.
#[derive(Debug)]
pub struct Banner<'a> {
    /// Where the API is, without the path that every route begins with.
    pub url: &'a str,
    /// Where the records are, in a phrase.
    pub storage: &'a str,
    /// How long the tokens are valid, in hours.
    pub token_hours: u32,
    /// A token of `platform_admin`.
    pub admin_token: &'a str,
    /// A token of a tenant's user.
    pub tenant_token: &'a str,
    /// That tenant.
    pub tenant: &'a str,
}

/// No line of a block to be pasted may be a comment: zsh, as macOS sets it up, does not take them.
impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, storage, token_hours, admin_token, tenant_token, tenant } = self;
        write!(
            f,
            r#"
Arcadia Cloud is running at {url}
Records are kept {storage}. Ctrl-C stops it.

Paste this into another terminal. The first token is a platform_admin's, the second a user's of the tenant
{tenant}; both are valid for {token_hours} hours, and `cargo run -- token --help` says how to make others.

export ARCADIA={url}/api/v1
export ADMIN_TOKEN={admin_token}
export TENANT_TOKEN={tenant_token}

Then create a deployment, remember its id, subscribe it to a plan with an add-on, pause it, show it with its history,
and see which moves there are:

curl -sw '\n' $ARCADIA/deployments -H "Authorization: Bearer $TENANT_TOKEN" -H 'Content-Type: application/json' -d '{{"slug": "shop"}}'
export ID=$(curl -s "$ARCADIA/deployments?slug=shop" -H "Authorization: Bearer $TENANT_TOKEN" | grep -o '"id":"[^"]*"' | cut -d'"' -f4)
curl -sw '\n' $ARCADIA/deployments/$ID/subscribe -H "Authorization: Bearer $TENANT_TOKEN" -H 'Content-Type: application/json' -d '{{"plan_code": "studio", "addons": ["storage_50gb"]}}'
curl -sw '\n' $ARCADIA/deployments/$ID/transition -H "Authorization: Bearer $TENANT_TOKEN" -H 'Content-Type: application/json' -d '{{"to_state": "paused", "reason": "trying it out"}}'
curl -sw '\n' $ARCADIA/deployments/$ID -H "Authorization: Bearer $TENANT_TOKEN"
curl -sw '\n' $ARCADIA/lifecycle -H "Authorization: Bearer $ADMIN_TOKEN"

"#
        )
    }
}
