//! The manifest: a digest in the deployment's item of the versions of its parts. How it detects a torn read is in
//! [`super::present`].

use arcadia_domain::Versions;
use sha2::{Digest as _, Sha256};

const FIRST_BIT: u64 = 1 << (u64::BITS - 1);

/// The digest of the versions of a deployment's parts, of fixed size; `None` if it has no parts. Versions only grow, so
/// a part of another moment, a missing part or an extra part gives another digest.
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
    // DynamoDB bills a number by its digits, without trailing zeroes. With the first and the last bit set, every digest
    // has the same size.
    Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]) | FIRST_BIT | 1)
}
