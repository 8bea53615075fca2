//! Events: everything that ever happened to a deployment, numbered 1..n, from which its present state follows.

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::invoice::{Invoice, Payment};
use super::lifecycle::State;
use super::policy::DunningPolicy;
use super::subscription::{PlanTerms, Subscription, SubscriptionAddon};
use super::values::{
    DisplayName, InvoiceNumber, Notes, Reason, ResourceId, ShortCode, Slug, SubscriptionAddonId, TemplateVersion,
    TenantId, Timestamp,
};

/// One change of a deployment, as stored and as told to callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Its place in the deployment's history: 1, 2, 3 and so on without gaps.
    pub sequence: u64,
    /// The sequence of the last event of the same commit. The events up to it were committed together with this one.
    pub commit_last: u64,
    /// What happened, as `type` and `data`.
    #[serde(flatten)]
    pub kind: EventKind,
    /// What it did to the books besides issuing an invoice: charges that wait, credits, balance used and returned.
    pub entries: Vec<Entry>,
    /// The state that was left; null unless the state changed.
    pub from_state: Option<State>,
    /// The state that was entered; null unless the state changed or the deployment was created.
    pub to_state: Option<State>,
    /// Why, in the actor's words.
    pub reason: Option<Reason>,
    /// The token's subject, or `system:billing`.
    pub actor: String,
    /// Remarks of the actor.
    pub notes: Option<Notes>,
    /// When.
    pub occurred_at: Timestamp,
}

/// What happened, with what is needed to repeat it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum EventKind {
    /// The deployment came to be, in the event's `to_state`.
    Created {
        /// Who owns it.
        tenant_id: TenantId,
        /// Its name in URLs.
        slug: Slug,
        /// What people call it.
        display_name: DisplayName,
        /// Where it runs.
        region: ShortCode,
        /// How it reaches its language model.
        llm_mode: Option<ShortCode>,
        /// The template that it is built from.
        template_code: Option<ShortCode>,
        /// Which version of that template.
        template_version: Option<TemplateVersion>,
        /// When its trial ends.
        trial_ends_at: Option<Timestamp>,
    },
    /// It moved from the event's `from_state` to its `to_state`.
    StateChanged {
        /// When the pause ends by itself.
        resume_at: Option<Timestamp>,
        /// The subscription as it is since, whose status follows the state.
        subscription: Option<Subscription>,
    },
    /// Some of its own fields changed.
    Updated(Updated),
    /// A cloud resource was recorded.
    ResourceAdded {
        /// Which.
        resource_id: ResourceId,
        /// What it is.
        kind: ShortCode,
    },
    /// A cloud resource was deleted.
    ResourceDeleted {
        /// Which.
        resource_id: ResourceId,
        /// What it was.
        kind: ShortCode,
    },
    /// It was subscribed to a plan.
    Subscribed {
        /// The subscription.
        subscription: Subscription,
        /// Its add-ons.
        addons: Vec<SubscriptionAddon>,
        /// The policy that it goes by: the tenant's, or while an invoice is open the one that is running.
        dunning_policy: DunningPolicy,
    },
    /// The trial of its subscription ended.
    TrialEnded {
        /// The subscription as it is since.
        subscription: Subscription,
    },
    /// The next period of its subscription began.
    Renewed {
        /// The subscription as it is since.
        subscription: Subscription,
    },
    /// An invoice was issued.
    InvoiceOpened {
        /// The invoice, with the balance that settled it at once.
        invoice: Invoice,
        /// The tenant's policy, if it was copied anew: only while nothing else is open.
        dunning_policy: Option<DunningPolicy>,
    },
    /// A payment was reported.
    PaymentReceived {
        /// Of which invoice.
        number: InvoiceNumber,
        /// The payment.
        payment: Payment,
        /// What is still to be paid, in minor units.
        due_cents: i64,
    },
    /// An invoice was taken back.
    InvoiceVoided {
        /// Which.
        number: InvoiceNumber,
        /// The subscription as it is since, if a charge of the invoice was on its record.
        subscription: Option<Subscription>,
    },
    /// Balance settled open invoices.
    BalanceApplied {
        /// The invoices.
        numbers: Vec<InvoiceNumber>,
    },
    /// Invoices were given up.
    InvoicesUncollectible {
        /// Which.
        numbers: Vec<InvoiceNumber>,
    },
    /// An add-on was attached to its subscription.
    AddonAttached {
        /// The add-on, with the price it has for good.
        addon: SubscriptionAddon,
        /// The subscription as it is since.
        subscription: Subscription,
    },
    /// An add-on was detached from its subscription.
    AddonDetached {
        /// The add-on.
        addon: SubscriptionAddon,
        /// The subscription as it is since.
        subscription: Subscription,
    },
    /// Its subscription changed to another plan version.
    PlanChanged {
        /// What it cost.
        from: PlanTerms,
        /// What it costs since.
        to: PlanTerms,
        /// The add-ons that did not fit the new currency.
        dropped_addons: Vec<SubscriptionAddonId>,
        /// The subscription as it is since.
        subscription: Subscription,
    },
    /// Its subscription will change to another plan version at the end of the period.
    PlanChangeScheduled {
        /// The subscription as it is since.
        subscription: Subscription,
    },
    /// The scheduled change of plan will not take place.
    PlanChangeWithdrawn {
        /// The subscription as it is since.
        subscription: Subscription,
    },
    /// Its subscription will be cancelled at the end of the period.
    CancellationScheduled {
        /// The subscription as it is since.
        subscription: Subscription,
    },
    /// The scheduled cancellation will not take place.
    CancellationWithdrawn {
        /// The subscription as it is since.
        subscription: Subscription,
    },
    /// Its subscription was cancelled, though the deployment was not.
    SubscriptionCancelled {
        /// The subscription as it is since.
        subscription: Subscription,
    },
    /// Its trial ends at another time than it would have, later or earlier.
    TrialExtended {
        /// The old end and the new.
        ends_at: Changed<Timestamp>,
        /// The subscription as it is since.
        subscription: Option<Subscription>,
    },
}

