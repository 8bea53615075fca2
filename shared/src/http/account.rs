//! What is told across deployments: the account of a tenant, and the schedule of the clock.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{Action, Amount, Currency, DeploymentId, OpenInvoice, Slug, State, TenantId, Timestamp};
use crate::store::DeploymentRow;

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
        Self { tenant_id, deployments, amounts: amounts.into_values().collect(), upcoming_invoices }
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
        let age = &mut self.overdue_by_age;
        let bucket = match (now - invoice.due_at).num_days() {
            ..=30 => &mut age.to_30,
            31..=60 => &mut age.to_60,
            61..=90 => &mut age.to_90,
            _ => &mut age.over_90,
        };
        *bucket += invoice.due_cents;
    }
}

impl<'a> UpcomingInvoice<'a> {
    fn new(row: &'a DeploymentRow) -> Option<Self> {
        let (at, Amount { currency, amount_cents }) = row.subscription.as_ref()?.next_invoice()?;
        let deployment = &row.deployment;
        Some(Self { deployment_id: deployment.id, slug: &deployment.slug, at, amount_cents, currency, estimate: true })
    }
}
