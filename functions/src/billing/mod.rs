//! The scheduled functions: `dispatch` finds the shards with due deployments, `sweep` takes the due steps.

pub mod dispatch;
pub mod sweep;
