//! `If-Match`: whatever it says, it is either unreadable, or it matches exactly if it names the current version; `"0"` names
//! a record that is not there.
//!
//! An input is the current version, or any other word if the record is not there, and in the next line the header.

use std::sync::OnceLock;

use arcadia_functions::Error;
use lambda_http::Request;
use lambda_http::http::HeaderValue;
use regex_lite::Regex;

use super::requests::call;

/// Lists of entity tags as RFC 9110 has them (sections 5.6.1 and 8.8.3), in the characters that a header can have.
const LIST: &str = r#"^[ \t,]*((W/)?"[^"]*"[ \t]*(,[ \t,]*|$))*$"#;

/// Runs the target.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) -> bool {
    let Some((current, header)) = super::text(input).and_then(|text| text.split_once('\n')) else { return false };
    let current: Option<u64> = current.parse().ok();
    let Ok(value) = HeaderValue::from_str(header) else { return false };
    let Ok(shown) = value.to_str() else { return false };
    let readable = shown.trim() == "*" || list().is_match(shown.trim());
    let named = names(shown, current.unwrap_or_default());
    match check(value.clone(), current) {
        Ok(()) => assert!(readable && (named || (shown.trim() == "*" && current.is_some()))),
        Err(Error::PreconditionFailed { current: found }) => assert!(readable && !named && found == current),
        Err(Error::Malformed { code, .. }) => assert!(!readable && code == "invalid_if_match", "{code}"),
        Err(other) => panic!("{other:?}"),
    }
    if let Some(version) = current.filter(|_| readable && shown.trim() != "*") {
        let more = HeaderValue::from_str(&format!("{shown},\"{version}\"")).expect("a longer header");
        assert!(check(more, current).is_ok(), "an ETag at the end of a readable list matches");
    }
    readable
}

/// Whether a strong tag of the list is the version's.
fn names(list: &str, version: u64) -> bool {
    let strong = |(index, text): (usize, &str)| {
        let before = list.split('"').nth(index.wrapping_sub(1)).unwrap_or_default();
        index % 2 == 1 && text == version.to_string() && !before.ends_with("W/")
    };
    list.split('"').enumerate().any(strong)
}

fn check(value: HeaderValue, current: Option<u64>) -> Result<(), Error> {
    let mut request = Request::default();
    request.headers_mut().insert("if-match", value);
    call(request, &[]).expect("a request without a query").check_if_match(current)
}

fn list() -> &'static Regex {
    static REGEX: OnceLock<Regex> = OnceLock::new();
    REGEX.get_or_init(|| Regex::new(LIST).expect("a pattern"))
}
