//! Tenants: their accounts and their dunning policies.

pub mod list;
pub mod put_dunning_policy;
pub mod show_account;
pub mod show_dunning_policy;
