//! Invoices: find across deployments; of one deployment: list, show, record a payment, void.

pub mod find;
pub mod list;
pub mod pay;
pub mod show;
pub mod void;
