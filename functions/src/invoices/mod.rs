//! Invoices: find them across deployments; a deployment's: list, show, record a payment, void.

pub mod find;
pub mod list;
pub mod pay;
pub mod show;
pub mod void;
