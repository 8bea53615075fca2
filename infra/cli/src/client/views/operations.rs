//! Operations on many deployments.

use arcadia_api::answer::{OperationDryRun, OperationList, OperationResultList};
use arcadia_api::{OperationPreviewView, OperationResultView, OperationView};
use arcadia_domain::{
    DeploymentId, Matching, OperationCommand, OperationOutcome, OperationProblem, OperationStatus, PlanTerms,
    Precision, Slug, TenantId,
};

use super::{counted, line_row, list, members};
use crate::client::text::{ALARM, BOLD, Cell, DIM, GOOD, Text, WAITING, cell, date, minute, money, plain};

const RESULT_HEADS: [&str; 4] = ["deployment", "outcome", "problem", "why"];

/// Number of deployments with a result.
pub const fn results_so_far(operation: &OperationView<'_>) -> u64 {
    let counts = operation.counts;
    counts.done + counts.unchanged + counts.refused
}

/// Formats the status and the results of an operation in a line.
pub fn operation_line(operation: &OperationView<'_>) -> String {
    let counts = operation.counts;
    format!(
        "{}, {} done, {} unchanged, {} refused",
        operation.status.as_str(),
        counts.done,
        counts.unchanged,
        counts.refused
    )
}

/// Formats the command of an operation and its deployments.
fn target(operation: &OperationView<'_>) -> (String, String) {
    let pairs = |members: Vec<(String, String)>| {
        members.into_iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    };
    let what = if let OperationCommand::AnnouncePrice { terms, replaces, effective_from } = &*operation.command {
        let PlanTerms { plan_code, plan_version, price_cents, currency, interval: _ } = terms;
        let (price, from) = (money(*price_cents, *currency), date(*effective_from));
        format!("announce_price {price} of {plan_code} v{plan_version} instead of v{replaces} from {from}")
    } else {
        let mut terms = members(&operation.command);
        terms.retain(|(name, _)| name != "type");
        format!("{} {}", operation.command.kind(), pairs(terms))
    };
    (what.trim_end().to_owned(), pairs(members(&operation.filter)))
}

fn status(operation: &OperationView<'_>) -> Cell {
    let style = match operation.status {
        OperationStatus::Running | OperationStatus::Stopping => WAITING,
        OperationStatus::Completed => GOOD,
        OperationStatus::Stopped => DIM,
    };
    cell(style, operation.status.as_str())
}

pub fn operations(page: &OperationList<'_>) -> Text {
    let heads = ["started", "status", "command", "for", "done", "unchanged", "refused", "left", "id"];
    list(&heads, &page.operations, |one| {
        let (command, filter) = target(one);
        let count = |count: u64| plain(&count.to_string()).right();
        vec![
            plain(&minute(one.started_at)),
            status(one),
            cell(BOLD, &command),
            plain(&filter),
            count(one.counts.done),
            count(one.counts.unchanged),
            count(one.counts.refused),
            count(one.remaining),
            cell(DIM, &one.id.to_string()),
        ]
    })
}

pub fn operation(one: &OperationView<'_>) -> Text {
    let mut text = Text::default();
    let (command, filter) = target(one);
    text.line([
        cell(BOLD, &command),
        plain(&format!(" for {filter} is ")),
        status(one),
        cell(DIM, &format!("  {}", one.id)),
    ]);
    let counts = one.counts;
    text.line([plain(&format!(
        "{} done, {} unchanged, {} refused, about {} left; {} a second, pass {}",
        counts.done, counts.unchanged, counts.refused, one.remaining, one.rate_per_second, one.progress.pass
    ))]);
    text.line([cell(DIM, &format!("started by {} at {} UTC", one.started_by, minute(one.started_at)))]);
    if let Some(by) = &one.stopped_by {
        text.line([cell(WAITING, &format!("stopped by {by}"))]);
    }
    if let Some(at) = one.ended_at {
        text.line([cell(DIM, &format!("ended at {} UTC", minute(at)))]);
    }
    text
}

/// The name of a deployment in a result: its id if the deployment does not exist.
fn name(id: DeploymentId, tenant_id: Option<&TenantId>, slug: Option<&Slug>) -> String {
    tenant_id.zip(slug).map_or_else(|| id.to_string(), |(tenant_id, slug)| format!("{tenant_id}/{slug}"))
}

fn result_row(name: &str, outcome: OperationOutcome, problem: Option<&OperationProblem>) -> Vec<Cell> {
    let style = match outcome {
        OperationOutcome::Done => GOOD,
        OperationOutcome::Refused => ALARM,
        OperationOutcome::Unchanged => DIM,
    };
    vec![
        plain(name),
        cell(style, outcome.as_str()),
        plain(problem.map_or("", |problem| &problem.code)),
        plain(problem.map_or("", |problem| &problem.detail)),
    ]
}

pub fn operation_results(page: &OperationResultList<'_>) -> Text {
    list(&RESULT_HEADS, &page.results, |one| {
        let OperationResultView { deployment_id, tenant_id, slug, outcome, problem, version: _, at: _ } = one;
        let name = name(*deployment_id, tenant_id.as_deref(), slug.as_deref());
        result_row(&name, *outcome, problem.as_deref())
    })
}

/// Formats the dry run of an operation: how many deployments match, and the results of the first ones.
pub fn operation_preview(answer: &OperationDryRun) -> Text {
    preview(answer.matching, &answer.preview)
}

/// How many deployments match.
pub fn matching(matching: Matching) -> String {
    let about = match matching.is {
        Precision::Exact => "",
        Precision::AtLeast => "at least ",
        Precision::AtMost => "at most ",
    };
    format!("{about}{}", counted(usize::try_from(matching.count).unwrap_or(usize::MAX), "deployment"))
}

pub(super) fn preview(found: Matching, preview: &[OperationPreviewView]) -> Text {
    let mut text = Text::default();
    let first = if preview.is_empty() { "." } else { ". The first ones:" };
    let heading = format!("Dry run: nothing was stored. It would be given to {}{first}", matching(found));
    text.line([cell(WAITING, &heading)]);
    let name_of = |one: &OperationPreviewView| name(one.deployment_id, one.tenant_id.as_ref(), one.slug.as_ref());
    text.append(&list(&RESULT_HEADS, preview, |one| result_row(&name_of(one), one.outcome, one.problem.as_ref())));
    for one in preview {
        for line in &one.lines {
            text.table(2, &[[vec![plain(&name_of(one))], line_row(line)].concat()]);
        }
    }
    text
}
