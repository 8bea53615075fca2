//! What is told across deployments: the account of a tenant, and the schedule of the clock.

use std::collections::{BTreeMap, BTreeSet};

use arcadia_domain::{
    Action, Amount, Attention, ClockHealth, Currency, DeploymentId, DeploymentRow, Figure, Figures, Invoice, Month,
    Movement, OpenInvoice, ShortCode, Slug, State, Statement, Summary, TenantId, Timestamp, statements,
};
use serde::Serialize;

/// How many invoices ahead an account names.
const MAX_UPCOMING: usize = 20;

/// All that a tenant has and owes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Account"))]
pub struct AccountView<'a> {
    /// The tenant.
    tenant_id: &'a TenantId,
    /// How many deployments are in each state; a state without any is not named.
    deployments: BTreeMap<State, usize>,
    /// What is owed, and what stands to the tenant's credit, by currency.
    amounts: Vec<AccountAmounts>,
    /// The next invoice of each subscription that goes on, the earliest first, 20 at most.
    upcoming_invoices: Vec<UpcomingInvoice<'a>>,
    /// The statement of the month that was asked for; left out if none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<StatementView>,
}

/// The statement of a month.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Statement"))]
pub struct StatementView {
    /// The month, such as 2027-01; of one that is not over, what was recorded until now.
    month: String,
    /// What happened in it, by currency.
    amounts: Vec<StatementAmounts>,
}

/// What happened in a month in one currency, in minor units. What stands to the tenant's credit counts against what it owes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct StatementAmounts {
    /// The currency.
    currency: Currency,
    /// What was owed when the month began; negative if more stood to the tenant's credit.
    opening_cents: i64,
    /// What was invoiced.
    invoiced_cents: i64,
    /// What was credited of invoices.
    credited_cents: i64,
    /// What invoices that were taken back still came to.
    voided_cents: i64,
    /// What was paid.
    paid_cents: i64,
    /// What is owed when the month ends: what was, and what was invoiced, less all else.
    closing_cents: i64,
}

impl StatementView {
    /// The statement of a month, from all invoices that were ever issued.
    #[must_use]
    pub fn new(month: Month, invoices: &[Invoice]) -> Self {
        let amounts = statements(invoices, month.begin(), month.end()).into_iter().map(|(currency, statement)| {
            let Statement { opening_cents, invoiced_cents, credited_cents, voided_cents, paid_cents } = statement;
            let closing_cents = statement.closing_cents();
            StatementAmounts {
                currency,
                opening_cents,
                invoiced_cents,
                credited_cents,
                voided_cents,
                paid_cents,
                closing_cents,
            }
        });
        Self { month: month.to_string(), amounts: amounts.collect() }
    }
}

/// The figures of the whole business.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Summary"))]
pub struct SummaryView {
    /// The moment of these figures: a full hour, at most two hours ago.
    as_of: Timestamp,
    /// How many deployments are in each state; a state without any is not named.
    deployments_by_state: BTreeMap<State, i64>,
    /// How many live subscriptions are bound to each version of a plan.
    subscriptions_by_plan: Vec<PlanCount>,
    /// Recurring revenue by currency: what active and past due deployments pay outside their trials.
    recurring: Vec<Recurring>,
    /// What is overdue on open invoices, by currency and by days since the due date.
    overdue: Vec<OverdueAmounts>,
    /// How many deployments need a person, apart from those that are overdue or postponed.
    attention: AttentionCounts,
    /// How far the clock's work is, now.
    clock: ClockView,
}

/// How many live subscriptions are bound to a version of a plan.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct PlanCount {
    /// The plan.
    plan_code: ShortCode,
    /// Which of its versions.
    plan_version: u32,
    /// How many.
    count: i64,
}

/// How many deployments need a person, by reason.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct AttentionCounts {
    /// Held: the clock does not change their state.
    held: i64,
    /// Cancelled, with cloud resources that still run.
    cancelled_with_resources: i64,
    /// Events that could not be published, now.
    not_published: usize,
}

/// Recurring revenue in one currency, in minor units a month.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "RecurringRevenue"))]
struct Recurring {
    /// The currency.
    currency: Currency,
    /// A year's price divided by 12.
    monthly_cents: i64,
    /// How it changed since the month began.
    movements: Movements,
}

