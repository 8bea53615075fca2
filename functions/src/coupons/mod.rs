//! Coupons of the catalog: list, show, put.

pub mod list;
pub mod put;
pub mod show;
