//! HTTP: reads requests, writes responses and problems. The bodies' types are in `arcadia-api`.

mod csv;
mod idempotency;
mod page;
pub mod problem;
mod request;
mod response;

pub use csv::{invoices_as_csv, operation_results_as_csv};
pub use idempotency::{IdempotencyKey, MAX_KEY_LEN};
pub use page::{Order, PageRequest};
pub use request::Call;
pub use response::{Answer, Csv};