/// How recurring revenue changed, in minor units a month.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "RevenueMovements"))]
struct Movements {
    /// From deployments that have some for the first time.
    new_cents: i64,
    /// From those that pay more.
    expansion_cents: i64,
    /// From those that pay less; not negative.
    contraction_cents: i64,
    /// From those that pay nothing any more; not negative.
    churned_cents: i64,
    /// From those that pay again.
    reactivated_cents: i64,
}

/// What is overdue in one currency, in minor units.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct OverdueAmounts {
    /// The currency.
    currency: Currency,
    /// All of it: due on a day before that of `as_of`.
    overdue_cents: i64,
    /// The same by days since the due date.
    overdue_by_age: OverdueByAge,
}

/// How far the clock's work is.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "ClockHealth"))]
struct ClockView {
    /// How long the longest due deployment has been waiting, in seconds; 0 if none is due.
    lag_seconds: i64,
    /// How many deployments the sweep has put off, since a step failed.
    postponed: usize,
}

impl SummaryView {
    /// What is told of figures.
    #[must_use]
    pub fn new(summary: &Summary, clock: ClockHealth) -> Self {
        let Summary { as_of, totals, movements } = summary;
        let mut deployments_by_state = BTreeMap::new();
        let mut subscriptions_by_plan = Vec::new();
        let mut overdue: BTreeMap<Currency, OverdueByAge> = BTreeMap::new();
        let mut currencies: BTreeSet<Currency> = BTreeSet::new();
        for (figure, value) in totals.iter() {
            match figure {
                Figure::State(state) => _ = deployments_by_state.insert(*state, value),
                Figure::Plan(code, version) => {
                    let (plan_code, plan_version) = (code.clone(), *version);
                    subscriptions_by_plan.push(PlanCount { plan_code, plan_version, count: value });
                }
                Figure::Open(currency, day) => {
                    let days = (as_of.date_naive() - *day).num_days();
                    if days > 0 {
                        overdue.entry(*currency).or_default().add(days, value);
                    }
                }
                Figure::Recurring(currency) => _ = currencies.insert(*currency),
                Figure::Movement(..) | Figure::Attention(_) => {}
            }
        }
        currencies.extend(movements.iter().filter_map(|(figure, _)| match figure {
            Figure::Movement(_, currency) => Some(*currency),
            _ => None,
        }));
        let amounts = |(currency, by_age): (Currency, OverdueByAge)| OverdueAmounts {
            currency,
            overdue_cents: by_age.to_30 + by_age.to_60 + by_age.to_90 + by_age.over_90,
            overdue_by_age: by_age,
        };
        Self {
            as_of: *as_of,
            deployments_by_state,
            subscriptions_by_plan,
            recurring: currencies.into_iter().map(|currency| Recurring::new(currency, totals, movements)).collect(),
            overdue: overdue.into_iter().map(amounts).filter(|amounts| amounts.overdue_cents != 0).collect(),
            attention: AttentionCounts {
                held: totals.get(&Figure::Attention(Attention::Held)),
                cancelled_with_resources: totals.get(&Figure::Attention(Attention::CancelledWithResources)),
                not_published: clock.not_published,
            },
            clock: ClockView { lag_seconds: clock.lag.num_seconds(), postponed: clock.postponed },
        }
    }
}

impl Recurring {
    fn new(currency: Currency, totals: &Figures, movements: &Figures) -> Self {
        let moved = |movement| monthly(movements.get(&Figure::Movement(movement, currency)));
        Self {
            currency,
            monthly_cents: monthly(totals.get(&Figure::Recurring(currency))),
            movements: Movements {
                new_cents: moved(Movement::New),
                expansion_cents: moved(Movement::Expansion),
                contraction_cents: moved(Movement::Contraction),
                churned_cents: moved(Movement::Churned),
                reactivated_cents: moved(Movement::Reactivated),
            },
        }
    }
}

/// A month's part of minor units a year, rounded to the nearest; a half away from zero.
const fn monthly(yearly: i64) -> i64 {
    const MONTHS: i64 = 12;
    (yearly + yearly.signum() * MONTHS / 2) / MONTHS
}

/// The amounts of an account in one currency, in minor units.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct AccountAmounts {
    /// The currency.
    currency: Currency,
    /// What is due on open invoices.
    open_cents: i64,
    /// What of it is overdue: its due date has come.
    overdue_cents: i64,
    /// The same by whole days since the due date.
    overdue_by_age: OverdueByAge,
    /// What is due on invoices that were given up.
    uncollectible_cents: i64,
    /// What was paid and is not owed.
    balance_cents: i64,
}

