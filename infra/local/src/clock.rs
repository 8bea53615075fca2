//! Clocks other than the system clock: one that can be advanced, and one that stands still. [`crate::sweeper`] does the
//! work that is due as they advance.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arcadia_api::body::fields;
use arcadia_domain::{InvalidValue, Timestamp};
use arcadia_functions::runtime::Clock;
use chrono::{Datelike, SubsecRound, TimeDelta};
use serde_json::Value;

/// Last year that a clock can be set to. Times scheduled from there still have a four-digit year, which the keys of the
/// due index require.
pub const MAX_YEAR: i32 = 8999;

/// A clock that starts at any time, runs in real time and can be advanced.
#[derive(Debug)]
pub struct MovableClock {
    set: Mutex<Setting>,
}

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

/// The time that a clock was set to, and the monotonic time of setting it.
#[derive(Debug, Clone, Copy)]
struct Setting {
    to: Timestamp,
    at: Instant,
}

impl MovableClock {
    /// Creates a clock that starts now at the given time.
    #[must_use]
    pub fn starting_at(to: Timestamp) -> Self {
        Self { set: Mutex::new(Setting { to, at: Instant::now() }) }
    }

    /// Advances to a time. Does nothing if the clock has already passed it.
    pub fn advance_to(&self, to: Timestamp) {
        let at = Instant::now();
        let mut set = self.setting();
        if set.read(at) < to {
            *set = Setting { to, at };
        }
    }

    fn setting(&self) -> MutexGuard<'_, Setting> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        self.setting().read(Instant::now())
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

impl Setting {
    fn read(&self, now: Instant) -> Timestamp {
        const MILLISECONDS: u16 = 3;
        let passed = TimeDelta::from_std(now.saturating_duration_since(self.at)).unwrap_or_default();
        self.to.checked_add_signed(passed).unwrap_or(self.to).trunc_subsecs(MILLISECONDS)
    }
}

/// Parses a time that a clock can be set to, in the API's format.
///
/// # Errors
/// [`InvalidValue`] if it is not an RFC 3339 time, or is after the year 8999.
pub fn moment(text: &str) -> Result<Timestamp, InvalidValue> {
    let at = fields::timestamp(&Value::from(text))?;
    if at.year() <= MAX_YEAR {
        Ok(at)
    } else {
        Err(InvalidValue::new("out_of_range", "must not be later than the year 8999"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_movable_clock_runs_by_itself_and_is_only_moved_forward() {
        let start = moment("2027-01-01T00:00:00Z").unwrap();
        let clock = MovableClock::starting_at(start);
        let Setting { to, at } = *clock.setting();
        assert_eq!(to, start);
        let later = |ms: u64| Setting { to, at }.read(at + std::time::Duration::from_micros(ms * 1000 + 999));
        assert_eq!((later(0) - start, later(1500) - start), (TimeDelta::zero(), TimeDelta::milliseconds(1500)));
        let target = start + TimeDelta::days(8);
        clock.advance_to(target);
        assert!((target..target + TimeDelta::hours(1)).contains(&clock.now()));
        clock.advance_to(start);
        assert!(clock.now() >= target);
    }

    #[test]
    fn moments_are_those_of_the_api_as_far_as_keys_reach() {
        assert_eq!(moment("2027-01-01T01:00:00+01:00").unwrap().to_rfc3339(), "2027-01-01T00:00:00+00:00");
        assert_eq!(moment("tomorrow").unwrap_err().code, "invalid_timestamp");
        assert!(moment("8999-12-31T23:59:59Z").is_ok());
        assert_eq!(moment("9000-01-01T00:00:00Z").unwrap_err().code, "out_of_range");
    }
}
