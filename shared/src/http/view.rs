//! Records as callers see them: which of their members are told, under which names and in which order.

use serde::Serialize;

use crate::domain::{
    Action, AnchorMode, Authority, Currency, Deployment, DeploymentId, DisplayName, Interval, Invoice, Line,
    NextAction, OpenInvoice, PendingChange, PlanTerms, ShortCode, Slug, State, Subscription, SubscriptionAddon,
    SubscriptionId, SubscriptionStatus, Template, TemplateVersion, TenantId, Timestamp, sum,
};
use crate::store::SubscriptionSummary;

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
    /// Invoices that were given up and not paid since.
    uncollectible_invoices: u32,
    /// What the clock will do next by itself.
    next_action: Option<Action>,
    /// When it will do that.
    next_action_at: Option<Timestamp>,
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
    /// When it was cancelled.
    cancelled_at: Option<Timestamp>,
    /// The plan it will change to at the end of the period.
    pending_change: Option<PendingChangeView<'a>>,
    /// Charges and credits that wait for the next invoice.
    unbilled_lines: &'a [Line],
    /// When it was made.
    created_at: Timestamp,
    /// Its add-ons, oldest first.
    addons: &'a [SubscriptionAddon],
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
    /// Whether add-ons of another currency are dropped then.
    drop_incompatible: bool,
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

impl<'a> DeploymentView<'a> {
    /// The view of a deployment and of what the clock will do next.
    pub(super) fn new(deployment: &'a Deployment, next: Option<NextAction>) -> Self {
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
            template,
            trial_ends_at,
            resume_at,
            live_resources,
            open_invoices,
            uncollectible_invoices,
            dunning_policy: _,
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
            template_code,
            template_version,
            trial_ends_at: *trial_ends_at,
            resume_at: *resume_at,
            live_resources: *live_resources,
            open_invoices,
            uncollectible_invoices: *uncollectible_invoices,
            next_action: next.map(|next| next.action),
            next_action_at: next.map(|next| next.at),
            version: *version,
            created_at: *created_at,
            updated_at: *updated_at,
        }
    }
}

impl<'a> SubscriptionView<'a> {
    /// The view of a subscription and its add-ons.
    pub(super) fn new(subscription: &'a Subscription, addons: &'a [SubscriptionAddon]) -> Self {
        let Subscription {
            id,
            terms: PlanTerms { plan_code, plan_version, price_cents, currency, interval },
            status,
            anchor_mode,
            anchor,
            cycle_index,
            current_period_start,
            current_period_end,
            billed_from,
            billed_price_cents: _,
            cancelled_with_deployment: _,
            trial_ends_at,
            cancel_at,
            cancel_scheduled_by,
            cancelled_at,
            pending_change,
            unbilled_lines,
            created_at,
        } = subscription;
        let recurring_cents = sum(std::iter::once(*price_cents).chain(addons.iter().map(|addon| addon.price_cents)));
        Self {
            id: *id,
            plan_code,
            plan_version: *plan_version,
            price_cents: *price_cents,
            currency: *currency,
            interval: *interval,
            recurring_cents,
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
            pending_change: pending_change.as_ref().map(|pending| PendingChangeView::new(pending, *current_period_end)),
            unbilled_lines,
            created_at: *created_at,
            addons,
        }
    }
}

impl<'a> PendingChangeView<'a> {
    fn new(pending: &'a PendingChange, effective_at: Timestamp) -> Self {
        let PendingChange { terms, drop_incompatible, requested_at, scheduled_by } = pending;
        let PlanTerms { plan_code, plan_version, price_cents, currency, interval } = terms;
        Self {
            plan_code,
            plan_version: *plan_version,
            price_cents: *price_cents,
            currency: *currency,
            interval: *interval,
            drop_incompatible: *drop_incompatible,
            requested_at: *requested_at,
            scheduled_by: *scheduled_by,
            effective_at,
        }
    }
}
