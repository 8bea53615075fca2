//! Billing periods: half-open spans `[start, end)` in UTC. The rule: boundary *n* is the anchor's month plus *n*
//! intervals, on the anchor's day, or on the last day of a shorter month, at the anchor's time of day. It is always
//! derived from the anchor, never from the boundary before it, so a short month does not shift later boundaries. The
//! charges of a period are in [`super::subscription`].

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use super::invalid::InvalidValue;
use super::values::Timestamp;

named! {
    /// The length of a period.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum Interval("invalid_interval") {
        /// One month.
        Month = "month",
        /// Three months.
        Quarter = "quarter",
        /// Six months.
        HalfYear = "half_year",
        /// Twelve months.
        Year = "year",
    }
}

/// A calendar month in UTC, written `2027-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(NaiveDate);

impl Month {
    /// Its first moment.
    #[must_use]
    pub fn begin(self) -> Timestamp {
        self.0.and_time(NaiveTime::MIN).and_utc()
    }

    /// The first moment after it.
    #[must_use]
    pub fn end(self) -> Timestamp {
        self.0.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX).and_time(NaiveTime::MIN).and_utc()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m"))
    }
}

impl FromStr for Month {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let month = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").map(Self);
        let is_plain = |month: &Self| month.to_string() == text && (FIRST_YEAR..=LAST_YEAR).contains(&month.0.year());
        let invalid = InvalidValue::new("invalid_month", "must be a month such as 2027-01");
        month.ok().filter(is_plain).ok_or(invalid)
    }
}

/// The first and last year of a month, the same as for all times of the API.
const FIRST_YEAR: i32 = 1970;
const LAST_YEAR: i32 = 9999;

named! {
    /// The rule for the anchor of a subscription.
    #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
    pub enum AnchorMode("invalid_anchor", default Calendar) {
        /// Periods begin on the first of the calendar month in which billing begins.
        Calendar = "calendar",
        /// Periods begin at the moment when billing begins.
        Now = "now",
    }
}

/// The anchor of a subscription; all period boundaries are derived from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Anchor {
    /// Boundary 0.
    pub anchor_at: Timestamp,
    /// The day of the month of every boundary, 1 to 31; a shorter month has its last day instead.
    pub anchor_day: u32,
}

/// One period of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its number: 0 for the period that begins at the anchor.
    pub index: u32,
    /// Its start.
    pub start: Timestamp,
    /// Its end, exclusive.
    pub end: Timestamp,
}

impl Interval {
    /// Its length in months.
    #[must_use]
    pub const fn months(self) -> u32 {
        match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::HalfYear => 6,
            Self::Year => 12,
        }
    }
}

impl Anchor {
    /// The anchor of a subscription whose billing begins at `at`, which is cut to whole seconds.
    #[must_use]
    pub fn new(mode: AnchorMode, at: Timestamp) -> Self {
        let at = at.trunc_subsecs(0);
        match mode {
            AnchorMode::Now => Self { anchor_at: at, anchor_day: at.day() },
            AnchorMode::Calendar => Self { anchor_at: start_of_month(at), anchor_day: 1 },
        }
    }

    /// Boundary `index`, by the rule in the module documentation; `None` beyond the range of dates.
    #[must_use]
    pub fn boundary(&self, interval: Interval, index: u32) -> Option<Timestamp> {
        let months = Months::new(interval.months().checked_mul(index)?);
        let first = self.anchor_at.date_naive().with_day(1)?.checked_add_months(months)?;
        let last_day = first.checked_add_months(Months::new(1))?.pred_opt()?.day();
        let date = first.with_day(self.anchor_day.min(last_day))?;
        Some(date.and_time(self.anchor_at.time()).and_utc())
    }

    /// Period `index`; `None` beyond the range of dates.
    #[must_use]
    pub fn period(&self, interval: Interval, index: u32) -> Option<Period> {
        let start = self.boundary(interval, index)?;
        let end = self.boundary(interval, index.checked_add(1)?)?;
        Some(Period { index, start, end })
    }

