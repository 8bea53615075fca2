//! Events: `list` shows them, `publish` puts them on the event bus, `count` adds their changes to the figures.

pub mod count;
pub(crate) mod list;
pub mod publish;

use arcadia_store::EventRange;

use crate::Error;
use crate::http::{Call, Order};

/// The part of a history that a call asks for by `order` and `after`, on the page after `position`.
///
/// # Errors
/// [`Error::Malformed`] if a parameter is invalid.
pub(crate) fn range(call: &Call, position: Option<u64>) -> Result<EventRange, Error> {
    let after = call.number("after")?.unwrap_or(0);
    Ok(match call.parsed_parameter("order")?.unwrap_or(Order::Descending) {
        Order::Ascending => EventRange { oldest_first: true, after: position.unwrap_or(0).max(after), before: None },
        Order::Descending => EventRange { oldest_first: false, after, before: position },
    })
}
