//! The shapes of the product on the wire: each is written once, and used by the handlers, the OpenAPI document, the command
//! line and the tests.

mod account;
mod view;

pub use account::{AccountView, AttentionView, ScheduleEntryView, StatementView, SummaryView, TenantView};
pub use view::{
    DeploymentRowView, DeploymentView, InvoiceRowView, InvoiceView, NextInvoiceView, SubscriptionAddonView,
    SubscriptionView, deployment_row_view, deployment_view, invoice_row_view, invoice_view, subscription_view,
};

/// How many records a page has when the caller does not say.
pub const DEFAULT_LIMIT: usize = 50;
/// How many records a page can have.
pub const MAX_LIMIT: usize = 100;
