//! The API's representation of records: which fields callers see, under which names and in which order.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arcadia_domain::{
    Action, Aggregate, Amount, AnchorMode, Authority, Charge, Currency, Deployment, DeploymentId, DeploymentRow,
    Discount, DisplayName, Interval, IntervalPrices, Invoice, InvoiceRow, Line, NextAction, OpenInvoice, PausedBy,
    PendingChange, PlanTerms, ShortCode, Slug, State, Subscription, SubscriptionAddon, SubscriptionAddonId,
    SubscriptionId, SubscriptionStatus, SubscriptionSummary, Template, TemplateVersion, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};

/// A hosted app instance. It is the unit of billing.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Deployment"))]
pub struct DeploymentView<'a> {
    /// Unique id. Never changes.
    pub id: DeploymentId,
    /// The owning tenant. Never changes.
    pub tenant_id: Cow<'a, TenantId>,
    /// Name for URLs, unique within the tenant. Never changes.
    pub slug: Cow<'a, Slug>,
    /// Name for display.
    pub display_name: Cow<'a, DisplayName>,
    /// The region that it runs in.
    pub region: Cow<'a, ShortCode>,
    /// Its state on the lifecycle map.
    pub state: State,
    /// When it entered its current state.
    pub state_since: Timestamp,
    /// How it gets access to a language model, such as `managed` or `byo_key`.
    pub llm_mode: Option<Cow<'a, ShortCode>>,
    /// The hold. While true, no scheduled step changes the state or gives up an invoice.
    pub billing_action_suspended: bool,
    /// When the hold began.
    pub billing_action_suspended_since: Option<Timestamp>,
    /// Code of the template that it was built from.
    pub template_code: Option<Cow<'a, ShortCode>>,
    /// Version of that template.
    pub template_version: Option<Cow<'a, TemplateVersion>>,
    /// When its trial ends or ended. Set if and only if the deployment was created in `trial`.
    pub trial_ends_at: Option<Timestamp>,
    /// Whether its tenant is on hold. Until the tenant is released, an active deployment is paused at once and nobody
    /// can resume it.
    pub tenant_held: bool,
    /// The rule that paused it. Set only while `paused`; null if a caller paused it.
    pub paused_by: Option<PausedBy>,
    /// When the pause ends automatically. Set only while `paused`.
    pub resume_at: Option<Timestamp>,
    /// Number of cloud resources that are not deleted.
    pub live_resources: u32,
    /// Open invoices: issued and not paid, void or uncollectible. Oldest first.
    pub open_invoices: Cow<'a, [OpenInvoice]>,
    /// Number of uncollectible invoices.
    pub uncollectible_invoices: usize,
    /// Amount still owed on uncollectible invoices, by currency.
    pub uncollectible_due: Vec<Amount>,
    /// Balance, by currency: credits of settled charges, granted credits and overpayments. It settles the next invoice
    /// of its currency.
    pub balances: Cow<'a, [Amount]>,
    /// The next scheduled step.
    pub next_action: Option<Action>,
    /// When the next scheduled step is due.
    pub next_action_at: Option<Timestamp>,
    /// All scheduled steps, as far as known now, earliest first. Omitted in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upcoming: Option<Vec<NextAction>>,
    /// The sequence of its last event: 1 after creation, raised by every change. It is also the `ETag`.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its last event occurred.
    pub updated_at: Timestamp,
}

/// A deployment in a list, with a summary of its subscription.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "DeploymentRow"))]
pub struct DeploymentRowView<'a> {
    /// The deployment.
    #[serde(flatten)]
    pub deployment: DeploymentView<'a>,
    /// Its live or last subscription; null if it never had one.
    pub subscription: Option<Cow<'a, SubscriptionSummary>>,
    /// Its amounts; present only with `include=amounts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amounts: Option<RowAmounts>,
}

/// Recurring price, amounts due and next scheduled step of a deployment.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "DeploymentAmounts"))]
pub struct RowAmounts {
    /// The recurring price of its live subscription; null without one.
    pub recurring: Option<RecurringPrice>,
    /// Amount due on open invoices, by currency.
    pub due: Vec<Amount>,
    /// The overdue part of that, by currency.
    pub overdue: Vec<Amount>,
    /// The next scheduled step and its time; null if nothing is scheduled.
    pub next_deadline: Option<NextAction>,
}

/// A recurring price.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct RecurringPrice {
    /// The currency.
    pub currency: Currency,
    /// Price of the plan and all add-ons for one interval, before a discount, in minor units.
    pub amount_cents: i64,
    /// The billing interval.
    pub interval: Interval,
}

