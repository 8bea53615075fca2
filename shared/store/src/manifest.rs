//! The digest by which a deployment names the versions of the items that belong to it.

use arcadia_domain::Versions;
use sha2::{Digest as _, Sha256};

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