impl EventKind {
    /// The `type` that it is stored and told under.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::StateChanged { .. } => "state_changed",
            Self::Updated(_) => "updated",
            Self::ResourceAdded { .. } => "resource_added",
            Self::ResourceDeleted { .. } => "resource_deleted",
            Self::Subscribed { .. } => "subscribed",
            Self::TrialEnded { .. } => "trial_ended",
            Self::Renewed { .. } => "renewed",
            Self::InvoiceOpened { .. } => "invoice_opened",
            Self::PaymentReceived { .. } => "payment_received",
            Self::InvoiceVoided { .. } => "invoice_voided",
            Self::BalanceApplied { .. } => "balance_applied",
            Self::InvoicesUncollectible { .. } => "invoices_uncollectible",
            Self::AddonAttached { .. } => "addon_attached",
            Self::AddonDetached { .. } => "addon_detached",
            Self::PlanChanged { .. } => "plan_changed",
            Self::PlanChangeScheduled { .. } => "plan_change_scheduled",
            Self::PlanChangeWithdrawn { .. } => "plan_change_withdrawn",
            Self::CancellationScheduled { .. } => "cancellation_scheduled",
            Self::CancellationWithdrawn { .. } => "cancellation_withdrawn",
            Self::SubscriptionCancelled { .. } => "subscription_cancelled",
            Self::TrialExtended { .. } => "trial_extended",
        }
    }
}

/// The fields that an update changed; the others are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Updated {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Changed<DisplayName>>,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Changed<ShortCode>>,
    /// How it reaches its language model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_mode: Option<Changed<Option<ShortCode>>>,
    /// The template that it is built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_code: Option<Changed<Option<ShortCode>>>,
    /// Which version of that template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_version: Option<Changed<Option<TemplateVersion>>>,
    /// Whether scheduled functions leave its state alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_action_suspended: Option<Changed<bool>>,
    /// When the pause ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Changed<Option<Timestamp>>>,
}

/// A field's value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Changed<T> {
    /// Before.
    pub from: T,
    /// After.
    pub to: T,
}

impl<T: PartialEq + Clone> Changed<T> {
    /// The change from `from` to `to`, if there is one.
    pub fn between(from: &T, to: &T) -> Option<Self> {
        (from != to).then(|| Self { from: from.clone(), to: to.clone() })
    }
}