impl RowAmounts {
    /// Computes the amounts of a deployment at `now`.
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

/// A subscription: a deployment's plan version and add-ons, with their prices and periods.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Subscription"))]
pub struct SubscriptionView<'a> {
    /// Unique id.
    pub id: SubscriptionId,
    /// Code of the plan.
    pub plan_code: Cow<'a, ShortCode>,
    /// Version of the plan.
    pub plan_version: u32,
    /// Price of the plan for one interval, in minor units.
    pub price_cents: i64,
    /// Currency of the price and of every add-on.
    pub currency: Currency,
    /// The billing interval.
    pub interval: Interval,
    /// Recurring price: the plan and all add-ons for one interval, before a discount, in minor units.
    pub recurring_cents: Option<i64>,
    /// Its status.
    pub status: SubscriptionStatus,
    /// How the anchor is chosen when the subscription is anchored anew.
    pub anchor: AnchorMode,
    /// The anchor: the moment that all period boundaries are derived from.
    pub anchor_at: Timestamp,
    /// Day of the month of period boundaries; in shorter months, the last day.
    pub anchor_day: u32,
    /// Index of the current period, counted from the anchor.
    pub cycle_index: u32,
    /// Start of the current period, inclusive.
    pub current_period_start: Timestamp,
    /// End of the current period or of the trial, exclusive.
    pub current_period_end: Timestamp,
    /// Start of billing within the current period; null during a trial.
    pub billed_from: Option<Timestamp>,
    /// When its trial ends or ended; null without a trial.
    pub trial_ends_at: Option<Timestamp>,
    /// When a scheduled cancellation takes effect.
    pub cancel_at: Option<Timestamp>,
    /// Role that scheduled the cancellation. A tenant cannot withdraw a cancellation that the platform scheduled.
    pub cancel_scheduled_by: Option<Authority>,
    /// When the cancellation was recorded. This can be later than `ended_at`.
    pub cancelled_at: Option<Timestamp>,
    /// When it ended for billing.
    pub ended_at: Option<Timestamp>,
    /// The plan change scheduled for the end of the period.
    pub pending_change: Option<PendingChangeView<'a>>,
    /// Its discount; null without one.
    pub discount: Option<Cow<'a, Discount>>,
    /// Charges that wait for the next invoice, with their discounts; their tax comes with the invoice.
    pub unbilled_lines: Vec<Line>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its add-ons, oldest first.
    pub addons: Vec<SubscriptionAddonView<'a>>,
}

/// An attached add-on, with its terms as copied from the catalog when it was attached.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "SubscriptionAddon"))]
pub struct SubscriptionAddonView<'a> {
    /// Unique id of the attached add-on.
    pub id: SubscriptionAddonId,
    /// Code of the catalog's add-on.
    pub code: Cow<'a, ShortCode>,
    /// Name at the time of attaching.
    pub name: Cow<'a, DisplayName>,
    /// Price for one interval of the current plan, in minor units.
    pub price_cents: i64,
    /// Copied prices by interval of the plan, in minor units.
    pub interval_prices: Cow<'a, IntervalPrices>,
    /// Currency of the prices.
    pub currency: Currency,
    /// Number of units granted.
    pub quantity: i64,
    /// Name of the unit.
    pub unit: Cow<'a, DisplayName>,
    /// When it was attached.
    pub attached_at: Timestamp,
}

/// A plan change scheduled for the end of the period, or an announced price change.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "PendingChange"))]
pub struct PendingChangeView<'a> {
    /// Code of the plan.
    pub plan_code: Cow<'a, ShortCode>,
    /// Version of the plan.
    pub plan_version: u32,
    /// Price of the plan for one interval, in minor units.
    pub price_cents: i64,
    /// Currency of the price and of every add-on.
    pub currency: Currency,
    /// The billing interval.
    pub interval: Interval,
    /// Whether the request allowed add-ons of another currency to be dropped. Add-ons that do not fit when the change
    /// takes effect are dropped in any case.
    pub drop_incompatible: bool,
    /// Attached add-ons that do not fit the new currency and will be dropped.
    pub drops: Vec<SubscriptionAddonId>,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// Role that scheduled the change. A tenant can neither withdraw nor replace a change that the platform scheduled.
    pub scheduled_by: Authority,
    /// When it takes effect if nothing else happens.
    pub effective_at: Timestamp,
    /// Earliest moment of a price change that the platform announced; it takes effect at the first period boundary from
    /// then on. Null for other changes.
    #[serde(default)]
    pub effective_from: Option<Timestamp>,
}

