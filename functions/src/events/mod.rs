//! Events: list; `publish` tells them to the world.

pub(crate) mod list;
pub mod publish;
