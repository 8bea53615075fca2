//! Formats one deployment: its state and moves, scheduled steps, subscription, open invoices and latest events.

use arcadia_domain::{Action, State};
use serde_json::Value;

use super::picture::{self, Next};
use super::text::{ALARM, BOLD, Cell, DIM, GOOD, Text, WAITING, bare, cell, day, moment, money, plain, state};
use super::views::{addon_row, discount, each, event_row};

/// Number of events shown.
const EVENTS: usize = 8;
/// Number of open invoices shown.
const INVOICES: usize = 6;
/// Width of the paragraphs' names, in columns.
const NAME: usize = 14;

/// Formats the response of `GET /deployments/{id}`.
pub fn deployment(body: &Value) -> Text {
    let deployment = &body["deployment"];
    let mut text = Text::default();
    head(&mut text, deployment);
    text.gap();
    lifecycle(&mut text, deployment, &body["allowed_transitions"]);
    text.gap();
    next(&mut text, deployment);
    subscription(&mut text, &body["subscription"]);
    open_invoices(&mut text, deployment);
    events(&mut text, &body["events"], &bare(&deployment["id"]));
    text
}

fn head(text: &mut Text, deployment: &Value) {
    let name = format!("{}/{}", bare(&deployment["tenant_id"]), bare(&deployment["slug"]));
    let since = format!("  since {}", moment(&deployment["state_since"]));
    text.line([cell(BOLD, &name), plain("  "), state(&deployment["state"]), cell(DIM, &since)]);
    let mut about = vec![bare(&deployment["display_name"]), bare(&deployment["region"])];
    about.extend(deployment["llm_mode"].as_str().map(|mode| format!("llm {mode}")));
    if let (Some(code), Some(version)) = (deployment["template_code"].as_str(), deployment["template_version"].as_str())
    {
        about.push(format!("template {code} {version}"));
    }
    about.push(count(&deployment["live_resources"], "live resource"));
    about.push(format!("version {}", deployment["version"]));
    text.line([cell(DIM, &about.join(" \u{b7} "))]);
    text.line([cell(DIM, &bare(&deployment["id"]))]);
}

fn lifecycle(text: &mut Text, deployment: &Value, allowed: &Value) {
    let read = |value: &Value| value.as_str().and_then(|text| text.parse::<State>().ok());
    let allowed: Vec<State> = each(allowed).iter().filter_map(read).collect();
    let Some(present) = read(&deployment["state"]) else { return };
    let at = day(&deployment["next_action_at"]);
    let action = serde_json::from_value::<Action>(deployment["next_action"].clone()).ok();
    picture::lifecycle(text, present, &allowed, action.map(|action| Next { action, at: &at }).as_ref());
}

fn next(text: &mut Text, deployment: &Value) {
    let (action, at) = (bare(&deployment["next_action"]).replace('_', " "), moment(&deployment["next_action_at"]));
    let mut cells = vec![named("Next")];
    if action.is_empty() {
        cells.push(cell(DIM, "no scheduled step"));
    } else {
        cells.extend([cell(BOLD, &action), plain(&format!(" on {at} UTC, scheduled"))]);
    }
    if deployment["billing_action_suspended"] == true {
        cells.push(cell(ALARM, "  on hold: no scheduled change of state"));
    }
    if deployment["tenant_held"] == true {
        cells.push(cell(ALARM, "  tenant on hold: cannot be resumed"));
    }
    text.line(cells);
    for later in each(&deployment["upcoming"]).iter().skip(1) {
        let (action, at) = (bare(&later["action"]).replace('_', " "), moment(&later["at"]));
        text.line([named(""), plain(&format!("{action} on {at} UTC"))]);
    }
}

fn subscription(text: &mut Text, subscription: &Value) {
    if subscription.is_null() {
        return text.line([named("Subscription"), cell(DIM, "none")]);
    }
    let (currency, interval) = (&subscription["currency"], bare(&subscription["interval"]));
    text.line([
        named("Subscription"),
        cell(BOLD, &bare(&subscription["plan_code"])),
        plain(&format!(" v{} \u{b7} ", subscription["plan_version"])),
        state(&subscription["status"]),
        plain(&format!(" \u{b7} {} a {interval} with its add-ons", money(&subscription["recurring_cents"], currency))),
    ]);
    let (start, end) = (day(&subscription["current_period_start"]), day(&subscription["current_period_end"]));
    text.line([named(""), plain(&format!("period {start} to {end}, anchor {}", bare(&subscription["anchor"])))]);
    if subscription["discount"].is_object() {
        text.line([named(""), cell(GOOD, &discount(&subscription["discount"]))]);
    }
    if let Some(code) = subscription["pending_change"]["plan_code"].as_str() {
        let at = day(&subscription["pending_change"]["effective_at"]);
        let next = &subscription["pending_change"];
        let announced = if next["effective_from"].is_string() { ", announced price" } else { "" };
        let price = money(&next["price_cents"], &next["currency"]);
        let what = format!("changes to {code} v{} on {at}: {price}{announced}", next["plan_version"]);
        text.line([named(""), cell(WAITING, &what)]);
    }
    if subscription["cancel_at"].is_string() && subscription["status"] != "cancelled" {
        text.line([named(""), cell(WAITING, &format!("will be cancelled on {}", day(&subscription["cancel_at"])))]);
    }
    let addons: Vec<Vec<Cell>> = each(&subscription["addons"]).iter().map(addon_row).collect();
    text.table(NAME, &addons);
}

fn open_invoices(text: &mut Text, deployment: &Value) {
    let open = each(&deployment["open_invoices"]);
    for balance in each(&deployment["balances"]) {
        let amount = money(&balance["amount_cents"], &balance["currency"]);
        text.line([named("Balance"), cell(BOLD, &amount), plain(" for the next invoice")]);
    }
    if open.is_empty() && deployment["uncollectible_invoices"] == 0 {
        return text.line([named("Owes"), cell(DIM, "nothing")]);
    }
    for (n, invoice) in open.iter().take(INVOICES).enumerate() {
        text.line([
            named(if n == 0 { "Owes" } else { "" }),
            cell(BOLD, &money(&invoice["due_cents"], &invoice["currency"])),
            plain(&format!(" due {}  ", day(&invoice["due_at"]))),
            cell(DIM, &bare(&invoice["number"])),
        ]);
    }
    if open.len() > INVOICES {
        text.line([named(""), cell(DIM, &format!("and {} more", open.len() - INVOICES))]);
    }
    if deployment["uncollectible_invoices"] != 0 {
        let name = named(if open.is_empty() { "Owes" } else { "" });
        text.line([
            name,
            cell(ALARM, &format!("{} given up", count(&deployment["uncollectible_invoices"], "invoice"))),
            plain(&amounts(&deployment["uncollectible_due"])),
        ]);
    }
}

fn events(text: &mut Text, events: &Value, id: &str) {
    let events = each(events);
    text.gap();
    text.line([cell(BOLD, "Latest events"), cell(DIM, &format!("  all: arcadia deployments events {id} --all"))]);
    let rows: Vec<Vec<Cell>> = events.iter().take(EVENTS).map(event_row).collect();
    text.table(2, &rows);
}

/// Formats amounts of several currencies, each after a comma.
fn amounts(list: &Value) -> String {
    let amount = |one: &Value| format!(", {} still owed", money(&one["amount_cents"], &one["currency"]));
    each(list).iter().map(amount).collect()
}

/// Formats a count with its noun.
fn count(number: &Value, what: &str) -> String {
    if *number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn named(name: &str) -> Cell {
    cell(BOLD, &format!("{name:NAME$}"))
}
