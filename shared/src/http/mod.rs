//! The wire: how a request is read, how an answer and a problem are written. Routes are in `arcadia-functions`.

mod account;
pub mod fields;
mod idempotency;
mod page;
pub mod problem;
mod request;
mod response;
mod view;

pub use account::{AccountView, ScheduleEntryView};
pub use fields::Fields;
pub use idempotency::{IdempotencyKey, MAX_KEY_LEN};
pub use page::{DEFAULT_LIMIT, MAX_LIMIT, Order, PageRequest, cursor};
pub use request::{Call, MAX_BODY_LEN};
pub use response::{Answer, deployment_row_view, deployment_view, invoice_view, subscription_view};
pub use view::{DeploymentRowView, DeploymentView, InvoiceView, SubscriptionAddonView, SubscriptionView};
