//! Pages: a cursor is either refused or means one position, which reads records before it and never leaves their place; a
//! limit is a number from 1 to 100.
//!
//! An input is the limit, and in the next line the cursor, which is tried as it is and as the position within one.

use std::fmt::{Debug, Display};
use std::ops::RangeInclusive;
use std::str::FromStr;

use arcadia_shared::Error;
use arcadia_shared::domain::{DeploymentId, InvoiceNumber, ResourceId, ShortCode};
use arcadia_shared::http::{MAX_LIMIT, PageRequest, cursor};
use arcadia_shared::store::keys;
use lambda_http::{Request, RequestExt as _};

use super::requests::call;

/// Runs the target.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) -> bool {
    let Some((limit, wrapped)) = super::text(input).and_then(|text| text.split_once('\n')) else { return false };
    let mut read = false;
    for wrapped in [wrapped.to_owned(), cursor(wrapped)] {
        read |= check(limit, &wrapped, |id: DeploymentId| keys::deployments_before(Some(id)));
        read |= check(limit, &wrapped, |id: ResourceId| keys::resources_before(Some(id)));
        read |= check(limit, &wrapped, |number: InvoiceNumber| keys::invoices_before(Some(&number)));
        read |= check(limit, &wrapped, |sequence: u64| keys::events_between(0, Some(sequence)));
        read |= check(limit, &wrapped, |entry: keys::DueEntry| keys::due_between(Some(entry), None));
        read |= check(limit, &wrapped, |version: u32| keys::plan_versions_before(Some(version)));
        // Of plans and add-ons, whose list goes on after the code.
        read |= check(limit, &wrapped, |code: ShortCode| code.to_string()..="~".to_owned());
    }
    read
}

fn check<P>(limit: &str, wrapped: &str, range: impl Fn(P) -> RangeInclusive<String>) -> bool
where
    P: FromStr + Display + Debug + PartialEq + Clone,
{
    match page::<P>(limit, wrapped) {
        Ok(PageRequest { limit: found, position }) => {
            assert!((1..=MAX_LIMIT).contains(&found) && limit.parse() == Ok(found));
            let position = position.expect("a cursor has a position");
            let again = page::<P>(limit, &cursor(position.clone())).expect("a position that was found");
            assert_eq!(again.position.as_ref(), Some(&position));
            let (first, last) = range(position).into_inner();
            // DynamoDB refuses a range whose end comes before its beginning.
            assert!(first <= last && prefix(&first) == prefix(&last), "{first} to {last}");
            true
        }
        Err(Error::Malformed { code: "invalid_limit" | "invalid_cursor", .. }) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// What sort keys of a kind have in common.
fn prefix(sort_key: &str) -> Option<&str> {
    sort_key.split_once('#').map(|(prefix, _)| prefix)
}

fn page<P: FromStr>(limit: &str, cursor: &str) -> Result<PageRequest<P>, Error> {
    let query = [("limit", limit), ("cursor", cursor)].map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    let request = Request::default().with_query_string_parameters(std::collections::HashMap::from(query));
    PageRequest::from_call(&call(request, &["limit", "cursor"])?)
}
