//! Every reason for which something may not be done. What callers are told is [`arcadia_functions::http::problem`]'s concern.

use super::MAX_LIVE_RESOURCES;
use crate::invoice::MAX_PAYMENTS;
use crate::lifecycle::{Barrier, State};
use crate::money::Currency;
use crate::subscription::{MAX_ADDONS, MAX_CHARGES_IN_PERIOD};
use crate::values::ShortCode;

/// Why something may not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The map has no such move.
    #[error("a deployment cannot move from {from} to {to}")]
    InvalidTransition {
        /// The present state.
        from: State,
        /// The state that was asked for.
        to: State,
        /// The states that this caller can reach instead.
        allowed: Vec<State>,
    },
    /// The map has the move, but not for this caller, or not now.
    #[error("you may not move this deployment from {from} to {to}{}", clause(*.barrier))]
    TransitionNotPermitted {
        /// The present state.
        from: State,
        /// The state that was asked for.
        to: State,
        /// Why not.
        barrier: Barrier,
        /// The states that this caller can reach.
        allowed: Vec<State>,
    },
    /// It still has live resources.
    #[error("a deployment with live resources cannot be archived; it has {count}")]
    LiveResources {
        /// How many.
        count: u32,
    },
    /// Archived deployments never change.
    #[error("an archived deployment cannot be changed")]
    Archived,
    /// It has as many live resources as it may have.
    #[error("a deployment can have at most {MAX_LIVE_RESOURCES} live resources")]
    TooManyResources,
    /// A deployment begins in `active` or `trial`.
    #[error("a deployment can only be created in active or trial, not in {0}")]
    InvalidInitialState(State),
    /// A field does not go with the rest.
    #[error("{detail}")]
    InvalidField {
        /// Which, by the name it has in requests.
        field: &'static str,
        /// A stable code.
        code: &'static str,
        /// What is expected instead.
        detail: &'static str,
    },
    /// The caller's role may not do this.
    #[error("the token's role may not do this")]
    RoleNotPermitted,
    /// Only `platform_admin` may set the field, or set it to this.
    #[error("only platform_admin may set {field}")]
    FieldNotPermitted {
        /// Which, by the name it has in requests, and to what if others may set it to something else.
        field: &'static str,
    },
    /// A tenant buys the newest version of a plan, or keeps the one that it has.
    #[error("version {version} of the plan {plan_code} is not its newest, and not what the live subscription has")]
    PlanVersionNotPermitted {
        /// The plan.
        plan_code: ShortCode,
        /// The version that was asked for.
        version: u32,
    },
    /// What the platform scheduled is not a tenant's to take back or replace.
    #[error("the platform scheduled this, and only platform_admin may take it back or replace it")]
    ScheduledByPlatform,
    /// It has a live subscription.
    #[error("the deployment has a live subscription")]
    AlreadySubscribed,
    /// It has no live subscription.
    #[error("the deployment has no live subscription")]
    NotSubscribed,
    /// Its subscription is paused.
    #[error("the subscription is paused, as the deployment is")]
    SubscriptionPaused,
    /// Only what runs can be subscribed.
    #[error("a deployment that is {0} cannot be subscribed")]
    NotSubscribable(State),
    /// The catalog has no such plan.
    #[error("there is no plan {0}")]
    UnknownPlan(ShortCode),
    /// The plan has no such version, or none at all.
    #[error("the plan {plan_code} has no such published version")]
    UnknownPlanVersion {
        /// The plan.
        plan_code: ShortCode,
    },
    /// The plan is not sold any more.
    #[error("the plan {0} is retired")]
    PlanRetired(ShortCode),
    /// The catalog has no such add-on.
    #[error("there is no add-on {0}")]
    UnknownAddon(ShortCode),
    /// The add-on is not sold any more.
    #[error("the add-on {0} is retired")]
    AddonRetired(ShortCode),
    /// The add-on is priced in another currency than the plan.
    #[error("the add-on {code} is priced in {currency}, the plan in {expected}")]
    CurrencyMismatch {
        /// The add-on.
        code: ShortCode,
        /// Its currency.
        currency: Currency,
        /// The plan's.
        expected: Currency,
    },
    /// What was billed in one currency cannot be offset in another.
    #[error("an immediate change to another currency needs proration none")]
    CurrencyChange,
    /// It has as many add-ons as it may have.
    #[error("a subscription can have at most {MAX_ADDONS} add-ons")]
    TooManyAddons,
    /// Old add-ons and new ones together are more than one transaction can replace.
    #[error(
        "these add-ons are too many to replace those of the cancelled subscription at once; attach some afterwards"
    )]
    TooManyReplacedAddons,
    /// Commands have made too many charges since the period began.
    #[error("at most {MAX_CHARGES_IN_PERIOD} charges can be made by changes within one period")]
    TooManyChanges,
    /// There is no such add-on on the subscription.
    #[error("the subscription has no such add-on")]
    AddonNotAttached,
    /// The tenant had its one trial of the plan.
    #[error("the tenant has had its trial of the plan {0}")]
    TrialUsed(ShortCode),
    /// No trial is running.
    #[error("no trial is running")]
    NoTrial,
    /// There is no scheduled change of plan.
    #[error("no change of plan is scheduled")]
    NoPendingChange,
    /// There is no scheduled cancellation.
    #[error("no cancellation is scheduled")]
    NoPendingCancellation,
    /// It has open invoices, which are paid or given up before it is archived.
    #[error("a deployment with open invoices cannot be archived; it has {count}")]
    OpenInvoices {
        /// How many.
        count: usize,
    },
    /// So much is owed that no more can be charged.
    #[error("the deployment has too many open invoices")]
    TooManyOpenInvoices,
    /// The invoice cannot be paid or taken back in its status.
    #[error("the invoice is {0}")]
    InvoiceNotOpen(&'static str),
    /// The invoice was opened after the deployment was read.
    #[error("the invoice was opened at the same moment")]
    InvoiceJustOpened,
    /// The resource was read as it was before it was deleted.
    #[error("the resource has just been deleted")]
    ResourceJustDeleted,
    /// The payment is of another currency than the invoice.
    #[error("the invoice is in {0}")]
    PaymentCurrency(Currency),
    /// More was paid than is due.
    #[error("the payment is more than is due: {due_cents}")]
    Overpayment {
        /// What is due, in minor units.
        due_cents: i64,
    },
    /// The reference stands for another payment.
    #[error("the reference stands for another payment")]
    PaymentReferenceReused,
    /// The invoice is paid in too many parts.
    #[error("an invoice can be paid in at most {MAX_PAYMENTS} payments")]
    TooManyPayments,
    /// An invoice that was paid in part cannot be taken back.
    #[error("an invoice on which money was received cannot be voided")]
    InvoiceHasPayments,
}

/// What a barrier adds to the sentence that refuses a move.
const fn clause(barrier: Barrier) -> &'static str {
    match barrier {
        Barrier::Role => "",
        Barrier::Owing => " while it owes",
        Barrier::Overdue => " while an invoice of it is overdue",
        Barrier::Held => " while a hold is on it",
    }
}
