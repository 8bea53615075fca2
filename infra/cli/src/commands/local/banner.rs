//! The banner that the program prints when it is ready: URLs, tokens, and commands that can be pasted as they are.

use std::fmt;

use arcadia_domain::Timestamp;
use arcadia_local::docs;
use chrono::SecondsFormat;

/// The content of the banner.
#[derive(Debug)]
pub struct Banner<'a> {
    /// URL of the API, without the path prefix of all routes.
    pub url: &'a str,
    /// Arguments that a command needs to find this program; empty if the defaults find it.
    pub place: &'a str,
    /// Exports by which all other commands find this program, likewise.
    pub exports: &'a str,
    /// Location of the records, as a phrase.
    pub storage: &'a str,
    /// Validity of the tokens, in hours.
    pub token_hours: i64,
    /// A token of `platform_admin`.
    pub admin_token: &'a str,
    /// A token of a tenant's user.
    pub tenant_token: &'a str,
    /// The tenant of `tenant_token`.
    pub tenant: &'a str,
    /// Start of the test clock, if there is one.
    pub clock: Option<Timestamp>,
}

/// Blocks to be pasted contain no comments, because zsh does not accept them in its default setup on macOS.
impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, place, exports, storage, token_hours, admin_token, tenant_token, tenant, clock } = self;
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

The console, signed in as platform_admin and as a user of the tenant {tenant}:
{url}{console}#token={admin_token}
{url}{console}#token={tenant_token}

The API documentation, to try each operation as platform_admin:
{url}{docs}#token={admin_token}

Paste this into another terminal. The first token is for platform_admin, the second for a user of the tenant
{tenant}; both are valid for {validity}.
`cargo run -- token --help` shows how to create others{for_clock}.

export ARCADIA={url}/api/v1
export ADMIN_TOKEN={admin_token}
export TENANT_TOKEN={tenant_token}
{exports}
To see each event as it happens, run `cargo run -- events --follow{place}` in a third terminal.

Then create a deployment, remember its id, subscribe it to a plan with an add-on, list its invoices, pause it, show it
with its history, and show the lifecycle:

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
    format!("; they need --clock {} too", clock.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn test_clock(f: &mut fmt::Formatter<'_>, url: &str, clock: Timestamp) -> fmt::Result {
    let clock = clock.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    write!(
        f,
        r#"The clock of this program started at {clock} and runs on from there. To see time pass, resume the
deployment, advance the clock by eight days, until its first invoice is overdue, and show it again. Every step that is
due on the way is taken at its own time:

curl -sw '\n' $ARCADIA/deployments/$ID/transition -H "Authorization: Bearer $TENANT_TOKEN" -H 'Content-Type: application/json' -d '{{"to_state": "active"}}'
curl -sw '\n' {url}/local/clock -H "Authorization: Bearer $ADMIN_TOKEN" -H 'Content-Type: application/json' -d '{{"advance_seconds": 691200}}'
curl -sw '\n' $ARCADIA/deployments/$ID -H "Authorization: Bearer $TENANT_TOKEN"

"#
    )
}
