//! Cloud resources of a deployment: create, list, delete.

pub mod create;
pub mod delete;
pub mod list;
