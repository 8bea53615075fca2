//! A deployment's invoices: list, show, record a payment, void.

pub mod list;
pub mod pay;
pub mod show;
pub mod void;
