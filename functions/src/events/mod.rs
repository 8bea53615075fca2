//! Events: `list` shows them, `publish` puts them on the event bus, `count` adds their changes to the figures.

pub mod count;
pub(crate) mod list;
pub mod publish;
