//! Records as callers see them: which of their members are told, under which names and in which order.

use std::collections::BTreeMap;

use arcadia_domain::{
    Action, Aggregate, Amount, AnchorMode, Authority, Charge, Currency, Deployment, DeploymentId, DeploymentRow,
    DisplayName, Interval, IntervalPrices, Invoice, InvoiceRow, Line, NextAction, OpenInvoice, PendingChange,
    PlanTerms, ShortCode, Slug, State, Subscription, SubscriptionAddon, SubscriptionAddonId, SubscriptionId,
    SubscriptionStatus, SubscriptionSummary, Template, TemplateVersion, TenantId, Timestamp,
};
use serde::Serialize;
use serde_json::{Value, json};

/// One hosted app instance, and the unit that is billed.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Deployment"))]
pub struct DeploymentView<'a> {
    /// Its identity, for good.
    id: DeploymentId,
    /// Who owns it, for good.
    tenant_id: &'a TenantId,
    /// Its name in URLs, unique within the tenant, for good.
    slug: &'a Slug,
    /// What people call it.
    display_name: &'a DisplayName,
    /// Where it runs.
    region: &'a ShortCode,
    /// Where it stands in its lifecycle.
    state: State,
    /// When it entered that state.
    state_since: Timestamp,
    /// How it reaches its language model, such as `managed` or `byo_key`.
    llm_mode: Option<&'a ShortCode>,
    /// While true, no scheduled function changes the state.
    billing_action_suspended: bool,
    /// Since when it is held so.
    billing_action_suspended_since: Option<Timestamp>,
    /// The template that it was built from.
    template_code: Option<&'a ShortCode>,
    /// Which version of that template.
    template_version: Option<&'a TemplateVersion>,
    /// When its trial ends or ended; set if and only if it was created in `trial`.
    trial_ends_at: Option<Timestamp>,
    /// When a pause ends by itself; only ever set while `paused`.
    resume_at: Option<Timestamp>,
    /// Cloud resources that are not deleted.
    live_resources: u32,
    /// Invoices that are issued and neither paid, void nor given up, oldest first.
    open_invoices: &'a [OpenInvoice],
    /// How many invoices were given up and not paid since.
    uncollectible_invoices: usize,
    /// What is still owed on invoices that were given up, by currency.
    uncollectible_due: Vec<Amount>,
    /// What was paid and is not owed, by currency. It settles the next invoice of its currency.
    balances: &'a [Amount],
    /// What the clock will do next by itself.
    next_action: Option<Action>,
    /// When it will do that.
    next_action_at: Option<Timestamp>,
    /// Every dated step that lies ahead as things stand, the earliest first; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    upcoming: Option<Vec<NextAction>>,
    /// The sequence of its last event, so 1 after creation. Every change raises it. It is the `ETag`.
    version: u64,
    /// When it was created.
    created_at: Timestamp,
    /// When its last event occurred.
    updated_at: Timestamp,
}

/// A deployment in a list, with what it has bought in short.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "DeploymentRow"))]
pub struct DeploymentRowView<'a> {
    #[serde(flatten)]
    pub(super) deployment: DeploymentView<'a>,
    /// Its subscription, live or the last one; null if there never was one.
    pub(super) subscription: Option<&'a SubscriptionSummary>,
    /// Its amounts, if they were asked for by `include=amounts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amounts: Option<RowAmounts>,
}

/// What a deployment pays and owes, and what comes next.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "DeploymentAmounts"))]
pub struct RowAmounts {
    /// What its live subscription costs each interval; null without one.
    recurring: Option<RecurringPrice>,
    /// What is due on open invoices, by currency.
    due: Vec<Amount>,
    /// What of that is overdue.
    overdue: Vec<Amount>,
    /// The next step of the clock and its moment; null if nothing is scheduled.
    next_deadline: Option<NextAction>,
}

/// A price that is charged each interval.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct RecurringPrice {
    /// The currency.
    currency: Currency,
    /// The plan and all add-ons, in minor units.
    amount_cents: i64,
    /// How often.
    interval: Interval,
}

