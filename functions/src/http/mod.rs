//! The wire: how a request is read, how an answer and a problem are written. The shapes themselves are in `arcadia-api`.

mod csv;
pub mod fields;
mod idempotency;
mod page;
pub mod problem;
mod request;
mod response;

pub use csv::invoices_as_csv;
pub use fields::{Fields, MAX_BODY_LEN};
pub use idempotency::{IdempotencyKey, MAX_KEY_LEN};
pub use page::{Order, PageRequest};
pub use request::Call;
pub use response::{Answer, Csv};
