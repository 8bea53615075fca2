//! Tenants, and the business as a whole.

use std::fmt::Display;

use arcadia_api::StatementAmounts;
use arcadia_api::answer::{
    AccountAnswer, AttentionList, DunningPolicyAnswer, ScheduleList, SummaryAnswer, TenantAnswer, TenantEventList,
    TenantList,
};
use arcadia_domain::Currency;

use super::{event_rows, list, members, percent, words_of};
use crate::client::text::{ALARM, BOLD, Cell, DIM, Text, WAITING, cell, minute, money, plain, state};

/// Shown for a sum that the API does not compute, because it is over too many deployments.
const TOO_MANY: &str = "too many to add up";

pub fn schedule(page: &ScheduleList<'_>) -> Text {
    list(&["due", "step", "deployment", "state", "about"], &page.schedule, |one| {
        vec![
            plain(&minute(one.at)),
            cell(BOLD, one.action.as_str()),
            plain(&format!("{}/{}", one.tenant_id, one.slug)),
            state(one.state),
            plain(&one.amount_cents.zip(one.currency).map(|(cents, of)| money(cents, of)).unwrap_or_default()).right(),
        ]
    })
}

pub fn attention(page: &AttentionList<'_>) -> Text {
    list(&["since", "why", "deployment", "state", "next try"], &page.attention, |one| {
        let name = one.tenant_id.as_ref().zip(one.slug.as_ref());
        let name = name.map_or_else(|| one.deployment_id.to_string(), |(tenant, slug)| format!("{tenant}/{slug}"));
        vec![
            plain(&minute(one.since)),
            cell(BOLD, &words_of(one.kind)),
            plain(&name),
            one.state.map_or_else(|| plain(""), state),
            plain(&one.until.map(minute).unwrap_or_default()),
        ]
    })
}

/// A count of each kind, after commas.
fn counts<K: Display, N: Display>(counts: impl IntoIterator<Item = (K, N)>, none: &str) -> String {
    let counts: Vec<String> = counts.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if counts.is_empty() { none.to_owned() } else { counts.join(", ") }
}

/// Adds a table, or a line if it has no rows.
fn append_or(text: &mut Text, none: &str, heads: &[&str], rows: Vec<Vec<Cell>>) {
    if rows.is_empty() {
        text.line([cell(DIM, none)]);
    } else {
        text.list(heads, rows);
    }
}

/// Amounts in a currency, each in a cell.
fn amounts<const N: usize>(cents: [i64; N], currency: Currency) -> Vec<Cell> {
    cents.map(|cents| plain(&money(cents, currency)).right()).to_vec()
}

pub fn summary(answer: &SummaryAnswer) -> Text {
    let (one, mut text) = (&answer.summary, Text::default());
    let states = one.deployments_by_state.iter().map(|(state, count)| (words_of(state), count));
    let states = counts(states, "no deployments");
    text.line([cell(BOLD, &minute(one.as_of)), plain(&format!(" UTC: {states}"))]);
    let clock = &one.clock;
    text.line([plain(&format!("scheduled work is {} s behind; {} postponed", clock.lag_seconds, clock.postponed))]);
    let needs = members(&one.attention).into_iter().filter(|(_, count)| count != "0");
    let needs = counts(needs.map(|(kind, count)| (kind.replace('_', " "), count)), "");
    if !needs.is_empty() {
        text.line([cell(WAITING, &format!("needs a person: {needs} (arcadia attention)"))]);
    }
    let recurring = one.recurring.iter().map(|amount| {
        let of = &amount.movements;
        let cents = [
            amount.monthly_cents,
            of.new_cents,
            of.expansion_cents,
            of.contraction_cents,
            of.churned_cents,
            of.reactivated_cents,
        ];
        amounts(cents, amount.currency)
    });
    let heads = ["recurring a month", "new this month", "expansion", "contraction", "churned", "reactivated"];
    append_or(&mut text, "no recurring revenue", &heads, recurring.collect());
    let overdue = one.overdue.iter().map(|amount| {
        let age = &amount.overdue_by_age;
        amounts([amount.overdue_cents, age.to_30, age.to_60, age.to_90, age.over_90], amount.currency)
    });
    let heads = ["overdue", "to 30 days", "31 to 60", "61 to 90", "older"];
    append_or(&mut text, "nothing is overdue", &heads, overdue.collect());
    let plans = one.subscriptions_by_plan.iter().map(|plan| {
        let name = format!("{} v{}", plan.plan_code, plan.plan_version);
        vec![cell(BOLD, &name), plain(&plan.count.to_string()).right()]
    });
    append_or(&mut text, "no subscriptions", &["plan", "subscriptions"], plans.collect());
    text
}

