//! Statistics of measurements.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::Failure;

/// Measurements of one thing.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds a sample.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The smallest sample that a share of `percent` of them does not exceed.
    ///
    /// # Panics
    /// If there is none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * percent).div_ceil(100).clamp(1, sorted.len()) - 1]
    }

    /// The median.
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// Adds the samples of another value.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The mean.
    ///
    /// # Panics
    /// If there is none.
    pub fn mean(&self) -> Duration {
        self.sum() / u32::try_from(self.0.len()).expect("not that many")
    }

    /// The sum.
    pub fn sum(&self) -> Duration {
        self.0.iter().sum()
    }
}

/// The ratios of several rounds.
#[derive(Debug, Clone, Default)]
pub struct Ratios(Vec<f64>);

impl Ratios {
    /// Adds the ratio of one round.
    pub fn push(&mut self, measured: Duration, baseline: Duration) {
        self.push_ratio(measured.as_secs_f64() / baseline.as_secs_f64());
    }

    /// The same, for a ratio of other quantities than times.
    pub fn push_ratio(&mut self, ratio: f64) {
        self.0.push(ratio);
    }

    /// The median; the smallest and the greatest.
    ///
    /// # Panics
    /// If there is none.
    pub fn spread(&self) -> (f64, f64, f64) {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        (sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1])
    }
}

/// The CPU time of this thread: the runtime has no other.
pub fn cpu_time() -> Result<Duration, Failure> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples = Samples((1..=200).rev().map(Duration::from_millis).collect());
        let of = |percent| samples.percentile(percent).as_millis();
        assert_eq!((of(0), of(50), of(99), of(100)), (1, 100, 198, 200));
        assert_eq!(samples.median(), Duration::from_millis(100));
        assert_eq!(Samples(vec![Duration::from_millis(7)]).percentile(99), Duration::from_millis(7));
    }

    #[test]
    fn ratios_have_a_middle_and_ends() {
        let ratios = Ratios(vec![1.2, 0.9, 1.1]);
        assert_eq!(ratios.spread(), (1.1, 0.9, 1.2));
    }
}
