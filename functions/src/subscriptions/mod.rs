//! A deployment's subscription: subscribe, add-ons, plan change, cancellation.

pub mod attach_addon;
pub mod cancel;
pub mod change_plan;
pub mod detach_addon;
pub mod subscribe;
pub mod withdraw_cancellation;
pub mod withdraw_plan_change;
