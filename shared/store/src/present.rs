//! The present state of a deployment, from the items of one Query. A Query is not atomic: DynamoDB reads each item as
//! last committed, so during a transaction it can return some items from before and some from after it. Therefore the
//! deployment's item has a manifest, a digest of the versions of its parts. Repeating a torn read is in
//! [`super::reread`].

use arcadia_domain::{Aggregate, DeploymentRow, Versions};

use super::StoreError;
use super::item::Item;
use super::items::{self, DEPLOYMENT_TYPE, DeploymentItem, SUBSCRIPTION_ADDON_TYPE, SUBSCRIPTION_TYPE, Versioned};
use super::manifest::manifest;

/// The result of a Query of a deployment's present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Present {
    /// There is no such deployment.
    Absent,
    /// All items are of one version.
    Whole(Aggregate),
    /// The items are of different versions; `None` if the deployment's own item was missing.
    Torn(Option<Aggregate>),
}

impl Present {
    /// Builds the present state from the items of a Query.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if an item cannot be read or does not belong there.
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
                unknown => {
                    return Err(StoreError::Damaged(format!("a deployment holds an item of type {unknown:?}").into()));
                }
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
