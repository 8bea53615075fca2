//! Values: what is accepted has the documented form, prints as it was written, is stored and sent as it prints, and cannot
//! break out of a key.
//!
//! An input is the text of a value.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::OnceLock;

use arcadia_api::body::fields;
use arcadia_domain::{
    AnchorMode, CatalogStatus, Currency, DeploymentId, DisplayName, Effective, Interval, InvalidValue, InvoiceNumber,
    MAX_PRICE_CENTS, Notes, PaymentReference, Proration, ProviderReference, Reason, ResourceId, ShortCode, Slug, State,
    SubscriptionAddonId, SubscriptionId, TemplateVersion, TenantId,
};
use regex_lite::Regex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const ID: &str = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$";
const TENANT_ID: &str = "^[A-Za-z0-9_-]{1,64}$";
const SLUG: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
const SHORT_CODE: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";
const TEMPLATE_VERSION: &str = "^[A-Za-z0-9.+_-]{1,64}$";
const PAYMENT_REFERENCE: &str = r#"^[!"$-~]{1,255}$"#;
const INVOICE_NUMBER: &str = "^[0-9]{14}-[0-9a-f]{12}-[A-Z]{3}$";
const CURRENCY: &str = "^[A-Z]{3}$";
const NAME: &str = "^[a-z_]+$";

/// Runs the target.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) -> bool {
    let Some(text) = super::text(input) else { return false };
    let keys = [
        stored::<TenantId>(text, form(TENANT_ID), true),
        stored::<Slug>(text, form(SLUG), true),
        stored::<ShortCode>(text, form(SHORT_CODE), true),
        stored::<TemplateVersion>(text, form(TEMPLATE_VERSION), true),
        stored::<PaymentReference>(text, form(PAYMENT_REFERENCE), true),
        stored::<InvoiceNumber>(text, form(INVOICE_NUMBER), true),
        stored::<DeploymentId>(text, form(ID), true),
        stored::<ResourceId>(text, form(ID), true),
        stored::<SubscriptionId>(text, form(ID), true),
        stored::<SubscriptionAddonId>(text, form(ID), true),
    ];
    assert!(!keys.contains(&true) || !text.contains('#'), "{text:?} could break out of a key");
    let line = |max| move |text: &str| is_line(text, max, "");
    let texts = [
        stored::<DisplayName>(text, line(200), true),
        stored::<Reason>(text, line(200), true),
        stored::<ProviderReference>(text, line(512), true),
        stored::<Notes>(text, |text| is_line(text, 2000, "\n\r\t"), true),
    ];
    // Of these there are some, and their form does not make one.
    let names = [
        stored::<Currency>(text, form(CURRENCY), false),
        shown::<State>(text, State::as_str),
        shown::<Interval>(text, |interval| interval.as_str()),
        text.parse::<AnchorMode>().is_ok(),
        text.parse::<CatalogStatus>().is_ok(),
        text.parse::<Effective>().is_ok(),
        text.parse::<Proration>().is_ok(),
    ];
    assert!(!names.contains(&true) || form(NAME)(text) || form(CURRENCY)(text), "{text:?}");
    let others = [time(text), number(text)];
    [&keys[..], &texts, &names, &others].concat().contains(&true)
}

/// Checks a value that is stored: how it is printed, read back, and taken from JSON; whether it is one at all.
fn stored<T>(text: &str, has_form: impl Fn(&str) -> bool, form_makes_one: bool) -> bool
where
    T: FromStr<Err = InvalidValue> + Display + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let json = serde_json::from_value::<T>(Value::from(text)).ok();
    let Ok(value) = text.parse::<T>() else {
        assert!(json.is_none() && !(form_makes_one && has_form(text)), "{text:?} is refused");
        return false;
    };
    assert!(has_form(text), "{text:?} is taken for {value:?}");
    let printed = value.to_string();
    // Only ids are taken in either case.
    assert!(printed == text || printed == text.to_ascii_lowercase(), "{text:?} prints as {printed:?}");
    assert_eq!(serde_json::to_value(&value).ok(), Some(Value::from(printed.as_str())));
    assert_eq!(printed.parse().ok().as_ref(), Some(&value));
    assert_eq!(json, Some(value));
    true
}

fn shown<T: FromStr>(text: &str, show: fn(T) -> &'static str) -> bool {
    text.parse().ok().map(show).inspect(|shown| assert_eq!(*shown, text)).is_some()
}

fn time(text: &str) -> bool {
    let Ok(at) = fields::timestamp(&Value::from(text)) else { return false };
    assert_eq!(at.timestamp_subsec_micros() % 1000, 0, "{text:?} is more than milliseconds");
    assert_eq!(fields::timestamp(&Value::from(at.to_rfc3339())), Ok(at));
    assert_eq!(serde_json::to_value(at).and_then(serde_json::from_value).ok(), Some(at));
    true
}

/// Numbers as JSON has them.
fn number(text: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return false };
    let price = fields::integer::<i64>(0, MAX_PRICE_CENTS)(&value);
    let version = fields::integer::<u32>(1, i64::from(u32::MAX))(&value);
    if let Ok(price) = price {
        assert!((0..=MAX_PRICE_CENTS).contains(&price) && text.trim().parse() == Ok(price), "{text:?}");
    }
    if let Ok(version) = version {
        assert!(version > 0 && text.trim().parse() == Ok(version), "{text:?}");
    }
    price.is_ok() || version.is_ok()
}

fn is_line(text: &str, max_chars: usize, breaks: &str) -> bool {
    let control = |c: char| matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}') && !breaks.contains(c);
    let single = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{2800}\u{3164}\u{feff}\u{ffa0}";
    let ranges = [
        ('\u{180b}', '\u{180f}'),
        ('\u{200b}', '\u{200f}'),
        ('\u{2028}', '\u{202e}'),
        ('\u{2060}', '\u{206f}'),
        ('\u{fe00}', '\u{fe0f}'),
        ('\u{fff0}', '\u{fffb}'),
        ('\u{1bca0}', '\u{1bca3}'),
        ('\u{1d173}', '\u{1d17a}'),
        ('\u{e0000}', '\u{e0fff}'),
    ];
    let unseen = |c| single.contains(c) || ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
    let blank = text.chars().all(|c| c.is_whitespace() || c.is_control() || unseen(c));
    !blank && !text.contains(control) && (1..=max_chars).contains(&text.chars().count())
}

/// Whether a text has one of the forms above.
fn form(pattern: &'static str) -> impl Fn(&str) -> bool {
    static FORMS: OnceLock<Vec<(&str, Regex)>> = OnceLock::new();
    let forms = FORMS.get_or_init(|| {
        let patterns =
            [ID, TENANT_ID, SLUG, SHORT_CODE, TEMPLATE_VERSION, PAYMENT_REFERENCE, INVOICE_NUMBER, CURRENCY, NAME];
        patterns.map(|pattern| (pattern, Regex::new(pattern).expect("a pattern"))).to_vec()
    });
    let (_, regex) = forms.iter().find(|(known, _)| *known == pattern).expect("one of the forms");
    move |text| regex.is_match(text)
}
