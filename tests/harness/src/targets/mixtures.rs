//! Mixtures: a read that finds some items of a deployment's present state as before and some as after a change is
//! recognised, whichever they are; and one that finds all of them as before, or as after, is read as it was written.

use std::collections::BTreeMap;

use arcadia_domain::{Aggregate, Change, Versions};
use arcadia_store::item::Item;
use arcadia_store::items::{self, DeploymentItem};
use arcadia_store::{CommitId, Present, item};
use uuid::Uuid;

/// The items of a deployment's present state by their sort keys.
type Stored = BTreeMap<String, Item>;

/// Checks the mixtures of a change: one item of another moment, each in turn, among the rest.
///
/// # Panics
/// If a mixture passes for whole.
pub fn check(change: &Change) {
    let before = change.before.as_ref().map(stored).unwrap_or_default();
    let after = stored(&change.after);
    assert_eq!(read(&after), Present::Whole(change.after.clone()));
    let keys = before.keys().chain(after.keys());
    let changed: Vec<&String> = keys.filter(|key| before.get(*key) != after.get(*key)).collect();
    for (most, one) in [(&before, &after), (&after, &before)] {
        for key in &changed {
            let mut mixed = most.clone();
            match one.get(*key) {
                Some(item) => mixed.insert((*key).clone(), item.clone()),
                None => mixed.remove(*key),
            };
            // The only item that changed makes all the difference.
            let is_torn = mixed != before && mixed != after;
            assert_eq!(matches!(read(&mixed), Present::Torn(_)), is_torn, "{key} of {change:?}");
        }
    }
}

fn read(stored: &Stored) -> Present {
    Present::of(stored.values().cloned().collect()).expect("items that were written")
}

fn stored(aggregate: &Aggregate) -> Stored {
    let Aggregate { deployment, subscription, addons, versions } = aggregate;
    let Versions { subscription: version, addons: addon_versions } = versions;
    assert_eq!((version.is_some(), addon_versions.len()), (subscription.is_some(), addons.len()));
    let item = item::to_item(&DeploymentItem::new(aggregate, 16, CommitId::new(Uuid::nil())));
    let subscription = subscription.as_ref().zip(*version);
    let subscription = subscription.map(|(record, version)| items::from_subscription(deployment.id, record, version));
    let addons =
        addons.iter().map(|addon| items::from_subscription_addon(deployment.id, addon, addon_versions[&addon.id]));
    let all = std::iter::once(item).chain(subscription).chain(addons).map(|item| item.expect("an item"));
    all.map(|item| (item["SK"].as_s().expect("a key").clone(), item)).collect()
}
