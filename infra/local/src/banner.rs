//! What the program says when it is ready: where it is, and commands that work as they stand when pasted.

use std::fmt;

use arcadia_domain::Timestamp;
use chrono::SecondsFormat;

use crate::docs;

/// What there is to say.
#[derive(Debug)]
pub struct Banner<'a> {
    /// Where the API is, without the path that every route begins with.
    pub url: &'a str,
    /// What a command needs to find this program, if it is not where such commands look.
    pub place: &'a str,
    /// Where the records are, in a phrase.
    pub storage: &'a str,
    /// How long the tokens are valid, in hours.
    pub token_hours: i64,
    /// A token of `platform_admin`.
    pub admin_token: &'a str,
    /// A token of a tenant's user.
    pub tenant_token: &'a str,
    /// That tenant.
    pub tenant: &'a str,
    /// Where the test clock starts, if there is one.
    pub clock: Option<Timestamp>,
}

/// No line of a block to be pasted may be a comment: zsh, as macOS sets it up, does not take them.
impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, place, storage, token_hours, admin_token, tenant_token, tenant, clock } = self;
        let (validity, for_clock) = match clock {
            Some(clock) => (format!("{} years by the test clock", token_hours / HOURS_A_YEAR), for_clock(*clock)),
            None => (format!("{token_hours} hours"), String::new()),
        };
        let (docs, console) = (docs::PATH, arcadia_console::PATH);
        write!(
            f,
            r#"
Arcadia Cloud is running at {url}
Records are kept {storage}. Ctrl-C stops it.

The console, signed in as a platform_admin, and as a user of the tenant {tenant}:
{url}{console}#token={admin_token}
{url}{console}#token={tenant_token}

Every operation, to read about and to try as a platform_admin, is on this page:
{url}{docs}#token={admin_token}

Paste this into another terminal. The first token is a platform_admin's, the second a user's of the tenant
{tenant}; both are valid for {validity}.
`cargo run -- token --help` says how to make others{for_clock}.

export ARCADIA={url}/api/v1
export ADMIN_TOKEN={admin_token}
export TENANT_TOKEN={tenant_token}

To see what happens while it happens, run `cargo run -- events --follow{place}` in one more.

Then create a deployment, remember its id, subscribe it to a plan with an add-on, list its invoices, pause it, show it
with its history, and see which moves there are:

curl -sw '\n' $ARCADIA/deployments -H "Authorization: Bearer $TENANT_TOKEN" -H 'Content-Type: application/json' -d '{{"slug": "shop"}}'
export ID=$(curl -s "$ARCADIA/deployments?slug=shop" -H "Authorization: Bearer $TENANT_TOKEN" | grep -o '"id":"[^"]*"' | cut -d'"' -f4)
curl -sw '\n' $ARCADIA/deployments/$ID/subscribe -H "Authorization: Bearer $TENANT_TOKEN" -H 'Content-Type: application/json' -d '{{"plan_code": "studio", "addons": ["storage_50gb"]}}'
curl -sw '\n' $ARCADIA/deployments/$ID/invoices -H "Authorization: Bearer $TENANT_TOKEN"
curl -sw '\n' $ARCADIA/deployments/$ID/transition -H "Authorization: Bearer $TENANT_TOKEN" -H 'Content-Type: application/json' -d '{{"to_state": "paused", "reason": "trying it out"}}'
curl -sw '\n' $ARCADIA/deployments/$ID -H "Authorization: Bearer $TENANT_TOKEN"
curl -sw '\n' $ARCADIA/lifecycle -H "Authorization: Bearer $ADMIN_TOKEN"

"#
        )?;
        match clock {
            Some(clock) => test_clock(f, url, *clock),
            None => Ok(()),
        }
    }
}

const HOURS_A_YEAR: i64 = 365 * 24;

fn for_clock(clock: Timestamp) -> String {
    format!("; they need --clock {}, too", clock.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn test_clock(f: &mut fmt::Formatter<'_>, url: &str, clock: Timestamp) -> fmt::Result {
    let clock = clock.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    write!(
        f,
        r#"The clock of this program started at {clock} and runs on from there. To see what time does, resume the
deployment, move the clock on by eight days, by which its first invoice is overdue, and show it again. Everything that
is due on the way happens at its own moment:

curl -sw '\n' $ARCADIA/deployments/$ID/transition -H "Authorization: Bearer $TENANT_TOKEN" -H 'Content-Type: application/json' -d '{{"to_state": "active"}}'
curl -sw '\n' {url}/local/clock -H "Authorization: Bearer $ADMIN_TOKEN" -H 'Content-Type: application/json' -d '{{"advance_seconds": 691200}}'
curl -sw '\n' $ARCADIA/deployments/$ID -H "Authorization: Bearer $TENANT_TOKEN"

"#
    )
}
