//! The product's wire formats. Each is defined once and used by the handlers, the OpenAPI document, the command line
//! and the tests.

mod account;
pub mod answer;
pub mod body;
mod gateway;
mod operation;
mod unique_map;
mod view;

pub use account::{
    AccountView, AttentionView, ScheduleEntryView, StatementAmounts, StatementView, SummaryView, TenantRecordView,
    TenantView,
};
pub use body::{Body, BodyError, FieldError, Fields, MAX_BODY_LEN, Unread, read_body};
pub use gateway::{GATEWAY_ANSWERS, GatewayAnswer, gateway_answer};
pub use operation::{OperationPreviewView, OperationResultView, OperationView};
pub use unique_map::UniqueMap;
pub use view::{
    DeploymentRowView, DeploymentView, InvoiceRowView, InvoiceView, NextInvoiceView, SubscriptionAddonView,
    SubscriptionView,
};

/// Default page size, in records.
pub const DEFAULT_LIMIT: usize = 50;
/// Maximum page size, in records.
pub const MAX_LIMIT: usize = 100;
