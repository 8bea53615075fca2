//! Events: the history of a deployment, numbered 1 to n. Its present state follows from them; how is in
//! [`super::aggregate`].

use serde::{Deserialize, Serialize};

use super::balance::Refund;
use super::charge::ChargeChanges;
use super::coupon::DiscountEnd;
use super::deployment::PausedBy;
use super::entry::{Amount, Entry};
use super::invoice::{Invoice, InvoiceStatus, OpenInvoice, Payment, ReversalKind};
use super::lifecycle::State;
use super::policy::DunningPolicy;
use super::subscription::{PlanTerms, Subscription, SubscriptionAddon};
use super::tenant_rules::TenantRules;
use super::values::{
    DisplayName, InvoiceNumber, Notes, PaymentReference, Reason, ResourceId, ShortCode, Slug, SubscriptionAddonId,
    TemplateVersion, TenantId, Timestamp,
};

/// One change of a deployment, in its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Its place in the deployment's history: 1, 2, 3 and so on without gaps.
    pub sequence: u64,
    /// The sequence of the last event of the same commit. A commit stores its events in one transaction.
    pub commit_last: u64,
    /// The kind of change, as `type` and `data`.
    #[serde(flatten)]
    pub kind: EventKind,
    /// Its entries in the books: waiting charges, credits, balance used and balance returned.
    #[serde(default)]
    pub entries: Vec<Entry>,
    /// The charges of the subscription that the event changed; the subscription in `data` has none. Null if `data` has
    /// no subscription, and in events of earlier builds, which have all charges in the subscription.
    #[serde(default)]
    pub charges: Option<ChargeChanges>,
    /// The state before; null unless the state changed.
    pub from_state: Option<State>,
    /// The state after; null unless the state changed or the deployment was created.
    pub to_state: Option<State>,
    /// The reason that the actor gave.
    pub reason: Option<Reason>,
    /// The actor: the token's subject, or `system:billing` for a scheduled step.
    pub actor: String,
    /// The actor's notes.
    pub notes: Option<Notes>,
    /// When the event occurred.
    pub occurred_at: Timestamp,
}

