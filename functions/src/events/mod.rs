//! Events: list.

pub mod list;
