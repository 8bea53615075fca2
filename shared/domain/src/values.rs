//! Validated values: ids, names, codes and texts of records. Values of money and periods are in their own modules.
//!
//! Every type parses with [`FromStr`], prints the text that it parsed, and deserialises through the same check, so
//! neither a caller nor the table can bring in a malformed value.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::invalid::InvalidValue;
use super::money::Currency;

/// A time in UTC.
pub type Timestamp = DateTime<Utc>;

/// Declares a string newtype that is always checked by `$check`. The part in braces states the same rule as a JSON
/// Schema; a test of the documentation compares the two.
macro_rules! text_value {
    (
        $(#[doc = $doc:literal])*
        $name:ident,
        $code:literal,
        $detail:literal,
        { up to $max_chars:literal, like $example:literal, $pattern:expr },
        $check:expr
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidValue::new($code, $detail))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        #[cfg(feature = "json-schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": concat!($($doc),*).trim(),
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $max_chars,
                    "pattern": $pattern,
                    "examples": [$example],
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// A pattern for a visible character that all dialects of regular expressions read alike. They disagree about
/// characters beyond U+FFFF, so only the code refuses the invisible ones there.
#[cfg(feature = "json-schema")]
macro_rules! visible {
    () => {
        concat!(
            r"[^\x00-\x20\x7F-\xA0\xAD\u034F\u061C\u115F\u1160\u1680\u17B4\u17B5\u180B-\u180F\u2000-\u200F",
            r"\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB]"
        )
    };
}

/// Declares a UUID newtype. Its text is hyphenated, in upper or lower case.
macro_rules! id_value {
    ($(#[doc = $doc:literal])* $name:ident) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// An id from a UUIDv7 that the caller generated.
            #[must_use]
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                const HYPHENATED_LEN: usize = 36;
                match Uuid::try_parse(text) {
                    Ok(id) if text.len() == HYPHENATED_LEN => Ok(Self(id)),
                    Ok(_) | Err(_) => Err(InvalidValue::new("invalid_id", "must be a UUID")),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        #[cfg(feature = "json-schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": concat!($($doc),*).trim(),
                    "type": "string",
                    "format": "uuid",
                    "examples": ["019bc104-f980-7c2f-93d1-5b0c4e8a9d27"],
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

/// A pattern for a line with at least one visible character.
#[cfg(feature = "json-schema")]
const LINE: &str = concat!(r"^[^\x00-\x1F\x7F-\x9F]*", visible!(), r"[^\x00-\x1F\x7F-\x9F]*$");
/// A pattern for a text with at least one visible character; line breaks and tabs are allowed.
#[cfg(feature = "json-schema")]
const TEXT: &str =
    concat!(r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*", visible!(), r"[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$");

id_value! {
    /// The id of a deployment: a UUIDv7, so ids sort by the time of creation.
    DeploymentId
}

id_value! {
    /// The id of a cloud resource of a deployment: a UUIDv7.
    ResourceId
}

id_value! {
    /// The id of an operation on many deployments: a UUIDv7, so ids sort by the time of the start.
    OperationId
}

id_value! {
    /// The id of a subscription: a UUIDv7.
    SubscriptionId
}

id_value! {
    /// The id of an add-on on a subscription: a UUIDv7.
    SubscriptionAddonId
}

text_value! {
    /// The id of a tenant: a customer, the owner of deployments.
    TenantId,
    "invalid_tenant_id",
    "must be 1 to 64 of A-Z, a-z, 0-9, underscore and hyphen",
    { up to 64, like "acme", r"^[A-Za-z0-9_-]+$" },
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

text_value! {
    /// A deployment's name in URLs. It is unique within its tenant and never changes.
    Slug,
    "invalid_slug",
    "must be 1 to 63 of a-z, 0-9 and hyphen, and start and end with a letter or digit",
    { up to 63, like "shop", r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" },
    |text| (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

text_value! {
    /// A short machine-readable code, such as that of a plan, an add-on, a region, an LLM mode, a template or a kind of
    /// resource.
    ShortCode,
    "invalid_code",
    "must be 1 to 63 of a-z, 0-9, underscore and hyphen, and start with a letter or digit",
    { up to 63, like "studio", r"^[a-z0-9][a-z0-9_-]*$" },
    |text| (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && !text.starts_with(['-', '_'])
}

text_value! {
    /// The version of a deployment's template, such as `1.4.0`.
    TemplateVersion,
    "invalid_template_version",
    "must be 1 to 64 of A-Z, a-z, 0-9, dot, plus, underscore and hyphen",
    { up to 64, like "1.4.0", r"^[A-Za-z0-9.+_-]+$" },
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'_' | b'-'))
}

text_value! {
    /// A display name, such as that of a deployment, a plan or an add-on.
    DisplayName,
    "invalid_display_name",
    "must be 1 to 200 characters, some of them visible, without control characters",
    { up to 200, like "The shop", LINE },
    |text| is_line(text, 200)
}

text_value! {
    /// The reason of a change, in one line.
    Reason,
    "invalid_reason",
    "must be 1 to 200 characters, some of them visible, without control characters",
    { up to 200, like "holidays", LINE },
    |text| is_line(text, 200)
}

text_value! {
    /// Notes on a change, in one or more lines.
    Notes,
    "invalid_notes",
    "must be 1 to 2000 characters, some of them visible, without control characters other than line breaks and tabs",
    { up to 2000, like "Back in two weeks.", TEXT },
    |text| is_text(text, 2000)
}

text_value! {
    /// A tenant's billing address, in one or more lines.
    BillingAddress,
    "invalid_billing_address",
    "must be 1 to 500 characters, some of them visible, without control characters other than line breaks and tabs",
    { up to 500, like "Acme GmbH\nHafenstrasse 1\n20457 Hamburg", TEXT },
    |text| is_text(text, 500)
}

text_value! {
    /// An e-mail address. Whether it receives mail is not checked.
    EmailAddress,
    "invalid_email",
    "must be an e-mail address of at most 254 printable ASCII characters, such as billing@acme.example",
    { up to 254, like "billing@acme.example", r"^[!-?A-~]+@[!-?A-~]+$" },
    |text| text.len() <= 254
        && text.bytes().all(|b| b.is_ascii_graphic())
        && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
}

text_value! {
    /// A tenant's tax id, such as a VAT number. Whether an authority knows it is not checked.
    TaxId,
    "invalid_tax_id",
    "must be 1 to 64 characters, some of them visible, without control characters",
    { up to 64, like "DE123456789", LINE },
    |text| is_line(text, 64)
}

text_value! {
    /// The cloud provider's identifier of a resource, such as an ARN.
    ProviderReference,
    "invalid_provider_reference",
    "must be 1 to 512 characters, some of them visible, without control characters",
    { up to 512, like "arn:aws:rds:eu-central-1:123456789012:db:shop", LINE },
    |text| is_line(text, 512)
}

text_value! {
    /// The payer's or payment provider's reference of a payment or a refund.
    PaymentReference,
    "invalid_payment_reference",
    "must be 1 to 255 printable ASCII characters without spaces and number signs",
    { up to 255, like "wire-2027-000017", r#"^[!"$-~]+$"# },
    |text| (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
}

text_value! {
    /// The number of an invoice: the second that it bills from (never earlier than in the number before), the end of
    /// its subscription's id, its currency, and from the second invoice of a second on, an ordinal.
    InvoiceNumber,
    "invalid_invoice_number",
    "must be an invoice number such as 20270101000000-0123456789ab-USD",
    { up to 40, like "20270115100000-5b0c4e8a9d27-USD", r"^[0-9]{14}-[0-9a-f]{12}-[A-Z]{3}(-[0-9]{3,8})?$" },
    |text| {
        let mut parts = text.split('-');
        let [Some(at), Some(id), Some(currency), ordinal, None] =
            [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()]
        else {
            return false;
        };
        let is_lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        at.len() == 14
            && is_digits(at)
            && id.len() == 12
            && id.bytes().all(is_lower_hex)
            && currency.len() == 3
            && currency.bytes().all(|b| b.is_ascii_uppercase())
            && ordinal.is_none_or(|ordinal| (3..=8).contains(&ordinal.len()) && is_digits(ordinal))
    }
}

impl InvoiceNumber {
    /// The number of the `ordinal`th invoice, from 1, that a subscription bills from the second of `at` on.
    #[must_use]
    pub fn new(at: Timestamp, subscription_id: SubscriptionId, currency: Currency, ordinal: u32) -> Self {
        let id = subscription_id.as_uuid().simple().to_string();
        let (_, end) = id.split_at(id.len() - 12);
        let number = format!("{}-{end}-{currency}", at.format("%Y%m%d%H%M%S"));
        Self(if ordinal > 1 { format!("{number}-{ordinal:03}") } else { number })
    }

    /// The currency of the invoice's amounts, which is a part of its number.
    #[must_use]
    pub fn currency(&self) -> Option<Currency> {
        self.0.split('-').nth(2)?.parse().ok()
    }
}

/// Whether a character is invisible or changes the display of its neighbours: control characters, format characters,
/// default ignorable characters and fillers (source: Unicode 16.0, `DerivedCoreProperties.txt`). Some of them can make
/// one text look like another.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !is_invisible(c)
}

fn is_line(text: &str, max_chars: usize) -> bool {
    text.chars().any(is_visible) && text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

fn is_text(text: &str, max_chars: usize) -> bool {
    text.chars().any(is_visible)
        && text.chars().count() <= max_chars
        && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

impl ShortCode {
    /// The code of lines that are neither for the plan nor for an add-on.
    #[must_use]
    pub fn one_off() -> Self {
        Self("one_off".to_owned())
    }

    /// The code of tax lines.
    #[must_use]
    pub fn tax() -> Self {
        Self("tax".to_owned())
    }
}

impl Slug {
    /// The display name of a deployment that was created without one.
    #[must_use]
    pub fn as_display_name(&self) -> DisplayName {
        // Every slug is a visible line of at most 63 characters, so it is also a valid display name.
        DisplayName(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_accept_the_documented_form_and_nothing_else() {
        let longest = "a".repeat(63);
        for good in ["a", "0", "shop", "my-shop-2", longest.as_str()] {
            assert_eq!(good.parse::<Slug>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(64);
        for bad in ["", "Shop", "my#shop", "my/shop", "bücher", "-a", "a-", "-", "a b", "a_b", "a\n", too_long.as_str()]
        {
            assert_eq!(bad.parse::<Slug>().unwrap_err().code, "invalid_slug", "{bad:?}");
        }
    }

    #[test]
    fn tenant_ids_cannot_carry_a_key_separator() {
        for bad in ["", "a#b", "a/b", "a b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
        assert!("Acme_Corp-1".parse::<TenantId>().is_ok());
    }

    #[test]
    fn ids_are_hyphenated_uuids_and_print_in_lower_case() {
        let id: DeploymentId = "0192F0C1-2345-7ABC-8DEF-0123456789AB".parse().unwrap();
        assert_eq!(id.to_string(), "0192f0c1-2345-7abc-8def-0123456789ab");
        for bad in [
            "",
            "shop",
            "0192f0c123457abc8def0123456789ab",
            "{0192f0c1-2345-7abc-8def-0123456789ab}",
            "urn:uuid:0192f0c1-2345-7abc-8def-0123456789ab",
            "0192f0c1-2345-7abc-8def-0123456789ag",
        ] {
            assert_eq!(bad.parse::<DeploymentId>().unwrap_err().code, "invalid_id", "{bad:?}");
        }
    }

    #[test]
    fn a_name_of_invisible_characters_alone_is_refused() {
        for c in ["\u{200b}", "\u{202e}", "\u{ad}", "\u{3164}", "\u{feff}", "\u{2800}", "\u{e0041}", "\u{2028}"] {
            for text in [c.to_owned(), format!(" {c}"), c.repeat(200)] {
                assert!(text.parse::<DisplayName>().is_err() && text.parse::<Notes>().is_err(), "{text:?}");
                assert!(text.parse::<Reason>().is_err() && text.parse::<ProviderReference>().is_err(), "{text:?}");
            }
            assert!(format!("a{c}").parse::<DisplayName>().is_ok(), "{c:?}: writing systems need some of them");
        }
    }

    #[test]
    fn lines_refuse_blank_long_and_control_text() {
        for bad in ["", "   ", "a\nb", "a\u{0}b", &"x".repeat(201)] {
            assert!(bad.parse::<Reason>().is_err(), "{bad:?}");
        }
        assert!("größer".repeat(33).parse::<Reason>().is_ok(), "characters are counted, not bytes");
        assert!("two\nlines".parse::<Notes>().is_ok());
        assert!("bell\u{7}".parse::<Notes>().is_err());
    }

    #[test]
    fn an_email_address_has_one_at_sign_with_text_on_both_sides() {
        for good in ["a@b", "billing+eu@acme.example"] {
            assert_eq!(good.parse::<EmailAddress>().unwrap().as_str(), good);
        }
        for bad in ["", "acme", "@b", "a@", "a@b@c", "a b@c", "ä@b", "a@b\n", &format!("a@{}", "b".repeat(253))] {
            assert_eq!(bad.parse::<EmailAddress>().unwrap_err().code, "invalid_email", "{bad:?}");
        }
    }
}
