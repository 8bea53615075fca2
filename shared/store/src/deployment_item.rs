//! The stored form of a deployment. It does not repeat what its keys say and does not store empty fields: with an open
//! invoice and two add-ons it stays within 1 KB, because every KB of it is written three times. The subscription and
//! the add-ons are items of their own, in [`super::items`].

use arcadia_domain::{
    Action, Aggregate, Amount, Currency, Deployment, DeploymentRow, DisplayName, DunningPolicy, Interval, NextAction,
    OpenInvoice, PausedBy, ShortCode, Slug, State, SubscriptionStatus, SubscriptionSummary, Template, TemplateVersion,
    TenantRules, Timestamp, UnsubscribedTime,
};
use serde::{Deserialize, Serialize};

use super::invoice_item::is_zero;
use super::item::{Item, from_item};
use super::keys::{self, Key};
use super::manifest::manifest;
use super::{CommitId, StoreError};

/// A stored deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "GSI1PK")]
    gsi1_pk: String,
    #[serde(rename = "GSI1SK")]
    gsi1_sk: String,
    #[serde(rename = "GSI2PK")]
    gsi2_pk: String,
    #[serde(rename = "GSI2SK")]
    gsi2_sk: String,
    #[serde(rename = "GSI3PK", default, skip_serializing_if = "Option::is_none")]
    gsi3_pk: Option<String>,
    #[serde(rename = "GSI3SK", default, skip_serializing_if = "Option::is_none")]
    gsi3_sk: Option<String>,
    #[serde(rename = "type")]
    kind: Tag,
    slug: Slug,
    display_name: DisplayName,
    region: ShortCode,
    state: State,
    state_since: Timestamp,
    #[serde(default, skip_serializing_if = "is_false")]
    state_set_by_hand: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    llm_mode: Option<ShortCode>,
    #[serde(default)]
    billing_action_suspended: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template_code: Option<ShortCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template_version: Option<TemplateVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trial_ends_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_by: Option<PausedBy>,
    #[serde(default, skip_serializing_if = "TenantRules::is_default")]
    tenant_rules: TenantRules,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsubscribed: Option<UnsubscribedTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    released_at: Option<Timestamp>,
    #[serde(default)]
    live_resources: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open_invoices: Vec<OpenInvoice>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    uncollectible_invoices: Vec<OpenInvoice>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    balances: Vec<Amount>,
    dunning_policy: StoredPolicy,
    #[serde(default, skip_serializing_if = "is_false")]
    has_had_revenue: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_action: Option<Action>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_action_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subscription: Option<StoredSummary>,
    /// The digest of the versions of the subscription and its add-ons; it detects a read that mixes two moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) manifest: Option<u64>,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// The commit that wrote this item; it lets a writer whose response was lost recognise its own write.
    last_commit_id: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// The `type` of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Tag {
    #[serde(rename = "deployment")]
    Tag,
}

/// The stored form of a [`DunningPolicy`]: its fields in order, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct StoredPolicy(u32, u32, u32, u32, u32);

impl From<DunningPolicy> for StoredPolicy {
    fn from(policy: DunningPolicy) -> Self {
        let DunningPolicy {
            payment_terms_days,
            past_due_after_days,
            suspended_after_days,
            cancelled_after_days,
            archived_after_days,
        } = policy;
        Self(payment_terms_days, past_due_after_days, suspended_after_days, cancelled_after_days, archived_after_days)
    }
}

impl From<StoredPolicy> for DunningPolicy {
    fn from(stored: StoredPolicy) -> Self {
        let StoredPolicy(
            payment_terms_days,
            past_due_after_days,
            suspended_after_days,
            cancelled_after_days,
            archived_after_days,
        ) = stored;
        Self {
            payment_terms_days,
            past_due_after_days,
            suspended_after_days,
            cancelled_after_days,
            archived_after_days,
        }
    }
}

/// The stored form of a [`SubscriptionSummary`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredSummary {
    plan_code: ShortCode,
    plan_version: u32,
    status: SubscriptionStatus,
    interval: Interval,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recurring_cents: Option<i64>,
    currency: Currency,
    current_period_end: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<Amount>,
    #[serde(default, skip_serializing_if = "is_zero")]
    next_discount_cents: i64,
}

