//! The present state of a deployment as one Query finds it. A Query is not a moment: DynamoDB reads each item as last
//! committed, so beside a transaction it can find some items as before and some as after it. The deployment's item is
//! therefore a manifest: it names, by a digest, the versions of the items that belong to it.

use arcadia_domain::{Aggregate, DeploymentRow, Versions};
use sha2::{Digest as _, Sha256};

use super::StoreError;
use super::items::{
    self, DEPLOYMENT_TYPE, DeploymentItem, Item, SUBSCRIPTION_ADDON_TYPE, SUBSCRIPTION_TYPE, Versioned,
};

/// What a Query of a deployment's present state found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Present {
    /// There is no such deployment.
    Absent,
    /// Everything is of one version.
    Whole(Aggregate),
    /// The items are of different versions. Without a deployment if its own item was not there yet.
    Torn(Option<Aggregate>),
}

impl Present {
    /// Puts the items of a Query together.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if one of them is something else.
    pub fn of(items: Vec<Item>) -> Result<Self, StoreError> {
        let (mut found, mut subscription, mut addons) = (None, None, Vec::new());
        let mut versions = Versions::default();
        for item in items {
            match item.get("type").and_then(|v| v.as_s().ok()).map(String::as_str) {
                Some(DEPLOYMENT_TYPE) => found = Some(items::from_item::<DeploymentItem>(item)?),
                Some(SUBSCRIPTION_TYPE) => {
                    let Versioned { version, record } = items::to_subscription(item)?;
                    versions.subscription = Some(version);
                    subscription = Some(record);
                }
                Some(SUBSCRIPTION_ADDON_TYPE) => {
                    let Versioned { version, record } = items::to_subscription_addon(item)?;
                    versions.addons.insert(record.id, version);
                    addons.push(record);
                }
                unknown => return Err(StoreError::Damaged(format!("a deployment holds an item of type {unknown:?}"))),
            }
        }
        let is_bare = versions == Versions::default();
        let Some(item) = found else { return Ok(if is_bare { Self::Absent } else { Self::Torn(None) }) };
        let is_whole = item.manifest == manifest(&versions);
        let deployment = DeploymentRow::try_from(item)?.deployment;
        let aggregate = Aggregate { deployment, subscription, addons, versions };
        Ok(if is_whole { Self::Whole(aggregate) } else { Self::Torn(Some(aggregate)) })
    }
}

const FIRST_BIT: u64 = 1 << (u64::BITS - 1);

/// A digest of the versions of the parts that belong to a deployment, of fixed size; `None` if there are none. Versions
/// only grow, so a part of another moment, missing or left over, gives another digest.
#[must_use]
pub fn manifest(versions: &Versions) -> Option<u64> {
    let Versions { subscription, addons } = versions;
    if subscription.is_none() && addons.is_empty() {
        return None;
    }
    let mut hasher = Sha256::new();
    // No event has the sequence 0.
    hasher.update(subscription.unwrap_or_default().to_be_bytes());
    for (id, version) in addons {
        hasher.update(id.as_uuid().as_bytes());
        hasher.update(version.to_be_bytes());
    }
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = hasher.finalize().into();
    // DynamoDB bills a number by its digits, without the zeroes that it ends with: with its first and its last bit set, it has
    // as many bytes whatever the digest.
    Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]) | FIRST_BIT | 1)
}