/// An invoice: charges and credits of a deployment, with a due date.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "Invoice"))]
pub struct InvoiceView<'a> {
    /// Its record.
    #[serde(flatten)]
    pub invoice: Cow<'a, Invoice>,
    /// Sum of its lines before tax, in minor units.
    pub subtotal_cents: i64,
    /// Its tax, in minor units: on the subtotal, rounded half up.
    pub tax_cents: i64,
    /// Its tax rate, in basis points; 1900 is 19 percent, 0 is none.
    pub tax_rate_basis_points: u32,
    /// Amount still to be paid, in minor units.
    pub due_cents: i64,
    /// Amount that is forgiven by write-offs, in minor units.
    pub forgiven_cents: i64,
}

impl<'a> From<&'a Invoice> for InvoiceView<'a> {
    fn from(invoice: &'a Invoice) -> Self {
        Self {
            invoice: Cow::Borrowed(invoice),
            subtotal_cents: invoice.subtotal_cents(),
            tax_cents: invoice.tax_cents(),
            tax_rate_basis_points: invoice.tax_rate_basis_points(),
            due_cents: invoice.due_cents(),
            forgiven_cents: invoice.forgiven_cents(),
        }
    }
}

/// An invoice in a list across deployments.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "InvoiceRow"))]
pub struct InvoiceRowView<'a> {
    /// The tenant that owes it.
    pub tenant_id: Cow<'a, TenantId>,
    /// Slug of its deployment.
    pub slug: Cow<'a, Slug>,
    /// The invoice.
    #[serde(flatten)]
    pub invoice: InvoiceView<'a>,
}

impl<'a> From<&'a InvoiceRow> for InvoiceRowView<'a> {
    fn from(row: &'a InvoiceRow) -> Self {
        let InvoiceRow { tenant_id, slug, invoice } = row;
        Self { tenant_id: Cow::Borrowed(tenant_id), slug: Cow::Borrowed(slug), invoice: InvoiceView::from(invoice) }
    }
}

/// The next invoice that a scheduled step issues.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(rename = "NextInvoice"))]
pub struct NextInvoiceView {
    /// When it will be issued.
    pub at: Timestamp,
    /// Currency of all amounts.
    pub currency: Currency,
    /// Its charges and the tax on them. The ids of charges that are not made yet can change.
    pub lines: Vec<Line>,
    /// Sum of its lines before tax, in minor units.
    pub subtotal_cents: i64,
    /// Its tax, in minor units.
    pub tax_cents: i64,
    /// Its tax rate, in basis points; 0 for none.
    pub tax_rate_basis_points: u32,
    /// Sum of its lines, in minor units.
    pub total_cents: i64,
    /// Amount due after the balance is applied, in minor units.
    pub due_cents: i64,
}

impl NextInvoiceView {
    /// The views of the invoices that are issued at a moment.
    #[must_use]
    pub fn all((at, invoices): (Timestamp, Vec<Invoice>)) -> Vec<Self> {
        let view = |invoice: Invoice| Self {
            at,
            currency: invoice.currency,
            subtotal_cents: invoice.subtotal_cents(),
            tax_cents: invoice.tax_cents(),
            tax_rate_basis_points: invoice.tax_rate_basis_points(),
            total_cents: invoice.total_cents,
            due_cents: invoice.due_cents(),
            lines: invoice.lines,
        };
        invoices.into_iter().map(view).collect()
    }
}

impl<'a> DeploymentView<'a> {
    /// The view of a deployment that is shown alone, with all its scheduled steps.
    #[must_use]
    pub fn of(aggregate: &'a Aggregate) -> Self {
        Self::new(&aggregate.deployment, aggregate.next_action(), Some(aggregate.upcoming()))
    }

