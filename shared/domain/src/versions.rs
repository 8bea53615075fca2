//! Which event changed each part of a deployment last. DynamoDB reads a deployment item by item, not at one moment, so
//! each part is stored with its version: [`arcadia_store`] writes the parts whose version changed and recognises by
//! them a read that mixes two moments.

use std::collections::BTreeMap;

use super::subscription::{Subscription, SubscriptionAddon};
use super::values::SubscriptionAddonId;

/// The versions of the parts of a deployment that are stored beside it: each is the sequence of the last event that
/// changed the part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// Of the subscription, if there ever was one.
    pub subscription: Option<u64>,
    /// Of its add-ons.
    pub addons: BTreeMap<SubscriptionAddonId, u64>,
}

/// The parts that have versions, as they are at one moment.
pub(super) type Parts<'a> = (Option<&'a Subscription>, &'a [SubscriptionAddon]);

impl Versions {
    /// Records that the event `sequence` turned the parts `old` into `new`. A part that is as it was keeps its version.
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
