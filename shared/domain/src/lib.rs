//! The domain rules of Arcadia Cloud as pure functions: the lifecycle, billing and powers of deployments.
//!
//! Nothing here is async, reads a clock, generates an id or does I/O: times and ids are arguments. Storage is in
//! `arcadia_store`, HTTP in `arcadia_functions::http`.

#[macro_use]
mod named;

mod actor;
mod aggregate;
mod attention;
mod audit;
mod balance;
mod catalog;
mod catalog_event;
mod charge;
mod clock;
mod coupon;
mod decide;
mod deployment;
mod entry;
mod event;
mod figures;
mod invalid;
mod invoice;
mod invoice_events;
pub mod lifecycle;
mod line;
mod money;
mod operation;
mod period;
mod policy;
mod powers;
mod resource;
mod row;
mod scope;
mod statement;
mod subscription;
mod tax;
mod tenant;
mod tenant_rules;
mod values;
mod versions;

pub use actor::{Actor, Authority, Grant};
pub use aggregate::{Aggregate, Change, ReplayError, replay};
pub use attention::Attention;
pub use audit::{Audit, Totals, Violation, audit};
pub use balance::{BalanceMovement, BalanceMovementKind, Refund};
pub use catalog::{
    Addon, CatalogStatus, IntervalPrices, MAX_QUANTITY, MAX_TRIAL_DAYS, Plan, PlanVersion, VersionStatus,
};
pub use catalog_event::{CatalogEvent, CatalogEventKind, CatalogItem, CatalogRecord, put_record};
pub use charge::{Charge, ChargeChanges, ChargeDiscount, ChargeTax, Invoiced};
pub use clock::{Action, LADDER, NextAction, Rung, next_action, upcoming};
pub use coupon::{
    Coupon, CouponDuration, Discount, DiscountEnd, MAX_COUPON_PERIODS, MAX_COUPON_PLANS, MAX_REDEMPTIONS, Redemption,
    WHOLE_BASIS_POINTS,
};
pub use decide::{
    AnnouncePrice, ChangePlan, Command, Correct, Correction, CreateDeployment, CreditNote, Effective, Extent,
    GrantDiscount, MAX_BALANCE_CENTS, MAX_GIVEN_UP_AT_ONCE, MAX_LIVE_RESOURCES, MAX_OPEN_INVOICES,
    MAX_OPEN_INVOICES_BY_CLOCK, MAX_POSTPONED, MAX_POSTPONEMENT_DAYS, MAX_REPLACED_ADDONS, MAX_SETTLED_INVOICES,
    MAX_UNCOLLECTIBLE_INVOICES, OneOff, Overpayment, Pay, PayBack, Postponement, Proration, Read, Rejection,
    RemoveDiscount, Subscribe, Transition, UpdateDeployment, allowed_transitions, create, decide, decide_with,
    next_invoices, replace_version, step,
};
pub use deployment::{Deployment, PausedBy, Template};
pub use entry::{Amount, Entry};
pub use event::{Changed, Created, Event, EventKind, Updated};
pub use figures::{Figure, Figures, Movement};
pub use invalid::InvalidValue;
pub use invoice::{
    Credit, Invoice, InvoiceStatus, MAX_CREDITS, MAX_PAYMENTS, MAX_SETTLING_PAYMENTS, MAX_WRITE_OFFS, OpenInvoice,
    Payment, Reversal, ReversalKind, Withdrawal, WriteOff,
};
pub use invoice_events::follow_invoices;
pub use lifecycle::State;
pub use line::{ChargeId, Line, LineKind};
pub use money::{Currency, MAX_PRICE_CENTS, prorate, sum};
pub use named::Named;
pub use operation::{
    DEFAULT_OPERATION_RATE, MAX_OPERATION_IDS, MAX_OPERATION_PAGE, MAX_OPERATION_PASSES, MAX_OPERATION_RATE,
    MAX_RUNNING_OPERATIONS, Matching, Operation, OperationCommand, OperationCounts, OperationFilter, OperationKind,
    OperationOutcome, OperationPage, OperationProblem, OperationResult, OperationStatus, PageWork, Precision, Progress,
    StartOperation,
};
pub use period::{Anchor, AnchorMode, Interval, Month, Period};
pub use policy::{DunningPolicy, MAX_POLICY_DAYS};
pub use powers::{POWERS, Power, PowerRow};
pub use resource::Resource;
pub use row::{ClockHealth, DeploymentRow, InvoiceRow, SubscriptionSummary, Summary};
pub use scope::Scope;
pub use statement::{Statement, statements};
pub use subscription::{
    LastNumber, MAX_ADDONS, MAX_CHARGES_IN_PERIOD, MAX_CHARGES_WITH_ONE_OFFS, PendingChange, PlanTerms, Subscription,
    SubscriptionAddon, SubscriptionStatus, end_of_second,
};
pub use tax::{Taxed, tax_cents};
pub use tenant::{
    HoldTenant, MAX_DEPLOYMENT_QUOTA, MAX_TAX_RATE_BASIS_POINTS, MAX_UNSUBSCRIBED_DAYS, Tenant, TenantChange,
    TenantEvent, TenantEventKind, TenantHold, TenantUpdated, UpdateTenant, hold_tenant, release_tenant,
    set_dunning_policy, update_tenant,
};
pub use tenant_rules::{TenantRules, UnsubscribedFlow, UnsubscribedRule, UnsubscribedTime};
pub use values::{
    BillingAddress, DeploymentId, DisplayName, EmailAddress, InvoiceNumber, Notes, OperationId, PaymentReference,
    ProviderReference, Reason, ResourceId, ShortCode, Slug, SubscriptionAddonId, SubscriptionId, TaxId,
    TemplateVersion, TenantId, Timestamp, is_invisible,
};
pub use versions::Versions;
