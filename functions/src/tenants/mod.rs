//! Tenants: their fields, accounts, dunning policies and histories.

pub mod list;
pub mod list_events;
pub mod put;
pub mod put_dunning_policy;
pub mod show;
pub mod show_account;
pub mod show_dunning_policy;
