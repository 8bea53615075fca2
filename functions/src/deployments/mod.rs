//! Deployments: create, list, show, update, transition, extend a trial.

pub mod create;
pub mod extend_trial;
pub mod list;
pub mod show;
pub mod transition;
pub mod update;
