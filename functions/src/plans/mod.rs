//! Plans of the catalog: list, show, put, publish a version.

pub mod list;
pub mod publish;
pub mod put;
pub mod show;
