//! Tenants: their fields, holds, accounts, dunning policies and histories.

pub mod hold;
pub mod list;
pub mod list_events;
pub mod put;
pub mod put_dunning_policy;
pub mod release;
mod rules;
pub mod show;
pub mod show_account;
pub mod show_dunning_policy;