impl RowAmounts {
    /// The amounts of a deployment at `now`.
    pub(super) fn new(row: &DeploymentRow, now: Timestamp) -> Self {
        let DeploymentRow { deployment, subscription, next_action } = row;
        let live = subscription.as_ref().filter(|plan| plan.status != SubscriptionStatus::Cancelled);
        let recurring = live.and_then(|plan| {
            let (currency, interval) = (plan.currency, plan.interval);
            Some(RecurringPrice { currency, amount_cents: plan.recurring_cents?, interval })
        });
        let open = || deployment.open_invoices.iter();
        Self {
            recurring,
            due: sums(open()),
            overdue: sums(open().filter(|invoice| invoice.due_at <= now)),
            next_deadline: *next_action,
        }
    }
}

/// What a deployment has bought, and at which price.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Subscription"))]
pub struct SubscriptionView<'a> {
    /// Its identity.
    id: SubscriptionId,
    /// The plan.
    plan_code: &'a ShortCode,
    /// Which of its versions.
    plan_version: u32,
    /// The price of one interval, in minor units.
    price_cents: i64,
    /// The currency of the price, and of every add-on.
    currency: Currency,
    /// How often it is charged.
    interval: Interval,
    /// What the plan and all add-ons cost each interval, in minor units.
    recurring_cents: Option<i64>,
    /// Whether it is billed.
    status: SubscriptionStatus,
    /// Where its periods begin, when they are anchored anew.
    anchor: AnchorMode,
    /// The moment that all boundaries of periods are derived from.
    anchor_at: Timestamp,
    /// The day of the month that boundaries fall on, where the month has it.
    anchor_day: u32,
    /// Which period it is in, counted from the anchor.
    cycle_index: u32,
    /// The first moment of that period.
    current_period_start: Timestamp,
    /// The first moment after that period, or after the trial.
    current_period_end: Timestamp,
    /// Since when the current period is billed; null during a trial.
    billed_from: Option<Timestamp>,
    /// When its trial ends or ended, if it has one.
    trial_ends_at: Option<Timestamp>,
    /// When it will be cancelled.
    cancel_at: Option<Timestamp>,
    /// With what role that was scheduled: what the platform schedules, a tenant does not take back.
    cancel_scheduled_by: Option<Authority>,
    /// When it was cancelled, which may have been later than it was to end.
    cancelled_at: Option<Timestamp>,
    /// The moment that it ended at for billing.
    ended_at: Option<Timestamp>,
    /// The plan it will change to at the end of the period.
    pending_change: Option<PendingChangeView<'a>>,
    /// Charges that wait for the next invoice.
    unbilled_lines: Vec<Line>,
    /// When it was made.
    created_at: Timestamp,
    /// Its add-ons, oldest first.
    addons: Vec<SubscriptionAddonView<'a>>,
}

/// An add-on as it was when it was attached.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "SubscriptionAddon"))]
pub struct SubscriptionAddonView<'a> {
    /// Its identity on the subscription.
    id: SubscriptionAddonId,
    /// The catalog's add-on that it was copied from.
    code: &'a ShortCode,
    /// Its name then.
    name: &'a DisplayName,
    /// What it costs each interval of the present plan, in minor units.
    price_cents: i64,
    /// The prices that were copied with it and depend on the interval of the plan, in minor units.
    interval_prices: &'a IntervalPrices,
    /// The currency of the prices.
    currency: Currency,
    /// How many units it grants.
    quantity: i64,
    /// The unit.
    unit: &'a DisplayName,
    /// When it was attached.
    attached_at: Timestamp,
}

/// A change of plan that waits for the end of the period.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "PendingChange"))]
pub struct PendingChangeView<'a> {
    /// The plan.
    plan_code: &'a ShortCode,
    /// Which of its versions.
    plan_version: u32,
    /// The price of one interval, in minor units.
    price_cents: i64,
    /// The currency of the price, and of every add-on.
    currency: Currency,
    /// How often it is charged.
    interval: Interval,
    /// Whether add-ons of another currency were to be dropped when it was asked for. Any that do not fit then are dropped.
    drop_incompatible: bool,
    /// The attached add-ons that do not fit the new currency and are dropped then.
    drops: Vec<SubscriptionAddonId>,
    /// When it was asked for.
    requested_at: Timestamp,
    /// With what role: what the platform schedules, a tenant neither takes back nor replaces.
    scheduled_by: Authority,
    /// When it takes place.
    effective_at: Timestamp,
}

