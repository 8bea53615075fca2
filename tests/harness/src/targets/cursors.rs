//! Pages: a cursor is either refused or means one position, which reads records before it and never leaves their place; a
//! limit is a number from 1 to 100.
//!
//! An input is the limit, and in the next line the cursor, which is tried as it is and as the position within one.

use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::ops::RangeInclusive;
use std::str::FromStr;

use arcadia_api::MAX_LIMIT;
use arcadia_domain::{DeploymentId, InvoiceNumber, ResourceId, ShortCode};
use arcadia_functions::Error;
use arcadia_functions::http::PageRequest;
use arcadia_store::keys::{self, DueEntry, InvoiceEntry};
use lambda_http::{Request, RequestExt as _};

use super::requests::call;

/// Runs the target.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) -> bool {
    let Some((limit, wrapped)) = super::text(input).and_then(|text| text.split_once('\n')) else { return false };
    let mut read = check(limit, wrapped, |id: DeploymentId| keys::deployments_before(Some(id)));
    read |= check(limit, wrapped, |id: ResourceId| keys::resources_before(Some(id)));
    read |= check(limit, wrapped, |number: InvoiceNumber| keys::invoices_before(Some(&number)));
    read |= check(limit, wrapped, |entry: InvoiceEntry| keys::invoice_entries(None, None, Some(&entry), false));
    read |= check(limit, wrapped, |entry: InvoiceEntry| keys::invoice_entries(None, None, Some(&entry), true));
    read |= check(limit, wrapped, |sequence: u64| keys::events_between(0, Some(sequence)));
    read |= check(limit, wrapped, |entry: DueEntry| keys::due_between(Some(entry), None));
    read |= check(limit, wrapped, |version: u32| keys::plan_versions_before(Some(version)));
    // Of plans and add-ons, whose list goes on after the code.
    read |= check(limit, wrapped, |code: ShortCode| code.to_string()..="~".to_owned());
    read
}

/// Tries a text as a cursor, and as the position within one.
fn check<P>(limit: &str, text: &str, range: impl Fn(P) -> RangeInclusive<String>) -> bool
where
    P: FromStr + Display + Debug + PartialEq + Clone,
{
    let within = page::<P>("1", None).expect("a page").cursor(text.parse().ok());
    let mut read = false;
    for cursor in [Some(text.to_owned()), within].into_iter().flatten() {
        match page::<P>(limit, Some(&cursor)) {
            Ok(found) => {
                assert!((1..=MAX_LIMIT).contains(&found.limit) && limit.parse() == Ok(found.limit));
                let position = found.position.clone().expect("a cursor has a position");
                let again = found.cursor(Some(position.clone()));
                let again = page::<P>(limit, again.as_deref()).expect("a position that was found");
                assert_eq!(again.position.as_ref(), Some(&position));
                let (first, last) = range(position).into_inner();
                // DynamoDB refuses a range whose end comes before its beginning.
                assert!(first <= last && prefix(&first) == prefix(&last), "{first} to {last}");
                read = true;
            }
            Err(Error::Malformed { code: "invalid_limit" | "invalid_cursor", .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    read
}

/// What sort keys of a kind have in common.
fn prefix(sort_key: &str) -> Option<&str> {
    let (prefix, _) = sort_key.split_once('#')?;
    Some(prefix).filter(|prefix| prefix.bytes().all(|byte| byte.is_ascii_uppercase()))
}

fn page<P: FromStr + ToString>(limit: &str, cursor: Option<&str>) -> Result<PageRequest<P>, Error> {
    let given = [("limit", Some(limit)), ("cursor", cursor)];
    let query = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), vec![value?.to_owned()])));
    let request = Request::default().with_query_string_parameters(query.collect::<HashMap<_, _>>());
    PageRequest::from_call(&call(request, &["limit", "cursor"])?)
}
