//! What a table on this machine can be filled with.
//!
//! # Layout
//! [`catalog`] is what it sells, at its first start already. [`history`] is two years of tenants, on request: [`cast`]
//! says who comes when, [`life`] what becomes of one deployment. Whatever happens is decided and stored by the code of
//! the product; only the moments and the wishes are made up.

mod cast;
mod catalog;
mod history;
mod life;

pub use catalog::{DemoError, fill_catalog};
pub use history::{History, Script, write};