/// What is owed for a period of a subscription.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Invoice"))]
pub struct InvoiceView<'a> {
    #[serde(flatten)]
    pub(super) invoice: &'a Invoice,
    /// What is still to be paid, in minor units.
    pub(super) due_cents: i64,
}

/// An invoice in a list of several deployments.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "InvoiceRow"))]
pub struct InvoiceRowView<'a> {
    /// Whose it is.
    pub(super) tenant_id: &'a TenantId,
    /// Its deployment's name in URLs.
    pub(super) slug: &'a Slug,
    #[serde(flatten)]
    pub(super) invoice: InvoiceView<'a>,
}

/// An invoice that the clock issues next.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "NextInvoice"))]
pub struct NextInvoiceView {
    /// When it is issued.
    at: Timestamp,
    /// The currency of every amount.
    currency: Currency,
    /// Its charges and credits. The ids of charges that are not made yet can change.
    lines: Vec<Line>,
    /// The sum of its lines, in minor units.
    total_cents: i64,
    /// What of that balance does not settle, in minor units.
    due_cents: i64,
}

impl NextInvoiceView {
    /// The views of the invoices that are issued at a moment.
    #[must_use]
    pub fn all((at, invoices): (Timestamp, Vec<Invoice>)) -> Vec<Self> {
        let view = |invoice: Invoice| {
            let (currency, total_cents, due_cents) = (invoice.currency, invoice.total_cents, invoice.due_cents());
            Self { at, currency, lines: invoice.lines, total_cents, due_cents }
        };
        invoices.into_iter().map(view).collect()
    }
}

impl<'a> DeploymentView<'a> {
    /// The view of a deployment and of what the clock will do next.
    pub(super) fn new(deployment: &'a Deployment, next: Option<NextAction>, upcoming: Option<Vec<NextAction>>) -> Self {
        let Deployment {
            id,
            tenant_id,
            slug,
            display_name,
            region,
            state,
            state_since,
            llm_mode,
            billing_action_suspended,
            held_since,
            template,
            trial_ends_at,
            resume_at,
            released_at: _,
            live_resources,
            open_invoices,
            uncollectible_invoices,
            balances,
            dunning_policy: _,
            has_had_revenue: _,
            version,
            created_at,
            updated_at,
        } = deployment;
        let (template_code, template_version) =
            template.as_ref().map(|Template { code, version }| (code, version)).unzip();
        Self {
            id: *id,
            tenant_id,
            slug,
            display_name,
            region,
            state: *state,
            state_since: *state_since,
            llm_mode: llm_mode.as_ref(),
            billing_action_suspended: *billing_action_suspended,
            billing_action_suspended_since: *held_since,
            template_code,
            template_version,
            trial_ends_at: *trial_ends_at,
            resume_at: *resume_at,
            live_resources: *live_resources,
            open_invoices,
            uncollectible_invoices: uncollectible_invoices.len(),
            uncollectible_due: sums(uncollectible_invoices),
            balances,
            next_action: next.map(|next| next.action),
            next_action_at: next.map(|next| next.at),
            upcoming,
            version: *version,
            created_at: *created_at,
            updated_at: *updated_at,
        }
    }
}

/// What is owed on some invoices, by currency.
fn sums<'a>(owed: impl IntoIterator<Item = &'a OpenInvoice>) -> Vec<Amount> {
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    for OpenInvoice { currency, due_cents, .. } in owed {
        let sum = sums.entry(*currency).or_default();
        *sum = sum.saturating_add(*due_cents);
    }
    sums.into_iter().map(|(currency, amount_cents)| Amount { currency, amount_cents }).collect()
}

