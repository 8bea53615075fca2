//! The wire: how a request is read, how an answer and a problem are written. Routes are in `arcadia-functions`.

mod account;
mod csv;
pub mod fields;
mod idempotency;
mod page;
pub mod problem;
mod request;
mod response;
mod view;

pub use account::{AccountView, AttentionView, ScheduleEntryView, StatementView, SummaryView, TenantView};
pub use csv::invoices_as_csv;
pub use fields::Fields;
pub use idempotency::{IdempotencyKey, MAX_KEY_LEN};
pub use page::{DEFAULT_LIMIT, MAX_LIMIT, Order, PageRequest};
pub use request::{Call, MAX_BODY_LEN};
pub use response::{
    Answer, Csv, deployment_row_view, deployment_view, invoice_row_view, invoice_view, subscription_view,
};
pub use view::{
    DeploymentRowView, DeploymentView, InvoiceRowView, InvoiceView, NextInvoiceView, SubscriptionAddonView,
    SubscriptionView,
};
