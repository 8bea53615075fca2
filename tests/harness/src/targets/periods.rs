//! Periods: whatever the anchor, boundaries follow from it alone, increase, and leave neither gap nor overlap.
//!
//! An input is numbers: year, month, day, hour, minute and second of the anchor, the interval (0 to 3), whether it is the
//! calendar's (0) or this moment's (1), an index, and the seconds from the anchor to a moment to look up.

use arcadia_domain::{Anchor, AnchorMode, Interval, Timestamp};
use chrono::{Datelike, NaiveDate, TimeDelta};

use super::script::Numbers;

/// How far from the anchor a moment is looked up: beyond every calendar's end.
const MAX_PROBE_S: i64 = 10_000_000_000_000;
/// How many of the periods that follow are looked at too.
const FURTHER: u32 = 3;

/// Runs the target.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) -> bool {
    let mut numbers = Numbers::of(input);
    let Some(at) = moment(&mut numbers) else { return false };
    let interval = *Interval::ALL.get(index(&mut numbers, 3)).expect("one of four");
    let mode = *[AnchorMode::Calendar, AnchorMode::Now].get(index(&mut numbers, 1)).expect("one of two");
    let anchor = Anchor::new(mode, at);
    assert!(anchor.anchor_at <= at);
    let first = u32::try_from(numbers.within(0, i64::from(u32::MAX))).expect("within its bounds");
    for index in first..=first.saturating_add(FURTHER) {
        check_boundary(&anchor, interval, index);
        check_period(&anchor, interval, index);
    }
    let probe = at.checked_add_signed(TimeDelta::seconds(numbers.within(-MAX_PROBE_S, MAX_PROBE_S)));
    if let Some(probe) = probe {
        check_probe(&anchor, interval, probe);
    }
    anchor.period(interval, first).is_some()
}

fn index(numbers: &mut Numbers<'_>, max: i64) -> usize {
    usize::try_from(numbers.within(0, max)).expect("not negative")
}

fn moment(numbers: &mut Numbers<'_>) -> Option<Timestamp> {
    let mut part = |min, max| u32::try_from(numbers.within(min, max)).expect("within its bounds");
    let (year, month, day) = (part(1970, 9999), part(1, 12), part(1, 31));
    let (hour, minute, second) = (part(0, 23), part(0, 59), part(0, 59));
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.and_hms_opt(hour, minute, second)?.and_utc())
}

/// A boundary lies whole intervals after the anchor's month, on the anchor's day as far as the month has it.
fn check_boundary(anchor: &Anchor, interval: Interval, index: u32) {
    let Some(boundary) = anchor.boundary(interval, index) else {
        // Beyond what a calendar can express, and so is all that follows.
        assert_eq!(anchor.boundary(interval, index.saturating_add(1)), None);
        return;
    };
    let months = |at: Timestamp| i64::from(at.year()) * 12 + i64::from(at.month0());
    assert_eq!(months(boundary) - months(anchor.anchor_at), i64::from(interval.months()) * i64::from(index));
    assert_eq!(boundary.day(), anchor.anchor_day.min(month_len(boundary.year(), boundary.month())));
    assert_eq!(boundary.time(), anchor.anchor_at.time());
    // Counted in months it is the same: nothing depends on the boundary before.
    assert_eq!(index.checked_mul(interval.months()).and_then(|n| anchor.boundary(Interval::Month, n)), Some(boundary));
}

/// A period is not empty, ends where the next begins, and has both its first and its last moment within it.
fn check_period(anchor: &Anchor, interval: Interval, index: u32) {
    let Some(period) = anchor.period(interval, index) else { return };
    assert!(period.index == index && period.start < period.end, "{period:?}");
    let last = period.end - TimeDelta::milliseconds(1);
    assert_eq!(anchor.period_at(interval, period.start), Some(period));
    assert_eq!(anchor.period_at(interval, last), Some(period));
    if let Some(next) = anchor.period(interval, index.saturating_add(1)) {
        assert_eq!(next.start, period.end);
        assert_eq!(anchor.period_at(interval, period.end), Some(next));
    }
}

fn check_probe(anchor: &Anchor, interval: Interval, probe: Timestamp) {
    let Some(period) = anchor.period_at(interval, probe) else { return };
    assert_eq!(anchor.period(interval, period.index), Some(period));
    if probe < anchor.anchor_at {
        assert_eq!(period.index, 0);
    } else {
        assert!((period.start..period.end).contains(&probe), "{probe} is not within {period:?}");
    }
}

/// The calendar, a second time.
fn month_len(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
