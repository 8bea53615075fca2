//! The promise: no input breaks the fuzzed code. Each run tries every stored seed, and some thousand inputs made from
//! the
//! seeds. `fuzz/README.md` says how to fuzz further.
//!
//! `SEED=<n> cargo test -p arcadia-tests fuzz` makes the inputs of a failed run again; `MUTATED=<n>` makes more.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::harness::project::ROOT;
use crate::harness::targets::{TARGETS, Target};
use crate::harness::{Random, environment};

/// The number of inputs made for each target.
const MUTATED: usize = 1_000;
/// The most changes of one input.
const MAX_CHANGES: usize = 6;
/// The largest input, in bytes.
const MAX_LEN: usize = 4_096;
/// Tokens that are inserted beside pieces of other seeds.
const TOKENS: [&str; 24] = [
    "\n",
    "\n\n",
    "#",
    "\"",
    "\\",
    "{",
    "}",
    "[]",
    "null",
    "true",
    "-",
    "0",
    "1",
    "9223372036854775807",
    "18446744073709551616",
    "1e309",
    "\u{0}",
    "\u{85}",
    "\u{fffd}",
    "%00",
    "W/",
    ",",
    "T23:59:60Z",
    "+",
];

/// The seeds of a target by name.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(ROOT).join("fuzz/corpus").join(target.name);
    let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut seeds: Vec<(String, Vec<u8>)> = files
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

/// Runs a target and reports the input that it fails on. Returns whether the input was accepted.
fn run(target: &Target, input: &[u8], what: &str) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input)))
        .unwrap_or_else(|_| panic!("{} fails on {what}: b\"{}\"", target.name, input.escape_ascii()))
}

/// An input made from a seed: pieces are removed, doubled, changed, and inserted from other seeds.
fn mutated(random: &mut Random, seeds: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut input = random.pick(seeds).1.clone();
    // Mostly few changes, so that many inputs are nearly valid.
    let most = 1 + random.below(MAX_CHANGES);
    for _ in 0..1 + random.below(most) {
        let start = random.below(input.len() + 1);
        let end = start + random.below((input.len() - start).min(16) + 1);
        let piece = match random.below(5) {
            0 => Vec::new(),
            1 => input[start..end].repeat(2),
            2 => input[start..end].iter().map(|byte| byte ^ (1 << random.below(8))).collect(),
            3 => random.pick(&TOKENS).as_bytes().to_vec(),
            _ => {
                let other = &random.pick(seeds).1;
                let from = random.below(other.len() + 1);
                other[from..from + random.below((other.len() - from).min(64) + 1)].to_vec()
            }
        };
        input.splice(start..end, piece);
        input.truncate(MAX_LEN);
    }
    input
}

#[test]
fn every_target_has_a_fuzzer_and_seeds_and_nothing_else_does() {
    let names = |directory: &str| -> BTreeSet<String> {
        let files = fs::read_dir(format!("{ROOT}/fuzz/{directory}")).unwrap();
        files
            .map(|file| Path::new(&file.unwrap().file_name()).file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
    let manifest = fs::read_to_string(format!("{ROOT}/fuzz/Cargo.toml")).unwrap();
    for name in targets {
        let fuzzer = fs::read_to_string(format!("{ROOT}/fuzz/fuzz_targets/{name}.rs")).unwrap();
        assert!(fuzzer.contains(&format!("arcadia_harness::targets::{name}::run(input);")), "{name}");
        let binary = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&binary), "{name} is not a binary of fuzz/Cargo.toml");
    }
}

#[test]
fn no_seed_breaks_a_target() {
    for target in TARGETS {
        let seeds = corpus(target);
        let passed = seeds.iter().filter(|(name, input)| run(target, input, name)).count();
        // Seeds that are all refused, or all accepted, would test only one side.
        assert!(passed > 0 && (passed < seeds.len() || ALL_PASS.contains(&target.name)), "{}: {passed}", target.name);
    }
}

/// Targets that accept any input of letters and numbers.
const ALL_PASS: [&str; 1] = ["histories"];

#[test]
fn no_input_made_from_seeds_breaks_a_target() {
    let mut random = Random::from_seed();
    let inputs = environment("MUTATED").map_or(MUTATED, |text| text.parse().expect("MUTATED is a whole number"));
    for target in TARGETS {
        let seeds = corpus(target);
        let passed = (0..inputs).filter(|_| run(target, &mutated(&mut random, &seeds), "an input")).count();
        println!("{}: {passed} of {inputs} inputs got past the first refusal", target.name);
        assert!(passed > 0, "{}: no input gets past the first refusal", target.name);
    }
}
