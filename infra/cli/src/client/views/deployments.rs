//! Deployments, their subscriptions, resources and histories.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arcadia_api::answer::{DeploymentList, EventList, ResourceAnswer, ResourceList};
use arcadia_api::{DeploymentRowView, DeploymentView, InvoiceView, SubscriptionAddonView, SubscriptionView};
use arcadia_domain::{Action, Currency, Discount, Line, SubscriptionStatus};

use super::invoices::append_invoice;
use super::{event_rows, full_name, line_row, list, off, words_of};
use crate::client::text::{
    BOLD, Cell, DIM, GOOD, PLAIN, Text, WAITING, cell, date, minute, money, plain, state, status,
};

pub fn deployments(page: &DeploymentList<'_>) -> Text {
    let heads = ["deployment", "state", "since", "plan", "owes", "next scheduled step"];
    list(&heads, &page.deployments, deployment_row)
}

fn deployment_row(row: &DeploymentRowView<'_>) -> Vec<Cell> {
    let DeploymentRowView { deployment: one, subscription: plan, amounts: _ } = row;
    let mut owed = BTreeMap::<Currency, i64>::new();
    let open = one.open_invoices.iter().map(|invoice| (invoice.currency, invoice.due_cents));
    // What was given up is still owed.
    let given_up = one.uncollectible_due.iter().map(|amount| (amount.currency, amount.amount_cents));
    for (currency, cents) in open.chain(given_up) {
        *owed.entry(currency).or_default() += cents;
    }
    let owed: Vec<String> = owed.into_iter().map(|(currency, cents)| money(cents, currency)).collect();
    let is_over = plan.as_ref().is_some_and(|plan| plan.status == SubscriptionStatus::Cancelled);
    let plan_code = plan.as_ref().map_or("", |plan| plan.plan_code.as_str());
    let next = (one.next_action_at.map(date), one.next_action.map(Action::as_str));
    vec![
        cell(BOLD, &full_name(one)),
        state(one.state),
        plain(&date(one.state_since)),
        cell(if is_over { DIM } else { PLAIN }, plan_code),
        cell(WAITING, &owed.join(", ")).right(),
        plain(format!("{} {}", next.0.unwrap_or_default(), next.1.unwrap_or_default()).trim()),
    ]
}

/// Formats a deployment after a command. `changed`: whether the command changed it.
pub fn deployment(one: &DeploymentView<'_>, changed: bool, is_dry_run: bool) -> Text {
    let mut text = Text::default();
    let (verb, would) = if is_dry_run { (" would be ", "would be") } else { (" is ", "is") };
    text.line([
        cell(BOLD, &full_name(one)),
        plain(verb),
        state(one.state),
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

pub fn events(page: &EventList) -> Text {
    event_rows(&page.events)
}

pub fn resources(page: &ResourceList) -> Text {
    list(&["id", "kind", "provider reference", "region", "created", "deleted"], &page.resources, |one| {
        vec![
            cell(DIM, &one.id.to_string()),
            plain(one.kind.as_str()),
            plain(one.provider_reference.as_str()),
            plain(one.region.as_str()),
            plain(&date(one.created_at)),
            plain(&one.deleted_at.map(date).unwrap_or_default()),
        ]
    })
}

pub fn resource(answer: &ResourceAnswer<'_>) -> Text {
    let mut text = Text::default();
    if let Some(one) = &answer.resource {
        let what = if one.deleted_at.is_none() { " is recorded" } else { " is deleted" };
        text.line([cell(BOLD, one.kind.as_str()), plain(what), cell(DIM, &format!("  {}", one.id))]);
    }
    text
}

/// An attached add-on.
pub fn addon_row(addon: &SubscriptionAddonView<'_>) -> Vec<Cell> {
    vec![
        plain(&format!("+ {}", addon.code)),
        plain(&money(addon.price_cents, addon.currency)).right(),
        plain(&format!("{} {}", addon.quantity, addon.unit)),
        cell(DIM, &date(addon.attached_at)),
        cell(DIM, &addon.id.to_string()),
    ]
}

/// Formats a subscription with its new invoice or lines.
pub fn subscription(
    one: Option<&SubscriptionView<'_>>,
    lines: &[Cow<'_, Line>],
    invoice: Option<&InvoiceView<'_>>,
) -> Text {
    let mut text = Text::default();
    if let Some(one) = one {
        let interval = words_of(one.interval);
        let recurring = one.recurring_cents.map(|cents| money(cents, one.currency)).unwrap_or_default();
        text.line([
            cell(BOLD, one.plan_code.as_str()),
            plain(&format!(" v{} is ", one.plan_version)),
            status(one.status),
            plain(&format!(", {recurring} a {interval}")),
            plain(&format!(", period {} to {}", date(one.current_period_start), date(one.current_period_end))),
        ]);
        text.table(0, &one.addons.iter().map(addon_row).collect::<Vec<_>>());
        if let Some(one) = &one.discount {
            text.line([cell(GOOD, &discount(one))]);
        }
        if let Some(next) = &one.pending_change {
            text.line([cell(WAITING, &format!("changes to {} on {}", next.plan_code, date(next.effective_at)))]);
        }
        if let Some(at) = one.cancel_at.filter(|_| one.status != SubscriptionStatus::Cancelled) {
            text.line([cell(WAITING, &format!("will be cancelled on {}", date(at)))]);
        }
    } else {
        text.line([plain("no subscription")]);
    }
    text.table(0, &lines.iter().map(|line| line_row(line)).collect::<Vec<_>>());
    if let Some(invoice) = invoice {
        append_invoice(&mut text, invoice);
    }
    text
}

/// Describes a discount: how much, since when and for how long.
pub fn discount(one: &Discount) -> String {
    let since = if one.running { "runs" } else { "from the next period" };
    let left = match one.periods_left {
        None => "until it is removed".to_owned(),
        Some(0) => "in its last period".to_owned(),
        Some(1) => "1 period left".to_owned(),
        Some(left) => format!("{left} periods left"),
    };
    let off = off(one.percent_basis_points, one.amount_cents.zip(one.currency));
    format!("discount {}: {off}, {since}, {left}", one.coupon)
}
