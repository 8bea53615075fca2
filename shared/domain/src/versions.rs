//! The version of each part of a deployment: the event that last changed it. DynamoDB reads a deployment item by item,
//! not at one moment. `arcadia_store` stores each part with its version, writes only parts whose version changed, and
//! detects a read that mixes two moments.

use std::collections::BTreeMap;

use super::subscription::{Subscription, SubscriptionAddon};
use super::values::SubscriptionAddonId;

/// The versions of the parts of a deployment that are stored beside it: each is the sequence of the last event that
/// changed the part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// The version of the subscription; `None` if there has never been one.
    pub subscription: Option<u64>,
    /// The versions of its add-ons.
    pub addons: BTreeMap<SubscriptionAddonId, u64>,
}

/// The parts that have versions, at one moment.
pub(super) type Parts<'a> = (Option<&'a Subscription>, &'a [SubscriptionAddon]);

impl Versions {
    /// Records that the event `sequence` changed the parts from `old` to `new`. An unchanged part keeps its version.
    pub(super) fn record(&mut self, sequence: u64, old: Parts<'_>, new: Parts<'_>) {
        let ((old_subscription, old_addons), (new_subscription, new_addons)) = (old, new);
        if new_subscription != old_subscription {
            self.subscription = new_subscription.map(|_| sequence);
        }
        self.addons.retain(|id, _| new_addons.iter().any(|addon| addon.id == *id));
        for addon in new_addons.iter().filter(|addon| !old_addons.contains(addon)) {
            self.addons.insert(addon.id, sequence);
        }
    }
}
