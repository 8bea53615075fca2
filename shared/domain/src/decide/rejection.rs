//! Rejections: every reason for which a rule refuses a command. Status codes and problem codes are in
//! `arcadia_functions::http::problem`.

use super::{MAX_BALANCE_CENTS, MAX_LIVE_RESOURCES};
use crate::invoice::{MAX_CREDITS, MAX_PAYMENTS, MAX_WRITE_OFFS};
use crate::lifecycle::{Barrier, State};
use crate::line::ChargeId;
use crate::money::Currency;
use crate::subscription::{MAX_ADDONS, MAX_CHARGES_IN_PERIOD, MAX_CHARGES_WITH_ONE_OFFS};
use crate::values::ShortCode;

/// The reason for which a rule refuses a command. The text is a sentence for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The lifecycle map has no such move.
    #[error("a deployment cannot move from {from} to {to}")]
    InvalidTransition {
        /// The present state.
        from: State,
        /// The requested state.
        to: State,
        /// The states that this caller can move to instead.
        allowed: Vec<State>,
    },
    /// The lifecycle map has the move, but not for this caller or not now.
    #[error("you may not move this deployment from {from} to {to}{}", clause(*.barrier))]
    TransitionNotPermitted {
        /// The present state.
        from: State,
        /// The requested state.
        to: State,
        /// The reason.
        barrier: Barrier,
        /// The states that this caller can move to.
        allowed: Vec<State>,
    },
    /// The deployment still has live resources.
    #[error("a deployment with live resources cannot be archived; {count} must be deleted first")]
    LiveResources {
        /// The number of them.
        count: u32,
    },
    /// An archived deployment never changes.
    #[error("an archived deployment cannot be changed")]
    Archived,
    /// The deployment has the maximum of live resources.
    #[error("a deployment can have at most {MAX_LIVE_RESOURCES} live resources")]
    TooManyResources,
    /// A deployment begins in `active` or `trial`.
    #[error("a deployment can only be created in active or trial, not in {0}")]
    InvalidInitialState(State),
    /// A field is invalid, or does not fit the others.
    #[error("{detail}")]
    InvalidField {
        /// The field's name in requests.
        field: &'static str,
        /// A stable code.
        code: &'static str,
        /// The form of a valid value, as a phrase that follows the field's name.
        detail: &'static str,
    },
    /// The caller's role may not do this.
    #[error("the token's role may not do this")]
    RoleNotPermitted,
    /// Only `platform_admin` may set the field, or set it to this value.
    #[error("only platform_admin may set {field}")]
    FieldNotPermitted {
        /// The field's name in requests, with the value if other values are open to other roles.
        field: &'static str,
    },
    /// The tenant is held: nothing of it is created or resumed until it is released.
    #[error("the tenant is on hold; its deployments cannot be created or resumed until it is released")]
    TenantHeld,
    /// The deployment is paused because it has no subscription.
    #[error("the deployment is paused because it has no subscription; subscribe it to resume it")]
    SubscriptionRequired,
    /// A tenant's user may only choose the newest version of a plan, or the version that the live subscription has.
    #[error(
        "version {version} of the plan {plan_code} is neither its newest version nor that of the live subscription"
    )]
    PlanVersionNotPermitted {
        /// The plan.
        plan_code: ShortCode,
        /// The requested version.
        version: u32,
    },
    /// A tenant's user may not withdraw or replace a schedule of the platform.
    #[error("the platform scheduled this; only platform_admin may withdraw or replace it")]
    ScheduledByPlatform,
    /// The deployment has a live subscription.
    #[error("the deployment has a live subscription; change its plan, or cancel it first")]
    AlreadySubscribed,
    /// The deployment has no live subscription.
    #[error("the deployment has no live subscription; subscribe it first")]
    NotSubscribed,
    /// The subscription is paused.
    #[error("the subscription is paused together with its deployment; resume the deployment first")]
    SubscriptionPaused,
    /// Only a deployment that runs can be subscribed.
    #[error("a deployment in the state {0} cannot be subscribed")]
    NotSubscribable(State),
    /// The catalog has no such plan.
    #[error("the catalog has no plan {0}")]
    UnknownPlan(ShortCode),
    /// The plan has no such version, or no published version at all.
    #[error("the plan {plan_code} has no such published version")]
    UnknownPlanVersion {
        /// The plan.
        plan_code: ShortCode,
    },
    /// Another version replaced the plan version: nobody can newly buy it.
    #[error("version {version} of the plan {plan_code} is closed and cannot be bought any more")]
    PlanVersionClosed {
        /// The plan.
        plan_code: ShortCode,
        /// The closed version.
        version: u32,
    },
    /// The price of the version is still being announced.
    #[error("an operation still announces version {version} of the plan {plan_code}; replace it when that has ended")]
    PriceChangeRunning {
        /// The plan.
        plan_code: ShortCode,
        /// The version to be replaced.
        version: u32,
    },
    /// A change to another plan is scheduled, and a price change leaves it as it is.
    #[error("a change to {plan_code} version {version} is scheduled, so the price change does not apply")]
    OwnChangeScheduled {
        /// The plan of the scheduled change.
        plan_code: ShortCode,
        /// Its version.
        version: u32,
    },
    /// The cancellation of the subscription is scheduled, and a price change leaves it as it is.
    #[error("the cancellation of the subscription is scheduled, so the price change does not apply")]
    CancellationScheduled,
    /// The plan is no longer on sale.
    #[error("the plan {0} is retired")]
    PlanRetired(ShortCode),
    /// The catalog has no such add-on.
    #[error("the catalog has no add-on {0}")]
    UnknownAddon(ShortCode),
    /// The add-on is no longer on sale.
    #[error("the add-on {0} is retired")]
    AddonRetired(ShortCode),
    /// The add-on is priced in another currency than the plan.
    #[error("the add-on {code} is priced in {currency}, the plan in {expected}")]
    CurrencyMismatch {
        /// The add-on's code.
        code: ShortCode,
        /// The add-on's currency.
        currency: Currency,
        /// The plan's currency.
        expected: Currency,
    },
    /// The catalog has no such coupon.
    #[error("the catalog has no coupon {0}")]
    UnknownCoupon(ShortCode),
    /// The coupon can no longer be granted.
    #[error("the coupon {0} is retired")]
    CouponRetired(ShortCode),
    /// The last moment at which the coupon could be granted is over.
    #[error("the coupon {0} has expired")]
    CouponExpired(ShortCode),
    /// The coupon was granted as often as it can be.
    #[error("the coupon {0} has been granted as often as it can be")]
    CouponExhausted(ShortCode),
    /// The coupon is not for the plan of the subscription.
    #[error("the coupon {coupon} is not for the plan {plan_code}")]
    CouponNotForPlan {
        /// The coupon.
        coupon: ShortCode,
        /// The plan of the subscription.
        plan_code: ShortCode,
    },
    /// The coupon's amount is in another currency than the plan's.
    #[error("the coupon {coupon} takes off an amount in {currency}, the plan is priced in {expected}")]
    CouponCurrency {
        /// The coupon.
        coupon: ShortCode,
        /// The coupon's currency.
        currency: Currency,
        /// The plan's currency.
        expected: Currency,
    },
    /// The subscription has a discount.
    #[error("the subscription has the discount of the coupon {0}; remove it first")]
    DiscountExists(ShortCode),
    /// The subscription has no discount.
    #[error("the subscription has no discount")]
    NoDiscount,
    /// Proration cannot offset a charge in one currency against a credit in another.
    #[error("an immediate change to another currency requires proration none")]
    CurrencyChange,
    /// The subscription has the maximum of add-ons.
    #[error("a subscription can have at most {MAX_ADDONS} add-ons")]
    TooManyAddons,
    /// One transaction cannot replace so many add-ons and credit the invoices of so many.
    #[error("too many add-ons are replaced at once; detach some of them first, or attach some afterwards")]
    TooManyReplacedAddons,
    /// Commands have made the maximum of charges in the current period.
    #[error(
        "commands can make at most {MAX_CHARGES_IN_PERIOD} charges in one period; with one-off charges the limit is \
         {MAX_CHARGES_WITH_ONE_OFFS}"
    )]
    TooManyChanges,
    /// The subscription has no such add-on.
    #[error("the subscription has no such add-on")]
    AddonNotAttached,
    /// The tenant has already had its one trial of the plan.
    #[error("the tenant has already had its trial of the plan {0}")]
    TrialUsed(ShortCode),
    /// No trial is running.
    #[error("no trial is running")]
    NoTrial,
    /// No change of plan is scheduled.
    #[error("no change of plan is scheduled")]
    NoPendingChange,
    /// No cancellation is scheduled.
    #[error("no cancellation is scheduled")]
    NoPendingCancellation,
    /// The deployment still has open invoices.
    #[error(
        "a deployment with open invoices cannot be archived; {count} must be paid, voided, written off or given up \
         first"
    )]
    OpenInvoices {
        /// The number of them.
        count: usize,
    },
    /// The deployment has the maximum of open or uncollectible invoices.
    #[error("the deployment has too many open invoices; pay some of them first")]
    TooManyOpenInvoices,
    /// An invoice in this status cannot be paid, or be written off, or have a later due date.
    #[error("the invoice is {status} and cannot be {verb}")]
    InvoiceNotOpen {
        /// The status.
        status: &'static str,
        /// The rejected action, as a participle.
        verb: &'static str,
    },
    /// A void invoice is not corrected.
    #[error("the invoice is void")]
    InvoiceVoid,
    /// The invoice has no such charge.
    #[error("the invoice has no charge {0}")]
    UnknownCharge(ChargeId),
    /// A credit exceeds the rest of its charge.
    #[error("the credit of charge {charge} must be from 1 to {remaining_cents} in minor units, the rest of the charge")]
    CreditExceedsCharge {
        /// The charge.
        charge: ChargeId,
        /// The rest of the charge, in minor units.
        remaining_cents: i64,
    },
    /// Nothing remains of the charges of the invoice.
    #[error("every charge of the invoice is credited in full")]
    NothingToCredit,
    /// The invoice has the maximum of credits.
    #[error("an invoice can have at most {MAX_CREDITS} credits; a further one must credit all that remains")]
    TooManyCredits,
    /// The refund exceeds the settled part of the invoice.
    #[error("only {paid_cents} of the credit, in minor units, had been settled and can be paid back")]
    RefundExceedsPaid {
        /// The amount that can be paid back, in minor units.
        paid_cents: i64,
    },
    /// The balance is too small.
    #[error("the balance in {currency} is {balance_cents}, in minor units: less than the refund")]
    InsufficientBalance {
        /// The balance, in minor units.
        balance_cents: i64,
        /// Its currency.
        currency: Currency,
    },
    /// The balance would exceed its maximum.
    #[error("a balance can be at most {MAX_BALANCE_CENTS} in minor units")]
    TooMuchBalance,
    /// The invoice has no payment with this reference.
    #[error("the invoice has no payment with this reference")]
    UnknownPayment,
    /// The payment was reversed; a new payment has a new reference.
    #[error("the payment with this reference was reversed already; a new payment needs a reference of its own")]
    PaymentReversed,
    /// The invoice has the maximum of write-offs.
    #[error("an invoice can be written off at most {MAX_WRITE_OFFS} times")]
    TooManyWriteOffs,
    /// The whole written-off amount has been credited since.
    #[error("the written-off amount has since been credited in full; there is no write-off to withdraw")]
    NothingForgiven,
    /// The invoice was opened or changed after the deployment was read.
    #[error("the invoice was opened or changed at the same moment")]
    InvoiceJustOpened,
    /// The resource was deleted after it was read.
    #[error("the resource has just been deleted")]
    ResourceJustDeleted,
    /// The payment is in another currency than the invoice.
    #[error("the amount must be in the invoice's currency, {0}")]
    PaymentCurrency(Currency),
    /// The payment exceeds the amount due.
    #[error("the payment exceeds the amount due, {due_cents} in minor units")]
    Overpayment {
        /// The amount due, in minor units.
        due_cents: i64,
    },
    /// The reference is already used for another payment.
    #[error("the reference belongs to another payment")]
    PaymentReferenceReused,
    /// The invoice has the maximum of payments.
    #[error("an invoice can have at most {MAX_PAYMENTS} payments; a further one must pay the whole amount due")]
    TooManyPayments,
    /// An invoice with payments that are not reversed cannot be voided.
    #[error("an invoice with payments cannot be voided; reverse them first")]
    InvoiceHasPayments,
    /// Balance from credits or payments of the invoice was used, so it cannot be voided.
    #[error("balance from this invoice was used elsewhere, so it cannot be voided; credit the invoice instead")]
    InvoiceBalanceUsed,
}

/// The clause that a barrier adds to the sentence of a refused move.
const fn clause(barrier: Barrier) -> &'static str {
    match barrier {
        Barrier::Role => "",
        Barrier::Owing => " while it has unpaid invoices",
        Barrier::Overdue => " while it has an overdue invoice",
        Barrier::Held => " while it is on hold",
    }
}