/// Converts a summary to its stored form, or back.
macro_rules! summary {
    ($from:ident to $to:ident) => {
        impl From<$from> for $to {
            fn from(summary: $from) -> Self {
                let $from {
                    plan_code,
                    plan_version,
                    status,
                    interval,
                    recurring_cents,
                    currency,
                    current_period_end,
                    cancel_at,
                    pending,
                    next_discount_cents,
                } = summary;
                Self {
                    plan_code,
                    plan_version,
                    status,
                    interval,
                    recurring_cents,
                    currency,
                    current_period_end,
                    cancel_at,
                    pending,
                    next_discount_cents,
                }
            }
        }
    };
}

summary!(SubscriptionSummary to StoredSummary);
summary!(StoredSummary to SubscriptionSummary);

/// Converts a deployment to its stored form and back. The fields named here are the same in both; the others are told
/// apart below. A field that is missing, here or below, breaks the build.
macro_rules! stored_deployment {
    ($($same:ident),+ $(,)?) => {
        impl DeploymentItem {
            /// The stored form of a deployment, written by `commit_id`.
            #[must_use]
            pub fn new(aggregate: &Aggregate, due_shards: u8, commit_id: CommitId) -> Self {
                let Deployment { id, tenant_id, template, dunning_policy, $($same),+ } = aggregate.deployment.clone();
                let next = aggregate.next_action();
                let due = next.map(|next| keys::due_index(next, id, due_shards));
                let (gsi3_pk, gsi3_sk) = due.map(|key| (key.pk, key.sk)).unzip();
                let Key { pk, sk } = keys::deployment(id);
                let Key { pk: gsi1_pk, sk: gsi1_sk } = keys::tenant_index(&tenant_id, id);
                let Key { pk: gsi2_pk, sk: gsi2_sk } = keys::state_index(aggregate.deployment.state, id);
                let (template_code, template_version) = template.map(|t| (t.code, t.version)).unzip();
                let subscription = aggregate.subscription.as_ref();
                Self {
                    pk,
                    sk,
                    gsi1_pk,
                    gsi1_sk,
                    gsi2_pk,
                    gsi2_sk,
                    gsi3_pk,
                    gsi3_sk,
                    kind: Tag::Tag,
                    template_code,
                    template_version,
                    dunning_policy: dunning_policy.into(),
                    next_action: next.map(|next| next.action),
                    next_action_at: next.map(|next| next.at),
                    subscription: subscription
                        .map(|subscription| SubscriptionSummary::new(subscription, &aggregate.addons).into()),
                    manifest: manifest(&aggregate.versions),
                    last_commit_id: commit_id.to_string(),
                    $($same),+
                }
            }
        }

        impl TryFrom<DeploymentItem> for DeploymentRow {
            type Error = StoreError;

            fn try_from(item: DeploymentItem) -> Result<Self, StoreError> {
                let DeploymentItem {
                    pk,
                    sk: _,
                    gsi1_pk,
                    gsi1_sk: _,
                    gsi2_pk: _,
                    gsi2_sk: _,
                    gsi3_pk: _,
                    gsi3_sk: _,
                    kind: Tag::Tag,
                    template_code,
                    template_version,
                    dunning_policy,
                    next_action,
                    next_action_at,
                    subscription,
                    manifest: _,
                    last_commit_id: _,
                    $($same),+
                } = item;
                let damaged = || StoreError::Damaged(format!("{pk} has no valid deployment id or tenant").into());
                let deployment = Deployment {
                    id: keys::deployment_id(&pk).ok_or_else(damaged)?,
                    tenant_id: keys::tenant_of(&gsi1_pk).ok_or_else(damaged)?,
                    template: template_code.zip(template_version).map(|(code, version)| Template { code, version }),
                    dunning_policy: dunning_policy.into(),
                    $($same),+
                };
                let next_action = next_action.zip(next_action_at).map(|(action, at)| NextAction { action, at });
                Ok(Self { deployment, subscription: subscription.map(SubscriptionSummary::from), next_action })
            }
        }
    };
}

stored_deployment!(
    slug,
    display_name,
    region,
    state,
    state_since,
    state_set_by_hand,
    llm_mode,
    billing_action_suspended,
    held_since,
    trial_ends_at,
    paused_by,
    tenant_rules,
    unsubscribed,
    resume_at,
    released_at,
    live_resources,
    open_invoices,
    uncollectible_invoices,
    balances,
    has_had_revenue,
    version,
    created_at,
    updated_at,
);

/// Reads a deployment.
///
/// # Errors
/// [`StoreError::Damaged`] if the item is not a deployment.
pub fn to_deployment(item: Item) -> Result<DeploymentRow, StoreError> {
    from_item::<DeploymentItem>(item)?.try_into()
}
