//! Demo content for a local table.
//!
//! # Layout
//! `catalog`: the plans and add-ons of the first start. `history`: two years of tenants, on request; `cast` generates
//! the tenants, `life` the life of one deployment. The product's code decides and stores everything; only
//! times and commands are generated.

mod cast;
mod catalog;
mod history;
mod life;

pub use catalog::{DemoError, fill_catalog};
pub use history::{History, Script, write};