/// What is overdue, by whole days since the due date, in minor units.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct OverdueByAge {
    /// Up to 30 days.
    #[serde(rename = "0_30")]
    to_30: i64,
    /// 31 to 60 days.
    #[serde(rename = "31_60")]
    to_60: i64,
    /// 61 to 90 days.
    #[serde(rename = "61_90")]
    to_90: i64,
    /// More than 90 days.
    over_90: i64,
}

/// An invoice that is to come.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct UpcomingInvoice<'a> {
    /// The deployment.
    deployment_id: DeploymentId,
    /// Its slug.
    slug: &'a Slug,
    /// When it is issued.
    at: Timestamp,
    /// The recurring price, in minor units.
    amount_cents: i64,
    /// The currency.
    currency: Currency,
    /// Always true: charges that wait, credits and what changes until then are not in it.
    estimate: bool,
}

/// A tenant in a list.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Tenant"))]
pub struct TenantView {
    /// The tenant.
    tenant_id: TenantId,
    /// How many deployments it has that are not archived; null if there are more than can be added up.
    deployments: Option<usize>,
    /// What it owes, by currency; null if there are more deployments than can be added up.
    due: Option<Vec<TenantDue>>,
}

/// What a tenant owes in one currency, in minor units.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct TenantDue {
    /// The currency.
    currency: Currency,
    /// What is due on open invoices.
    due_cents: i64,
    /// What of it is overdue: its due date has come.
    overdue_cents: i64,
}

impl TenantView {
    /// Adds up a tenant's deployments as of `now`; without them, if there are too many.
    #[must_use]
    pub fn new(tenant_id: TenantId, rows: Option<&[DeploymentRow]>, now: Timestamp) -> Self {
        let live = |rows: &[DeploymentRow]| rows.iter().filter(|row| row.deployment.state != State::Archived).count();
        let due = |rows: &[DeploymentRow]| {
            let amounts = AccountView::new(&tenant_id, rows, now).amounts.into_iter();
            amounts
                .filter(|amount| amount.open_cents > 0)
                .map(|AccountAmounts { currency, open_cents, overdue_cents, .. }| TenantDue {
                    currency,
                    due_cents: open_cents,
                    overdue_cents,
                })
                .collect()
        };
        let (deployments, due) = (rows.map(live), rows.map(due));
        Self { tenant_id, deployments, due }
    }
}

/// What the clock will do next with a deployment.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "ScheduleEntry"))]
pub struct ScheduleEntryView<'a> {
    /// The deployment.
    deployment_id: DeploymentId,
    /// Its tenant.
    tenant_id: &'a TenantId,
    /// Its slug.
    slug: &'a Slug,
    /// The state it is in now.
    state: State,
    /// The step.
    action: Action,
    /// When it is due.
    at: Timestamp,
    /// What a new period is invoiced at, in minor units; null for a step that opens none.
    amount_cents: Option<i64>,
    /// The currency of the amount.
    currency: Option<Currency>,
    /// Whether there is an amount: it is the recurring price, without what waits and without credits.
    estimate: bool,
}

/// A deployment that needs a person.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "AttentionEntry"))]
pub struct AttentionView<'a> {
    /// Why.
    kind: Attention,
    /// The deployment.
    deployment_id: DeploymentId,
    /// Its tenant; null if its record cannot be read.
    tenant_id: Option<&'a TenantId>,
    /// Its slug; null likewise.
    slug: Option<&'a Slug>,
    /// The state it is in now; null likewise.
    state: Option<State>,
    /// Since when.
    since: Timestamp,
    /// When the sweep tries again; only of a deployment that is postponed.
    until: Option<Timestamp>,
}

impl<'a> AttentionView<'a> {
    /// The entry of a deployment, whose record cannot be read if there is none.
    #[must_use]
    pub fn new(
        kind: Attention,
        since: Timestamp,
        until: Option<Timestamp>,
        id: DeploymentId,
        row: Option<&'a DeploymentRow>,
    ) -> Self {
        let deployment = row.map(|row| &row.deployment);
        Self {
            kind,
            deployment_id: id,
            tenant_id: deployment.map(|deployment| &deployment.tenant_id),
            slug: deployment.map(|deployment| &deployment.slug),
            state: deployment.map(|deployment| deployment.state),
            since,
            until,
        }
    }
}

