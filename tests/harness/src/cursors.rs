//! Cursors as whoever has read the code would forge them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// A cursor for a list at a path with a query, with something in place of a position.
pub fn forged(list: &str, position: &str) -> String {
    let (path, query) = list.split_once('?').unwrap_or((list, ""));
    let filters = query.split('&').filter_map(|filter| filter.split_once('='));
    let mut filters: Vec<_> = filters.filter(|(name, _)| !["limit", "cursor"].contains(name)).collect();
    filters.sort_unstable();
    let filters: String = filters.into_iter().map(|(name, value)| format!("\0{name}\0{value}")).collect();
    let list = URL_SAFE_NO_PAD.encode(&Sha256::digest(format!("{path}{filters}"))[..6]);
    URL_SAFE_NO_PAD.encode(format!("{list}:{position}"))
}
