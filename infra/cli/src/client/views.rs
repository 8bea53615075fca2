//! Formats responses as text: a list as a table, a change as a line or two.

use arcadia_api::{DeploymentRowView, DeploymentView};
use arcadia_domain::{Action, SubscriptionStatus};
use serde_json::Value;

use super::text::{
    ALARM, BOLD, Cell, DIM, GOOD, PLAIN, Text, WAITING, amount, bare, cell, date, day, field, minute, moment, money,
    plain, state, state_of,
};

/// The members of a list.
pub fn each(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn list(heads: &[&str], records: &Value, row: impl Fn(&Value) -> Vec<Cell>) -> Text {
    let mut text = Text::default();
    text.list(heads, each(records).iter().map(row).collect());
    text
}

fn name_of(deployment: &Value) -> String {
    format!("{}/{}", bare(&deployment["tenant_id"]), bare(&deployment["slug"]))
}

pub fn deployments(rows: &[DeploymentRowView<'_>]) -> Text {
    let mut text = Text::default();
    text.list(
        &["deployment", "state", "since", "plan", "owes", "next scheduled step"],
        rows.iter().map(deployment_row).collect(),
    );
    text
}

fn deployment_row(row: &DeploymentRowView<'_>) -> Vec<Cell> {
    let DeploymentRowView { deployment: one, subscription: plan, amounts: _ } = row;
    // Amounts of different currencies are not added up.
    let owes = match &*one.open_invoices {
        [] => String::new(),
        [first, rest @ ..] if rest.iter().all(|other| other.currency == first.currency) => {
            let cents = one.open_invoices.iter().map(|invoice| invoice.due_cents).sum();
            amount(cents, first.currency.as_str())
        }
        several => format!("{} invoices", several.len()),
    };
    let is_over = plan.as_ref().is_some_and(|plan| plan.status == SubscriptionStatus::Cancelled);
    let plan_code = plan.as_ref().map_or("", |plan| plan.plan_code.as_str());
    let next = (one.next_action_at.map(date), one.next_action.map(Action::as_str));
    vec![
        cell(BOLD, &full_name(one)),
        state_of(one.state),
        plain(&date(one.state_since)),
        cell(if is_over { DIM } else { PLAIN }, plan_code),
        cell(WAITING, &owes).right(),
        plain(format!("{} {}", next.0.unwrap_or_default(), next.1.unwrap_or_default()).trim()),
    ]
}

fn full_name(deployment: &DeploymentView<'_>) -> String {
    format!("{}/{}", deployment.tenant_id, deployment.slug)
}

/// Formats a deployment after a command. `changed`: whether the command changed it.
pub fn deployment(one: &DeploymentView<'_>, changed: bool, is_dry_run: bool) -> Text {
    let mut text = Text::default();
    let (verb, would) = if is_dry_run { (" would be ", "would be") } else { (" is ", "is") };
    text.line([
        cell(BOLD, &full_name(one)),
        plain(verb),
        state_of(one.state),
        cell(DIM, &format!("  version {}  {}", one.version, one.id)),
    ]);
    if let (Some(action), Some(at)) = (one.next_action, one.next_action_at) {
        text.line([plain(&format!("next {would} {} on {} UTC", action.as_str(), minute(at)))]);
    }
    if !changed {
        text.line([cell(DIM, "nothing needed to change")]);
    }
    text
}

pub fn event_row(event: &Value) -> Vec<Cell> {
    let (from, to) = (bare(&event["from_state"]), bare(&event["to_state"]));
    let what = match (bare(&event["type"]), from.as_str()) {
        (kind, "") => cell(Default::default(), &kind),
        (_, _) => cell(BOLD, &format!("{from} \u{2192} {to}")),
    };
    // An event of the catalog is numbered by the revision of its record.
    let number = if event["sequence"].is_null() { &event["revision"] } else { &event["sequence"] };
    vec![
        cell(DIM, &number.to_string()).right(),
        plain(&moment(&event["occurred_at"])),
        what,
        cell(DIM, &bare(&event["actor"])),
        why(event),
    ]
}

/// The reason and the notes of an event.
fn why(event: &Value) -> Cell {
    let said = [&event["reason"], &event["notes"]].map(bare);
    plain(&said.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": "))
}

pub fn events(body: &Value) -> Text {
    list(&["no.", "when", "what", "who", "why"], &body["events"], event_row)
}

/// Formats the response of a dry run: the command's own response, then the charges, credits and events that it would
/// make.
pub fn dry_run(body: &Value, answer: &Text) -> Text {
    let mut text = Text::default();
    text.line([cell(WAITING, "Dry run: nothing was stored. The command would have this result:")]);
    text.append(answer);
    let (lines, events) = (each(&body["lines"]), each(&body["events"]));
    // Only commands on deployments charge.
    if body["lines"].is_array() {
        text.line([cell(BOLD, if lines.is_empty() { "no charges or credits" } else { "charges and credits" })]);
        text.table(2, &lines.iter().map(line_row).collect::<Vec<_>>());
    }
    text.line([cell(BOLD, if events.is_empty() { "no events" } else { "events" })]);
    text.table(2, &events.iter().map(event_row).collect::<Vec<_>>());
    if let Some(count) = body["matching"]["count"].as_u64().and_then(|count| usize::try_from(count).ok()) {
        text.line([cell(BOLD, "an operation would copy it"), plain(&format!(" to {}", counted(count, "deployment")))]);
    }
    text
}

pub fn resources(body: &Value) -> Text {
    list(&["id", "kind", "provider reference", "region", "created", "deleted"], &body["resources"], |one| {
        let deleted = day(&one["deleted_at"]);
        vec![
            cell(DIM, &bare(&one["id"])),
            field(&one["kind"]),
            field(&one["provider_reference"]),
            field(&one["region"]),
            plain(&day(&one["created_at"])),
            plain(&deleted),
        ]
    })
}

pub fn resource(body: &Value) -> Text {
    let (one, mut text) = (&body["resource"], Text::default());
    let what = if one["deleted_at"].is_null() { " is recorded" } else { " is deleted" };
    text.line([cell(BOLD, &bare(&one["kind"])), plain(what), cell(DIM, &format!("  {}", bare(&one["id"])))]);
    text
}

pub fn addon_row(addon: &Value) -> Vec<Cell> {
    vec![
        plain(&format!("+ {}", bare(&addon["code"]))),
        plain(&money(&addon["price_cents"], &addon["currency"])).right(),
        plain(&format!("{} {}", addon["quantity"], bare(&addon["unit"]))),
        cell(DIM, &day(&addon["attached_at"])),
        cell(DIM, &bare(&addon["id"])),
    ]
}

/// Formats a subscription with its new invoice or lines.
pub fn subscription(body: &Value) -> Text {
    let (one, mut text) = (&body["subscription"], Text::default());
    if one.is_null() {
        text.line([plain("no subscription")]);
    } else {
        let (currency, interval) = (&one["currency"], bare(&one["interval"]).replace('_', " "));
        text.line([
            cell(BOLD, &bare(&one["plan_code"])),
            plain(&format!(" v{} is ", one["plan_version"])),
            state(&one["status"]),
            plain(&format!(", {} a {interval}", money(&one["recurring_cents"], currency))),
            plain(&format!(", period {} to {}", day(&one["current_period_start"]), day(&one["current_period_end"]))),
        ]);
        text.table(0, &each(&one["addons"]).iter().map(addon_row).collect::<Vec<_>>());
        if one["discount"].is_object() {
            text.line([cell(GOOD, &discount(&one["discount"]))]);
        }
        if let Some(code) = one["pending_change"]["plan_code"].as_str() {
            text.line([cell(
                WAITING,
                &format!("changes to {code} on {}", day(&one["pending_change"]["effective_at"])),
            )]);
        }
        if one["cancel_at"].is_string() && one["status"] != "cancelled" {
            text.line([cell(WAITING, &format!("will be cancelled on {}", day(&one["cancel_at"])))]);
        }
    }
    if body["dry_run"] != true {
        text.table(0, &each(&body["lines"]).iter().map(line_row).collect::<Vec<_>>());
    }
    if body["invoice"].is_object() {
        append_invoice(&mut text, &body["invoice"]);
    }
    text
}

/// The part of each price, or the amount of a period, that a coupon or a discount takes off.
fn off(one: &Value) -> String {
    match one["percent_basis_points"].as_u64() {
        Some(points) if points % 100 == 0 => format!("{} % off", points / 100),
        Some(points) => format!("{}.{:02} % off", points / 100, points % 100),
        None => format!("{} off", money(&one["amount_cents"], &one["currency"])),
    }
}

/// Describes a discount: how much, since when and for how long.
pub fn discount(one: &Value) -> String {
    let since = if one["running"] == true { "runs" } else { "from the next period" };
    let left = match one["periods_left"].as_u64() {
        None => "until it is removed".to_owned(),
        Some(0) => "in its last period".to_owned(),
        Some(1) => "1 period left".to_owned(),
        Some(left) => format!("{left} periods left"),
    };
    format!("discount {}: {}, {since}, {left}", bare(&one["coupon"]), off(one))
}

/// A rate in basis points, in percent.
fn percent(basis_points: u64) -> String {
    format!("{}.{:02} %", basis_points / 100, basis_points % 100)
}

fn line_row(line: &Value) -> Vec<Cell> {
    vec![
        plain(&money(&line["amount_cents"], &line["currency"])).right(),
        plain(&bare(&line["kind"]).replace('_', " ")),
        match (&line["tax_rate_basis_points"], &line["description"]) {
            (Value::Number(rate), _) => plain(&percent(rate.as_u64().unwrap_or_default())),
            (_, description @ Value::String(_)) => field(description),
            _ => field(&line["code"]),
        },
        cell(DIM, &format!("{} to {}", day(&line["from"]), day(&line["to"]))),
    ]
}

pub fn invoices(body: &Value) -> Text {
    let heads = ["number", "status", "total", "due", "issued", "due on", "deployment"];
    // The invoices of a single deployment have no tenant.
    let said = if body["invoices"][0]["tenant_id"].is_string() { heads.len() } else { heads.len() - 1 };
    list(&heads[..said], &body["invoices"], |one| {
        let mut row = vec![
            field(&one["number"]),
            state(&one["status"]),
            plain(&money(&one["total_cents"], &one["currency"])).right(),
            cell(BOLD, &money(&one["due_cents"], &one["currency"])).right(),
            plain(&day(&one["issued_at"])),
            plain(&day(&one["due_at"])),
            plain(&name_of(one)),
        ];
        row.truncate(said);
        row
    })
}

pub fn invoice(body: &Value) -> Text {
    let mut text = Text::default();
    append_invoice(&mut text, &body["invoice"]);
    if body["deployment"].is_object() {
        let one = &body["deployment"];
        text.line([cell(BOLD, &name_of(one)), plain(" is "), state(&one["state"])]);
    }
    text
}

fn append_invoice(text: &mut Text, one: &Value) {
    let currency = &one["currency"];
    text.line([
        cell(BOLD, &format!("invoice {}", bare(&one["number"]))),
        plain(" is "),
        state(&one["status"]),
        plain(&format!(", {} due on {}", money(&one["due_cents"], currency), day(&one["due_at"]))),
    ]);
    let mut rows: Vec<Vec<Cell>> = each(&one["lines"]).iter().map(line_row).collect();
    rows.push(vec![cell(BOLD, &money(&one["total_cents"], currency)).right(), cell(BOLD, "total")]);
    rows.extend(each(&one["credits"]).iter().map(|credit| {
        vec![
            plain(&money(&credit["amount_cents"], currency)).right(),
            plain("credited"),
            field(&credit["charge"]),
            cell(DIM, &moment(&credit["credited_at"])),
        ]
    }));
    if one["balance_cents"].as_i64().is_some_and(|cents| cents > 0) {
        rows.push(vec![plain(&money(&one["balance_cents"], currency)).right(), plain("from balance")]);
    }
    rows.extend(each(&one["payments"]).iter().map(|payment| {
        vec![
            plain(&money(&payment["amount_cents"], currency)).right(),
            plain(match payment["reversal"]["kind"].as_str() {
                Some("mistake") => "reversed: a mistake",
                Some(_) => "reversed: charged back",
                None => "paid",
            }),
            field(&payment["reference"]),
            cell(DIM, &moment(&payment["received_at"])),
        ]
    }));
    if one["forgiven_cents"].as_i64().is_some_and(|cents| cents > 0) {
        rows.push(vec![plain(&money(&one["forgiven_cents"], currency)).right(), plain("written off")]);
    }
    text.table(2, &rows);
}

/// A charge made once, and its invoice if it was issued at once.
pub fn charge(body: &Value) -> Text {
    let mut text = Text::default();
    if body["invoice"].is_object() {
        append_invoice(&mut text, &body["invoice"]);
    } else {
        text.line([plain("charged with the next invoice:")]);
        let rows: Vec<Vec<Cell>> = each(&body["lines"]).iter().map(line_row).collect();
        text.table(2, &rows);
    }
    text
}

/// A deployment's balances and open invoices, with a refund if there is one.
pub fn balances(body: &Value) -> Text {
    let (one, refund, mut text) = (&body["deployment"], &body["refund"], Text::default());
    if refund.is_object() {
        let amount = money(&refund["amount_cents"], &refund["currency"]);
        text.line([plain("refund "), cell(BOLD, &bare(&refund["reference"])), plain(&format!(" of {amount}"))]);
    }
    text.line([cell(BOLD, &name_of(one)), plain(" is "), state(&one["state"])]);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for balance in each(&one["balances"]) {
        rows.push(vec![plain(&money(&balance["amount_cents"], &balance["currency"])).right(), plain("balance")]);
    }
    for open in each(&one["open_invoices"]) {
        let due = format!("due on {}", day(&open["due_at"]));
        let amount = plain(&money(&open["due_cents"], &open["currency"])).right();
        rows.push(vec![amount, plain(&due), field(&open["number"])]);
    }
    if rows.is_empty() {
        text.line([cell(DIM, "no balance and no open invoice")]);
    }
    text.table(2, &rows);
    text
}

fn version_row(version: &Value) -> Vec<Cell> {
    vec![
        plain(&format!("v{}", version["version"])),
        plain(&money(&version["price_cents"], &version["currency"])).right(),
        field(&version["interval"]),
        plain(&format!("{} days", version["trial_days"])),
        plain(&day(&version["published_at"])),
    ]
}

pub fn schedule(body: &Value) -> Text {
    list(&["due", "step", "deployment", "state", "about"], &body["schedule"], |one| {
        vec![
            plain(&moment(&one["at"])),
            cell(BOLD, &bare(&one["action"])),
            plain(&name_of(one)),
            state(&one["state"]),
            plain(&money(&one["amount_cents"], &one["currency"])).right(),
        ]
    })
}

pub fn attention(body: &Value) -> Text {
    list(&["since", "why", "deployment", "state", "next try"], &body["attention"], |one| {
        vec![
            plain(&moment(&one["since"])),
            cell(BOLD, &bare(&one["kind"]).replace('_', " ")),
            plain(&if one["slug"].is_null() { bare(&one["deployment_id"]) } else { name_of(one) }),
            state(&one["state"]),
            plain(&moment(&one["until"])),
        ]
    })
}

/// Number of deployments with a result.
pub fn operation_results_so_far(operation: &Value) -> u64 {
    operation["counts"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

/// Formats the status and the results of an operation in a line.
pub fn operation_line(operation: &Value) -> String {
    let counts = &operation["counts"];
    format!(
        "{}, {} done, {} unchanged, {} refused",
        bare(&operation["status"]),
        counts["done"],
        counts["unchanged"],
        counts["refused"]
    )
}

/// A number of things, by the name of one.
pub fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// Formats what an operation does and for which deployments.
fn operation_target(operation: &Value) -> (String, String) {
    let pairs = |value: &Value, without: &str| {
        let members = value.as_object().into_iter().flatten();
        let members = members.filter(|(name, value)| *name != without && !value.is_null() && **value != false);
        members.map(|(name, value)| format!("{name} {}", bare(value))).collect::<Vec<_>>().join(", ")
    };
    let command = &operation["command"];
    let terms = &command["terms"];
    let what = if terms.is_object() {
        let (plan, price) = (bare(&terms["plan_code"]), money(&terms["price_cents"], &terms["currency"]));
        let (new, old, from) = (&terms["plan_version"], &command["replaces"], day(&command["effective_from"]));
        format!("announce_price {price} of {plan} v{new} instead of v{old} from {from}")
    } else {
        format!("{} {}", bare(&command["type"]), pairs(command, "type"))
    };
    (what.trim_end().to_owned(), pairs(&operation["filter"], ""))
}

fn operation_status(operation: &Value) -> Cell {
    let status = bare(&operation["status"]);
    let style = match status.as_str() {
        "running" | "stopping" => WAITING,
        "completed" => GOOD,
        _ => DIM,
    };
    cell(style, &status)
}

pub fn operations(body: &Value) -> Text {
    let heads = ["started", "status", "command", "for", "done", "unchanged", "refused", "left", "id"];
    list(&heads, &body["operations"], |one| {
        let (command, filter) = operation_target(one);
        let count = |name: &str| plain(&one["counts"][name].to_string()).right();
        vec![
            plain(&moment(&one["started_at"])),
            operation_status(one),
            cell(BOLD, &command),
            plain(&filter),
            count("done"),
            count("unchanged"),
            count("refused"),
            plain(&one["remaining"].to_string()).right(),
            cell(DIM, &bare(&one["id"])),
        ]
    })
}

pub fn operation(body: &Value) -> Text {
    let (one, mut text) = (&body["operation"], Text::default());
    let (command, filter) = operation_target(one);
    text.line([
        cell(BOLD, &command),
        plain(&format!(" for {filter} is ")),
        operation_status(one),
        cell(DIM, &format!("  {}", bare(&one["id"]))),
    ]);
    let counts = &one["counts"];
    text.line([plain(&format!(
        "{} done, {} unchanged, {} refused, about {} left; {} a second, pass {}",
        counts["done"],
        counts["unchanged"],
        counts["refused"],
        one["remaining"],
        one["rate_per_second"],
        one["progress"]["pass"]
    ))]);
    let (by, at) = (bare(&one["started_by"]), moment(&one["started_at"]));
    text.line([cell(DIM, &format!("started by {by} at {at} UTC"))]);
    if let Some(by) = one["stopped_by"].as_str() {
        text.line([cell(WAITING, &format!("stopped by {by}"))]);
    }
    if !one["ended_at"].is_null() {
        text.line([cell(DIM, &format!("ended at {} UTC", moment(&one["ended_at"])))]);
    }
    text
}

fn operation_result_row(one: &Value) -> Vec<Cell> {
    let problem = &one["problem"];
    let style = match one["outcome"].as_str() {
        Some("done") => GOOD,
        Some("refused") => ALARM,
        _ => DIM,
    };
    vec![
        plain(&if one["slug"].is_null() { bare(&one["deployment_id"]) } else { name_of(one) }),
        cell(style, &bare(&one["outcome"])),
        field(&problem["code"]),
        field(&problem["detail"]),
    ]
}

pub fn operation_results(body: &Value) -> Text {
    list(&["deployment", "outcome", "problem", "why"], &body["results"], operation_result_row)
}

/// Formats the dry run of an operation: how many deployments match, and what the first ones would get.
pub fn operation_preview(body: &Value) -> Text {
    let (matching, mut text) = (&body["matching"], Text::default());
    let count = match matching["is"].as_str() {
        Some("at_least") => format!("at least {}", matching["count"]),
        Some("at_most") => format!("at most {}", matching["count"]),
        _ => matching["count"].to_string(),
    };
    text.line([cell(WAITING, &format!("Dry run: nothing was stored. Matching deployments: {count}. The first ones:"))]);
    text.append(&list(&["deployment", "outcome", "problem", "why"], &body["preview"], operation_result_row));
    for one in each(&body["preview"]) {
        for line in each(&one["lines"]) {
            text.table(2, &[[vec![plain(&name_of(one))], line_row(line)].concat()]);
        }
    }
    text
}

pub fn summary(body: &Value) -> Text {
    let (one, mut text) = (&body["summary"], Text::default());
    let counts = one["deployments_by_state"].as_object().into_iter().flatten();
    let counts: Vec<String> = counts.map(|(state, count)| format!("{count} {}", state.replace('_', " "))).collect();
    let counts = if counts.is_empty() { "no deployments".to_owned() } else { counts.join(", ") };
    text.line([cell(BOLD, &moment(&one["as_of"])), plain(&format!(" UTC: {counts}"))]);
    let clock = &one["clock"];
    text.line([plain(&format!(
        "scheduled work is {} s behind; {} postponed",
        clock["lag_seconds"], clock["postponed"]
    ))]);
    let needs = one["attention"].as_object().into_iter().flatten().filter(|(_, count)| **count != 0);
    let needs: Vec<String> = needs.map(|(kind, count)| format!("{count} {}", kind.replace('_', " "))).collect();
    if !needs.is_empty() {
        text.line([cell(WAITING, &format!("needs a person: {} (arcadia attention)", needs.join(", ")))]);
    }
    let recurring = each(&one["recurring"]).iter().map(|amount| {
        let of = |cents: &Value| plain(&money(cents, &amount["currency"])).right();
        let movements = &amount["movements"];
        let names = ["new_cents", "expansion_cents", "contraction_cents", "churned_cents", "reactivated_cents"];
        let mut row = vec![of(&amount["monthly_cents"])];
        row.extend(names.map(|name| of(&movements[name])));
        row
    });
    let nothing = |list: &Value, none: &str, text: &mut Text| {
        let is_empty = each(list).is_empty();
        if is_empty {
            text.line([cell(DIM, none)]);
        }
        is_empty
    };
    if !nothing(&one["recurring"], "no recurring revenue", &mut text) {
        text.list(
            &["recurring a month", "new this month", "expansion", "contraction", "churned", "reactivated"],
            recurring.collect(),
        );
    }
    let overdue = each(&one["overdue"]).iter().map(|amount| {
        let of = |cents: &Value| plain(&money(cents, &amount["currency"])).right();
        let ages = ["0_30", "31_60", "61_90", "over_90"].map(|age| of(&amount["overdue_by_age"][age]));
        [vec![of(&amount["overdue_cents"])], ages.to_vec()].concat()
    });
    if !nothing(&one["overdue"], "nothing is overdue", &mut text) {
        text.list(&["overdue", "to 30 days", "31 to 60", "61 to 90", "older"], overdue.collect());
    }
    let plans = each(&one["subscriptions_by_plan"]).iter().map(|plan| {
        let name = format!("{} v{}", bare(&plan["plan_code"]), plan["plan_version"]);
        vec![cell(BOLD, &name), plain(&plan["count"].to_string()).right()]
    });
    if !nothing(&one["subscriptions_by_plan"], "no subscriptions", &mut text) {
        text.list(&["plan", "subscriptions"], plans.collect());
    }
    text
}

/// The fields of a tenant, with the words for them.
const TENANT_FIELDS: [(&str, &str); 4] =
    [("name", "name"), ("billing_address", "billing address"), ("email", "e-mail"), ("tax_id", "tax id")];

pub fn tenant(body: &Value) -> Text {
    let (one, mut text) = (&body["tenant"], Text::default());
    text.line([cell(BOLD, &bare(&one["tenant_id"])), cell(DIM, &format!("  version {}", one["version"]))]);
    let set = TENANT_FIELDS.iter().filter(|(name, _)| !one[*name].is_null());
    let mut rows: Vec<Vec<Cell>> = set.map(|(name, words)| vec![plain(words), field(&one[*name])]).collect();
    rows.push(vec![plain("tax rate"), plain(&percent(one["tax_rate_basis_points"].as_u64().unwrap_or_default()))]);
    let quota = match (&one["deployment_quota"], &one["live_deployments"]) {
        (Value::Null, _) => "no limit".to_owned(),
        (quota, live) => format!("{live} of {quota}"),
    };
    rows.push(vec![plain("live deployments"), plain(&quota)]);
    if let Some(days) = one["unsubscribed_after_days"].as_u64() {
        rows.push(vec![plain("without a subscription"), plain(&format!("paused after {days} days"))]);
    }
    if one["hold"].is_object() {
        let (reason, by) = (bare(&one["hold"]["reason"]), bare(&one["hold"]["by"]));
        let since = format!(" since {} UTC, by {by}", moment(&one["hold"]["since"]));
        rows.push(vec![plain("on hold"), cell(ALARM, &format!("{reason}{since}"))]);
    }
    // That of a dry run will never run.
    if one["operation_id"].is_string() && body["dry_run"] != true {
        rows.push(vec![plain("last copied by"), plain(&format!("operation {}", bare(&one["operation_id"])))]);
    }
    text.table(2, &rows);
    text
}

pub fn tenants(body: &Value) -> Text {
    list(&["tenant", "name", "deployments", "open", "overdue"], &body["tenants"], |one| {
        let sums = |name: &str| {
            let sums = each(&one["due"]).iter().map(|due| money(&due[name], &due["currency"]));
            sums.collect::<Vec<_>>().join(", ")
        };
        vec![
            cell(BOLD, &bare(&one["tenant_id"])),
            field(&one["name"]),
            plain(&bare(&one["deployments"])).right(),
            plain(&sums("due_cents")).right(),
            cell(WAITING, &sums("overdue_cents")).right(),
        ]
    })
}

pub fn account(body: &Value) -> Text {
    let (one, mut text) = (&body["account"], Text::default());
    let counts = one["deployments"].as_object().into_iter().flatten();
    let counts: Vec<String> = counts.map(|(state, count)| format!("{count} {state}")).collect();
    let counts = if counts.is_empty() { "no deployments".to_owned() } else { counts.join(", ") };
    text.line([cell(BOLD, &bare(&one["tenant_id"])), plain(&format!(" has {counts}"))]);
    let amounts = each(&one["amounts"]).iter().map(|amount| {
        let of = |name: &str| plain(&money(&amount[name], &amount["currency"])).right();
        ["open_cents", "overdue_cents", "uncollectible_cents", "balance_cents"].map(of).to_vec()
    });
    text.list(&["open", "overdue", "given up", "balance"], amounts.collect());
    let upcoming = each(&one["upcoming_invoices"]).iter().map(|invoice| {
        let amount = money(&invoice["amount_cents"], &invoice["currency"]);
        vec![plain(&moment(&invoice["at"])), plain(&bare(&invoice["slug"])), plain(&amount).right()]
    });
    text.list(&["next invoice", "deployment", "about"], upcoming.collect());
    if let Some(month) = one["statement"]["month"].as_str() {
        let amounts = each(&one["statement"]["amounts"]).iter().map(|amount| {
            let of = |name: &str| plain(&money(&amount[name], &amount["currency"])).right();
            [
                "opening_cents",
                "invoiced_cents",
                "tax_cents",
                "credited_cents",
                "voided_cents",
                "paid_cents",
                "closing_cents",
            ]
            .map(of)
            .to_vec()
        });
        text.list(
            &[
                &format!("owed when {month} began"),
                "invoiced",
                "tax in it",
                "credited",
                "void",
                "paid",
                "owed at its end",
            ],
            amounts.collect(),
        );
    }
    text
}

pub fn plans(body: &Value) -> Text {
    list(&["plan", "name", "status", "newest", "price", "interval", "trial", "published"], &body["plans"], |one| {
        let mut row = vec![cell(BOLD, &bare(&one["code"])), field(&one["name"]), state(&one["status"])];
        if one["newest_version"].is_object() {
            row.extend(version_row(&one["newest_version"]));
        }
        row
    })
}

pub fn plan(body: &Value) -> Text {
    let (one, mut text) = (&body["plan"], Text::default());
    let revision = format!("  {}, revision {}", bare(&one["name"]), one["revision"]);
    text.line([cell(BOLD, &bare(&one["code"])), plain(" is "), state(&one["status"]), cell(DIM, &revision)]);
    if let Some(versions) = body["versions"].as_array() {
        let rows = versions.iter().map(|one| {
            let mut row = version_row(one);
            row.push(state(&one["status"]));
            if one["replaced_by"].is_u64() {
                row.push(plain(&format!("v{} from {}", one["replaced_by"], day(&one["effective_from"]))));
            }
            row
        });
        let heads = ["version", "price", "interval", "trial", "published", "status", "replaced by"];
        text.list(&heads, rows.collect());
    }
    text
}

pub fn plan_version(body: &Value) -> Text {
    let (one, mut text) = (&body["plan_version"], Text::default());
    let price =
        format!("{} a {}", money(&one["price_cents"], &one["currency"]), bare(&one["interval"]).replace('_', " "));
    let is = if body["dry_run"] == true { "would be" } else { "is" };
    text.line([cell(BOLD, &bare(&one["plan_code"])), plain(&format!(" v{} {is} published: {price}", one["version"]))]);
    let replaced = &body["replaced"];
    if replaced.is_object() {
        let from = day(&replaced["effective_from"]);
        text.line([plain(&format!("v{} {is} closed; its subscriptions change from {from} on", replaced["version"]))]);
    }
    if let Some(id) = body["operation_id"].as_str() {
        text.line([plain(&format!("operation {id} tells them (arcadia operations watch {id})"))]);
    }
    if body["preview"].is_array() && replaced.is_object() {
        text.append(&operation_preview(body));
    } else if body["dry_run"] == true {
        text.line([cell(WAITING, "Dry run: nothing was stored.")]);
    }
    text
}

pub fn addons(body: &Value) -> Text {
    list(&["add-on", "name", "status", "price", "grants"], &body["addons"], |one| {
        vec![
            cell(BOLD, &bare(&one["code"])),
            field(&one["name"]),
            state(&one["status"]),
            plain(&money(&one["price_cents"], &one["currency"])).right(),
            plain(&format!("{} {}", one["quantity"], bare(&one["unit"]))),
        ]
    })
}

pub fn addon(body: &Value) -> Text {
    let (one, mut text) = (&body["addon"], Text::default());
    let price = money(&one["price_cents"], &one["currency"]);
    let grants = format!(", {price} for {} {}, revision {}", one["quantity"], bare(&one["unit"]), one["revision"]);
    text.line([cell(BOLD, &bare(&one["code"])), plain(" is "), state(&one["status"]), plain(&grants)]);
    text
}

/// How long a coupon discounts a subscription.
fn duration(coupon: &Value) -> String {
    match coupon["periods"].as_u64() {
        Some(periods) => format!("for {periods} periods"),
        None => bare(&coupon["duration"]),
    }
}

/// How often a coupon was granted, and how often it can be.
fn redemptions(coupon: &Value) -> String {
    match coupon["max_redemptions"].as_u64() {
        Some(most) => format!("{} of {most}", coupon["redemptions"]),
        None => coupon["redemptions"].to_string(),
    }
}

pub fn coupons(body: &Value) -> Text {
    list(&["coupon", "name", "status", "takes", "duration", "granted"], &body["coupons"], |one| {
        vec![
            cell(BOLD, &bare(&one["code"])),
            field(&one["name"]),
            state(&one["status"]),
            plain(&off(one)).right(),
            plain(&duration(one)),
            plain(&redemptions(one)).right(),
        ]
    })
}

pub fn coupon(body: &Value) -> Text {
    let (one, mut text) = (&body["coupon"], Text::default());
    let terms = format!(", {}, {}, revision {}", off(one), duration(one), one["revision"]);
    text.line([cell(BOLD, &bare(&one["code"])), plain(" is "), state(&one["status"]), plain(&terms)]);
    let plans: Vec<String> = each(&one["plans"]).iter().map(bare).collect();
    let plans = if plans.is_empty() { "all plans".to_owned() } else { plans.join(", ") };
    let until = one["redeem_by"].as_str().map(|_| format!(", until {} UTC", moment(&one["redeem_by"])));
    let granted = format!("granted {}{}", redemptions(one), until.unwrap_or_default());
    text.line([plain(&format!("for {plans}; {granted}"))]);
    text
}

pub fn catalog_events(body: &Value) -> Text {
    list(&["when", "what", "record", "revision", "who", "why"], &body["events"], |event| {
        let data = &event["data"];
        let records = [&data["plan"], &data["addon"], &data["coupon"], &data["to"]];
        let code = records.iter().map(|record| bare(&record["code"])).find(|code| !code.is_empty());
        let version = &data["plan_version"];
        let published = || format!("{} version {}", bare(&version["plan_code"]), version["version"]);
        vec![
            plain(&moment(&event["occurred_at"])),
            field(&event["type"]),
            cell(BOLD, &code.unwrap_or_else(published)),
            plain(&event["revision"].to_string()).right(),
            cell(DIM, &bare(&event["actor"])),
            why(event),
        ]
    })
}

pub fn dunning_policy(body: &Value) -> Text {
    let mut text = Text::default();
    let policy = body["dunning_policy"].as_object();
    let rows: Vec<Vec<Cell>> = policy
        .into_iter()
        .flatten()
        .map(|(name, days)| vec![plain(&name.replace('_', " ")), cell(BOLD, &days.to_string()).right()])
        .collect();
    text.table(0, &rows);
    text
}

/// The members of a transition with the roles that may make it only under a condition, and that condition.
const CONDITIONS: [(&str, &str); 3] = [
    ("only_while_nothing_is_owed", "nothing is owed"),
    ("only_while_nothing_is_overdue", "nothing is overdue"),
    ("only_while_not_held", "it is not on hold"),
];

pub fn lifecycle(body: &Value) -> Text {
    let mut text = Text::default();
    for (n, one) in each(&body["states"]).iter().enumerate() {
        if n > 0 {
            text.gap();
        }
        let initial = if one["initial"] == true { "  (initial state)" } else { "" };
        let description = format!("  {}", bare(&one["description"]));
        text.line([state(&one["state"]), plain(&description), cell(DIM, initial)]);
        let rows = each(&one["transitions"]).iter().map(|step| {
            let names = |list: &Value| each(list).iter().map(bare).collect::<Vec<_>>();
            let who = names(&step["permitted"]).into_iter().map(|who| {
                let conditions = CONDITIONS.iter().filter(|(list, _)| names(&step[*list]).contains(&who));
                let conditions: Vec<&str> = conditions.map(|(_, condition)| *condition).collect();
                if conditions.is_empty() { who } else { format!("{who} (while {})", conditions.join(" and ")) }
            });
            vec![plain("\u{2192}"), state(&step["to_state"]), cell(DIM, &who.collect::<Vec<_>>().join(", "))]
        });
        text.table(2, &rows.collect::<Vec<_>>());
    }
    text
}
