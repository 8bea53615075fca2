//! Pages of lists: `limit` and `cursor`.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Call;
use crate::Error;
use crate::domain::InvalidValue;

/// How many records a page has when the caller does not say.
pub const DEFAULT_LIMIT: usize = 50;
/// How many records a page can have.
pub const MAX_LIMIT: usize = 100;

/// What part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<P> {
    /// At most so many records.
    pub limit: usize,
    /// Only records that follow this one in the list.
    pub position: Option<P>,
}

/// Which end of a list comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest.
    Ascending,
    /// The newest.
    Descending,
}

impl FromStr for Order {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "asc" => Ok(Self::Ascending),
            "desc" => Ok(Self::Descending),
            _ => Err(InvalidValue { code: "invalid_order", detail: "must be asc or desc" }),
        }
    }
}

impl<P: FromStr> PageRequest<P> {
    /// Reads `limit` and `cursor` from the query.
    ///
    /// # Errors
    /// [`Error::Malformed`] if either is not of its form.
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
        let position = match call.parameter("cursor") {
            None => None,
            Some(text) => Some(decode(text).ok_or_else(|| {
                Error::malformed(
                    "invalid_cursor",
                    "the parameter cursor must be a next_cursor from an answer to the same list",
                )
            })?),
        };
        Ok(Self { limit, position })
    }
}

/// Wraps a position for the caller, so that nobody builds on what is inside.
pub fn cursor<P: ToString>(position: P) -> String {
    URL_SAFE_NO_PAD.encode(position.to_string())
}

fn decode<P: FromStr>(cursor: &str) -> Option<P> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DeploymentId;

    #[test]
    fn a_cursor_is_read_back_and_a_forged_one_is_not() {
        let id: DeploymentId = "0192f0c1-2345-7abc-8def-0123456789ab".parse().unwrap();
        assert_eq!(decode::<DeploymentId>(&cursor(id)), Some(id));
        assert_eq!(decode::<u64>(&cursor(7_u64)), Some(7));
        for bad in ["", "!", "Zm9v", &cursor("TENANT#other"), &cursor(7_u64), &format!("{}=", cursor(id))] {
            assert_eq!(decode::<DeploymentId>(bad), None, "{bad}");
        }
    }
}