/// Formats a tenant. That of a dry run was not copied by the operation it names.
pub fn tenant(answer: &TenantAnswer<'_>, is_dry_run: bool) -> Text {
    let (view, mut text) = (&answer.tenant, Text::default());
    let one = &*view.tenant;
    text.line([cell(BOLD, view.tenant_id.as_str()), cell(DIM, &format!("  version {}", one.version))]);
    let fields = [
        ("name", one.name.as_ref().map(ToString::to_string)),
        ("billing address", one.billing_address.as_ref().map(ToString::to_string)),
        ("e-mail", one.email.as_ref().map(ToString::to_string)),
        ("tax id", one.tax_id.as_ref().map(ToString::to_string)),
    ];
    let set = fields.into_iter().filter_map(|(name, value)| Some(vec![plain(name), plain(&value?)]));
    let mut rows: Vec<Vec<Cell>> = set.collect();
    rows.push(vec![plain("tax rate"), plain(&percent(one.tax_rate_basis_points))]);
    let quota = match (one.deployment_quota, view.live_deployments) {
        (None, _) => "no limit".to_owned(),
        (Some(quota), live) => format!("{} of {quota}", live.map_or_else(|| "?".to_owned(), |live| live.to_string())),
    };
    rows.push(vec![plain("live deployments"), plain(&quota)]);
    if let Some(days) = one.unsubscribed_after_days {
        rows.push(vec![plain("without a subscription"), plain(&format!("paused after {days} days"))]);
    }
    if let Some(hold) = &one.hold {
        let since = format!("{} since {} UTC, by {}", hold.reason, minute(hold.since), hold.by);
        rows.push(vec![plain("on hold"), cell(ALARM, &since)]);
    }
    if let Some(id) = one.operation_id.filter(|_| !is_dry_run) {
        rows.push(vec![plain("copied to deployments"), plain(&format!("by operation {id}"))]);
    }
    text.table(2, &rows);
    text
}

pub fn tenant_events(page: &TenantEventList) -> Text {
    event_rows(&page.events)
}

pub fn tenants(page: &TenantList) -> Text {
    list(&["tenant", "name", "deployments", "open", "overdue"], &page.tenants, |one| {
        let (open, overdue) = match &one.due {
            Some(due) => {
                let due = due.iter();
                let (open, overdue): (Vec<_>, Vec<_>) =
                    due.map(|due| (money(due.due_cents, due.currency), money(due.overdue_cents, due.currency))).unzip();
                (open.join(", "), overdue.join(", "))
            }
            None => (TOO_MANY.to_owned(), TOO_MANY.to_owned()),
        };
        vec![
            cell(BOLD, one.tenant_id.as_str()),
            plain(one.name.as_ref().map_or("", |name| name.as_str())),
            plain(&one.deployments.map_or_else(|| TOO_MANY.to_owned(), |count| count.to_string())).right(),
            plain(&open).right(),
            cell(WAITING, &overdue).right(),
        ]
    })
}

pub fn account(answer: &AccountAnswer<'_>) -> Text {
    let (one, mut text) = (&answer.account, Text::default());
    let states = counts(&one.deployments, "no deployments");
    text.line([cell(BOLD, one.tenant_id.as_str()), plain(&format!(" has {states}"))]);
    let owed = one
        .amounts
        .iter()
        .map(|of| amounts([of.open_cents, of.overdue_cents, of.uncollectible_cents, of.balance_cents], of.currency));
    text.list(&["open", "overdue", "given up", "balance"], owed.collect());
    let upcoming = one.upcoming_invoices.iter().map(|invoice| {
        let amount = plain(&money(invoice.amount_cents, invoice.currency)).right();
        vec![plain(&minute(invoice.at)), plain(invoice.slug.as_str()), amount]
    });
    text.list(&["next invoice", "deployment", "about"], upcoming.collect());
    if let Some(statement) = &one.statement {
        let begun = format!("owed when {} began", statement.month);
        let columns: [StatementColumn<'_>; 10] = [
            (&begun, |of| of.opening_cents, Shown::Always),
            ("invoiced", |of| of.invoiced_cents, Shown::Always),
            ("tax in it", |of| of.tax_cents, Shown::Always),
            ("credited", |of| of.credited_cents, Shown::Always),
            ("void", |of| of.voided_cents, Shown::UnlessZero),
            ("written off", |of| of.written_off_cents, Shown::UnlessZero),
            ("paid", |of| of.paid_cents, Shown::Always),
            ("granted", |of| of.granted_cents, Shown::UnlessZero),
            ("paid back", |of| of.paid_back_cents, Shown::UnlessZero),
            ("owed at its end", |of| of.closing_cents, Shown::Always),
        ];
        let all = &statement.amounts;
        let is_shown =
            |cents: fn(&StatementAmounts) -> i64, shown| shown == Shown::Always || all.iter().any(|of| cents(of) != 0);
        let columns: Vec<_> = columns.into_iter().filter(|(_, cents, shown)| is_shown(*cents, *shown)).collect();
        let heads: Vec<&str> = columns.iter().map(|(head, ..)| *head).collect();
        let rows = all
            .iter()
            .map(|of| columns.iter().map(|(_, cents, _)| plain(&money(cents(of), of.currency)).right()).collect());
        text.list(&heads, rows.collect());
    }
    text
}

/// A column of a statement: its head, its amount, and when it is shown.
type StatementColumn<'a> = (&'a str, fn(&StatementAmounts) -> i64, Shown);

/// When a column is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    /// If it is not zero in every row.
    UnlessZero,
}

pub fn dunning_policy(answer: &DunningPolicyAnswer) -> Text {
    let mut text = Text::default();
    let rows = members(answer.dunning_policy).into_iter();
    let rows = rows.map(|(name, days)| vec![plain(&name.replace('_', " ")), cell(BOLD, &days).right()]);
    text.table(0, &rows.collect::<Vec<_>>());
    text
}
