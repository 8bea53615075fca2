//! The scheduled functions: `dispatch` finds the shards in which something is due, `sweep` takes the steps.

pub mod dispatch;
pub mod sweep;
