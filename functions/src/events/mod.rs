//! Events: list; `publish` tells them to the world, and `count` adds up what they change of the figures.

pub mod count;
pub(crate) mod list;
pub mod publish;
