//! Formats one deployment: its state and moves, scheduled steps, subscription, open invoices and latest events.

use arcadia_api::answer::DeploymentDetails;
use arcadia_api::{DeploymentView, SubscriptionView};
use arcadia_domain::{Event, State, SubscriptionStatus};

use super::picture::{self, Next};
use super::text::{
    ALARM, BOLD, Cell, DIM, GOOD, Text, WAITING, cell, date, minute, money, name_of, plain, state, status,
};
use super::views::{addon_row, counted, discount, event_cells};

/// Number of events shown.
const EVENTS: usize = 8;
/// Number of open invoices shown.
const INVOICES: usize = 6;
/// Width of the paragraphs' names, in columns.
const NAME: usize = 14;

/// Formats the response of `GET /deployments/{id}`.
pub fn deployment(answer: &DeploymentDetails<'_>) -> Text {
    let DeploymentDetails { deployment, subscription: plan, next_invoices: _, events: latest, allowed_transitions } =
        answer;
    let mut text = Text::default();
    head(&mut text, deployment);
    text.gap();
    lifecycle(&mut text, deployment, allowed_transitions);
    text.gap();
    next(&mut text, deployment);
    subscription(&mut text, plan.as_ref());
    open_invoices(&mut text, deployment);
    events(&mut text, latest, &deployment.id.to_string());
    text
}

fn head(text: &mut Text, deployment: &DeploymentView<'_>) {
    let name = format!("{}/{}", deployment.tenant_id, deployment.slug);
    let since = format!("  since {}", minute(deployment.state_since));
    text.line([cell(BOLD, &name), plain("  "), state(deployment.state), cell(DIM, &since)]);
    let mut about = vec![deployment.display_name.to_string(), deployment.region.to_string()];
    about.extend(deployment.llm_mode.as_ref().map(|mode| format!("llm {mode}")));
    if let (Some(code), Some(version)) = (&deployment.template_code, &deployment.template_version) {
        about.push(format!("template {code} {version}"));
    }
    about.push(counted(usize::try_from(deployment.live_resources).unwrap_or(usize::MAX), "live resource"));
    about.push(format!("version {}", deployment.version));
    text.line([cell(DIM, &about.join(" \u{b7} "))]);
    text.line([cell(DIM, &deployment.id.to_string())]);
}

fn lifecycle(text: &mut Text, deployment: &DeploymentView<'_>, allowed: &[State]) {
    let at = deployment.next_action_at.map(date).unwrap_or_default();
    let next = deployment.next_action.map(|action| Next { action, at: &at });
    picture::lifecycle(text, deployment.state, allowed, next.as_ref());
}

fn next(text: &mut Text, deployment: &DeploymentView<'_>) {
    let mut cells = vec![named("Next")];
    match deployment.next_action.zip(deployment.next_action_at) {
        None => cells.push(cell(DIM, "no scheduled step")),
        Some((action, at)) => {
            let action = action.as_str().replace('_', " ");
            cells.extend([cell(BOLD, &action), plain(&format!(" on {} UTC, scheduled", minute(at)))]);
        }
    }
    if deployment.billing_action_suspended {
        cells.push(cell(ALARM, "  on hold: no scheduled change of state"));
    }
    if deployment.tenant_held {
        cells.push(cell(ALARM, "  tenant on hold: cannot be resumed"));
    }
    text.line(cells);
    for later in deployment.upcoming.iter().flatten().skip(1) {
        let (action, at) = (later.action.as_str().replace('_', " "), minute(later.at));
        text.line([named(""), plain(&format!("{action} on {at} UTC"))]);
    }
}

fn subscription(text: &mut Text, subscription: Option<&SubscriptionView<'_>>) {
    let Some(one) = subscription else {
        return text.line([named("Subscription"), cell(DIM, "none")]);
    };
    let recurring = one.recurring_cents.map(|cents| money(cents, one.currency)).unwrap_or_default();
    text.line([
        named("Subscription"),
        cell(BOLD, one.plan_code.as_str()),
        plain(&format!(" v{} \u{b7} ", one.plan_version)),
        status(one.status),
        plain(&format!(" \u{b7} {recurring} a {} with its add-ons", one.interval.as_str())),
    ]);
    let (start, end) = (date(one.current_period_start), date(one.current_period_end));
    text.line([named(""), plain(&format!("period {start} to {end}, anchor {}", name_of(one.anchor)))]);
    if let Some(one) = &one.discount {
        text.line([named(""), cell(GOOD, &discount(one))]);
    }
    if let Some(next) = &one.pending_change {
        let announced = if next.effective_from.is_some() { ", announced price" } else { "" };
        let (at, price) = (date(next.effective_at), money(next.price_cents, next.currency));
        let what = format!("changes to {} v{} on {at}: {price}{announced}", next.plan_code, next.plan_version);
        text.line([named(""), cell(WAITING, &what)]);
    }
    if let Some(at) = one.cancel_at.filter(|_| one.status != SubscriptionStatus::Cancelled) {
        text.line([named(""), cell(WAITING, &format!("will be cancelled on {}", date(at)))]);
    }
    let addons: Vec<Vec<Cell>> = one.addons.iter().map(addon_row).collect();
    text.table(NAME, &addons);
    for (n, line) in one.unbilled_lines.iter().enumerate() {
        let what = line.description.as_ref().map_or(line.code.as_str(), |description| description.as_str());
        text.line([
            named(if n == 0 { "Waits" } else { "" }),
            cell(BOLD, &money(line.amount_cents, line.currency)),
            plain(&format!(" for the next invoice: {what}")),
        ]);
    }
}

fn open_invoices(text: &mut Text, deployment: &DeploymentView<'_>) {
    let (open, given_up) = (&*deployment.open_invoices, deployment.uncollectible_invoices);
    for balance in &*deployment.balances {
        let amount = money(balance.amount_cents, balance.currency);
        text.line([named("Balance"), cell(BOLD, &amount), plain(" for the next invoice")]);
    }
    if open.is_empty() && given_up == 0 {
        return text.line([named("Owes"), cell(DIM, "nothing")]);
    }
    for (n, invoice) in open.iter().take(INVOICES).enumerate() {
        text.line([
            named(if n == 0 { "Owes" } else { "" }),
            cell(BOLD, &money(invoice.due_cents, invoice.currency)),
            plain(&format!(" due {}  ", date(invoice.due_at))),
            cell(DIM, invoice.number.as_str()),
        ]);
    }
    if open.len() > INVOICES {
        text.line([named(""), cell(DIM, &format!("and {} more", open.len() - INVOICES))]);
    }
    if given_up != 0 {
        let owed = deployment.uncollectible_due.iter();
        let owed = owed.map(|one| format!(", {} still owed", money(one.amount_cents, one.currency)));
        text.line([
            named(if open.is_empty() { "Owes" } else { "" }),
            cell(ALARM, &format!("{} given up", counted(given_up, "invoice"))),
            plain(&owed.collect::<String>()),
        ]);
    }
}

fn events(text: &mut Text, events: &[Event], id: &str) {
    text.gap();
    text.line([cell(BOLD, "Latest events"), cell(DIM, &format!("  all: arcadia deployments events {id} --all"))]);
    text.table(2, &event_cells(events.get(..EVENTS).unwrap_or(events)));
}

fn named(name: &str) -> Cell {
    cell(BOLD, &format!("{name:NAME$}"))
}
