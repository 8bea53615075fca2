//! The fuzz targets: ordinary functions that take any bytes and panic if a promise is broken.
//!
//! # Layout
//! A file for each target; `mixtures` is what histories promise of reads, `script` how those of numbers and of commands are read from text, so that every seed in
//! `fuzz/corpus/` can be read.

pub mod cursors;
pub mod histories;
pub mod if_match;
pub mod items;
mod mixtures;
pub mod money;
pub mod periods;
pub mod requests;
mod script;
pub mod values;

/// Something that is fuzzed.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its fuzzer and its corpus.
    pub name: &'static str,
    /// Runs it on one input; tells whether the input got past the first refusal.
    pub run: fn(&[u8]) -> bool,
}

/// Every target.
pub static TARGETS: &[Target] = &[
    Target { name: "cursors", run: cursors::run },
    Target { name: "histories", run: histories::run },
    Target { name: "if_match", run: if_match::run },
    Target { name: "items", run: items::run },
    Target { name: "money", run: money::run },
    Target { name: "periods", run: periods::run },
    Target { name: "requests", run: requests::run },
    Target { name: "values", run: values::run },
];

/// An input as text without the line break that editors put at the end of a file.
fn text(input: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(input).ok()?;
    Some(text.strip_suffix('\n').unwrap_or(text))
}