    /// The period that contains `at`, or period 0 if `at` is before the anchor; `None` beyond the range of dates.
    #[must_use]
    pub fn period_at(&self, interval: Interval, at: Timestamp) -> Option<Period> {
        let months = months_of(at) - months_of(self.anchor_at);
        let guess = u32::try_from(months.div_euclid(i64::from(interval.months()))).unwrap_or(0);
        // Within the month of a boundary, `at` may still lie before it.
        let index = if self.boundary(interval, guess)? > at { guess.saturating_sub(1) } else { guess };
        self.period(interval, index)
    }
}

fn months_of(at: Timestamp) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month0())
}

fn start_of_month(at: DateTime<Utc>) -> DateTime<Utc> {
    // Every month has a first day, and every day a midnight in UTC.
    NaiveDate::from_ymd_opt(at.year(), at.month(), 1)
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .map_or(at, |midnight| midnight.and_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn dates(anchor: &str, interval: Interval, indexes: std::ops::RangeInclusive<u32>) -> Vec<String> {
        let anchor = Anchor::new(AnchorMode::Now, at(anchor));
        indexes.map(|n| anchor.boundary(interval, n).unwrap().format("%Y-%m-%d").to_string()).collect()
    }

    #[test]
    fn month_ends_follow_the_anchor_and_not_each_other() {
        assert_eq!(dates("2023-01-31T00:00:00Z", Interval::Month, 1..=3), ["2023-02-28", "2023-03-31", "2023-04-30"]);
        assert_eq!(
            dates("2024-02-29T12:00:00Z", Interval::Year, 1..=4),
            ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]
        );
    }

    #[test]
    fn the_default_period_is_the_calendar_month() {
        let now = at("2026-11-23T09:06:07.123Z");
        let anchor = Anchor::new(AnchorMode::Calendar, now);
        let period = anchor.period_at(Interval::Month, now).unwrap();
        assert_eq!((period.start, period.end), (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z")));
        let year = anchor.period(Interval::Year, 0).unwrap();
        assert_eq!(year.end, at("2027-11-01T00:00:00Z"));
        assert_eq!(Anchor::new(AnchorMode::Now, now).anchor_at, at("2026-11-23T09:06:07Z"));
    }

    #[test]
    fn boundaries_beyond_the_calendar_are_none() {
        let anchor = Anchor::new(AnchorMode::Now, at("2026-01-31T00:00:00Z"));
        assert_eq!(anchor.boundary(Interval::Year, u32::MAX), None);
        assert_eq!(anchor.period(Interval::Month, u32::MAX), None);
    }

    proptest! {
        #[test]
        fn boundaries_increase_and_never_drift(
            day in 1..=31_u32,
            month in prop::sample::select(vec![1_u32, 3, 5, 7, 8, 10, 12]),
            year in 2000..=2100_i32,
            second in 0..86_400_u32,
            interval in prop::sample::select(Interval::ALL.to_vec()),
        ) {
            let time = chrono::NaiveTime::from_num_seconds_from_midnight_opt(second, 0).unwrap();
            let start = NaiveDate::from_ymd_opt(year, month, day).unwrap().and_time(time).and_utc();
            let anchor = Anchor::new(AnchorMode::Now, start);
            let mut previous = None;
            for index in 0..=200 {
                let boundary = anchor.boundary(interval, index).unwrap();
                prop_assert!(previous.is_none_or(|p| p < boundary));
                prop_assert_eq!(boundary.day(), day.min(month_len(boundary)));
                prop_assert_eq!(boundary.time(), start.time());
                prop_assert_eq!(months_of(boundary) - months_of(start), i64::from(index * interval.months()));
                let period = anchor.period(interval, index).unwrap();
                prop_assert_eq!(anchor.period_at(interval, period.start), Some(period));
                let last = period.end - chrono::TimeDelta::seconds(1);
                prop_assert_eq!(anchor.period_at(interval, last), Some(period));
                previous = Some(boundary);
            }
        }
    }

    fn month_len(at: Timestamp) -> u32 {
        let first = at.date_naive().with_day(1).unwrap();
        u32::try_from((first + Months::new(1)).signed_duration_since(first).num_days()).unwrap()
    }
}
