//! Views across deployments: a tenant's account, the figures of the whole business, the schedule, and deployments that
//! need attention.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use arcadia_domain::{
    Action, Amount, Attention, BalanceMovement, ClockHealth, Currency, Deployment, DeploymentId, DeploymentRow,
    DisplayName, Figure, Figures, Invoice, Month, Movement, OpenInvoice, ShortCode, Slug, State, Statement, Summary,
    Tenant, TenantId, Timestamp, statements,
};
use serde::{Deserialize, Serialize};

/// Maximum number of upcoming invoices in an account.
const MAX_UPCOMING: usize = 20;

/// A tenant's account: the number of its deployments and the amounts it owes.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Account"))]
pub struct AccountView<'a> {
    /// Id of the tenant.
    pub tenant_id: Cow<'a, TenantId>,
    /// Number of deployments by state. States without deployments are omitted.
    pub deployments: BTreeMap<State, usize>,
    /// Amounts owed and balances, by currency.
    pub amounts: Vec<AccountAmounts>,
    /// Next invoice of each subscription that continues, earliest first, at most 20.
    pub upcoming_invoices: Vec<UpcomingInvoice<'a>>,
    /// Statement of the requested month; omitted if no month was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementView>,
}

/// A monthly statement.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Statement"))]
pub struct StatementView {
    /// The month, such as `2027-01`. For the current month the statement covers what has been recorded so far.
    pub month: String,
    /// Amounts of the month, by currency.
    pub amounts: Vec<StatementAmounts>,
}

/// Amounts of a month in one currency, in minor units, with tax. A balance counts as a negative amount owed.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct StatementAmounts {
    /// Currency of the amounts.
    pub currency: Currency,
    /// Amount owed at the start of the month; negative if the balance exceeded the debt.
    pub opening_cents: i64,
    /// Amount invoiced.
    pub invoiced_cents: i64,
    /// Tax invoiced, less the tax in credits and voids; part of those amounts.
    pub tax_cents: i64,
    /// Amount credited on invoices.
    pub credited_cents: i64,
    /// Remaining amount of invoices that were voided.
    pub voided_cents: i64,
    /// Amount written off, less what was owed again or credited.
    pub written_off_cents: i64,
    /// Amount paid, less reversed payments.
    pub paid_cents: i64,
    /// Balance granted.
    pub granted_cents: i64,
    /// Balance paid back.
    pub paid_back_cents: i64,
    /// Amount owed at the end of the month: `opening_cents` plus `invoiced_cents` and `paid_back_cents`, less credits,
    /// voids, write-offs, payments and granted balance.
    pub closing_cents: i64,
}

impl StatementView {
    /// Computes the statement of a month from all invoices ever issued to the tenant, and all movements of balance that
    /// no invoice has.
    #[must_use]
    pub fn new(month: Month, invoices: &[Invoice], movements: &[BalanceMovement]) -> Self {
        let statements = statements(invoices, movements, month.begin(), month.end());
        let amounts = statements.into_iter().map(|(currency, statement)| {
            let Statement {
                opening_cents,
                invoiced_cents,
                tax_cents,
                credited_cents,
                voided_cents,
                written_off_cents,
                paid_cents,
                granted_cents,
                paid_back_cents,
            } = statement;
            let closing_cents = statement.closing_cents();
            StatementAmounts {
                currency,
                opening_cents,
                invoiced_cents,
                tax_cents,
                credited_cents,
                voided_cents,
                written_off_cents,
                paid_cents,
                granted_cents,
                paid_back_cents,
                closing_cents,
            }
        });
        Self { month: month.to_string(), amounts: amounts.collect() }
    }
}

/// Figures of the whole business.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Summary"))]
pub struct SummaryView {
    /// Time of the figures: a full hour, at most two hours ago.
    pub as_of: Timestamp,
    /// Number of deployments by state. States without deployments are omitted.
    pub deployments_by_state: BTreeMap<State, i64>,
    /// Number of live subscriptions by plan version.
    pub subscriptions_by_plan: Vec<PlanCount>,
    /// Recurring revenue by currency: from `active` and `past_due` deployments, without trials and without tax.
    pub recurring: Vec<Recurring>,
    /// Overdue amounts of open invoices, by currency and by days since the due date.
    pub overdue: Vec<OverdueAmounts>,
    /// Number of deployments that need a person, not counting overdue or postponed ones.
    pub attention: AttentionCounts,
    /// Progress of scheduled work, as of now.
    pub clock: ClockView,
}

