//! Deployments: create, list, show, update, transition.

pub mod create;
pub mod list;
pub mod show;
pub mod transition;
pub mod update;
