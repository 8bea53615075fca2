//! Tenants: their dunning policies.

pub mod put_dunning_policy;
pub mod show_dunning_policy;