impl<'a> ScheduleEntryView<'a> {
    /// The entry of a deployment, if there is a step ahead.
    #[must_use]
    pub fn new(row: &'a DeploymentRow) -> Option<Self> {
        let next = row.next_action?;
        let bills = matches!(next.action, Action::Renew | Action::ChangePlan | Action::EndTrial);
        let amount = row.subscription.as_ref().filter(|_| bills).and_then(|plan| plan.next_invoice());
        let (amount_cents, currency) = amount.map(|(_, amount)| (amount.amount_cents, amount.currency)).unzip();
        let deployment = &row.deployment;
        Some(Self {
            deployment_id: deployment.id,
            tenant_id: &deployment.tenant_id,
            slug: &deployment.slug,
            state: deployment.state,
            action: next.action,
            at: next.at,
            amount_cents,
            currency,
            estimate: amount_cents.is_some(),
        })
    }
}

impl<'a> AccountView<'a> {
    /// Adds up all deployments of a tenant as of `now`.
    #[must_use]
    pub fn new(tenant_id: &'a TenantId, rows: &'a [DeploymentRow], now: Timestamp) -> Self {
        let mut deployments = BTreeMap::new();
        let mut amounts: BTreeMap<Currency, AccountAmounts> = BTreeMap::new();
        for row in rows {
            let deployment = &row.deployment;
            *deployments.entry(deployment.state).or_default() += 1;
            for open in &deployment.open_invoices {
                amounts_in(&mut amounts, open.currency).open(open, now);
            }
            for owed in &deployment.uncollectible_invoices {
                amounts_in(&mut amounts, owed.currency).uncollectible_cents += owed.due_cents;
            }
            for balance in &deployment.balances {
                amounts_in(&mut amounts, balance.currency).balance_cents += balance.amount_cents;
            }
        }
        let mut upcoming_invoices: Vec<_> = rows.iter().filter_map(UpcomingInvoice::new).collect();
        upcoming_invoices.sort_unstable_by_key(|invoice| (invoice.at, invoice.deployment_id));
        upcoming_invoices.truncate(MAX_UPCOMING);
        Self { tenant_id, deployments, amounts: amounts.into_values().collect(), upcoming_invoices, statement: None }
    }

    /// The same with the statement of a month.
    #[must_use]
    pub fn with_statement(self, statement: Option<StatementView>) -> Self {
        Self { statement, ..self }
    }
}

fn amounts_in(amounts: &mut BTreeMap<Currency, AccountAmounts>, currency: Currency) -> &mut AccountAmounts {
    amounts.entry(currency).or_insert_with(|| AccountAmounts {
        currency,
        open_cents: 0,
        overdue_cents: 0,
        overdue_by_age: OverdueByAge::default(),
        uncollectible_cents: 0,
        balance_cents: 0,
    })
}

impl AccountAmounts {
    fn open(&mut self, invoice: &OpenInvoice, now: Timestamp) {
        self.open_cents += invoice.due_cents;
        if invoice.due_at > now {
            return;
        }
        self.overdue_cents += invoice.due_cents;
        self.overdue_by_age.add((now - invoice.due_at).num_days(), invoice.due_cents);
    }
}

impl OverdueByAge {
    /// Adds an amount that has been overdue for so many days.
    const fn add(&mut self, days: i64, cents: i64) {
        let bucket = match days {
            ..=30 => &mut self.to_30,
            31..=60 => &mut self.to_60,
            61..=90 => &mut self.to_90,
            _ => &mut self.over_90,
        };
        *bucket += cents;
    }
}

impl<'a> UpcomingInvoice<'a> {
    fn new(row: &'a DeploymentRow) -> Option<Self> {
        let (at, Amount { currency, amount_cents }) = row.subscription.as_ref()?.next_invoice()?;
        let deployment = &row.deployment;
        Some(Self { deployment_id: deployment.id, slug: &deployment.slug, at, amount_cents, currency, estimate: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_the_nearest_twelfth_of_a_year() {
        for (yearly, cents) in [(0, 0), (12, 1), (5, 0), (6, 1), (17, 1), (18, 2), (-6, -1), (-5, 0), (34_800, 2_900)] {
            assert_eq!(monthly(yearly), cents, "{yearly}");
        }
    }
}