/// The kind of change, with all data that a replay needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum EventKind {
    /// The deployment was created, in the event's `to_state`.
    Created(Created),
    /// The deployment moved from the event's `from_state` to its `to_state`.
    StateChanged {
        /// When the pause ends automatically; null if it does not.
        resume_at: Option<Timestamp>,
        /// The rule that paused it; left out if a caller did, and for other states.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        paused_by: Option<PausedBy>,
        /// The subscription after the event; its status follows the state.
        subscription: Option<Subscription>,
    },
    /// Some of the deployment's own fields changed.
    Updated(Updated),
    /// A cloud resource was recorded.
    ResourceAdded {
        /// The id of the resource.
        resource_id: ResourceId,
        /// The kind of resource, such as `database`.
        kind: ShortCode,
    },
    /// A cloud resource was deleted.
    ResourceDeleted {
        /// The id of the resource.
        resource_id: ResourceId,
        /// The kind of resource, such as `database`.
        kind: ShortCode,
    },
    /// The deployment was subscribed to a plan.
    Subscribed {
        /// The subscription.
        subscription: Subscription,
        /// Its add-ons.
        #[serde(default)]
        addons: Vec<SubscriptionAddon>,
        /// The dunning policy of the deployment: the tenant's, or while an invoice is open the one already copied.
        dunning_policy: DunningPolicy,
    },
    /// The trial of the subscription ended.
    TrialEnded {
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// The next period of the subscription began.
    Renewed {
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// An invoice was issued.
    InvoiceOpened {
        /// The invoice, with the balance that settled it or a part of it at once.
        invoice: Invoice,
        /// The tenant's dunning policy, if this event copied it to the deployment. That happens only while no other
        /// invoice is open.
        dunning_policy: Option<DunningPolicy>,
    },
    /// A payment was recorded.
    PaymentReceived {
        /// The number of the invoice.
        number: InvoiceNumber,
        /// The payment.
        payment: Payment,
        /// The amount due after the payment, in minor units.
        due_cents: i64,
    },
    /// An invoice was voided.
    InvoiceVoided {
        /// The number of the invoice.
        number: InvoiceNumber,
        /// The subscription after the event; null if it did not hold a charge of the invoice.
        subscription: Option<Subscription>,
    },
    /// A charge was made once: it waits for the next invoice, or an invoice was issued in the same commit.
    ChargeAdded {
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// Balance was granted.
    CreditGranted {
        /// The amount.
        amount: Amount,
    },
    /// Charges of an invoice were credited; its entries have the amounts.
    CreditNoteIssued {
        /// The number of the invoice.
        number: InvoiceNumber,
        /// The subscription after the event; null if it did not hold a charge of the invoice.
        subscription: Option<Subscription>,
    },
    /// Balance was paid back.
    Refunded {
        /// The refund.
        refund: Refund,
    },
    /// A payment was reversed: its invoice is owed again.
    PaymentReversed {
        /// The number of the invoice.
        number: InvoiceNumber,
        /// The reference of the payment.
        reference: PaymentReference,
        /// Why.
        kind: ReversalKind,
        /// The status of the invoice: as before if it was still owed; otherwise `open`, or `uncollectible` if its
        /// deployment is cancelled or archived.
        status: InvoiceStatus,
        /// The invoice as it is owed again.
        owed: OpenInvoice,
    },
    /// The amount due on an invoice was forgiven.
    InvoiceWrittenOff {
        /// The number of the invoice.
        number: InvoiceNumber,
        /// The amount, in minor units.
        amount_cents: i64,
        /// The subscription after the event; null if it did not hold a charge of the invoice.
        subscription: Option<Subscription>,
    },
    /// A write-off was withdrawn: its invoice is owed again.
    WriteOffWithdrawn {
        /// The number of the invoice.
        number: InvoiceNumber,
        /// The status of the invoice: as before if it was still owed; otherwise `open`, or `uncollectible` if its
        /// deployment is cancelled or archived.
        status: InvoiceStatus,
        /// The invoice as it is owed again.
        owed: OpenInvoice,
        /// The subscription after the event; null if it did not hold a charge of the invoice.
        subscription: Option<Subscription>,
    },
    /// The due date of an open invoice was moved to a later day.
    InvoiceDueDateChanged {
        /// The number of the invoice.
        number: InvoiceNumber,
        /// The old and the new due date.
        due_at: Changed<Timestamp>,
    },
    /// Balance settled open invoices.
    BalanceApplied {
        /// The numbers of the invoices.
        numbers: Vec<InvoiceNumber>,
    },
    /// Invoices were given up: they are uncollectible.
    InvoicesUncollectible {
        /// The numbers of the invoices.
        numbers: Vec<InvoiceNumber>,
    },
    /// An add-on was attached to the subscription.
    AddonAttached {
        /// The add-on, with its price, which never changes.
        addon: SubscriptionAddon,
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// An add-on was detached from the subscription.
    AddonDetached {
        /// The add-on.
        addon: SubscriptionAddon,
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// The subscription changed to another plan version.
    PlanChanged {
        /// The terms before.
        from: PlanTerms,
        /// The terms after.
        to: PlanTerms,
        /// The ids of the add-ons that were dropped because they have another currency.
        #[serde(default)]
        dropped_addons: Vec<SubscriptionAddonId>,
        /// The terms of an announced price change that this change ended; null if none was announced.
        #[serde(default)]
        ended_announcement: Option<PlanTerms>,
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// A change of price was announced: the subscription will change to the version that replaces its plan version. The
    /// event's `reason` is that of the price change.
    PriceChangeAnnounced {
        /// The terms before: those of the subscription, or of its scheduled change.
        from: PlanTerms,
        /// The terms after.
        to: PlanTerms,
        /// When the change takes effect, as far as is known now. A pause, a trial or a change of plan can move it.
        effective_at: Timestamp,
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// A change to another plan version was scheduled for the end of the period.
    PlanChangeScheduled {
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// The scheduled change of plan was withdrawn.
    PlanChangeWithdrawn {
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// The cancellation of the subscription was scheduled for the end of the period.
    CancellationScheduled {
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// The scheduled cancellation was withdrawn.
    CancellationWithdrawn {
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// The subscription was cancelled, but not the deployment.
    SubscriptionCancelled {
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// A discount was granted. It discounts the periods that open from now on.
    DiscountGranted {
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// The discount was removed: a running one at the end of the period, another one at once.
    DiscountRemoved {
        /// The code of the coupon.
        coupon: ShortCode,
        /// The subscription after the event.
        subscription: Subscription,
    },
    /// The discount ended, by the event before this one in the same commit.
    DiscountEnded {
        /// The code of the coupon.
        coupon: ShortCode,
        /// Why it ended.
        cause: DiscountEnd,
    },
    /// The end of the trial was moved, later or earlier.
    TrialExtended {
        /// The old and the new end.
        ends_at: Changed<Timestamp>,
        /// The subscription after the event.
        subscription: Option<Subscription>,
    },
}

/// The subscription in a kind of event, by reference or by mutable reference as the kind is.
macro_rules! subscription_in {
    ($kind:expr) => {
        match $kind {
            EventKind::Subscribed { subscription, .. }
            | EventKind::TrialEnded { subscription, .. }
            | EventKind::Renewed { subscription, .. }
            | EventKind::ChargeAdded { subscription, .. }
            | EventKind::AddonAttached { subscription, .. }
            | EventKind::AddonDetached { subscription, .. }
            | EventKind::PlanChanged { subscription, .. }
            | EventKind::PriceChangeAnnounced { subscription, .. }
            | EventKind::PlanChangeScheduled { subscription, .. }
            | EventKind::PlanChangeWithdrawn { subscription, .. }
            | EventKind::CancellationScheduled { subscription, .. }
            | EventKind::CancellationWithdrawn { subscription, .. }
            | EventKind::SubscriptionCancelled { subscription, .. }
            | EventKind::DiscountGranted { subscription, .. }
            | EventKind::DiscountRemoved { subscription, .. } => Some(subscription),
            EventKind::StateChanged { subscription, .. }
            | EventKind::InvoiceVoided { subscription, .. }
            | EventKind::CreditNoteIssued { subscription, .. }
            | EventKind::InvoiceWrittenOff { subscription, .. }
            | EventKind::WriteOffWithdrawn { subscription, .. }
            | EventKind::TrialExtended { subscription, .. } => subscription.into(),
            EventKind::Updated(_)
            | EventKind::Created(_)
            | EventKind::ResourceAdded { .. }
            | EventKind::ResourceDeleted { .. }
            | EventKind::InvoiceOpened { .. }
            | EventKind::PaymentReceived { .. }
            | EventKind::CreditGranted { .. }
            | EventKind::Refunded { .. }
            | EventKind::PaymentReversed { .. }
            | EventKind::InvoiceDueDateChanged { .. }
            | EventKind::BalanceApplied { .. }
            | EventKind::InvoicesUncollectible { .. }
            | EventKind::DiscountEnded { .. } => None,
        }
    };
}

impl EventKind {
    /// The subscription after the event, if the event has one.
    #[must_use]
    pub fn subscription(&self) -> Option<&Subscription> {
        subscription_in!(self)
    }

    pub(super) fn subscription_mut(&mut self) -> Option<&mut Subscription> {
        subscription_in!(self)
    }

    /// Its `type`, as stored and published.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
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
            Self::ChargeAdded { .. } => "charge_added",
            Self::CreditGranted { .. } => "credit_granted",
            Self::CreditNoteIssued { .. } => "credit_note_issued",
            Self::Refunded { .. } => "refunded",
            Self::PaymentReversed { .. } => "payment_reversed",
            Self::InvoiceWrittenOff { .. } => "invoice_written_off",
            Self::WriteOffWithdrawn { .. } => "write_off_withdrawn",
            Self::InvoiceDueDateChanged { .. } => "invoice_due_date_changed",
            Self::BalanceApplied { .. } => "balance_applied",
            Self::InvoicesUncollectible { .. } => "invoices_uncollectible",
            Self::AddonAttached { .. } => "addon_attached",
            Self::AddonDetached { .. } => "addon_detached",
            Self::PlanChanged { .. } => "plan_changed",
            Self::PriceChangeAnnounced { .. } => "price_change_announced",
            Self::PlanChangeScheduled { .. } => "plan_change_scheduled",
            Self::PlanChangeWithdrawn { .. } => "plan_change_withdrawn",
            Self::CancellationScheduled { .. } => "cancellation_scheduled",
            Self::CancellationWithdrawn { .. } => "cancellation_withdrawn",
            Self::SubscriptionCancelled { .. } => "subscription_cancelled",
            Self::DiscountGranted { .. } => "discount_granted",
            Self::DiscountRemoved { .. } => "discount_removed",
            Self::DiscountEnded { .. } => "discount_ended",
            Self::TrialExtended { .. } => "trial_extended",
        }
    }
}

/// The fields of a new deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Created {
    /// The tenant that owns it.
    pub tenant_id: TenantId,
    /// Its name in URLs.
    pub slug: Slug,
    /// Its display name.
    pub display_name: DisplayName,
    /// The region where it runs.
    pub region: ShortCode,
    /// How it reaches its language model, such as `managed` or `byo_key`.
    pub llm_mode: Option<ShortCode>,
    /// The template that it is built from.
    pub template_code: Option<ShortCode>,
    /// The version of that template.
    pub template_version: Option<TemplateVersion>,
    /// The end of its trial; null unless it was created in `trial`.
    pub trial_ends_at: Option<Timestamp>,
    /// The rules of its tenant; left out if none was ever set.
    #[serde(default, skip_serializing_if = "TenantRules::is_default")]
    pub tenant_rules: TenantRules,
}

impl Created {
    /// A deployment without optional fields. Its display name is its slug.
    #[must_use]
    pub fn new(tenant_id: TenantId, slug: Slug, region: ShortCode) -> Self {
        Self {
            tenant_id,
            display_name: slug.as_display_name(),
            slug,
            region,
            llm_mode: None,
            template_code: None,
            template_version: None,
            trial_ends_at: None,
            tenant_rules: TenantRules::default(),
        }
    }
}

/// The fields that an update changed; other fields are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Updated {
    /// Its display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Changed<DisplayName>>,
    /// The region where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Changed<ShortCode>>,
    /// How it reaches its language model, such as `managed` or `byo_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_mode: Option<Changed<Option<ShortCode>>>,
    /// The template that it is built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_code: Option<Changed<Option<ShortCode>>>,
    /// The version of that template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_version: Option<Changed<Option<TemplateVersion>>>,
    /// The hold: whether scheduled steps leave its state alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_action_suspended: Option<Changed<bool>>,
    /// When the pause ends automatically.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Changed<Option<Timestamp>>>,
    /// The rules of its tenant, as copied to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_rules: Option<Changed<TenantRules>>,
}

/// The value of a field before and after.
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
