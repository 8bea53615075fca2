//! The answers of routes: sent by handlers, described in the OpenAPI document and read by the command line. Each is
//! declared once, by the macro `answer!` or `page!`. A dry run's answer is the command's own, plus the charges, credits
//! and events. An answer contains records of the domain, or views of them from the modules beside this one.

mod catalog;
mod corrections;
mod deployments;
mod invoices;
mod operations;
mod subscriptions;
mod tenants;

pub use catalog::{
    AddonAnswer, AddonList, CatalogEventList, CouponAnswer, CouponList, Lifecycle, LifecycleState, LifecycleTransition,
    PlanAnswer, PlanDetails, PlanList, PlanVersionAnswer, PlanVersionDryRun,
};
pub use corrections::{ChargeAnswer, RefundAnswer};
pub use deployments::{
    DeploymentAnswer, DeploymentDetails, DeploymentList, EventList, ExtendTrialAnswer, ResourceAnswer, ResourceList,
    TransitionAnswer,
};
pub use invoices::{InvoiceAnswer, InvoiceList, InvoiceRowList, SettledInvoiceAnswer};
pub use operations::{OperationAnswer, OperationDryRun, OperationList, OperationResultList};
pub use subscriptions::{AttachAddonAnswer, ChangePlanAnswer, SubscribeAnswer, SubscriptionAnswer};
pub use tenants::{
    AccountAnswer, AttentionList, DunningPolicyAnswer, ScheduleList, SummaryAnswer, TenantAnswer, TenantEventList,
    TenantList,
};

/// Declares an answer: `name: Type`, and in square brackets what schemars is told about it.
macro_rules! answer {
    (
        $(#[doc = $about:expr])*
        $name:ident $(<$life:lifetime>)? {
            $($(#[doc = $doc:expr])* $field:ident: $type:ty $([$($schema:tt)+])?,)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
        pub struct $name $(<$life>)? {
            $(
                $(#[doc = $doc])*
                $(#[cfg_attr(feature = "json-schema", schemars($($schema)+))])?
                pub $field: $type,
            )*
        }
    };
}
use answer;

/// Declares a page of a list.
macro_rules! page {
    ($(#[doc = $about:expr])* $name:ident $(<$life:lifetime>)? { $(#[doc = $doc:expr])* $field:ident: $type:ty, }) => {
        $crate::answer::answer! {
            $(#[doc = $about])*
            $name $(<$life>)? {
                $(#[doc = $doc])*
                $field: $type,
                /// The `cursor` of the next page; null on the last page. It is opaque: do not parse it.
                next_cursor: Option<String>,
            }
        }
    };
}
use page;
