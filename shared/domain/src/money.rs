//! Money: integers in minor units of one currency, with checked sums. There are no floats; only [`prorate`] rounds.

use serde::{Deserialize, Serialize};

use super::invalid::InvalidValue;

/// The highest price of a plan or add-on, in minor units. The sum of a subscription's plan and all its add-ons at this
/// price fits `i64`.
pub const MAX_PRICE_CENTS: i64 = 1_000_000_000_000_000;

/// An ISO 4217 currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Currency([u8; 3]);

/// The active alphabetic codes of ISO 4217 that are money, without funds and precious metals.
const CODES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD \
    CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD \
    HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD \
    MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR \
    RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS \
    UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

impl Currency {
    /// The three-letter code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(feature = "json-schema")]
impl schemars::JsonSchema for Currency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An ISO 4217 currency.",
            "type": "string",
            "enum": CODES.split_ascii_whitespace().collect::<Vec<_>>(),
        })
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Currency {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let known = CODES.split_ascii_whitespace().any(|code| code == text);
        let letters = <[u8; 3]>::try_from(text.as_bytes()).ok().filter(|_| known);
        letters.map(Self).ok_or(InvalidValue::new("invalid_currency", "must be an ISO 4217 code such as USD or EUR"))
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.to_string()
    }
}

/// Proration: `amount_cents` * `part_s` / `whole_s`, rounded half up to a whole minor unit. Seconds are clamped to
/// 0..=`whole_s`, so the result lies within 0..=`amount_cents`; if `whole_s` is not positive, it is 0. `amount_cents`
/// must not be negative. Computed in `i128`, so it cannot overflow.
#[must_use]
pub fn prorate(amount_cents: i64, part_s: i64, whole_s: i64) -> i64 {
    let part = i128::from(part_s.clamp(0, whole_s.max(0)));
    let whole = i128::from(whole_s.max(1));
    let doubled = 2 * i128::from(amount_cents) * part + whole;
    // The result is at most the amount, so it fits.
    i64::try_from(doubled / (2 * whole)).unwrap_or(amount_cents)
}

/// The sum of amounts in minor units; `None` if it does not fit `i64`.
pub fn sum(amounts_cents: impl IntoIterator<Item = i64>) -> Option<i64> {
    amounts_cents.into_iter().try_fold(0_i64, i64::checked_add)
}

/// Whether an amount is zero and need not be stored; for serde.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
pub(super) const fn is_zero(cents: &i64) -> bool {
    *cents == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_round_up() {
        assert_eq!(prorate(1, 1, 2), 1);
        assert_eq!(prorate(1, 1, 3), 0);
        assert_eq!(prorate(100, 1, 3), 33);
        assert_eq!(prorate(750, 15, 30), 375);
        assert_eq!(prorate(i64::MAX, 7, 7), i64::MAX);
        assert_eq!(prorate(i64::MAX, i64::MAX, i64::MAX), i64::MAX);
        assert_eq!(prorate(5, 1, 0), 0, "of nothing there are no parts");
        assert_eq!(prorate(5, 9, 3), 5);
        assert_eq!(prorate(5, -1, 3), 0);
    }

    #[test]
    fn sums_are_checked() {
        assert_eq!(sum([1, -2, 3]), Some(2));
        assert_eq!(sum([i64::MAX, 1]), None);
        assert!(sum([MAX_PRICE_CENTS; 51]).is_some(), "a plan and 50 add-ons at the highest price add up");
    }

    #[test]
    fn only_iso_codes_are_currencies() {
        assert_eq!("EUR".parse::<Currency>().unwrap().to_string(), "EUR");
        for bad in ["eur", "EURO", "", "XXX", "E R", "€€€", "EU"] {
            assert_eq!(bad.parse::<Currency>().unwrap_err().code, "invalid_currency", "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parts_of_a_split_sum_to_the_whole_within_one_unit(
            amount in 0..=i64::MAX,
            whole in 1..=4_000_000_000_i64,
            cut in 0..=1_000_000_i64,
        ) {
            let part = i64::try_from(i128::from(whole) * i128::from(cut) / 1_000_000).unwrap();
            let (first, second) = (prorate(amount, part, whole), prorate(amount, whole - part, whole));
            let sum = i128::from(first) + i128::from(second);
            prop_assert!((sum - i128::from(amount)).abs() <= 1, "{first} + {second} for {amount}");
            prop_assert!((0..=amount).contains(&first));
        }

        #[test]
        fn a_longer_part_never_costs_less(amount in 0..=i64::MAX, whole in 2..=100_000_000_i64, part in 1..=99_999_999_i64) {
            let part = part.min(whole);
            prop_assert!(prorate(amount, part, whole) >= prorate(amount, part - 1, whole));
        }
    }
}
