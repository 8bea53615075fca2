//! Random but repeatable choices: `SEED=<n> cargo test <name>` makes those of a failed run again.

use std::hash::{BuildHasher, RandomState};

use super::environment;

/// A source of choices (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A source that differs each run. Its seed is printed, which shows when the test fails.
    pub fn from_seed() -> Self {
        let seed = environment("SEED").map(|text| text.parse().expect("SEED is a whole number"));
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0_u8));
        println!("to repeat: SEED={seed}");
        Self(seed)
    }

    /// Another source, whose choices follow from this one's.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// The source of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number less than `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a bound of 64 bits");
        usize::try_from(self.next() % bound).expect("less than the bound")
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
