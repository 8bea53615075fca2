//! Pages of lists: `limit` and `cursor`.

use std::str::FromStr;

use arcadia_api::{DEFAULT_LIMIT, MAX_LIMIT};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::Call;
use crate::Error;

/// Number of bytes of a digest that identify a list.
const LIST_BYTES: usize = 6;

/// The requested part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<P> {
    /// Maximum number of records.
    pub limit: usize,
    /// The position in the list after which the page begins.
    pub position: Option<P>,
    /// A digest that identifies the list. A cursor of another list is rejected.
    list: String,
}

arcadia_domain::named! {
    /// The order of a list.
    pub enum Order("invalid_order") {
        /// Oldest first.
        Ascending = "asc",
        /// Newest first.
        Descending = "desc",
    }
}

impl<P: FromStr + ToString> PageRequest<P> {
    /// Reads `limit` and `cursor` from the query.
    ///
    /// # Errors
    /// [`Error::Malformed`] if either is invalid.
    pub fn from_call(call: &Call) -> Result<Self, Error> {
        let limit = match call.parameter("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                limit.ok_or_else(|| {
                    Error::malformed(
                        "invalid_limit",
                        format!("the parameter limit must be a whole number from 1 to {MAX_LIMIT}"),
                    )
                })?
            }
        };
        let list = list_of(call);
        let position = match call.parameter("cursor") {
            None => None,
            Some(text) => Some(decode(&list, text).ok_or_else(|| {
                Error::malformed(
                    "invalid_cursor",
                    "the parameter cursor must be the next_cursor of the same list with the same filters",
                )
            })?),
        };
        Ok(Self { limit, position, list })
    }

    /// Encodes the position of the next page as an opaque cursor, so that callers do not depend on its content.
    pub fn cursor(&self, next: Option<P>) -> Option<String> {
        next.map(|position| encode(&self.list, &position))
    }
}

/// Digest of the path and of all query parameters except those of the page.
fn list_of(call: &Call) -> String {
    let mut hasher = Sha256::new();
    hasher.update(call.address());
    let mut filters: Vec<_> =
        call.parameters().iter().filter(|(name, _)| !matches!(name.as_str(), "limit" | "cursor")).collect();
    filters.sort_unstable();
    for (name, value) in filters {
        // Neither a name nor a valid value contains NUL.
        hasher.update(format!("\0{name}\0{value}"));
    }
    URL_SAFE_NO_PAD.encode(&hasher.finalize()[..LIST_BYTES])
}

fn encode(list: &str, position: &impl ToString) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{}", position.to_string()))
}

fn decode<P: FromStr>(list: &str, cursor: &str) -> Option<P> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix(list)?.strip_prefix(':')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arcadia_domain::DeploymentId;

    #[test]
    fn a_cursor_is_read_back_and_a_forged_one_is_not() {
        let id: DeploymentId = "0192f0c1-2345-7abc-8def-0123456789ab".parse().unwrap();
        let here = "aGVyZQ";
        assert_eq!(decode::<DeploymentId>(here, &encode(here, &id)), Some(id));
        assert_eq!(decode::<u64>(here, &encode(here, &7_u64)), Some(7));
        let (elsewhere, other, number) = (encode("b3RoZXI", &id), encode(here, &"TENANT#other"), encode(here, &7_u64));
        for bad in ["", "!", "Zm9v", &elsewhere, &other, &number, &format!("{}=", encode(here, &id))] {
            assert_eq!(decode::<DeploymentId>(here, bad), None, "{bad}");
        }
    }
}