impl<'a> SubscriptionView<'a> {
    /// The view of a subscription and its add-ons.
    pub(super) fn new(subscription: &'a Subscription, addons: &'a [SubscriptionAddon]) -> Self {
        let Subscription {
            id,
            terms,
            status,
            anchor_mode,
            anchor,
            cycle_index,
            current_period_start,
            current_period_end,
            billed_from,
            charges,
            charges_in_period: _,
            bills_at_once: _,
            last_number: _,
            cancelled_with_deployment: _,
            trial_ends_at,
            cancel_at,
            cancel_scheduled_by,
            cancelled_at,
            ended_at,
            pending_change,
            created_at,
        } = subscription;
        let PlanTerms { plan_code, plan_version, price_cents, currency, interval } = terms;
        Self {
            id: *id,
            plan_code,
            plan_version: *plan_version,
            price_cents: *price_cents,
            currency: *currency,
            interval: *interval,
            recurring_cents: terms.recurring_cents(addons),
            status: *status,
            anchor: *anchor_mode,
            anchor_at: anchor.anchor_at,
            anchor_day: anchor.anchor_day,
            cycle_index: *cycle_index,
            current_period_start: *current_period_start,
            current_period_end: *current_period_end,
            billed_from: *billed_from,
            trial_ends_at: *trial_ends_at,
            cancel_at: *cancel_at,
            cancel_scheduled_by: *cancel_scheduled_by,
            cancelled_at: *cancelled_at,
            ended_at: *ended_at,
            pending_change: pending_change
                .as_ref()
                .map(|pending| PendingChangeView::new(pending, *current_period_end, addons)),
            unbilled_lines: charges.iter().filter(|charge| charge.waits()).map(Charge::line).collect(),
            created_at: *created_at,
            addons: addons.iter().map(|addon| SubscriptionAddonView::new(addon, *interval)).collect(),
        }
    }
}

impl<'a> SubscriptionAddonView<'a> {
    /// The view of an add-on of a plan of that interval.
    #[must_use]
    pub fn new(addon: &'a SubscriptionAddon, interval: Interval) -> Self {
        let SubscriptionAddon {
            id,
            code,
            name,
            price_cents: _,
            interval_prices,
            currency,
            quantity,
            unit,
            attached_at,
        } = addon;
        Self {
            id: *id,
            code,
            name,
            price_cents: addon.price_of(interval),
            interval_prices,
            currency: *currency,
            quantity: *quantity,
            unit,
            attached_at: *attached_at,
        }
    }
}

impl<'a> PendingChangeView<'a> {
    fn new(pending: &'a PendingChange, effective_at: Timestamp, addons: &[SubscriptionAddon]) -> Self {
        let PendingChange { terms, drop_incompatible, requested_at, scheduled_by } = pending;
        let PlanTerms { plan_code, plan_version, price_cents, currency, interval } = terms;
        Self {
            plan_code,
            plan_version: *plan_version,
            price_cents: *price_cents,
            currency: *currency,
            interval: *interval,
            drop_incompatible: *drop_incompatible,
            drops: addons.iter().filter(|addon| addon.currency != *currency).map(|addon| addon.id).collect(),
            requested_at: *requested_at,
            scheduled_by: *scheduled_by,
            effective_at,
        }
    }
}

/// A deployment as callers see it.
#[must_use]
pub fn deployment_view(aggregate: &Aggregate) -> Value {
    json!(DeploymentView::new(&aggregate.deployment, aggregate.next_action(), Some(aggregate.upcoming())))
}

/// A deployment as callers see it in a list, with what it has bought in short.
#[must_use]
pub fn deployment_row_view(row: &DeploymentRow, amounts_at: Option<Timestamp>) -> Value {
    let deployment = DeploymentView::new(&row.deployment, row.next_action, None);
    let amounts = amounts_at.map(|now| RowAmounts::new(row, now));
    json!(DeploymentRowView { deployment, subscription: row.subscription.as_ref(), amounts })
}

/// The subscription of a deployment as callers see it, with its add-ons; null if there never was one.
#[must_use]
pub fn subscription_view(aggregate: &Aggregate) -> Value {
    json!(aggregate.subscription.as_ref().map(|subscription| SubscriptionView::new(subscription, &aggregate.addons)))
}

/// An invoice as callers see it in a list of several deployments.
#[must_use]
pub fn invoice_row_view(row: &InvoiceRow) -> Value {
    let InvoiceRow { tenant_id, slug, invoice } = row;
    json!(InvoiceRowView { tenant_id, slug, invoice: InvoiceView { invoice, due_cents: invoice.due_cents() } })
}

/// An invoice as callers see it.
#[must_use]
pub fn invoice_view(invoice: &Invoice) -> Value {
    json!(InvoiceView { invoice, due_cents: invoice.due_cents() })
}
