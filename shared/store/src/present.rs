//! The present state of a deployment as one Query finds it. A Query is not a moment: DynamoDB reads each item as last
//! committed, so beside a transaction it can find some items as before and some as after it. The deployment's item is
//! therefore a manifest: it names, by a digest, the versions of the items that belong to it.

use arcadia_domain::{Aggregate, DeploymentRow, Versions};

use super::StoreError;
use super::item::Item;
use super::items::{self, DEPLOYMENT_TYPE, DeploymentItem, SUBSCRIPTION_ADDON_TYPE, SUBSCRIPTION_TYPE, Versioned};
use super::manifest::manifest;

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
                Some(DEPLOYMENT_TYPE) => found = Some(super::item::from_item::<DeploymentItem>(item)?),
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