/// Number of live subscriptions of a plan version.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct PlanCount {
    /// Code of the plan.
    pub plan_code: ShortCode,
    /// Version of the plan.
    pub plan_version: u32,
    /// Number of live subscriptions.
    pub count: i64,
}

/// Number of deployments that need a person, by reason.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct AttentionCounts {
    /// Deployments on hold: no scheduled step changes their state.
    pub held: i64,
    /// Cancelled deployments with cloud resources that are not deleted.
    pub cancelled_with_resources: i64,
    /// Events that could not be published, as of now.
    pub not_published: usize,
}

/// Recurring revenue in one currency, in minor units per month.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "RecurringRevenue"))]
pub struct Recurring {
    /// Currency of the amounts.
    pub currency: Currency,
    /// Monthly recurring revenue: the yearly price divided by 12.
    pub monthly_cents: i64,
    /// Changes since the start of the month.
    pub movements: Movements,
}

/// Changes of recurring revenue, in minor units per month.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "RevenueMovements"))]
pub struct Movements {
    /// From deployments with recurring revenue for the first time.
    pub new_cents: i64,
    /// From deployments that pay more.
    pub expansion_cents: i64,
    /// From deployments that pay less; not negative.
    pub contraction_cents: i64,
    /// From deployments that stopped paying; not negative.
    pub churned_cents: i64,
    /// From deployments that pay again after a stop.
    pub reactivated_cents: i64,
}

/// Overdue amounts in one currency, in minor units.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct OverdueAmounts {
    /// Currency of the amounts.
    pub currency: Currency,
    /// Total overdue: due on a day before the day of `as_of`.
    pub overdue_cents: i64,
    /// The total by days since the due date.
    pub overdue_by_age: OverdueByAge,
}

/// Progress of scheduled work.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "ClockHealth"))]
pub struct ClockView {
    /// Time since the earliest due step became due, in seconds; 0 if none is due.
    pub lag_seconds: i64,
    /// Number of deployments that the sweep has postponed because a step failed.
    pub postponed: usize,
}

impl SummaryView {
    /// Builds the view from the figures and the progress of scheduled work.
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

/// Converts minor units per year to minor units per month, rounded to nearest, halves away from zero.
const fn monthly(yearly: i64) -> i64 {
    const MONTHS: i64 = 12;
    (yearly + yearly.signum() * MONTHS / 2) / MONTHS
}

/// Amounts of an account in one currency, in minor units.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct AccountAmounts {
    /// Currency of the amounts.
    pub currency: Currency,
    /// Amount due on open invoices.
    pub open_cents: i64,
    /// The overdue part of it: the due date has passed.
    pub overdue_cents: i64,
    /// The overdue amount by whole days since the due date.
    pub overdue_by_age: OverdueByAge,
    /// Amount due on uncollectible invoices.
    pub uncollectible_cents: i64,
    /// Balance: credits of settled charges, granted credits and overpayments.
    pub balance_cents: i64,
}

/// Overdue amounts by whole days since the due date, in minor units.
#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct OverdueByAge {
    /// Up to 30 days.
    #[serde(rename = "0_30")]
    pub to_30: i64,
    /// 31 to 60 days.
    #[serde(rename = "31_60")]
    pub to_60: i64,
    /// 61 to 90 days.
    #[serde(rename = "61_90")]
    pub to_90: i64,
    /// More than 90 days.
    pub over_90: i64,
}

/// An upcoming invoice.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct UpcomingInvoice<'a> {
    /// Id of the deployment.
    pub deployment_id: DeploymentId,
    /// Slug of the deployment.
    pub slug: Cow<'a, Slug>,
    /// When it will be issued.
    pub at: Timestamp,
    /// The recurring price with tax, in minor units.
    pub amount_cents: i64,
    /// The tax in it, in minor units.
    pub tax_cents: i64,
    /// Currency of the amounts.
    pub currency: Currency,
    /// Always true: the amount does not include waiting charges, credits or changes until then.
    pub estimate: bool,
}

/// A tenant in a list.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Tenant"))]
pub struct TenantView {
    /// Id of the tenant.
    pub tenant_id: TenantId,
    /// Name of the customer; null if none is set.
    pub name: Option<DisplayName>,
    /// Number of its deployments that are not archived; null if there are too many to add up.
    pub deployments: Option<usize>,
    /// Amounts it owes, by currency; null if it has too many deployments to add up.
    pub due: Option<Vec<TenantDue>>,
}

