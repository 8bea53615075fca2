//! A deployment's subscription: subscribe, add-ons, plan change, discount, cancellation.

pub mod attach_addon;
pub mod cancel;
pub mod change_plan;
pub mod detach_addon;
pub mod grant_discount;
pub mod remove_discount;
pub mod subscribe;
pub mod withdraw_cancellation;
pub mod withdraw_plan_change;
