//! Operations: one command on many deployments.
//!
//! # Layout
//! `start`, `list`, `show`, `results` and `stop` are the routes.
//! [`run`] works page by page, [`take`] on one deployment, `command` makes its command. [`dispatch`] sends each running
//! operation to the queue of its workers.

mod command;
pub mod dispatch;
pub(crate) mod list;
pub(crate) mod results;
pub mod run;
pub(crate) mod show;
pub(crate) mod start;
pub(crate) mod stop;
pub mod take;