/// Amounts that a tenant owes in one currency, in minor units.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct TenantDue {
    /// Currency of the amounts.
    pub currency: Currency,
    /// Amount due on open invoices.
    pub due_cents: i64,
    /// The overdue part of it: the due date has passed.
    pub overdue_cents: i64,
}

impl TenantView {
    /// Adds up a tenant's deployments as of `now`. `rows` is `None` if there are too many; the sums are then null.
    #[must_use]
    pub fn new(tenant_id: TenantId, name: Option<DisplayName>, rows: Option<&[DeploymentRow]>, now: Timestamp) -> Self {
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
        Self { tenant_id, name, deployments, due }
    }
}

/// A tenant and its settings.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "TenantRecord"))]
pub struct TenantRecordView<'a> {
    /// Id of the tenant.
    pub tenant_id: Cow<'a, TenantId>,
    /// Its fields.
    #[serde(flatten)]
    pub tenant: Cow<'a, Tenant>,
    /// Number of its deployments that are not archived, which count against the quota; null without a quota.
    pub live_deployments: Option<u32>,
}

/// The next scheduled step of a deployment.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "ScheduleEntry"))]
pub struct ScheduleEntryView<'a> {
    /// Id of the deployment.
    pub deployment_id: DeploymentId,
    /// Id of the tenant.
    pub tenant_id: Cow<'a, TenantId>,
    /// Slug of the deployment.
    pub slug: Cow<'a, Slug>,
    /// Current state of the deployment.
    pub state: State,
    /// The step.
    pub action: Action,
    /// When it is due.
    pub at: Timestamp,
    /// Expected invoice amount of the new period with tax, in minor units; null if the step does not open a period.
    pub amount_cents: Option<i64>,
    /// Currency of the amount; null without an amount.
    pub currency: Option<Currency>,
    /// True if there is an amount. It is the recurring price with tax, without waiting charges and credits.
    pub estimate: bool,
}

/// A deployment that needs a person.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "AttentionEntry"))]
pub struct AttentionView<'a> {
    /// The reason.
    pub kind: Attention,
    /// Id of the deployment.
    pub deployment_id: DeploymentId,
    /// Id of the tenant; null if the record cannot be read.
    pub tenant_id: Option<Cow<'a, TenantId>>,
    /// Slug of the deployment; null if the record cannot be read.
    pub slug: Option<Cow<'a, Slug>>,
    /// Current state of the deployment; null if the record cannot be read.
    pub state: Option<State>,
    /// When the reason arose.
    pub since: Timestamp,
    /// When the sweep tries again; set only for a postponed deployment.
    pub until: Option<Timestamp>,
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
            tenant_id: deployment.map(|deployment| Cow::Borrowed(&deployment.tenant_id)),
            slug: deployment.map(|deployment| Cow::Borrowed(&deployment.slug)),
            state: deployment.map(|deployment| deployment.state),
            since,
            until,
        }
    }
}

impl<'a> ScheduleEntryView<'a> {
    /// Builds the entry of a deployment; `None` if no step is scheduled.
    #[must_use]
    pub fn new(row: &'a DeploymentRow) -> Option<Self> {
        let next = row.next_action?;
        let bills = matches!(next.action, Action::Renew | Action::ChangePlan | Action::EndTrial);
        let amount = Some(row).filter(|_| bills).and_then(DeploymentRow::next_invoice);
        let (amount_cents, currency) = amount.map(|(_, amount, _)| (amount.amount_cents, amount.currency)).unzip();
        let deployment = &row.deployment;
        Some(Self {
            deployment_id: deployment.id,
            tenant_id: Cow::Borrowed(&deployment.tenant_id),
            slug: Cow::Borrowed(&deployment.slug),
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
        Self {
            tenant_id: Cow::Borrowed(tenant_id),
            deployments,
            amounts: amounts.into_values().collect(),
            upcoming_invoices,
            statement: None,
        }
    }

    /// Adds the statement of a month.
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
    /// Adds an amount, in minor units, that has been overdue for a number of days.
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
        let (at, Amount { currency, amount_cents }, tax_cents) = row.next_invoice()?;
        let Deployment { id, slug, .. } = &row.deployment;
        let slug = Cow::Borrowed(slug);
        Some(Self { deployment_id: *id, slug, at, amount_cents, tax_cents, currency, estimate: true })
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