    /// Builds the view from a deployment and its scheduled steps.
    pub(super) fn new(deployment: &'a Deployment, next: Option<NextAction>, upcoming: Option<Vec<NextAction>>) -> Self {
        let Deployment {
            id,
            tenant_id,
            slug,
            display_name,
            region,
            state,
            state_since,
            state_set_by_hand: _,
            llm_mode,
            billing_action_suspended,
            held_since,
            template,
            trial_ends_at,
            paused_by,
            tenant_rules,
            resume_at,
            released_at: _,
            unsubscribed: _,
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
            template.as_ref().map(|Template { code, version }| (Cow::Borrowed(code), Cow::Borrowed(version))).unzip();
        Self {
            id: *id,
            tenant_id: Cow::Borrowed(tenant_id),
            slug: Cow::Borrowed(slug),
            display_name: Cow::Borrowed(display_name),
            region: Cow::Borrowed(region),
            state: *state,
            state_since: *state_since,
            llm_mode: llm_mode.as_ref().map(Cow::Borrowed),
            billing_action_suspended: *billing_action_suspended,
            billing_action_suspended_since: *held_since,
            template_code,
            template_version,
            trial_ends_at: *trial_ends_at,
            tenant_held: tenant_rules.held,
            paused_by: *paused_by,
            resume_at: *resume_at,
            live_resources: *live_resources,
            open_invoices: Cow::Borrowed(open_invoices),
            uncollectible_invoices: uncollectible_invoices.len(),
            uncollectible_due: sums(uncollectible_invoices),
            balances: Cow::Borrowed(balances),
            next_action: next.map(|next| next.action),
            next_action_at: next.map(|next| next.at),
            upcoming,
            version: *version,
            created_at: *created_at,
            updated_at: *updated_at,
        }
    }
}

impl<'a> DeploymentRowView<'a> {
    /// The view of a deployment in a list, with its amounts as of `amounts_at` if given.
    #[must_use]
    pub fn of(row: &'a DeploymentRow, amounts_at: Option<Timestamp>) -> Self {
        Self {
            deployment: DeploymentView::new(&row.deployment, row.next_action, None),
            subscription: row.subscription.as_ref().map(Cow::Borrowed),
            amounts: amounts_at.map(|now| RowAmounts::new(row, now)),
        }
    }
}

/// Sums the amounts due on invoices, by currency.
fn sums<'a>(owed: impl IntoIterator<Item = &'a OpenInvoice>) -> Vec<Amount> {
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    for OpenInvoice { currency, due_cents, .. } in owed {
        let sum = sums.entry(*currency).or_default();
        *sum = sum.saturating_add(*due_cents);
    }
    sums.into_iter().map(|(currency, amount_cents)| Amount { currency, amount_cents }).collect()
}

impl<'a> SubscriptionView<'a> {
    /// The view of a deployment's subscription; `None` if it never had one.
    #[must_use]
    pub fn of(aggregate: &'a Aggregate) -> Option<Self> {
        aggregate.subscription.as_ref().map(|subscription| Self::new(subscription, &aggregate.addons))
    }

    /// Builds the view from a subscription and its add-ons.
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
            discount,
            created_at,
        } = subscription;
        let PlanTerms { plan_code, plan_version, price_cents, currency, interval } = terms;
        Self {
            id: *id,
            plan_code: Cow::Borrowed(plan_code),
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
            pending_change: pending_change.as_ref().map(|pending| {
                let effective_at = subscription.change_at().unwrap_or(*current_period_end);
                PendingChangeView::new(pending, effective_at, addons)
            }),
            discount: discount.as_ref().map(Cow::Borrowed),
            unbilled_lines: charges.iter().filter(|charge| charge.waits()).flat_map(Charge::lines).collect(),
            created_at: *created_at,
            addons: addons.iter().map(|addon| SubscriptionAddonView::new(addon, *interval)).collect(),
        }
    }
}

impl<'a> SubscriptionAddonView<'a> {
    /// Builds the view of an attached add-on; `interval` is the plan's and selects the price.
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
            code: Cow::Borrowed(code),
            name: Cow::Borrowed(name),
            price_cents: addon.price_of(interval),
            interval_prices: Cow::Borrowed(interval_prices),
            currency: *currency,
            quantity: *quantity,
            unit: Cow::Borrowed(unit),
            attached_at: *attached_at,
        }
    }
}

impl<'a> PendingChangeView<'a> {
    fn new(pending: &'a PendingChange, effective_at: Timestamp, addons: &[SubscriptionAddon]) -> Self {
        let PendingChange { terms, drop_incompatible, requested_at, scheduled_by, effective_from } = pending;
        let PlanTerms { plan_code, plan_version, price_cents, currency, interval } = terms;
        Self {
            plan_code: Cow::Borrowed(plan_code),
            plan_version: *plan_version,
            price_cents: *price_cents,
            currency: *currency,
            interval: *interval,
            drop_incompatible: *drop_incompatible,
            drops: addons.iter().filter(|addon| addon.currency != *currency).map(|addon| addon.id).collect(),
            requested_at: *requested_at,
            scheduled_by: *scheduled_by,
            effective_at,
            effective_from: *effective_from,
        }
    }
}
