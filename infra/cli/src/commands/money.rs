//! Arguments for amounts: with a currency as people write them, or in minor units with `--currency`.

use arcadia_domain::Currency;
use clap::Args;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::client::minor_digits;

/// An amount in minor units and its currency.
type Amount = (i64, String);

/// A price.
#[derive(Debug, Args)]
pub struct Price {
    /// Price with its currency, such as "29.19 USD"
    #[arg(long, value_name = "AMOUNT", value_parser = amount, conflicts_with_all = ["price_cents", "currency"],
        required_unless_present = "price_cents")]
    price: Option<Amount>,
    /// Price in minor units; requires --currency
    #[arg(long, value_name = "N", requires = "currency")]
    price_cents: Option<i64>,
    /// Currency of --price-cents
    #[arg(long, value_name = "CODE", requires = "price_cents")]
    currency: Option<String>,
}

/// The amount of a payment, if given.
#[derive(Debug, Args)]
pub struct Paid {
    /// Amount with its currency, such as "29.19 USD". Default: the amount due
    #[arg(long, value_name = "AMOUNT", value_parser = amount, conflicts_with_all = ["amount_cents", "currency"])]
    amount: Option<Amount>,
    /// Amount in minor units; requires --currency
    #[arg(long, value_name = "N", requires = "currency")]
    amount_cents: Option<i64>,
    /// Currency of --amount-cents
    #[arg(long, value_name = "CODE", requires = "amount_cents")]
    currency: Option<String>,
}

/// An amount.
#[derive(Debug, Args)]
pub struct Sum {
    /// Amount with its currency, such as "29.19 USD"
    #[arg(long, value_name = "AMOUNT", value_parser = amount, conflicts_with_all = ["amount_cents", "currency"],
        required_unless_present = "amount_cents")]
    amount: Option<Amount>,
    /// Amount in minor units; requires --currency
    #[arg(long, value_name = "N", requires = "currency")]
    amount_cents: Option<i64>,
    /// Currency of --amount-cents
    #[arg(long, value_name = "CODE", requires = "amount_cents")]
    currency: Option<String>,
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        pair(serializer, "amount_cents", self.amount.as_ref(), self.amount_cents, self.currency.as_ref())
    }
}

/// Serialises an amount in minor units under a name, and its currency.
fn pair<S: Serializer>(
    serializer: S,
    name: &'static str,
    amount: Option<&Amount>,
    cents: Option<i64>,
    currency: Option<&String>,
) -> Result<S::Ok, S::Error> {
    let (cents, currency) = match amount {
        Some((cents, currency)) => (Some(*cents), Some(currency)),
        None => (cents, currency),
    };
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry(name, &cents)?;
    map.serialize_entry("currency", &currency)?;
    map.end()
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        pair(serializer, "price_cents", self.price.as_ref(), self.price_cents, self.currency.as_ref())
    }
}

impl Paid {
    /// The amount in minor units and its currency, if given.
    pub fn amount(&self) -> Option<Amount> {
        let in_cents = || Some((self.amount_cents?, self.currency.clone()?));
        self.amount.clone().or_else(in_cents)
    }
}

/// Parses an amount with its currency: at most the currency's number of digits after the point, and no other
/// separators.
fn amount(text: &str) -> Result<Amount, String> {
    let wrong = || format!("{text:?} must be an amount and its currency, such as \"29.19 USD\"");
    let text_of_it = text.trim();
    let end = text_of_it.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, currency) = text_of_it.split_at(end);
    let currency: Currency = currency.parse().map_err(|_| wrong())?;
    let digits = minor_digits(currency.as_str());
    let (whole, part) = number.trim_end().split_once('.').map_or((number.trim_end(), None), |(w, p)| (w, Some(p)));
    let places = usize::try_from(digits).map_err(|_| wrong())?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || part.is_some_and(|part| !is_number(part)) {
        return Err(wrong());
    }
    let part = part.unwrap_or_default();
    if part.len() > places {
        return Err(format!("{text:?}: {currency} has {digits} digits after the point"));
    }
    let cents = format!("{whole}{part:0<places$}").parse().map_err(|_| format!("{text:?} is too large"))?;
    Ok((cents, currency.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, cents, currency) in [
            ("29.19 USD", 2_919, "USD"),
            ("29.19USD", 2_919, "USD"),
            (" 29 USD ", 2_900, "USD"),
            ("0.5 EUR", 50, "EUR"),
            ("500 JPY", 500, "JPY"),
            ("1.234 KWD", 1_234, "KWD"),
        ] {
            assert_eq!(amount(text), Ok((cents, currency.to_owned())), "{text}");
        }
        for text in [
            "",
            "29.19",
            "USD",
            "29,19 USD",
            "1,000.00 USD",
            "29.199 USD",
            "1.5 JPY",
            "-1 USD",
            "1. USD",
            ".5 USD",
            "1 usd",
            "1 US",
            "1e3 USD",
            "99999999999999999999 USD",
            "1 USD 2",
        ] {
            assert!(amount(text).is_err(), "{text}");
        }
    }
}
