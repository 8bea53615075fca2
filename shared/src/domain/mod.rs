//! The rules of the product, pure: what a deployment is, which moves it may make and who may make them.
//!
//! Nothing here is async, reads a clock, makes an id or does I/O; time and ids are arguments. Storage is in
//! [`crate::store`], the wire in [`crate::http`].

mod actor;
mod aggregate;
mod catalog;
mod clock;
mod decide;
mod deployment;
mod event;
mod invoice;
pub mod lifecycle;
mod money;
mod period;
mod policy;
mod resource;
mod subscription;
mod values;
mod versions;

pub use actor::{Actor, Authority};
pub use aggregate::{Aggregate, Change, ReplayError, replay};
pub use catalog::{Addon, CatalogStatus, MAX_QUANTITY, MAX_TRIAL_DAYS, Plan, PlanVersion};
pub use clock::{Action, LADDER, NextAction, Rung, next_action};
pub use decide::{
    ChangePlan, Command, CreateDeployment, Effective, MAX_LIVE_RESOURCES, MAX_OPEN_INVOICES, MAX_REPLACED_ADDONS,
    Proration, Rejection, Subscribe, Transition, UpdateDeployment, allowed_transitions, create, decide, step,
};
pub use deployment::{Deployment, Template};
pub use event::{Changed, Event, EventKind, Updated};
pub use invoice::{Invoice, InvoiceStatus, MAX_PAYMENTS, OpenInvoice, Payment};
pub use lifecycle::State;
pub use money::{Currency, MAX_PRICE_CENTS, prorate, sum};
pub use period::{Anchor, AnchorMode, Interval, Period};
pub use policy::{DunningPolicy, MAX_POLICY_DAYS};
pub use resource::Resource;
pub use subscription::{
    Line, LineKind, MAX_ADDONS, MAX_UNBILLED_LINES, PendingChange, PlanTerms, Subscription, SubscriptionAddon,
    SubscriptionStatus,
};
pub use values::{
    DeploymentId, DisplayName, InvalidValue, InvoiceNumber, Notes, PaymentReference, ProviderReference, Reason,
    ResourceId, ShortCode, Slug, SubscriptionAddonId, SubscriptionId, TemplateVersion, TenantId, Timestamp,
    is_invisible,
};
pub use versions::Versions;
